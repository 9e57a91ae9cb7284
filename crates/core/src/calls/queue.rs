//! Calls as the task engine tells of them: made, ready, dropped, cancelled.

use super::lane::Call;
use super::router::{CallRouter, Hasher, UnclaimedEnd};
use super::{Effect, NewCall, ReadyCall};
use indexmap::IndexSet;
use mobula_types::{Attempt, Failure, TaskId};

impl CallRouter {
    pub(super) fn made(&mut self, call: &NewCall, effects: &mut Vec<Effect>) {
        if let Some(known) = self.call_of(call.task) {
            // Its driver was away meanwhile, and waits for the end of it again, as another attempt.
            let known = &mut self.calls[known];
            known.dropped = false;
            known.outdated = known.ready.is_some();
            // Another home may have sent it meanwhile.
            known.resent |= call.resent;
            known.may_have_run |= call.resent;
            return;
        }
        if self.unclaimed.contains_key(&call.task) {
            return;
        }
        let lane = self.lane_of(call, effects);
        let entry = &mut self.lanes[lane];
        entry.answered_below = entry.answered_below.max(call.answered_below);
        let key = self.add_call(Call::new(call, lane));
        self.enqueue(key);
    }

    /// Puts a call where its sequence number belongs among those to be sent: nearly always at the end.
    pub(super) fn enqueue(&mut self, key: usize) {
        let (calls, call) = (&self.calls, &self.calls[key]);
        let queue = &mut self.lanes[call.lane].queue;
        let place = match queue.back() {
            Some(last) if calls[*last].sequence > call.sequence => {
                queue.partition_point(|other| calls[*other].sequence < call.sequence)
            }
            _ => queue.len(),
        };
        queue.insert(place, key);
    }

    pub(super) fn ready(&mut self, ready: ReadyCall, effects: &mut Vec<Effect>) {
        let Some(key) = self.call_of(ready.task) else { return self.claim_end(&ready, effects) };
        let call = &mut self.calls[key];
        if call.ready.as_ref().is_some_and(|known| known.attempt > ready.attempt) {
            return;
        }
        let lane = call.lane;
        call.ready = Some(ready);
        call.outdated = false;
        self.pump(lane, effects);
    }

    /// The call has ended before it was ready again: that end is of this attempt.
    fn claim_end(&mut self, ready: &ReadyCall, effects: &mut Vec<Effect>) {
        if let Some(UnclaimedEnd { place, end, .. }) = self.unclaimed.remove(&ready.task) {
            effects.push(Effect::End { task: ready.task, attempt: ready.attempt, place, end });
        }
    }

    pub(super) fn dropped(&mut self, task: TaskId, effects: &mut Vec<Effect>) {
        let Some(key) = self.call_of(task) else { return drop(self.unclaimed.remove(&task)) };
        let lane = self.calls[key].lane;
        if !self.unqueue(key) {
            self.calls[key].dropped = true;
            return;
        }
        self.remove_call(key);
        self.settle(lane, effects);
    }

    /// Calls that are dropped together: what is behind them goes on only once all of them are gone.
    pub(super) fn given_up(&mut self, tasks: &[TaskId], effects: &mut Vec<Effect>) {
        let mut lanes: IndexSet<usize, Hasher> = IndexSet::default();
        for task in tasks {
            let Some(key) = self.call_of(*task) else {
                self.unclaimed.remove(task);
                continue;
            };
            let lane = self.calls[key].lane;
            if self.unqueue(key) {
                self.remove_call(key);
                lanes.insert(lane);
            } else {
                self.calls[key].dropped = true;
            }
        }
        for lane in lanes {
            self.settle(lane, effects);
        }
    }

    pub(super) fn cancel(
        &mut self,
        task: TaskId,
        attempt: Attempt,
        failure: Failure,
        effects: &mut Vec<Effect>,
    ) {
        let Some(key) = self.call_of(task) else { return };
        let call = &self.calls[key];
        let lane = call.lane;
        if call.ready.as_ref().is_none_or(|ready| ready.attempt != attempt) || call.cancelled.is_some() {
            return;
        }
        if self.unqueue(key) {
            self.fail(key, failure, effects);
            self.settle(lane, effects);
            return;
        }
        let call = &mut self.calls[key];
        call.cancelled = Some(failure.clone());
        let (sequence, number) = (call.sequence, self.lanes.number_of(lane));
        if let Some(opening) = &self.lanes[lane].opening {
            let (place, lane) = (opening.place.clone(), mobula_types::actor::LaneId(number));
            effects.push(Effect::Cancel { place, lane, sequence, failure });
        }
    }

    /// Takes a call out of those to be sent, now or after a while. `false` where it is not among them.
    fn unqueue(&mut self, key: usize) -> bool {
        if self.unpause(key) {
            return true;
        }
        let (calls, sequence) = (&self.calls, self.calls[key].sequence);
        let queue = &mut self.lanes[calls[key].lane].queue;
        let first = queue.partition_point(|other| calls[*other].sequence < sequence);
        let equal = queue.iter().skip(first).take_while(|other| calls[**other].sequence == sequence);
        let Some(offset) = equal.into_iter().position(|other| *other == key) else { return false };
        queue.remove(first + offset);
        true
    }
}
