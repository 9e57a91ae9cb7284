//! The settings of a hosting machine.

use mobula_types::NodeId;
use std::time::Duration;

/// How a hosting machine behaves. The defaults are those of the documentation; tests change them.
#[derive(Clone, PartialEq, Debug)]
pub struct HostOptions {
    /// This node.
    pub node: NodeId,
    /// How many calls of a lane may be unanswered at first (8): many callers together do not fill a mailbox before it has said
    /// anything. Each answer makes it so much larger, up to [`usual_window`](Self::usual_window).
    pub window: u32,
    /// How many may be once a few were answered (128). From there on it grows by one with each answer.
    pub usual_window: u32,
    /// How many may be at most (1,000).
    pub max_window: u32,
    /// How many answers are kept for a driver that has not said that it has them (2,000).
    pub kept_answers: usize,
    /// How long a driver's answers are kept after its last lane has gone (120 s): longer than a job outlives its driver.
    pub orphaned_answers: Duration,
    /// How long an actor may take to end beyond its grace before it counts as dead (2 s).
    pub overrun: Duration,
    /// How long a worker stays without actors (10 s).
    pub idle_worker: Duration,
    /// How long a retired worker may take to end before it is killed (10 s).
    pub retire_grace: Duration,
    /// How long an actor's constructor and `on_start` may take where its creation says nothing else (60 s).
    pub start_limit: Duration,
    /// How long the actors of a job that has ended are left to the head, which stops them in order (5 s).
    pub job_grace: Duration,
    /// How often an exit is reported until it is recorded (5 s).
    pub report_again: Duration,
}

impl HostOptions {
    /// The defaults, for that node.
    pub fn new(node: NodeId) -> Self {
        HostOptions {
            node,
            window: 8,
            usual_window: 128,
            max_window: 1_000,
            kept_answers: 2_000,
            orphaned_answers: Duration::from_secs(120),
            overrun: Duration::from_secs(2),
            idle_worker: Duration::from_secs(10),
            retire_grace: Duration::from_secs(10),
            start_limit: Duration::from_secs(60),
            job_grace: Duration::from_secs(5),
            report_again: Duration::from_secs(5),
        }
    }
}
