//! The task engine itself: what it holds, and its one entry.

use crate::placement::Placement;
use crate::tasks::{Effect, EngineOptions, EngineSizes, Event, SnapshotFilter, TaskSnapshot};
use mobula_types::summary::JobSummary;
use mobula_types::{JobId, TaskId, Time};

/// Owns tasks and objects. See the [module](crate::tasks).
#[derive(Debug)]
pub struct TaskEngine {
    options: EngineOptions,
    placement: Placement,
    now: Time,
}

impl TaskEngine {
    /// An engine that knows of nothing yet.
    pub fn new(options: EngineOptions) -> Self {
        TaskEngine { placement: Placement::new(options.node.clone()), options, now: Time::ZERO }
    }

    /// Applies an event and appends what is to be done.
    pub fn on_event(&mut self, now: Time, event: Event, _effects: &mut Vec<Effect>) {
        self.now = self.now.max(now);
        if let Event::View(view) = event {
            self.placement.set_view(&view);
        }
    }

    /// When it wants [`Event::Tick`]; [`Time::NEVER`] while nothing is due.
    pub fn next_deadline(&self) -> Time {
        Time::NEVER
    }

    /// One task.
    pub fn task(&self, _id: TaskId) -> Option<TaskSnapshot> {
        None
    }

    /// Up to `limit` tasks that pass the filter.
    pub fn tasks(&self, _filter: &SnapshotFilter, _limit: usize) -> Vec<TaskSnapshot> {
        Vec::new()
    }

    /// A job's tasks, counted. `wall_millis` is the time now, in milliseconds since 1970: failures are dated with it.
    pub fn job_summary(&self, _job: JobId, _wall_millis: u64) -> JobSummary {
        JobSummary::default()
    }

    /// How much it holds.
    pub fn sizes(&self) -> EngineSizes {
        let _ = &self.options;
        EngineSizes::default()
    }
}
