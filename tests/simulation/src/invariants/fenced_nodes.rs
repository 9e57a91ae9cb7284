//! A node gives its generation up only where the registry says that it is dead, or the leader is about to write so.

use crate::registry::{Key, Value};
use crate::world::World;
use mobula_types::{HeadTerm, NodeId, NodeState};

/// Nodes that were told that they are dead.
#[derive(Default, Debug)]
pub(super) struct FencedNodes {
    told: Vec<NodeId>,
    latest: HeadTerm,
    restored: bool,
}

impl FencedNodes {
    pub(super) fn restored(&mut self) {
        self.restored = true;
    }

    /// Terms rise.
    pub(super) fn leads(&mut self, term: HeadTerm) -> Result<(), String> {
        let latest = std::mem::replace(&mut self.latest, term);
        if term <= latest { Err(format!("term {term} comes after term {latest}")) } else { Ok(()) }
    }

    pub(super) fn told_dead(&mut self, node: NodeId) {
        self.told.push(node);
    }
}

/// Compares what nodes were told with what the registry says.
pub(super) fn check(world: &mut World) {
    let told = std::mem::take(&mut world.context.observer.fenced.told);
    if told.is_empty() || world.context.observer.fenced.restored {
        return;
    }
    for node in told {
        let Some(Value::Node(record)) = world.registry.get(&Key::Node(node.name.clone())) else { continue };
        let superseded = record.generation > node.generation;
        let dead = record.generation == node.generation && record.state == NodeState::Dead;
        let being_written = world.leader_says_dead(&node);
        if !superseded && !dead && !being_written {
            let problem = format!("{node} is told that it is dead, and the registry has {:?}", record.state);
            world.context.observer.broken("fenced_nodes", problem);
        }
    }
}
