//! The settings of an executor.

use mobula_types::{NodeId, Resources};
use std::time::Duration;

/// How an executor behaves. The defaults are those of the documentation; tests change them.
#[derive(Clone, PartialEq, Debug)]
pub struct ExecutorOptions {
    /// This node.
    pub node: NodeId,
    /// Everything that its tasks may use. A node without CPUs takes no task.
    pub resources: Resources,
    /// How many assignments of one job may wait here; one more is refused with `NoRoom` (65,536).
    pub max_queued: usize,
    /// How many runs fetch their inputs at once (8).
    pub max_fetching: usize,
    /// The most runs that a slot is given at once (128).
    pub max_ahead: u32,
    /// How much estimated work a slot is given at once (1 ms).
    pub ahead_work: Duration,
    /// How many bytes of arguments a slot is given at once (16 MiB), or one run's.
    pub ahead_bytes: u64,
    /// Waiting work worth less than this is not recalled for an idle slot (200 µs).
    pub recall_worth: Duration,
    /// How long a run may hold up those behind it before they are recalled (5 ms).
    pub long_run: Duration,
    /// How long a worker stays without work before it is retired (60 s).
    pub idle_worker: Duration,
    /// How long a cancelled run may go on before its worker is killed, where that was asked for (2 s).
    pub kill_grace: Duration,
    /// How long a retired worker without runs may take to end before it is killed (10 s).
    pub retire_grace: Duration,
    /// How long a task that lacks nothing but CPUs waits before smaller ones stop going first (500 ms).
    pub starvation: Duration,
    /// How long a lost owner's runs go on unadopted (30 s).
    pub orphan_grace: Duration,
    /// How many workers in a row may fail to start before the tasks that wait for one go back to their owners (3).
    pub max_start_failures: u32,
    /// For how long after that the job's new tasks go back at once (5 s).
    pub start_failure_memory: Duration,
    /// How many slots of a worker its crash page has room for (2,048): what the others had counts as started.
    pub noted_slots: u32,
    /// How many tasks of no CPUs of one job run at once (64); those that wait for others do not count.
    pub max_zero_cpu: u32,
}

impl ExecutorOptions {
    /// The defaults, for that node with these resources.
    pub fn new(node: NodeId, resources: Resources) -> Self {
        ExecutorOptions {
            node,
            resources,
            max_queued: 65_536,
            max_fetching: 8,
            max_ahead: 128,
            ahead_work: Duration::from_millis(1),
            ahead_bytes: 16 << 20,
            recall_worth: Duration::from_micros(200),
            long_run: Duration::from_millis(5),
            idle_worker: Duration::from_secs(60),
            kill_grace: Duration::from_secs(2),
            retire_grace: Duration::from_secs(10),
            starvation: Duration::from_millis(500),
            orphan_grace: Duration::from_secs(30),
            max_start_failures: 3,
            start_failure_memory: Duration::from_secs(5),
            noted_slots: 2_048,
            max_zero_cpu: 64,
        }
    }
}
