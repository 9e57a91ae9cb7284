//! The settings of a router of calls.

use mobula_types::NodeId;
use std::time::Duration;

/// How a router behaves. The defaults are those of the documentation; tests change them.
#[derive(Clone, PartialEq, Debug)]
pub struct RouterOptions {
    /// This node.
    pub node: NodeId,
    /// How many calls of a lane may be unanswered at once until the hosting node says otherwise (8).
    pub window: u32,
    /// How long a lane without calls is kept (60 s).
    pub idle: Duration,
    /// How long after a node denied an actor the head is asked again where it is, and how often (500 ms).
    pub doubt: Duration,
    /// How long a call that failed in a way that its method's `retry_on` names waits before it is tried again (100 ms).
    pub retry_pause: Duration,
    /// Each further time twice as long, up to this (10 s). The waits are scattered between half of that and the whole.
    pub longest_retry_pause: Duration,
}

impl RouterOptions {
    /// The defaults, for that node.
    pub fn new(node: NodeId) -> Self {
        RouterOptions {
            node,
            window: 8,
            idle: Duration::from_secs(60),
            doubt: Duration::from_millis(500),
            retry_pause: Duration::from_millis(100),
            longest_retry_pause: Duration::from_secs(10),
        }
    }
}
