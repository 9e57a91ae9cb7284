//! What is known of tasks from afar: single events, and counts by function and state.

use crate::{Attempt, JobId, NodeId, TaskId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How a task stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Waits for its arguments.
    Waiting,
    /// Waits for a place to run.
    Queued,
    /// Runs.
    Running,
    /// Returned.
    Succeeded,
    /// Failed for good.
    Failed,
    /// Was cancelled.
    Cancelled,
}

impl TaskState {
    /// Whether nothing follows.
    pub const fn is_final(self) -> bool {
        matches!(self, TaskState::Succeeded | TaskState::Failed | TaskState::Cancelled)
    }
}

/// A change of one task, as its owner reported it. Reports are sampled: not every change is seen.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct TaskEvent {
    /// The task.
    pub task: TaskId,
    /// Its job.
    pub job: JobId,
    /// Its name for people: the option's, else the function's.
    pub name: Arc<str>,
    /// How it stands.
    pub state: TaskState,
    /// The attempt.
    pub attempt: Attempt,
    /// Where it runs or ran.
    pub node: Option<NodeId>,
    /// The node that owns it, where that is known.
    pub owner: Option<NodeId>,
    /// When, in milliseconds since 1970 by its owner's clock.
    pub at_millis: u64,
    /// Why it waits or failed; at most a few hundred bytes are kept.
    pub detail: Option<Arc<str>>,
}

/// Which task events are asked for; what is not set matches everything.
#[derive(Clone, PartialEq, Eq, Default, Debug, serde::Serialize, serde::Deserialize)]
pub struct TaskFilter {
    /// Only this job's.
    pub job: Option<JobId>,
    /// Only those that stand so.
    pub state: Option<TaskState>,
    /// Only those whose name contains this.
    pub name: Option<String>,
}

impl TaskFilter {
    /// Whether an event is asked for.
    pub fn matches(&self, event: &TaskEvent) -> bool {
        self.job.is_none_or(|job| job == event.job)
            && self.state.is_none_or(|state| state == event.state)
            && self.name.as_deref().is_none_or(|name| event.name.contains(name))
    }
}

/// How many tasks stand how.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, serde::Serialize, serde::Deserialize)]
pub struct StateCounts {
    /// Wait for their arguments.
    pub waiting: u64,
    /// Wait for a place to run.
    pub queued: u64,
    /// Run.
    pub running: u64,
    /// Returned.
    pub succeeded: u64,
    /// Failed for good.
    pub failed: u64,
    /// Were cancelled.
    pub cancelled: u64,
}

impl StateCounts {
    /// All of them.
    pub const fn total(&self) -> u64 {
        self.waiting + self.queued + self.running + self.succeeded + self.failed + self.cancelled
    }

    const fn without_open(self) -> Self {
        StateCounts { waiting: 0, queued: 0, running: 0, ..self }
    }

    /// Adds `other`, saturating.
    pub fn add(&mut self, other: &StateCounts) {
        self.waiting = self.waiting.saturating_add(other.waiting);
        self.queued = self.queued.saturating_add(other.queued);
        self.running = self.running.saturating_add(other.running);
        self.succeeded = self.succeeded.saturating_add(other.succeeded);
        self.failed = self.failed.saturating_add(other.failed);
        self.cancelled = self.cancelled.saturating_add(other.cancelled);
    }
}

/// A task that failed for good.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct FailedTask {
    /// The task.
    pub task: TaskId,
    /// Its name for people.
    pub name: Arc<str>,
    /// Its error as text; at most [`JobSummary::TEXT_LIMIT`] bytes are kept.
    pub error: Arc<str>,
    /// When, in milliseconds since 1970.
    pub at_millis: u64,
}

/// A job's tasks, counted.
#[derive(Clone, PartialEq, Eq, Default, Debug, serde::Serialize, serde::Deserialize)]
pub struct JobSummary {
    /// By function name; at most [`JobSummary::FUNCTION_LIMIT`], the rest under `…`.
    pub functions: BTreeMap<Arc<str>, StateCounts>,
    /// The latest failures, oldest first; at most [`JobSummary::FAILURE_LIMIT`].
    pub failures: Vec<FailedTask>,
}

impl JobSummary {
    /// How many functions a summary tells apart.
    pub const FUNCTION_LIMIT: usize = 500;
    /// How many failures a summary names.
    pub const FAILURE_LIMIT: usize = 50;
    /// How many bytes of a failure's text are kept.
    pub const TEXT_LIMIT: usize = 1024;

    /// Adds what another owner counted.
    pub fn merge(&mut self, other: &JobSummary) {
        for (name, counts) in &other.functions {
            let known = self.functions.contains_key(name) || self.functions.len() < Self::FUNCTION_LIMIT;
            let name = if known { name.clone() } else { "…".into() };
            self.functions.entry(name).or_default().add(counts);
        }
        self.failures.extend(other.failures.iter().cloned());
        self.failures.sort_by_key(|failure| failure.at_millis);
        let excess = self.failures.len().saturating_sub(Self::FAILURE_LIMIT);
        self.failures.drain(..excess);
    }

    /// The job has ended: what had not was cancelled with it.
    pub fn cancel_open(&mut self) {
        for counts in self.functions.values_mut() {
            let open = counts.waiting.saturating_add(counts.queued).saturating_add(counts.running);
            *counts =
                StateCounts { cancelled: counts.cancelled.saturating_add(open), ..counts.without_open() };
        }
    }

    /// Their owner is lost: another one counts what had not ended.
    pub fn forget_open(&mut self) {
        self.functions.values_mut().for_each(|counts| *counts = counts.without_open());
    }

    /// The counts over all functions.
    pub fn total(&self) -> StateCounts {
        let mut total = StateCounts::default();
        self.functions.values().for_each(|counts| total.add(counts));
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_cancelled_with_its_job_and_forgotten_with_its_owner() {
        let counts = StateCounts { waiting: 1, queued: 2, running: 3, succeeded: 4, failed: 5, cancelled: 6 };
        let mut ended = JobSummary::default();
        ended.functions.insert("f".into(), counts);
        let mut lost = ended.clone();
        ended.cancel_open();
        assert_eq!(
            ended.total(),
            StateCounts { succeeded: 4, failed: 5, cancelled: 12, ..Default::default() }
        );
        lost.forget_open();
        assert_eq!(lost.total(), StateCounts { succeeded: 4, failed: 5, cancelled: 6, ..Default::default() });
    }

    #[test]
    fn a_merge_adds_counts_and_keeps_the_latest_failures() {
        let failed = |at_millis| FailedTask {
            task: TaskId { high: 1, low: at_millis },
            name: "f".into(),
            error: "e".into(),
            at_millis,
        };
        let mut one = JobSummary::default();
        one.functions.insert("f".into(), StateCounts { running: 2, ..StateCounts::default() });
        one.failures = (0..40).map(failed).collect();
        let mut two = one.clone();
        two.failures = (40..80).map(failed).collect();
        one.merge(&two);
        assert_eq!(one.total().running, 4);
        assert_eq!(one.failures.len(), JobSummary::FAILURE_LIMIT);
        assert_eq!(one.failures.last().map(|failure| failure.at_millis), Some(79));
    }
}
