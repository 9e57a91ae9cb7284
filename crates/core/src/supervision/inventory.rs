//! What a node says of everything that it has: in parts, of which nothing is decided before the last one is there.

use super::Supervision;
use super::nodes::Standing;
use mobula_types::actor::{ExitReport, HostedActor, Watch};
use mobula_types::{ActorId, Incarnation, NodeId};

/// An inventory, or the parts of it that are there: as much as the node has.
#[derive(Clone, Default, Debug)]
pub(super) struct Inventory {
    pub(super) actors: Vec<HostedActor>,
    pub(super) exits: Vec<ExitReport>,
    pub(super) ignored: Vec<Incarnation>,
    pub(super) located: Vec<ActorId>,
    pub(super) watches: Vec<Watch>,
}

impl Inventory {
    fn add(&mut self, part: Inventory) {
        self.actors.extend(part.actors);
        self.exits.extend(part.exits);
        self.ignored.extend(part.ignored);
        self.located.extend(part.located);
        self.watches.extend(part.watches);
    }
}

impl Supervision {
    /// A part of an inventory of a node that has joined.
    pub(super) fn inventory_part(&mut self, node: &NodeId, part: Inventory, last: bool) {
        let Some(known) = self.nodes.get_mut(node) else { return };
        if !matches!(known.standing, Standing::Joining | Standing::Joined) {
            return;
        }
        known.parts.add(part);
        if last {
            let Inventory { actors, exits, ignored, located, watches } = std::mem::take(&mut known.parts);
            self.inventory(node, actors, (exits, ignored), located, watches);
        }
    }
}
