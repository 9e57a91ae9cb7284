//! What there is in the world of a test: which actors run, and where.

use super::world::World;
use mobula_types::actor::ActorState;
use mobula_types::{Incarnation, NodeId};

impl World {
    /// Where an actor of that class runs.
    pub(super) fn running(&self, class: &str) -> Option<(NodeId, Incarnation)> {
        self.nodes.iter().find_map(|(id, known)| {
            let mut actors = known.actors.iter().filter(|(_, state)| **state == ActorState::Running);
            let found = actors.find(|(incarnation, _)| self.classes[&incarnation.actor] == class);
            found.map(|(incarnation, _)| (id.clone(), *incarnation))
        })
    }

    /// The classes of the actors that a node has.
    pub(super) fn classes_on(&self, id: &NodeId) -> Vec<String> {
        let actors = self.nodes.get(id).into_iter().flat_map(|known| known.actors.keys());
        actors.map(|incarnation| self.classes[&incarnation.actor].clone()).collect()
    }

    /// The classes of all actors that nodes have, sorted.
    pub(super) fn alive(&self) -> Vec<String> {
        let actors = self.nodes.values().flat_map(|known| known.actors.keys());
        let mut classes: Vec<String> =
            actors.map(|incarnation| self.classes[&incarnation.actor].clone()).collect();
        classes.sort();
        classes
    }
}
