//! Who is told where actors are.

use super::Supervision;
use super::actor::Phase;
use super::outbox::Said;
use mobula_types::actor::{ActorLocation, ChildState, Location};
use mobula_types::{ActorId, Epoch, ExitKind, ExitReason, Incarnation, NodeId};
use smallvec::SmallVec;

impl Supervision {
    /// A node wants to hear of an actor, now and whenever that changes.
    pub(super) fn locate(&mut self, node: &NodeId, id: ActorId) {
        let location = if self.await_creation(node, id) {
            Location::Pending { last: None }
        } else {
            self.listen(node, id);
            self.location(id)
        };
        let write = self.write_of(id);
        self.say(write, Said::Located(node.clone(), ActorLocation { actor: id, location }));
    }

    /// As [`locate`](Self::locate), but it hears of changes alone.
    fn listen(&mut self, node: &NodeId, id: ActorId) {
        self.listen_to_left_alone(node, id);
        let nodes = &self.nodes;
        if let Some(actor) = self.actors.get_mut(&id) {
            // Those that are dead are found out here, not when they die.
            actor.listeners.retain(|known| known != node && nodes.contains_key(known));
            actor.listeners.push(node.clone());
        }
    }

    pub(super) fn unlocate(&mut self, node: &NodeId, id: ActorId) {
        self.unheard.unlocate(node, id);
        if let Some(actor) = self.actors.get_mut(&id) {
            actor.listeners.retain(|known| known != node);
        }
    }

    /// Tells of everything whose place changed in this turn.
    pub(super) fn tell_moves(&mut self) {
        for id in std::mem::take(&mut self.moved) {
            let Some(supervisor) = self.supervisors.get(&id) else {
                self.tell_move(id, 0);
                continue;
            };
            // Where it is not started again, neither is what it had.
            let (write, mut below) = (supervisor.write, Vec::new());
            if !supervisor.running && self.is_over(supervisor.parent) {
                self.actors_below(id, &mut below);
            }
            below.into_iter().for_each(|id| self.tell_move(id, write));
        }
    }

    fn tell_move(&mut self, id: ActorId, after: u64) {
        let Some(actor) = self.actors.get(&id).filter(|actor| !actor.listeners.is_empty()) else { return };
        let (listeners, write) = (actor.listeners.clone(), actor.write.max(after));
        self.tell(listeners, id, write);
    }

    pub(super) fn tell(&mut self, listeners: SmallVec<[NodeId; 1]>, id: ActorId, write: u64) {
        let location = self.location(id);
        for node in listeners {
            let location = ActorLocation { actor: id, location: location.clone() };
            self.say(write, Said::Located(node, location));
        }
    }

    fn location(&self, id: ActorId) -> Location {
        if let Some(location) = self.location_of_left_alone(id) {
            return location;
        }
        let Some(actor) = self.actors.get(&id) else {
            let (incarnation, reason) = match self.dead.get(id) {
                Some(dead) => (dead.incarnation, dead.reason.clone()),
                None => (Incarnation { actor: id, epoch: Epoch(0) }, ExitReason::of(ExitKind::Lost)),
            };
            return Location::Dead { incarnation, reason };
        };
        let last = actor.last.as_ref();
        let last = last.map(|(epoch, reason)| (Incarnation { actor: id, epoch: *epoch }, reason.clone()));
        match (actor.phase, &actor.node) {
            (Phase::Running, Some(node)) => {
                Location::At { node: node.clone(), incarnation: actor.incarnation(id) }
            }
            (Phase::Idle, _) if self.is_over(actor.child) => {
                let none = (actor.incarnation(id), ExitReason::of(ExitKind::Shutdown));
                let (incarnation, reason) = last.unwrap_or(none);
                Location::Dead { incarnation, reason }
            }
            _ => Location::Pending { last },
        }
    }

    /// Whether it is a child that is not to be started again, unless somebody asks for it: it has ended, or a supervisor
    /// above it has.
    pub(super) fn is_over(&self, place: Option<(ActorId, u64)>) -> bool {
        let mut place = place;
        while let Some((above, ordinal)) = place {
            let Some(supervisor) = self.supervisors.get(&above) else { return true };
            let child = supervisor.children.get(&ordinal);
            if child.is_none_or(|child| child.removed || child.state != ChildState::Present) {
                return true;
            }
            place = supervisor.parent.filter(|_| !supervisor.running);
        }
        false
    }

    /// The actors below a supervisor, however far.
    fn actors_below(&self, id: ActorId, found: &mut Vec<ActorId>) {
        for child in self.supervisors.get(&id).into_iter().flat_map(|supervisor| supervisor.children.values())
        {
            if child.is_supervisor { self.actors_below(child.actor, found) } else { found.push(child.actor) }
        }
    }
}
