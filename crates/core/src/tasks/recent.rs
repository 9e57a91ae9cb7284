//! What the head is told of single tasks now and then: a sample of those that are open, and the latest ends.

use crate::tasks::keys::TaskKey;
use crate::tasks::{TaskEngine, TaskSnapshot};
use mobula_types::summary::TaskState;
use mobula_types::{Attempt, Failure, JobId, NodeId, TaskId, Time};
use std::sync::Arc;

/// How many ends are kept between two looks. Past it an end costs no more than a count.
const KEPT: usize = 128;
/// How many records one sample looks at.
const LOOKED_AT: usize = 4096;

/// A task that has ended; its record may be gone already.
#[derive(Clone, PartialEq, Debug)]
pub struct EndedTask {
    /// The task.
    pub task: TaskId,
    /// Its job.
    pub job: JobId,
    /// Its name for people.
    pub name: Arc<str>,
    /// How it ended.
    pub state: TaskState,
    /// The attempt that ended it.
    pub attempt: Attempt,
    /// Where that ran.
    pub node: Option<NodeId>,
    /// When.
    pub at: Time,
    /// Why it failed.
    pub failure: Option<Failure>,
}

/// The ends since the last look.
#[derive(Default, Debug)]
pub(super) struct RecentEnds {
    kept: Vec<EndedTask>,
    left_out: u64,
    /// Where the next sample begins.
    next_sample: usize,
}

impl TaskEngine {
    pub(super) fn note_end(&mut self, key: TaskKey, state: TaskState, failure: Option<&Failure>) {
        if self.recent.kept.len() >= KEPT {
            self.recent.left_out += 1;
            return;
        }
        let task = &self.tasks[key.at()];
        let ended = EndedTask {
            task: task.id,
            job: self.jobs[task.job.at()].id,
            name: self.shapes[task.shape.at()].name.clone(),
            state,
            attempt: task.attempt,
            node: task.place.as_ref().map(|place| self.node_of(place).clone()),
            at: self.now,
            failure: failure.cloned(),
        };
        self.recent.kept.push(ended);
    }

    /// The ends since the last call, the first 128 of them, and how many more there were.
    pub fn take_ends(&mut self) -> (Vec<EndedTask>, u64) {
        (std::mem::take(&mut self.recent.kept), std::mem::take(&mut self.recent.left_out))
    }

    /// Up to `limit` tasks that have not ended. It looks at some thousands of records and goes on there the next time, so
    /// that it costs the same however many there are. What was handed to this node's executor counts as running only
    /// where `has_started` says so.
    pub fn sample(
        &mut self,
        limit: usize,
        has_started: impl Fn(TaskId, Attempt) -> bool,
    ) -> Vec<TaskSnapshot> {
        let places = self.tasks.capacity();
        let first = if self.recent.next_sample < places { self.recent.next_sample } else { 0 };
        let mut sample = Vec::new();
        let mut looked_at = 0;
        while looked_at < LOOKED_AT.min(places) && sample.len() < limit {
            let place = (first + looked_at) % places;
            looked_at += 1;
            let Some(task) = self.tasks.get(place).filter(|task| !task.is_ended()) else { continue };
            let state = self.shown_state(task, &has_started);
            sample.push(TaskSnapshot { state, ..self.snapshot(TaskKey::new(place)) });
        }
        self.recent.next_sample = if places == 0 { 0 } else { (first + looked_at) % places };
        sample
    }
}
