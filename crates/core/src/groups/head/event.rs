//! What the head's side is told, and what it wants done.

use mobula_types::NodeId;
use mobula_types::actor::{GroupReport, RosterUpdate};

/// What happened.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// A node has joined, newly or again. It says what it holds behind its inventory.
    Joined {
        /// The node.
        node: NodeId,
    },
    /// A node reports. One that has not joined, or is lost, is not listened to.
    Reported {
        /// The node.
        node: NodeId,
        /// What.
        report: GroupReport,
    },
    /// A node is lost, or has left.
    Lost {
        /// The node.
        node: NodeId,
    },
    /// Time has passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Tell a node. Without a way to it that is not lost: it says anew what it follows when it joins.
    Tell {
        /// The node.
        node: NodeId,
        /// What is new, in order.
        updates: Vec<RosterUpdate>,
    },
}
