//! What the state API shows of the engine.

use mobula_types::summary::TaskState;
use mobula_types::{Attempt, Failure, JobId, NodeId, ObjectId, TaskId, Time};
use std::sync::Arc;

/// One task, as its owner sees it.
#[derive(Clone, PartialEq, Debug)]
pub struct TaskSnapshot {
    /// The task.
    pub task: TaskId,
    /// Its job.
    pub job: JobId,
    /// Its name for people: the option's, else the function's.
    pub name: Arc<str>,
    /// How it stands. `Running` is all that was handed to a node, queued there or not, but for what is known to wait on this
    /// one.
    pub state: TaskState,
    /// The attempt that runs or is next.
    pub attempt: Attempt,
    /// How many retries were used.
    pub retries: u32,
    /// Where it runs.
    pub node: Option<NodeId>,
    /// The task that submitted it.
    pub parent: Option<TaskId>,
    /// When it was submitted.
    pub submitted: Time,
    /// When it is cancelled.
    pub deadline: Option<Time>,
    /// How many arguments it waits for.
    pub missing: u32,
    /// Why it waits, for people.
    pub reason: Option<Arc<str>>,
    /// Why it failed.
    pub failure: Option<Failure>,
}

/// Which tasks are asked for; what is not set matches everything.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SnapshotFilter {
    /// Only this job's.
    pub job: Option<JobId>,
    /// Only those that stand so.
    pub state: Option<TaskState>,
    /// Only those whose name contains this.
    pub name: Option<String>,
}

/// One object, as its owner or a borrower sees it.
#[derive(Clone, PartialEq, Debug)]
pub struct ObjectSnapshot {
    /// The object.
    pub object: ObjectId,
    /// Its job.
    pub job: JobId,
    /// Its owner; `None` for this node.
    pub owner: Option<NodeId>,
    /// Bytes of its value, where it has one.
    pub length: Option<u64>,
    /// Nodes whose stores hold it; empty for a value in the owner's memory.
    pub holders: Vec<NodeId>,
    /// How many references sessions hold.
    pub handles: u64,
    /// Nodes that borrow it.
    pub borrowers: Vec<NodeId>,
    /// How many unfinished tasks and other values need it.
    pub pins: u32,
}

/// Sizes of the engine, for metrics and for tests that nothing is left behind.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct EngineSizes {
    /// Tasks on record: unfinished ones, and those with results that somebody holds.
    pub tasks: usize,
    /// Objects on record.
    pub objects: usize,
    /// Tasks that wait for a place.
    pub queued: usize,
    /// Bytes of values, arguments and records.
    pub store_bytes: u64,
    /// Bytes kept to make results again.
    pub lineage_bytes: u64,
}
