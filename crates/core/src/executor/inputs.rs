//! The inputs of runs: fetched before a run waits for resources, and what follows where that fails.
//!
//! A copy is lost only where its holder says so itself. Everything else passes: the run goes back to its owner, which has it
//! tried elsewhere, or again.

use super::run::{Phase, Run};
use super::{Effect, Executor, RunKey};
use mobula_types::frame::{AssignmentEnd, Input};
use mobula_types::{Failure, NodeId, ObjectId, StoredValue, WorkerId};

/// An input that a worker could not read.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) object: ObjectId,
    /// Whether it is in the store all the same.
    pub(super) is_here: bool,
    pub(super) failure: Failure,
}

impl Executor {
    /// Starts as many fetches as may run at once, in the order of arrival.
    pub(super) fn start_fetches(&mut self, effects: &mut Vec<Effect>) {
        while self.fetching < self.options.max_fetching.max(1) {
            let Some(key) = self.fetch_queue.pop_front() else { return };
            let Some(run) = self.runs.get_mut(key).filter(|run| run.phase == Phase::FetchQueued) else {
                continue;
            };
            run.phase = Phase::Fetching;
            self.fetching += 1;
            effects.push(Effect::Fetch { run: key, inputs: run.assignment.inputs.clone() });
        }
    }

    pub(super) fn inputs_ready(&mut self, key: RunKey, inputs: Vec<Input>) {
        let Some(run) = self.runs.get_mut(key).filter(|run| run.phase == Phase::Fetching) else { return };
        run.assignment.inputs = inputs;
        self.fetching -= 1;
        self.enqueue(key, false);
    }

    pub(super) fn input_lost(
        &mut self,
        key: RunKey,
        object: ObjectId,
        holder: NodeId,
        effects: &mut Vec<Effect>,
    ) {
        let Some(run) = self.runs.get(key).filter(|run| run.phase != Phase::Sent) else { return };
        let Some(end) = lost(run, object, holder) else { return };
        self.end_fetch(key, end, effects);
    }

    pub(super) fn inputs_unavailable(&mut self, key: RunKey, failure: Failure, effects: &mut Vec<Effect>) {
        if self.runs.get(key).is_some_and(|run| run.phase == Phase::Fetching) {
            self.end_fetch(key, AssignmentEnd::InputsUnavailable { failure }, effects);
        }
    }

    /// Ends a run whose fetch, if it has begun, was answered: there is none to be called off any more.
    fn end_fetch(&mut self, key: RunKey, end: AssignmentEnd, effects: &mut Vec<Effect>) {
        if let Some(run) = self.runs.get_mut(key).filter(|run| run.phase == Phase::Fetching) {
            run.phase = Phase::FetchQueued;
            self.fetching -= 1;
        }
        self.end_unsent(key, Some(end), effects);
    }

    /// A worker gives a run back. The copy is this node's own: where it is gone, its owner drops it from the record.
    pub(super) fn unreadable(
        &mut self,
        worker: WorkerId,
        key: RunKey,
        unread: Unread,
        effects: &mut Vec<Effect>,
    ) {
        let Some(run) = self.sent_to(worker, key) else { return };
        let index = run.worker;
        let silent = run.reported || run.is_orphan();
        let end = match (silent, &run.cancelled) {
            (true, _) => None,
            (false, Some(failure)) => Some(super::assign::failed(failure.clone())),
            (false, None) => {
                let gone = (!unread.is_here).then(|| lost(run, unread.object, self.options.node.clone()));
                let unavailable = AssignmentEnd::InputsUnavailable { failure: unread.failure };
                Some(gone.flatten().unwrap_or(unavailable))
            }
        };
        self.leave_slot(key);
        self.end_unsent(key, end, effects);
        self.retire_if_spent(index, effects);
    }
}

/// The end of a run one of whose inputs is gone.
fn lost(run: &Run, object: ObjectId, holder: NodeId) -> Option<AssignmentEnd> {
    let input = run.assignment.inputs.iter().find(|input| input.object == object)?;
    let StoredValue::Stored(copy) = &input.value else { return None };
    Some(AssignmentEnd::InputLost { object, version: copy.version(), holder })
}
