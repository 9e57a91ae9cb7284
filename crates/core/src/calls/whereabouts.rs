//! Where actors are, and what becomes of calls when that changes.

use super::Effect;
use super::actor::Whereabouts;
use super::router::CallRouter;
use crate::tasks::Place;
use mobula_types::actor::{ActorLocation, Epoch, ExitKind, ExitReason, Location};
use mobula_types::{Failure, FailureKind, NodeId};

impl CallRouter {
    pub(super) fn actor_located(&mut self, location: ActorLocation, effects: &mut Vec<Effect>) {
        let Some(key) = self.find_actor(location.actor) else { return };
        let node = &self.options.node;
        let actor = &mut self.actors[key];
        actor.doubted = false;
        actor.whereabouts = match location.location {
            Location::Pending { last } => {
                if let Some((incarnation, _)) = last {
                    actor.over = actor.over.max(incarnation.epoch);
                }
                Whereabouts::Pending
            }
            Location::At { node: _, incarnation } if incarnation.epoch <= actor.over => Whereabouts::Pending,
            Location::At { node: at, incarnation } => {
                // The epochs below are over: they end before a higher one is granted.
                actor.over = actor.over.max(Epoch(incarnation.epoch.0.saturating_sub(1)));
                let place = if at == *node { Place::Local } else { Place::Peer(at) };
                Whereabouts::At { place, epoch: incarnation.epoch }
            }
            Location::Dead { incarnation, reason } => {
                actor.over = actor.over.max(incarnation.epoch);
                Whereabouts::Dead { incarnation, reason }
            }
        };
        self.pump_actor(key, effects);
    }

    fn pump_actor(&mut self, actor: usize, effects: &mut Vec<Effect>) {
        let mut position = self.actors[actor].lanes.len();
        // From behind, since a lane that is done for takes itself out, and another one takes its place.
        while position > 0 {
            position -= 1;
            if let Some(lane) = self.actors[actor].lanes.get(position).copied() {
                self.pump(lane, effects);
            }
        }
    }

    pub(super) fn actor_over(&mut self, lane: usize, epoch: Epoch) {
        let actor = self.lanes[lane].actor;
        self.actors[actor].is_over(epoch);
    }

    /// A node denied an incarnation, or cannot be reached: it may be gone, or the news of it is under way.
    pub(super) fn doubt(&mut self, actor: usize, epoch: Epoch) {
        let entry = &mut self.actors[actor];
        let is_there = matches!(entry.whereabouts, Whereabouts::At { epoch: at, .. } if at == epoch);
        if is_there && !entry.doubted {
            entry.doubted = true;
            self.doubts.insert((self.now + self.options.doubt, entry.id));
        }
    }

    pub(super) fn peer_unreachable(&mut self, node: &NodeId, effects: &mut Vec<Effect>) {
        let lanes = self.opened.swap_remove(node).unwrap_or_default();
        for lane in &lanes {
            let Some(epoch) = self.epoch_of(*lane) else { continue };
            self.doubt(self.lanes[*lane].actor, epoch);
            while let Some(key) = self.lanes[*lane].sent.pop_front() {
                let text = format!("{node} cannot be reached; the call may have run");
                let failure = Failure::new(FailureKind::Unavailable, text)
                    .on_node(node.clone())
                    .with(|detail| detail.may_have_run = true);
                self.fail(key, failure, effects);
            }
        }
        self.leave(lanes, effects);
    }

    pub(super) fn node_lost(&mut self, node: NodeId, effects: &mut Vec<Effect>) {
        let lanes = self.opened.swap_remove(&node).unwrap_or_default();
        self.remember_lost(node);
        for lane in &lanes {
            let Some(epoch) = self.epoch_of(*lane) else { continue };
            self.actor_over(*lane, epoch);
            // Those that are tried again go back to their places, all before any of them is sent.
            while let Some(key) = self.lanes[*lane].sent.pop_front() {
                self.died(key, epoch, ExitReason::of(ExitKind::NodeLost), effects);
            }
        }
        self.leave(lanes, effects);
    }

    /// Lanes whose node is gone, with nobody there to tell: what waits goes on elsewhere.
    fn leave(&mut self, lanes: indexmap::IndexSet<usize, super::router::Hasher>, effects: &mut Vec<Effect>) {
        for lane in lanes {
            self.close(lane, effects);
            self.settle(lane, effects);
        }
    }
}
