//! The settings of a task engine.

use mobula_types::NodeId;
use std::time::Duration;

/// How a task engine behaves. The defaults are those of the documentation; tests change them.
#[derive(Clone, PartialEq, Debug)]
pub struct EngineOptions {
    /// This node.
    pub node: NodeId,
    /// Seeds the jitter of back-offs.
    pub seed: u64,
    /// How many bytes of inline values, pending arguments and records may be held before credit is withheld and puts
    /// are refused; at twice as many, submits are refused too (1 GiB).
    pub store_bytes: u64,
    /// How many bytes of finished tasks are kept so that stored results can be made again (256 MiB).
    pub lineage_bytes: u64,
    /// How many submits and puts a session may have under way beyond what is recorded (16,384).
    pub credit_window: u64,
    /// How many tasks of a job may wait for their children on this node (1,000).
    pub max_waiting: u32,
    /// The first back-off of a retry (100 ms); it doubles.
    pub retry_backoff: Duration,
    /// The longest back-off of a retry (10 s).
    pub retry_backoff_limit: Duration,
    /// How many nodes may be lost under a task within [`poison_window`](Self::poison_window) (2); one more and it is not
    /// run again.
    pub poison_losses: usize,
    /// Within what time those losses count (10 min).
    pub poison_window: Duration,
    /// How many nodes may refuse a task before it queues here for a while (3).
    pub max_refusals: u32,
    /// How long a task that was refused so often queues here before nodes are asked again (100 ms).
    pub refusal_pause: Duration,
    /// How long nodes may lack the room for a task's arguments before it fails with `StoreFull` (2 min).
    pub input_patience: Duration,
    /// The most tasks that queue behind a running one (127: with the running one, 128).
    pub max_ahead: u32,
    /// How much estimated work a slot is given at once (1 ms).
    pub ahead_work: Duration,
    /// How long a lost node's borrows, and references under way to another node, are kept; how long a lost owner's
    /// objects wait for another owner (30 s).
    pub grace: Duration,
    /// How long after a take-over the nodes are waited for before tasks are run again (3 s).
    pub seek_timeout: Duration,
    /// For how long a driver's credit is withheld while the store is over its bound (10 s).
    pub store_patience: Duration,
    /// The most bytes of small values that a task may have as arguments (256 MiB).
    pub most_inline: u64,
    /// The most bytes that a task may take as a frame: its small values, and what says of each argument where it is
    /// (272 MiB, which is what a session carries).
    pub most_frame: u64,
    /// A task with more of them is placed by itself, and never queues ahead (1 MiB).
    pub heavy_inline: u64,
    /// How many bytes of such tasks' values are under way to executors at once, or one task's (512 MiB).
    pub heavy_under_way: u64,
    /// After what pause an unreachable owner is asked again (1 s).
    pub ask_again: Duration,
}

impl EngineOptions {
    /// The defaults, for that node.
    pub fn new(node: NodeId) -> Self {
        EngineOptions {
            node,
            seed: 0,
            store_bytes: 1 << 30,
            lineage_bytes: 256 << 20,
            credit_window: 16_384,
            max_waiting: 1_000,
            retry_backoff: Duration::from_millis(100),
            retry_backoff_limit: Duration::from_secs(10),
            poison_losses: 2,
            poison_window: Duration::from_secs(600),
            max_refusals: 3,
            refusal_pause: Duration::from_millis(100),
            input_patience: Duration::from_secs(120),
            max_ahead: 127,
            ahead_work: Duration::from_millis(1),
            grace: Duration::from_secs(30),
            seek_timeout: Duration::from_secs(3),
            store_patience: Duration::from_secs(10),
            most_inline: 256 << 20,
            most_frame: (256 << 20) + (16 << 20),
            heavy_inline: 1 << 20,
            heavy_under_way: 512 << 20,
            ask_again: Duration::from_secs(1),
        }
    }
}
