//! Calls are answered.

use super::caller::KeptState;
use super::{ActorHost, Effect};
use mobula_types::actor::CallEnd;
use mobula_types::{ExitReason, TaskId, WorkerId};

impl ActorHost {
    pub(super) fn done(&mut self, worker: WorkerId, handle: u64, end: CallEnd, effects: &mut Vec<Effect>) {
        if let Some(turn) = self.sent_to(worker, handle) {
            self.finish(turn, end, effects);
        }
    }

    /// The turn of that handle, if that worker has it.
    fn sent_to(&self, worker: WorkerId, handle: u64) -> Option<usize> {
        let place = self.turn_of(handle)?;
        let turn = &self.turns[place];
        let seat = self.actors[turn.actor].seat?;
        (seat.id == worker && turn.fetching.is_none()).then_some(place)
    }

    pub(super) fn returned(&mut self, worker: WorkerId, handles: &[u64], effects: &mut Vec<Effect>) {
        for handle in handles {
            let Some(turn) = self.sent_to(worker, *handle) else { continue };
            let lane = self.turns[turn].lane;
            self.finish(turn, CallEnd::NotStarted { reason: None }, effects);
            if let Some(lane) = lane {
                self.break_lane(lane, None, effects);
            }
        }
    }

    /// A turn is over: it is answered, and remembered as far as its caller may ask for it again.
    pub(super) fn finish(&mut self, place: usize, end: CallEnd, effects: &mut Vec<Effect>) {
        let Some(turn) = self.turns.remove(place) else { return };
        self.actors[turn.actor].pending -= 1;
        if let Some(record) = self.records.place_of(turn.record) {
            let record = &mut self.records[record];
            if end.is_unstarted() {
                let before = turn.sequence.saturating_sub(1);
                let previous = turn.fetching.as_ref().map_or(before, |fetching| fetching.previous);
                record.give_back(turn.sequence, previous);
            } else if record.is_driver()
                && let Some(kept) = record.kept(turn.sequence)
            {
                kept.state = KeptState::Answered(end.clone());
            }
        }
        let Some(lane) = turn.lane else {
            self.actors[turn.actor].orphans.remove(&place);
            return;
        };
        let entry = &mut self.lanes[lane];
        match entry.turns.iter().position(|other| *other == place) {
            Some(0) => drop(entry.turns.pop_front()),
            Some(position) => drop(entry.turns.remove(position)),
            None => {}
        }
        entry.fetching &= turn.fetching.is_none();
        self.answer(lane, turn.sequence, turn.task, end, effects);
    }

    /// Answers a call of a lane that is here, with the window as it is now.
    pub(super) fn answer(
        &mut self,
        lane: usize,
        sequence: u64,
        task: TaskId,
        end: CallEnd,
        effects: &mut Vec<Effect>,
    ) {
        let (first, usual, most) = (self.options.window, self.options.usual_window, self.options.max_window);
        let entry = &mut self.lanes[lane];
        if let Some(actor) = entry.actor {
            let actor = &self.actors[actor];
            if actor.pending > actor.mailbox {
                entry.window = (entry.window / 2).max(1);
            } else if u64::from(actor.pending) * 2 < u64::from(actor.mailbox) {
                let step = if entry.window < usual { first } else { 1 };
                entry.window = (entry.window + step).min(most);
            }
        }
        let (to, window) = (entry.from.clone(), entry.window);
        effects.push(Effect::Answer { to, lane: entry.id, sequence, task, end, window });
    }

    /// What waits in a lane does not start here any more, and neither does what comes on it later.
    pub(super) fn break_lane(&mut self, lane: usize, reason: Option<ExitReason>, effects: &mut Vec<Effect>) {
        self.lanes[lane].broken = true;
        if self.lanes[lane].fetching
            && let Some(turn) = self.lanes[lane].turns.back().copied()
        {
            effects.push(Effect::CancelFetch { handle: self.handle_of(turn) });
            self.finish(turn, CallEnd::NotStarted { reason: reason.clone() }, effects);
        }
        while let Some(call) = self.lanes[lane].queue.pop_front() {
            self.less_pending(lane);
            let end = CallEnd::NotStarted { reason: reason.clone() };
            self.answer(lane, call.sequence, call.task, end, effects);
        }
    }

    /// The actor of a lane is gone: turns that its worker had are answered with `end`, all others have not started.
    pub(super) fn end_lane(&mut self, lane: usize, end: &CallEnd, effects: &mut Vec<Effect>) {
        let reason = match end {
            CallEnd::Died { reason } => Some(reason.clone()),
            CallEnd::NotStarted { reason } => reason.clone(),
            _ => None,
        };
        self.lanes[lane].broken = true;
        let sent = self.lanes[lane].turns.len() - usize::from(self.lanes[lane].fetching);
        for _ in 0..sent {
            if let Some(turn) = self.lanes[lane].turns.front().copied() {
                self.finish(turn, end.clone(), effects);
            }
        }
        self.break_lane(lane, reason, effects);
        let entry = &mut self.lanes[lane];
        entry.actor = None;
        if let Some(record) = entry.record.take() {
            self.records[record].lanes -= 1;
            if self.records[record].lanes == 0 {
                self.forget_record(record);
            }
        }
    }
}
