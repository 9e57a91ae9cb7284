//! Calls are given to the workers of their actors: in order, each once.

use super::actor::Phase;
use super::caller::KeptState;
use super::lane::{Fetching, Turn};
use super::{ActorHost, Effect, TurnOrder};
use crate::calls::HostedCall;
use mobula_types::actor::{CallEnd, Epoch, Target};
use mobula_types::frame::Input;
use mobula_types::{Failure, FailureKind, Incarnation, StoredValue};

/// What is to be done with a call.
enum Verdict {
    /// It starts, with this behind it as the caller's last one.
    Take { previous: u64 },
    /// Its turn runs, and its answer goes to this lane from now on.
    Redirect(usize),
    /// It was answered, and is so again; or it is refused.
    Answer(CallEnd),
}

impl ActorHost {
    /// Gives the worker what waits in a lane, as far as that may start.
    pub(super) fn drain_lane(&mut self, lane: usize, effects: &mut Vec<Effect>) {
        loop {
            let entry = &mut self.lanes[lane];
            let is_running = entry.actor.is_some_and(|actor| self.actors[actor].phase == Phase::Running);
            if !is_running || entry.fetching || entry.broken {
                return;
            }
            let Some(call) = entry.queue.pop_front() else { return };
            self.deliver(lane, call, effects);
        }
    }

    /// Starts a call that is the next of its lane, at an actor that runs, or fetches its inputs first.
    pub(super) fn deliver(&mut self, lane: usize, call: HostedCall, effects: &mut Vec<Effect>) {
        match self.judge(lane, &call) {
            Verdict::Take { previous } => self.take(lane, call, previous, effects),
            Verdict::Redirect(turn) => self.redirect(lane, turn, &call, effects),
            Verdict::Answer(end) => {
                self.less_pending(lane);
                self.answer(lane, call.sequence, call.task, end, effects);
            }
        }
    }

    fn judge(&mut self, lane: usize, call: &HostedCall) -> Verdict {
        if self.is_superseded(lane, call) {
            return refused(FailureKind::Fenced, "its driver makes it through another node now");
        }
        let Some(record) = self.lanes[lane].record else {
            return Verdict::Answer(CallEnd::NotStarted { reason: None });
        };
        let record = &mut self.records[record];
        let term = call.attempt.owner_term;
        let may_run_again = matches!(
            call.template.options.target,
            Target::Method(options) if options.max_task_retries > 0
        );
        if record.is_driver() {
            if term < record.term {
                return refused(FailureKind::Fenced, "its driver makes it through another node now");
            }
            record.term = term;
            record.forget_below(call.answered_below);
        }
        if call.sequence > record.last {
            let is_first = call.epoch <= Epoch(1);
            if call.resent && !may_run_again && !record.is_settled && !is_first {
                // It may have run at an earlier incarnation, with which the memory of it has gone.
                return self.forgotten(lane, call);
            }
            // One that may run again may have run before.
            record.is_settled |= !may_run_again;
            return Verdict::Take { previous: record.last };
        }
        let last = record.last;
        if let Some(kept) = record.kept(call.sequence) {
            // The driver's earlier home sent it: this one asks for what became of it.
            if term > kept.attempt.owner_term {
                kept.attempt = call.attempt;
                return match &kept.state {
                    KeptState::Turn(turn) => Verdict::Redirect(*turn),
                    KeptState::Answered(end) => Verdict::Answer(end.clone()),
                };
            }
            if matches!(kept.state, KeptState::Turn(_)) {
                return refused(FailureKind::AlreadyExists, "it was sent before, and runs");
            }
        }
        // What comes again from the same home was answered there: it is to run again, if it may.
        match may_run_again {
            true => Verdict::Take { previous: last },
            false => self.forgotten(lane, call),
        }
    }

    /// Nobody knows what became of a call that was sent before.
    fn forgotten(&self, lane: usize, call: &HostedCall) -> Verdict {
        let incarnation = Incarnation { actor: self.lanes[lane].actor_id, epoch: call.epoch };
        let text = format!("what became of an earlier try of the call to {incarnation} is not known");
        let failure = Failure::new(FailureKind::ActorDied, text)
            .of_incarnation(incarnation)
            .with(|detail| detail.may_have_run = true);
        Verdict::Answer(CallEnd::Refused { failure })
    }

    fn take(&mut self, lane: usize, call: HostedCall, previous: u64, effects: &mut Vec<Effect>) {
        let entry = &self.lanes[lane];
        let (Some(actor), Some(record)) = (entry.actor, entry.record) else { return };
        let turn = self.turns.insert(Turn {
            actor,
            lane: Some(lane),
            orphaned_by: None,
            record: self.records.number_of(record),
            sequence: call.sequence,
            task: call.task,
            attempt: call.attempt,
            fetching: None,
        });
        self.records[record].take(call.sequence, call.attempt, turn, self.options.kept_answers);
        let entry = &mut self.lanes[lane];
        entry.turns.push_back(turn);
        if call.inputs.iter().all(|input| self.is_here(input)) {
            return self.order_turn(turn, call, effects);
        }
        self.lanes[lane].fetching = true;
        let (handle, inputs) = (self.handle_of(turn), call.inputs.clone());
        let job = self.lanes[lane].job;
        effects.push(Effect::Fetch { handle, job, inputs });
        self.turns[turn].fetching = Some(Box::new(Fetching { call, previous }));
    }

    pub(super) fn is_here(&self, input: &Input) -> bool {
        match &input.value {
            StoredValue::Inline(_) => true,
            StoredValue::Stored(copy) => copy.holders.contains(&self.options.node),
        }
    }

    fn order_turn(&mut self, turn: usize, call: HostedCall, effects: &mut Vec<Effect>) {
        let actor = &self.actors[self.turns[turn].actor];
        let (Some(seat), Some(lane)) = (&actor.seat, self.turns[turn].lane) else { return };
        effects.push(Effect::Turn(TurnOrder {
            worker: seat.id,
            handle: self.handle_of(turn),
            key: seat.key,
            caller: self.lanes[lane].caller,
            task: call.task,
            attempt: call.attempt,
            template: call.template,
            arguments: call.arguments,
            inputs: call.inputs,
            deadline: call.deadline,
        }));
    }

    pub(super) fn inputs_ready(
        &mut self,
        handle: u64,
        inputs: Result<Vec<Input>, Failure>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(turn) = self.turn_of(handle) else { return };
        let Some(lane) = self.turns[turn].lane else { return };
        match inputs {
            Ok(inputs) => {
                let Some(fetching) = self.turns[turn].fetching.take() else { return };
                self.lanes[lane].fetching = false;
                self.order_turn(turn, HostedCall { inputs, ..fetching.call }, effects);
                self.drain_lane(lane, effects);
            }
            Err(failure) if self.turns[turn].fetching.is_some() => {
                self.finish(turn, CallEnd::InputsUnavailable { failure }, effects);
                self.break_lane(lane, None, effects);
            }
            Err(_) => {}
        }
    }

    /// A driver asks on another lane for a call that runs: that one is answered, and the earlier one is done with it.
    fn redirect(&mut self, lane: usize, turn: usize, call: &HostedCall, effects: &mut Vec<Effect>) {
        self.less_pending(lane);
        let is_fetching = self.turns[turn].fetching.is_some();
        let (sequence, task) = (call.sequence, self.turns[turn].task);
        match self.turns[turn].lane.replace(lane) {
            Some(earlier) => {
                let entry = &mut self.lanes[earlier];
                entry.turns.retain(|other| *other != turn);
                entry.fetching &= !is_fetching;
                let end = refusal(FailureKind::Fenced, "its driver makes it through another node now");
                self.answer(earlier, sequence, task, end, effects);
                self.lanes[lane].turns.push_back(turn);
                self.lanes[lane].fetching |= is_fetching;
                self.drain_lane(earlier, effects);
            }
            None => {
                let actor = self.turns[turn].actor;
                self.actors[actor].orphans.remove(&turn);
                self.lanes[lane].turns.push_back(turn);
            }
        }
        let turn = &mut self.turns[turn];
        (turn.task, turn.attempt) = (call.task, call.attempt);
    }
}

fn refused(kind: FailureKind, text: &str) -> Verdict {
    Verdict::Answer(refusal(kind, text))
}

fn refusal(kind: FailureKind, text: &str) -> CallEnd {
    CallEnd::Refused { failure: Failure::new(kind, text) }
}
