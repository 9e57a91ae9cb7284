//! How much the node's side keeps, and for how long.

use mobula_types::NodeId;
use std::time::Duration;

/// Options of the node's side.
#[derive(Clone, Debug)]
pub struct GroupsOptions {
    /// The node.
    pub node: NodeId,
    /// Groups and topics that one actor or session may be in (10,000); past it, `ResourceExhausted`.
    pub most_of_one: usize,
    /// Rosters that the node follows at once (10,000); past it, `ResourceExhausted`, and messages stay on the node.
    pub most_followed: usize,
    /// How long a roster is followed after its last use (60 s).
    pub idle: Duration,
    /// How long a question, and messages, wait for a head that knows the roster (10 s).
    pub patience: Duration,
    /// Questions about one group that wait meanwhile (10,000); past it, `ResourceExhausted`.
    pub most_asks: usize,
    /// Messages of one namespace that wait meanwhile (1,000), and their bytes (4 MiB); further ones stay on the node.
    pub most_waiting: usize,
    /// Their bytes.
    pub most_waiting_bytes: usize,
}

impl GroupsOptions {
    /// The defaults.
    pub fn new(node: NodeId) -> Self {
        GroupsOptions {
            node,
            most_of_one: 10_000,
            most_followed: 10_000,
            idle: Duration::from_secs(60),
            patience: Duration::from_secs(10),
            most_asks: 10_000,
            most_waiting: 1000,
            most_waiting_bytes: 4 * 1024 * 1024,
        }
    }
}
