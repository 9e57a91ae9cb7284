//! Actors that keep on without a head, on nodes whose leases have ended: they may still run, and so none of them is granted
//! anew until their node is back as a later generation, or an operator says so.

use super::actor::{Actor, Phase};
use super::decide::Exits;
use super::{RequestKey, Supervision};
use mobula_types::actor::{ActorAnswer, OnIsolation};
use mobula_types::{ActorId, ExitKind, ExitReason, NodeId};

impl Supervision {
    /// Whether an actor of a node whose lease has ended may still run: it has not exited then, as far as anybody knows.
    pub(super) fn isolate(&mut self, id: ActorId, node: &NodeId) -> bool {
        let Some(actor) = self.actors.get(&id).filter(|actor| keeps(actor)) else { return false };
        if !matches!(actor.phase, Phase::Starting | Phase::Running | Phase::Unknown) {
            return false;
        }
        let is_to_stop = actor.stop.is_some();
        self.isolated.entry(node.clone()).or_default().insert(id);
        if is_to_stop {
            // Whoever waits for its exit goes on; what follows from that waits.
            return false;
        }
        if let Some(known) = self.nodes.get_mut(node) {
            known.actors.remove(&id);
        }
        self.set_phase(id, Phase::Isolated);
        self.moved.insert(id);
        true
    }

    /// Whether its latest incarnation may still run where nobody can tell it to stop.
    pub(super) fn is_kept(&self, id: ActorId, actor: &Actor) -> bool {
        let kept = actor.node.as_ref().and_then(|node| self.isolated.get(node));
        kept.is_some_and(|kept| kept.contains(&id))
    }

    /// Nobody waits for its exit any more, nor hears of it later. What comes after it still waits.
    pub(super) fn give_up_isolated(&mut self, id: ActorId) {
        let reason = ExitReason::of(ExitKind::NodeLost);
        let Some(actor) = self.actors.get_mut(&id) else { return };
        actor.last = Some((actor.epoch, reason.clone()));
        let incarnation = actor.incarnation(id);
        self.grant_over(id);
        let write = self.mark_actor(id);
        self.say_downs(incarnation, &reason, write);
        self.moved.insert(id);
    }

    /// A node has joined. Earlier generations of it have given up what they had.
    pub(super) fn earlier_ones_are_gone(&mut self, node: &NodeId) {
        let all = NodeId { generation: mobula_types::Generation(0), ..node.clone() }..node.clone();
        let earlier: Vec<NodeId> = self.isolated.range(all).map(|(known, _)| known.clone()).collect();
        for known in earlier {
            let kept = self.isolated.remove(&known).unwrap_or_default();
            let there =
                |id: &ActorId| self.actors.get(id).is_some_and(|actor| actor.node.as_ref() == Some(&known));
            let kept: Vec<ActorId> = kept.into_iter().filter(there).collect();
            self.are_over(&kept, false);
        }
    }

    /// Incarnations that were isolated are over, all at once.
    fn are_over(&mut self, kept: &[ActorId], again: bool) {
        let mut exits = Exits::new();
        for id in kept {
            match self.actors.get_mut(id) {
                Some(actor) if actor.phase == Phase::Isolated => {
                    actor.again = again;
                    self.end(*id, ExitReason::of(ExitKind::NodeLost), self.now, true, &mut exits);
                }
                Some(_) => self.launch_if_wanted(*id),
                None => {}
            }
        }
        self.children_exited(exits);
    }

    /// An operator asked for a restart: where the actor is isolated, it starts elsewhere now.
    pub(super) fn released(&mut self, request: RequestKey, id: ActorId) -> bool {
        let Some(actor) = self.actors.get(&id).filter(|actor| self.is_kept(id, actor)) else { return false };
        if actor.child.is_none() && !self.may_move(id) {
            // It cannot start again: the answer to a restart says so.
            return false;
        }
        if let Some(kept) = actor.node.clone().and_then(|node| self.isolated.get_mut(&node)) {
            kept.remove(&id);
        }
        self.are_over(&[id], true);
        self.answer(self.write_of(id), request, Ok(ActorAnswer::Done { ended: None }));
        true
    }

    /// A head begins to lead: what an earlier one left to nodes of which only the leases have ended.
    pub(super) fn inherit_isolated(&mut self, all: &[ActorId]) {
        for id in all {
            let Some(actor) = self.actors.get(id).filter(|actor| keeps(actor)) else { continue };
            let Some(node) = actor.node.clone().filter(|node| self.isolated.contains_key(node)) else {
                continue;
            };
            let lost = (actor.epoch, ExitKind::NodeLost);
            let was_lost = actor.last.as_ref().is_some_and(|(epoch, reason)| (*epoch, reason.kind()) == lost);
            if actor.is_granted() {
                self.isolate(*id, &node);
            } else if was_lost {
                self.isolated.entry(node).or_default().insert(*id);
            }
        }
        self.isolated.retain(|_, kept| !kept.is_empty());
    }
}

fn keeps(actor: &Actor) -> bool {
    actor.options().on_isolation == OnIsolation::Keep
}
