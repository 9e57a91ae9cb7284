//! How runs end: done, given back, or lost with their worker.

use super::job::Target;
use super::run::{Phase, Wait};
use super::worker::WorkerState;
use super::{Effect, Executor, Owner, RunKey};
use crate::assignment::Assignment;
use mobula_types::frame::AssignmentEnd;
use mobula_types::{Failure, ObjectId, Outcome, WorkerId};

/// What a worker says of a run that has ended.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    pub(super) retryable: bool,
    pub(super) micros: u32,
    pub(super) borrows: Vec<ObjectId>,
}

/// The report of a run's end.
pub(super) fn report(owner: Owner, assignment: &Assignment, end: AssignmentEnd) -> Effect {
    Effect::Report { owner, task: assignment.task, attempt: assignment.attempt, end }
}

impl Executor {
    pub(super) fn done(&mut self, worker: WorkerId, key: RunKey, ending: Ending, effects: &mut Vec<Effect>) {
        let Some(run) = self.sent_to(worker, key) else { return };
        let (index, job, kind) = (run.worker, run.job, run.kind);
        let (silent, cancelled) = (run.reported || run.is_orphan(), run.cancelled.is_some());
        if !cancelled && self.is_head(key) {
            let target = &self.jobs.at(job).kind(kind).target;
            if let Target::Lane { estimate, .. } = *target
                && let Some(estimate) = self.jobs.at_mut(job).estimate_mut(estimate)
            {
                estimate.observe(ending.micros, &self.options);
            }
        }
        self.leave_slot(key);
        let worker = self.workers.at_mut(index);
        if !worker.has_served {
            worker.has_served = true;
            self.jobs.at_mut(job).start_failures = 0;
        }
        let Ending { outcome, retryable, micros, borrows } = ending;
        let end = (!silent).then_some(AssignmentEnd::Ran { outcome, retryable, micros, borrows });
        self.end_unsent(key, end, effects);
        self.retire_if_spent(index, effects);
    }

    pub(super) fn returned(&mut self, worker: WorkerId, handles: &[u64], effects: &mut Vec<Effect>) {
        // From the last to the first, because each goes to the front.
        for handle in handles.iter().rev() {
            let key = RunKey(*handle);
            let Some(run) = self.sent_to(worker, key) else { continue };
            let index = run.worker;
            self.leave_slot(key);
            self.unstarted(key, effects);
            self.retire_if_spent(index, effects);
        }
    }

    /// A run that no worker has any more, and none has started: back to its lane, or to its owner.
    pub(super) fn unstarted(&mut self, key: RunKey, effects: &mut Vec<Effect>) {
        let Some(run) = self.runs.get_mut(key) else { return };
        let end = if run.reported || run.is_orphan() {
            None
        } else if let Some(failure) = run.cancelled.take() {
            Some(super::assign::failed(failure))
        } else if run.give_back {
            Some(AssignmentEnd::Returned)
        } else {
            self.wait_again(key);
            return;
        };
        self.end_unsent(key, end, effects);
    }

    /// Back to the front of its lane.
    pub(super) fn wait_again(&mut self, key: RunKey) {
        let Some(run) = self.runs.get(key) else { return };
        self.jobs.at_mut(run.job).waiting += 1;
        self.enqueue(key, true);
        self.arm(key);
    }

    pub(super) fn worker_lost(
        &mut self,
        worker: WorkerId,
        failure: Failure,
        running: &[u64],
        effects: &mut Vec<Effect>,
    ) {
        let Some(index) = self.workers.find(worker) else { return };
        if self.workers.at(index).state == WorkerState::Starting {
            self.worker_start_failed(worker, failure, effects);
            return;
        }
        let lost = self.workers.at(index);
        let killed = lost.state == WorkerState::Killed;
        // One that ends before it has begun anything has not really started: it must not be started for ever.
        let mut fruitless = lost.state == WorkerState::Ready && !lost.has_served;
        let job = lost.job;
        self.leave_pool(index);
        let keys: Vec<RunKey> =
            self.workers.at(index).slots.iter().flat_map(|slot| slot.queue.iter().copied()).collect();
        for key in keys.into_iter().rev() {
            let Some(run) = self.runs.get(key) else { continue };
            let started = running.contains(&key.0) || run.wait != Wait::No;
            fruitless &= !started;
            let silent = run.reported || run.is_orphan();
            let cancelled = run.cancelled.clone();
            self.leave_slot(key);
            match (started, silent, cancelled) {
                (_, true, _) => self.end_unsent(key, None, effects),
                (_, _, Some(failure)) => {
                    self.end_unsent(key, Some(super::assign::failed(failure)), effects);
                }
                (true, _, None) => {
                    let end = self.lost(key, &failure, !killed);
                    self.end_unsent(key, end, effects);
                }
                (false, _, None) => self.unstarted(key, effects),
            }
        }
        self.dismiss(index);
        if let (true, Some(job)) = (fruitless, job) {
            self.count_start_failure(job, failure, effects);
        }
    }

    fn lost(&self, key: RunKey, failure: &Failure, charged: bool) -> Option<AssignmentEnd> {
        let run = self.runs.get(key).filter(|run| run.phase == Phase::Sent)?;
        let Assignment { task, attempt, template, .. } = &run.assignment;
        let failure = failure
            .clone()
            .of_task(*task, template.display_name())
            .on_node(self.options.node.clone())
            .with(|detail| detail.attempt = Some(*attempt));
        Some(AssignmentEnd::Lost { failure, charged })
    }
}
