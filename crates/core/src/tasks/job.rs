//! A job that is open on this node.

use crate::tasks::SessionKey;
use crate::tasks::keys::{Index, OrderedSet, ShapeKey};
use crate::tasks::seek::Seek;
use mobula_types::summary::StateCounts;
use mobula_types::{Failure, JobId, OwnerTerm, TaskId, TaskTemplate, Time};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// How many failures of a job are remembered.
const FAILURES: usize = mobula_types::summary::JobSummary::FAILURE_LIMIT;

/// How many shapes a job may have before idle ones are forgotten.
pub(super) const MAX_IDLE_SHAPES: usize = 1024;

/// A job: its properties, and its tasks that wait for a place.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: JobId,
    pub(super) has_executable: bool,
    pub(super) weight: u32,
    pub(super) owner_term: OwnerTerm,
    /// Its drivers' sessions: mostly one.
    pub(super) drivers: OrderedSet<SessionKey>,
    /// Shapes by the address of a template, which the shape keeps alive.
    pub(super) by_address: Index<usize, ShapeKey>,
    pub(super) by_template: Index<Arc<TaskTemplate>, ShapeKey>,
    /// At how many addresses idle shapes are forgotten.
    pub(super) max_shapes: usize,
    /// The last one asked for.
    pub(super) recent: (usize, ShapeKey),
    /// Shapes with tasks that wait for a place, by falling priority.
    pub(super) ready: Vec<Level>,
    /// How much of its share it has had: the job with the least is next.
    pub(super) pass: u64,
    /// What is held of it, as far as it counts.
    pub(super) store_bytes: u64,
    /// How many of its tasks are at executors.
    pub(super) assigned: u64,
    /// Whether it is among the jobs that have something ready.
    pub(super) is_ready: bool,
    /// Tasks on this node that wait for others.
    pub(super) blocked: BTreeSet<TaskId>,
    /// Ended tasks by name.
    pub(super) ended: Index<Arc<str>, StateCounts>,
    pub(super) failures: VecDeque<(Time, TaskId, Arc<str>, Failure)>,
    pub(super) seek: Option<Box<Seek>>,
}

/// Shapes of one priority, which take turns.
#[derive(Debug)]
pub(super) struct Level {
    pub(super) priority: i32,
    /// Whether all its shapes need the same, as far as is known: set anew when it is empty.
    pub(super) alike: bool,
    pub(super) shapes: VecDeque<ShapeKey>,
}

impl Job {
    pub(super) fn new(id: JobId) -> Self {
        Job {
            id,
            has_executable: false,
            weight: 1,
            owner_term: OwnerTerm::default(),
            drivers: OrderedSet::default(),
            by_address: Index::default(),
            by_template: Index::default(),
            max_shapes: MAX_IDLE_SHAPES,
            recent: (0, ShapeKey::NONE),
            ready: Vec::new(),
            pass: 0,
            store_bytes: 0,
            assigned: 0,
            is_ready: false,
            blocked: BTreeSet::new(),
            ended: Index::default(),
            failures: VecDeque::new(),
            seek: None,
        }
    }

    /// The shapes of a priority.
    pub(super) fn level(&mut self, priority: i32) -> &mut Level {
        let position = match self.ready.binary_search_by(|level| priority.cmp(&level.priority)) {
            Ok(position) => position,
            Err(_) => {
                self.ready.retain(|level| !level.shapes.is_empty());
                let position = self.ready.partition_point(|level| level.priority > priority);
                self.ready.insert(position, Level { priority, alike: true, shapes: VecDeque::new() });
                position
            }
        };
        &mut self.ready[position]
    }

    pub(super) fn has_ready(&self) -> bool {
        self.ready.iter().any(|level| !level.shapes.is_empty())
    }

    pub(super) fn note_failure(&mut self, at: Time, task: TaskId, name: Arc<str>, failure: Failure) {
        if self.failures.len() == FAILURES {
            self.failures.pop_front();
        }
        self.failures.push_back((at, task, name, failure));
    }
}
