//! Calls leave: in order, as far as the window and the actor's whereabouts allow.

use super::actor::Whereabouts;
use super::lane::{Opening, Spoiled};
use super::router::CallRouter;
use super::{Effect, HostedCall};
use crate::tasks::Place;
use mobula_types::actor::LaneId;

impl CallRouter {
    /// Sends what can be sent of a lane.
    pub(super) fn pump(&mut self, lane: usize, effects: &mut Vec<Effect>) {
        loop {
            let entry = &self.lanes[lane];
            let Some(key) = entry.queue.front().copied() else { return };
            let actor = &self.actors[entry.actor];
            let epoch = match &actor.whereabouts {
                Whereabouts::At { epoch, .. } if !actor.doubted => *epoch,
                Whereabouts::Dead { .. } => return self.end_waiting(lane, effects),
                Whereabouts::At { .. } | Whereabouts::Pending => return,
            };
            if !self.calls[key].is_ready() || entry.sent.len() >= entry.window as usize {
                return;
            }
            let is_open = entry
                .opening
                .as_ref()
                .is_some_and(|opening| opening.epoch == epoch && opening.spoiled == Spoiled::No);
            // What was sent elsewhere, or came to nothing here, is answered first: it may come back, and goes before.
            if !is_open && (!entry.sent.is_empty() || !self.open(lane, effects)) {
                return;
            }
            self.lanes[lane].queue.pop_front();
            self.send(lane, key, effects);
        }
    }

    fn send(&mut self, lane: usize, key: usize, effects: &mut Vec<Effect>) {
        let number = self.lanes.number_of(lane);
        let entry = &mut self.lanes[lane];
        let (call, Some(opening)) = (&self.calls[key], &entry.opening) else { return };
        let Some(ready) = &call.ready else { return };
        effects.push(Effect::Send {
            place: opening.place.clone(),
            call: HostedCall {
                lane: LaneId(number),
                sequence: call.sequence,
                epoch: opening.epoch,
                task: call.task,
                attempt: ready.attempt,
                template: ready.template.clone(),
                arguments: ready.arguments.clone(),
                inputs: ready.inputs.clone(),
                deadline: ready.deadline,
                answered_below: entry.answered_below,
                resent: call.resent,
            },
        });
        entry.sent.push_back(key);
    }

    /// Names a lane, which has nothing unanswered, where its actor is now. `false` where that node is lost.
    fn open(&mut self, lane: usize, effects: &mut Vec<Effect>) -> bool {
        let Whereabouts::At { place, epoch } = &self.actors[self.lanes[lane].actor].whereabouts else {
            return false;
        };
        let (place, epoch) = (place.clone(), *epoch);
        if let Place::Peer(node) = &place
            && self.lost.contains(node)
        {
            return false;
        }
        self.close(lane, effects);
        if let Place::Peer(node) = &place {
            self.opened.entry(node.clone()).or_default().insert(lane);
        }
        let window = self.options.window;
        let number = self.lanes.number_of(lane);
        let entry = &mut self.lanes[lane];
        entry.window = window;
        entry.opening = Some(Opening { place: place.clone(), epoch, spoiled: Spoiled::No });
        let (caller, actor, job) = (entry.caller, entry.actor_id, entry.job);
        effects.push(Effect::OpenLane { place, lane: LaneId(number), caller, actor, job });
        true
    }

    /// A lane is used no more where it was named; if it is named again, then under another number.
    pub(super) fn close(&mut self, lane: usize, effects: &mut Vec<Effect>) {
        let number = LaneId(self.lanes.number_of(lane));
        let Some(opening) = self.lanes[lane].opening.take() else { return };
        self.lanes.renumber(lane);
        if let Place::Peer(node) = &opening.place {
            // One that is not listed there was lost with the node's session: there is nobody to tell.
            let Some(lanes) = self.opened.get_mut(node) else { return };
            if !lanes.swap_remove(&lane) {
                return;
            }
            if lanes.is_empty() {
                self.opened.swap_remove(node);
            }
        }
        effects.push(Effect::CloseLane { place: opening.place, lane: number });
    }

    /// The actor is dead: what is ready ends, and what is not yet ends when it is.
    fn end_waiting(&mut self, lane: usize, effects: &mut Vec<Effect>) {
        let Whereabouts::Dead { incarnation, reason } = &self.actors[self.lanes[lane].actor].whereabouts
        else {
            return;
        };
        let (incarnation, reason) = (*incarnation, reason.clone());
        let mut position = 0;
        while let Some(key) = self.lanes[lane].queue.get(position).copied() {
            if !self.calls[key].is_ready() {
                position += 1;
                continue;
            }
            self.lanes[lane].queue.remove(position);
            let failure = reason.to_failure(incarnation, self.calls[key].may_have_run);
            self.fail(key, failure, effects);
        }
        self.note_idle(lane, effects);
    }
}
