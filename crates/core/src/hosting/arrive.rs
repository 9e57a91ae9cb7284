//! Lanes and calls as they come from the nodes of callers.

use super::actor::Phase;
use super::caller::CallerRecord;
use super::lane::Lane;
use super::{ActorHost, Effect};
use crate::calls::HostedCall;
use crate::tasks::Place;
use mobula_types::actor::{CallEnd, Caller, LaneId};
use mobula_types::{ActorId, Failure, FailureKind, Incarnation, JobId, NodeId, Outcome};
use std::collections::VecDeque;

impl ActorHost {
    pub(super) fn lane_opened(
        &mut self,
        from: Place,
        id: LaneId,
        caller: Caller,
        actor_id: ActorId,
        job: JobId,
    ) {
        let of_peer = self.peers.entry(from.clone()).or_default();
        if of_peer.contains_key(&id) {
            return;
        }
        let lane = self.lanes.insert(Lane {
            from,
            id,
            caller,
            actor_id,
            job,
            actor: None,
            at_actor: 0,
            record: None,
            queue: VecDeque::new(),
            turns: VecDeque::new(),
            fetching: false,
            window: self.options.window,
            broken: false,
        });
        of_peer.insert(id, lane);
    }

    /// Joins a lane to the incarnation that is here, unless it is joined.
    fn attach(&mut self, lane: usize) {
        let entry = &self.lanes[lane];
        if entry.actor.is_some() {
            return;
        }
        let (actor_id, caller) = (entry.actor_id, entry.caller);
        let Some(actor) = self.find_actor(actor_id) else { return };
        let name = (self.actors.number_of(actor), caller);
        let found =
            self.records_by_name.find(&name, |place| (self.records[place].actor, self.records[place].caller));
        let record = found.unwrap_or_else(|| {
            let place = self.records.insert(CallerRecord::new(caller, name.0));
            self.records_by_name
                .insert(&name, place, |place| (self.records[place].actor, self.records[place].caller));
            place
        });
        self.records[record].lanes += 1;
        let lanes = &mut self.actors[actor].lanes;
        lanes.push(lane);
        let at_actor = lanes.len() - 1;
        let entry = &mut self.lanes[lane];
        (entry.actor, entry.at_actor, entry.record) = (Some(actor), at_actor, Some(record));
    }

    fn find_lane(&self, from: &Place, id: LaneId) -> Option<usize> {
        self.peers.get(from)?.get(&id).copied()
    }

    pub(super) fn called(&mut self, from: Place, call: HostedCall, effects: &mut Vec<Effect>) {
        let Some(lane) = self.find_lane(&from, call.lane) else {
            let (window, end) = (self.options.window, CallEnd::NotStarted { reason: None });
            let (lane, sequence, task) = (call.lane, call.sequence, call.task);
            effects.push(Effect::Answer { to: from, lane, sequence, task, end, window });
            return;
        };
        if self.is_superseded(lane, &call) {
            let text = "its driver makes it through another node now";
            let failure = Failure::new(FailureKind::Fenced, text).on_node(self.options.node.clone());
            return self.answer(lane, call.sequence, call.task, CallEnd::Refused { failure }, effects);
        }
        if !self.lanes[lane].broken {
            self.attach(lane);
        }
        let entry = &self.lanes[lane];
        let here = entry.actor.filter(|actor| {
            let actor = &self.actors[*actor];
            actor.incarnation.epoch == call.epoch && actor.phase != Phase::Stopping
        });
        let Some(actor) = here.filter(|_| !entry.broken) else {
            let incarnation = Incarnation { actor: entry.actor_id, epoch: call.epoch };
            let reason = self.exits.reason(incarnation);
            self.lanes[lane].broken = true;
            return self.answer(lane, call.sequence, call.task, CallEnd::NotStarted { reason }, effects);
        };
        let actor = &mut self.actors[actor];
        if actor.max_pending > 0 && actor.pending >= actor.max_pending {
            let text = format!("{} calls wait for {}, its bound", actor.pending, actor.incarnation);
            let failure = Failure::new(FailureKind::MailboxFull, text).of_incarnation(actor.incarnation);
            return self.answer(lane, call.sequence, call.task, CallEnd::Refused { failure }, effects);
        }
        actor.pending += 1;
        let is_running = actor.phase == Phase::Running;
        let entry = &mut self.lanes[lane];
        if is_running && !entry.fetching && entry.queue.is_empty() {
            self.deliver(lane, call, effects);
        } else {
            entry.queue.push_back(call);
        }
    }

    /// Whether a driver that has another home now once made the call through the node that sends it.
    pub(super) fn is_superseded(&self, lane: usize, call: &HostedCall) -> bool {
        match self.lanes[lane].caller {
            Caller::Driver(job) if !self.terms.is_empty() => {
                self.terms.get(&job).is_some_and(|term| *term > call.attempt.owner_term)
            }
            _ => false,
        }
    }

    pub(super) fn cancelled(
        &mut self,
        from: &Place,
        id: LaneId,
        sequence: u64,
        failure: Failure,
        effects: &mut Vec<Effect>,
    ) {
        let Some(lane) = self.find_lane(from, id) else { return };
        let entry = &mut self.lanes[lane];
        if let Some(position) = entry.queue.iter().position(|call| call.sequence == sequence) {
            let Some(call) = entry.queue.remove(position) else { return };
            self.less_pending(lane);
            return self.answer(lane, sequence, call.task, failed(failure), effects);
        }
        let turns = &self.turns;
        let Some(turn) = entry.turns.iter().copied().find(|turn| turns[*turn].sequence == sequence) else {
            return;
        };
        let handle = self.handle_of(turn);
        if self.turns[turn].fetching.is_some() {
            effects.push(Effect::CancelFetch { handle });
            self.finish(turn, failed(failure), effects);
            return self.drain_lane(lane, effects);
        }
        if let Some(seat) = self.actors[self.turns[turn].actor].seat {
            effects.push(Effect::CancelTurn { worker: seat.id, handle, failure });
        }
    }

    pub(super) fn less_pending(&mut self, lane: usize) {
        if let Some(actor) = self.lanes[lane].actor {
            self.actors[actor].pending -= 1;
        }
    }

    pub(super) fn lane_closed(&mut self, from: &Place, id: LaneId, effects: &mut Vec<Effect>) {
        let Some(of_peer) = self.peers.get_mut(from) else { return };
        if let Some(lane) = of_peer.swap_remove(&id) {
            if of_peer.is_empty() {
                self.peers.swap_remove(from);
            }
            self.forget_lane(lane, effects);
        }
    }

    pub(super) fn peer_lost(&mut self, node: NodeId, effects: &mut Vec<Effect>) {
        for lane in self.peers.swap_remove(&Place::Peer(node)).unwrap_or_default().into_values() {
            self.forget_lane(lane, effects);
        }
    }

    /// Nobody waits for the answers of a lane any more. What runs goes on, what waits is dropped.
    fn forget_lane(&mut self, lane: usize, effects: &mut Vec<Effect>) {
        let entry = self.lanes.remove(lane);
        let (Some(actor), Some(record)) = (entry.actor, entry.record) else { return };
        let orphans = &mut self.actors[actor];
        orphans.pending -= entry.queue.len() as u32;
        orphans.lanes.swap_remove(entry.at_actor);
        if let Some(moved) = orphans.lanes.get(entry.at_actor) {
            self.lanes[*moved].at_actor = entry.at_actor;
        }
        for turn in entry.turns {
            self.turns[turn].lane = None;
            self.turns[turn].orphaned_by = Some(entry.from.clone());
            if self.turns[turn].fetching.is_some() {
                let handle = self.handle_of(turn);
                effects.push(Effect::CancelFetch { handle });
                self.finish(turn, CallEnd::NotStarted { reason: None }, effects);
            } else {
                self.actors[actor].orphans.insert(turn);
            }
        }
        self.leave_record(record);
    }

    /// A caller has a lane less. What is known of a driver stays for a while, since it may come back through another node.
    pub(super) fn leave_record(&mut self, place: usize) {
        let record = &mut self.records[place];
        record.lanes -= 1;
        if record.lanes > 0 {
            return;
        }
        if record.is_driver() {
            let until = self.now + self.options.orphaned_answers;
            self.timers.orphans.push_back((until, self.records.number_of(place)));
        } else {
            self.forget_record(place);
        }
    }

    pub(super) fn forget_orphan(&mut self, number: u64) {
        if let Some(place) = self.records.place_of(number)
            && self.records[place].lanes == 0
        {
            self.forget_record(place);
        }
    }

    pub(super) fn forget_record(&mut self, place: usize) {
        let name = (self.records[place].actor, self.records[place].caller);
        self.records_by_name.remove(&name, |place| (self.records[place].actor, self.records[place].caller));
        self.records.remove(place);
    }
}

/// A call that ended with a failure before it started.
fn failed(failure: Failure) -> CallEnd {
    let outcome = Outcome::Failed(failure);
    CallEnd::Ran { outcome, retryable: false, micros: 0, borrows: Vec::new() }
}
