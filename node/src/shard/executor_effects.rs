//! Performing what the executor wants done.

use super::Shard;
use mobula_core::executor::{Effect, Owner, RunOrder};
use mobula_core::tasks::{self, Place};
use mobula_types::frame::{self, AssignmentEnd};
use mobula_types::{Failure, FailureKind, Frame, NodeId, Outcome, TaskId};

impl Shard {
    /// Performs everything that the executor has asked for since the last time; `true` where the task engine was told
    /// something and may want more.
    pub(super) fn perform_executor_effects(&mut self) -> bool {
        let mut told = false;
        let mut effects = std::mem::take(&mut self.executor_effects);
        for effect in effects.drain(..) {
            if let Effect::Report { task, attempt, .. } = &effect {
                self.copies.unpin(*task, *attempt);
            }
            told |= matches!(&effect, Effect::Report { owner: Owner::Local, .. });
            self.perform_executor_effect(effect);
        }
        effects.append(&mut self.executor_effects);
        self.executor_effects = effects;
        told || !self.task_effects.is_empty() || !self.executor_effects.is_empty()
    }

    fn perform_executor_effect(&mut self, effect: Effect) {
        match effect {
            Effect::Report { owner: Owner::Local, task, attempt, end } => {
                self.tell_tasks(tasks::Event::Ended { place: Place::Local, task, attempt, end });
            }
            Effect::Report { owner: Owner::Peer(node), task, attempt, end } => {
                if let AssignmentEnd::Ran { outcome, .. } = &end {
                    self.hand_over(&node, task, outcome);
                } else {
                    self.tell_tasks(tasks::Event::ParentEnded { task, cancel: None, force: false });
                }
                self.send_to_peer(&node, Frame::AssignmentEnded { task, attempt, end: Box::new(end) });
            }
            Effect::Run(order) => self.run_on_worker(order),
            Effect::Fetch { run, inputs } => self.fetch_inputs(run, inputs),
            Effect::CancelFetch { run } => self.jobs.cancel_fetch(run),
            Effect::StartWorker { worker, job, .. } => self.start_worker(worker, job, None),
            Effect::RecallRuns { worker, handles } => self.send_to_worker(worker, Frame::Recall { handles }),
            Effect::CancelRun { worker, handle, failure } => {
                self.send_to_worker(worker, Frame::CancelRun { handle, failure });
            }
            Effect::Resume { worker, handle } => self.send_to_worker(worker, Frame::Resume { handle }),
            Effect::Retire { worker } => self.send_to_worker(worker, Frame::Retire),
            Effect::Kill { worker, failure } => self.workers.kill(worker, failure),
            Effect::Warn { job, text } => self.warn_drivers(job, &text),
        }
    }

    /// A task of another owner is over here: references in its result are under way to that owner, and children that
    /// nobody waits for any more are cancelled with it.
    pub(super) fn hand_over(&mut self, node: &NodeId, task: TaskId, outcome: &Outcome) {
        let mut cancel = None;
        match outcome.values() {
            Ok(values) => {
                let contained = values.iter().filter_map(|value| value.contained.as_deref());
                let objects: Vec<_> = contained.flatten().cloned().collect();
                if !objects.is_empty() {
                    self.tell_tasks(tasks::Event::Handed { node: node.clone(), objects });
                }
            }
            Err(failure) => cancel = is_cancel(failure).then(|| failure.clone()),
        }
        self.tell_tasks(tasks::Event::ParentEnded { task, cancel, force: false });
    }

    pub(super) fn send_to_worker(&mut self, worker: mobula_types::WorkerId, frame: Frame) {
        if let Some(session) = self.worker_session(worker) {
            self.sessions.send(session, frame);
        }
    }

    fn run_on_worker(&mut self, order: RunOrder) {
        let Some(session) = self.worker_session(order.worker) else { return };
        let left = order.deadline.map(|deadline| deadline.since(self.now));
        self.sessions.send_with(session, |sent, outgoing| {
            let template = sent.number(&order.template, outgoing);
            outgoing.push(Frame::Run(frame::Run {
                handle: order.handle,
                slot: order.slot,
                task: order.task,
                attempt: order.attempt,
                template,
                arguments: order.arguments,
                extras: frame::RunExtras { inputs: order.inputs, deadline: left }.boxed(),
            }));
        });
    }
}

fn is_cancel(failure: &Failure) -> bool {
    matches!(failure.kind(), FailureKind::Cancelled | FailureKind::DeadlineExceeded | FailureKind::JobEnded)
}
