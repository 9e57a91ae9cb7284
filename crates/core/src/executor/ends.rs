//! How runs end: done, given back, or lost with their worker.

use super::job::Target;
use super::run::{Phase, Wait};
use super::worker::WorkerState;
use super::{Effect, Executor, LastRun, Owner, RunKey};
use crate::assignment::Assignment;
use mobula_types::frame::AssignmentEnd;
use mobula_types::{Failure, FailureKind, ObjectId, Outcome, WorkerId};
use std::collections::BTreeMap;

/// What a worker says of a run that has ended.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    pub(super) retryable: bool,
    pub(super) micros: u32,
    pub(super) borrows: Vec<ObjectId>,
}

/// How far a run was when its worker died.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Progress {
    Unstarted,
    Running,
    /// It had ended, and the news of that died with the worker.
    Over,
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
        if !self.is_head(key) {
            self.overtake(key);
        } else if !cancelled {
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
        last: &[LastRun],
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
        for (key, progress) in self.progress_at_death(index, last).into_iter().rev() {
            let Some(run) = self.runs.get(key) else { continue };
            fruitless &= progress == Progress::Unstarted;
            let silent = run.reported || run.is_orphan();
            let cancelled = run.cancelled.clone();
            self.leave_slot(key);
            match (progress, silent, cancelled) {
                (_, true, _) => self.end_unsent(key, None, effects),
                (_, _, Some(failure)) => {
                    self.end_unsent(key, Some(super::assign::failed(failure)), effects);
                }
                (Progress::Unstarted, _, None) => self.unstarted(key, effects),
                (Progress::Running, _, None) if !killed => {
                    let end = self.lost(key, failure.clone(), true);
                    self.end_unsent(key, end, effects);
                }
                (progress, _, None) => {
                    let text = match progress {
                        Progress::Over => "its worker ended before its result had arrived",
                        _ => "its worker was ended for the sake of another task",
                    };
                    let failure = Failure::new(FailureKind::WorkerDied, text).caused_by(failure.clone());
                    let end = self.lost(key, failure, false);
                    self.end_unsent(key, end, effects);
                }
            }
        }
        self.dismiss(index);
        if let (true, Some(job)) = (fruitless, job) {
            self.count_start_failure(job, failure, effects);
        }
    }

    /// A slot works in order, but the end of a run may take longer to arrive than that of the next one: those before one
    /// that has ended are over.
    fn overtake(&mut self, key: RunKey) {
        let Some(run) = self.runs.get(key) else { return };
        let slot = &self.workers.at(run.worker).slots[run.slot as usize];
        for before in slot.queue.iter().take_while(|before| **before != key) {
            if let Some(run) = self.runs.get_mut(*before) {
                run.overtaken = true;
            }
        }
    }

    /// What a dead worker had, slot by slot, and how far each run was. In doubt it has started.
    fn progress_at_death(&self, worker: usize, last: &[LastRun]) -> Vec<(RunKey, Progress)> {
        let last: BTreeMap<u64, bool> = last.iter().map(|noted| (noted.handle, noted.over)).collect();
        let mut all = Vec::new();
        for (number, slot) in self.workers.at(worker).slots.iter().enumerate() {
            let noted = slot.queue.iter().rposition(|key| last.contains_key(&key.0));
            let is_noted = number < self.options.noted_slots as usize;
            for (position, key) in slot.queue.iter().enumerate() {
                let Some(run) = self.runs.get(*key) else { continue };
                let progress = if run.wait != Wait::No || last.get(&key.0) == Some(&false) {
                    Progress::Running
                } else if run.overtaken || noted.is_some_and(|noted| position <= noted) {
                    Progress::Over
                } else if is_noted {
                    Progress::Unstarted
                } else if position == 0 {
                    Progress::Running
                } else {
                    Progress::Over
                };
                all.push((*key, progress));
            }
        }
        all
    }

    fn lost(&self, key: RunKey, failure: Failure, charged: bool) -> Option<AssignmentEnd> {
        let run = self.runs.get(key).filter(|run| run.phase == Phase::Sent)?;
        let Assignment { task, attempt, template, .. } = &run.assignment;
        let failure = failure
            .of_task(*task, template.display_name())
            .on_node(self.options.node.clone())
            .with(|detail| detail.attempt = Some(*attempt));
        Some(AssignmentEnd::Lost { failure, charged })
    }
}
