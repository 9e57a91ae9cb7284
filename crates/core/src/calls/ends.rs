//! What becomes of calls that were sent.

use super::Effect;
use super::lane::Spoiled;
use super::router::{CallRouter, UnclaimedEnd};
use crate::tasks::Place;
use mobula_types::actor::{CallEnd, Epoch, ExitReason, Incarnation, LaneId};
use mobula_types::frame::AssignmentEnd;
use mobula_types::{Failure, Outcome};

/// How a call ran.
struct Run {
    outcome: Outcome,
    retryable: bool,
    micros: u32,
    borrows: Vec<mobula_types::ObjectId>,
}

impl CallRouter {
    pub(super) fn ended(
        &mut self,
        lane: LaneId,
        sequence: u64,
        end: CallEnd,
        window: u32,
        effects: &mut Vec<Effect>,
    ) {
        let Some(lane) = self.lanes.place_of(lane.0) else { return };
        let Some(key) = self.take_sent(lane, sequence) else { return };
        self.lanes[lane].window = window.max(1);
        match end {
            CallEnd::Ran { outcome, retryable, micros, borrows } => {
                self.ran(key, Run { outcome, retryable, micros, borrows }, effects);
            }
            CallEnd::NotStarted { reason } => self.not_started(lane, key, reason, effects),
            CallEnd::Died { reason } => {
                if let Some(epoch) = self.epoch_of(lane) {
                    self.actor_over(lane, epoch);
                    self.died(key, epoch, reason, effects);
                }
            }
            CallEnd::Refused { failure } => self.fail(key, failure, effects),
            CallEnd::InputsUnavailable { failure } => self.inputs_unavailable(lane, key, failure, effects),
        }
        self.settle(lane, effects);
    }

    /// Takes a call out of those that wait for an answer: nearly always the first of them.
    fn take_sent(&mut self, lane: usize, sequence: u64) -> Option<usize> {
        let calls = &self.calls;
        let sent = &mut self.lanes[lane].sent;
        let position = sent.iter().position(|key| calls[*key].sequence == sequence)?;
        if position == 0 { sent.pop_front() } else { sent.remove(position) }
    }

    pub(super) fn epoch_of(&self, lane: usize) -> Option<Epoch> {
        Some(self.lanes[lane].opening.as_ref()?.epoch)
    }

    fn ran(&mut self, key: usize, run: Run, effects: &mut Vec<Effect>) {
        let call = &mut self.calls[key];
        if run.retryable && matches!(run.outcome, Outcome::Failed(_)) && call.may_retry() && !call.dropped {
            call.borrows.extend(run.borrows);
            return self.try_later(key);
        }
        let mut borrows = std::mem::take(&mut call.borrows);
        if borrows.is_empty() {
            borrows = run.borrows
        } else {
            borrows.extend(run.borrows)
        }
        let end = AssignmentEnd::Ran { outcome: run.outcome, retryable: false, micros: run.micros, borrows };
        self.end(key, end, effects);
    }

    /// A call that may have run is sent again.
    fn try_again(&mut self, key: usize) {
        self.calls[key].note_retry();
        self.enqueue(key);
    }

    fn not_started(
        &mut self,
        lane: usize,
        key: usize,
        reason: Option<ExitReason>,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(opening) = &mut self.lanes[lane].opening {
            let epoch = opening.epoch;
            let first = opening.spoiled == Spoiled::No;
            if first {
                opening.spoiled = Spoiled::Denied;
            }
            if reason.is_some() {
                self.actor_over(lane, epoch);
            } else if first {
                let actor = self.lanes[lane].actor;
                self.doubt(actor, epoch);
            }
        }
        self.put_back(key, effects);
    }

    /// A call that did not start goes back to its place, unless it is to end.
    fn put_back(&mut self, key: usize, effects: &mut Vec<Effect>) {
        let call = &mut self.calls[key];
        if call.dropped {
            self.remove_call(key);
        } else if let Some(failure) = call.cancelled.take() {
            self.fail(key, failure, effects);
        } else {
            self.enqueue(key);
        }
    }

    fn inputs_unavailable(&mut self, lane: usize, key: usize, failure: Failure, effects: &mut Vec<Effect>) {
        if let Some(opening) = &mut self.lanes[lane].opening
            && opening.spoiled == Spoiled::No
        {
            opening.spoiled = Spoiled::Inputs;
        }
        let call = &mut self.calls[key];
        if call.dropped || call.cancelled.is_some() {
            return self.put_back(key, effects);
        }
        let Some(ready) = call.ready.take() else { return };
        // One that was made again is made ready again as it is.
        if !std::mem::take(&mut call.outdated) {
            let end = AssignmentEnd::InputsUnavailable { failure };
            effects.push(Effect::End { task: ready.task, attempt: ready.attempt, place: Place::Local, end });
        }
        self.enqueue(key);
    }

    /// The incarnation that had a call exited, and the call may have started.
    pub(super) fn died(&mut self, key: usize, epoch: Epoch, reason: ExitReason, effects: &mut Vec<Effect>) {
        let call = &mut self.calls[key];
        call.borrows = Vec::new();
        if call.may_retry() && !call.dropped {
            return self.try_again(key);
        }
        let incarnation = Incarnation { actor: self.lanes[call.lane].actor_id, epoch };
        let failure = reason.to_failure(incarnation, true);
        self.fail(key, failure, effects);
    }

    /// Ends a call, which is in no queue any more, with a failure.
    pub(super) fn fail(&mut self, key: usize, failure: Failure, effects: &mut Vec<Effect>) {
        let outcome = Outcome::Failed(match &self.calls[key].ready {
            Some(ready) if failure.detail().task.is_none() => {
                failure.of_task(ready.task, ready.template.display_name())
            }
            _ => failure,
        });
        let borrows = std::mem::take(&mut self.calls[key].borrows);
        self.end(key, AssignmentEnd::Ran { outcome, retryable: false, micros: 0, borrows }, effects);
    }

    fn end(&mut self, key: usize, end: AssignmentEnd, effects: &mut Vec<Effect>) {
        let call = self.remove_call(key);
        let Some(ready) = call.ready.filter(|_| !call.dropped) else { return };
        let opening = self.lanes[call.lane].opening.as_ref();
        let place = opening.map_or(Place::Local, |opening| opening.place.clone());
        if call.outdated {
            let caller = self.lanes[call.lane].caller;
            self.unclaimed.insert(call.task, UnclaimedEnd { caller, place, end });
            return;
        }
        effects.push(Effect::End { task: call.task, attempt: ready.attempt, place, end });
    }

    /// A lane has a call less: others may go now, or it is idle.
    pub(super) fn settle(&mut self, lane: usize, effects: &mut Vec<Effect>) {
        self.pump(lane, effects);
        self.note_idle(lane, effects);
    }
}
