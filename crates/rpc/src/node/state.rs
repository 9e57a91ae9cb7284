//! What nodes tell of their state, for tools: everything here can be serialised.

use mobula_types::{
    Attempt, ClusterId, Failure, FailureKind, FunctionId, JobId, NodeId, NodeInfo, NodeName, TaskId,
    TaskState, ViewVersion,
};
use serde::{Deserialize, Serialize};

/// A task, as its owner knows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TaskRecord {
    /// The task.
    pub task: TaskId,
    /// Its job.
    pub job: JobId,
    /// Its name for people: the option's, else the function's.
    pub name: String,
    /// Its function.
    pub function: FunctionId,
    /// How it stands.
    pub state: TaskState,
    /// The latest attempt.
    pub attempt: Attempt,
    /// Where it runs or ran.
    pub node: Option<NodeId>,
    /// Who owns it.
    pub owner: Option<NodeId>,
    /// The task that submitted it; `None` for a driver's.
    pub parent: Option<TaskId>,
    /// Why it waits, for people; empty where it does not.
    pub reason: String,
    /// Why it failed.
    pub failure: Option<FailureRecord>,
    /// When it was submitted, in milliseconds since 1970; 0 where that is not known.
    pub submitted_at: u64,
    /// When its latest attempt started; 0 where none has.
    pub started_at: u64,
    /// When it ended; 0 where it has not.
    pub ended_at: u64,
}

/// A failure, for tools.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FailureRecord {
    /// The kind.
    pub kind: FailureKind,
    /// What happened, with where and why, first to last.
    pub messages: Vec<String>,
}

impl From<&Failure> for FailureRecord {
    fn from(failure: &Failure) -> Self {
        let mut messages = Vec::new();
        let mut next = Some(failure);
        while let Some(failure) = next {
            messages.push(failure.to_string());
            next = failure.detail().cause.as_ref();
        }
        FailureRecord { kind: failure.kind(), messages }
    }
}

/// Tasks, and whether there are more than were asked for.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct TaskList {
    /// The tasks.
    pub tasks: Vec<TaskRecord>,
    /// Whether the limit cut the list.
    pub more: bool,
    /// Nodes that did not answer: of their tasks only those are here that the head has heard of.
    pub silent: Vec<NodeName>,
    /// Only for [`TaskScope::Owned`]: attempts of other nodes' tasks that have started on the node that was asked.
    pub started: Vec<(TaskId, Attempt)>,
    /// How many ends of tasks are not in the head's view, as they were too many.
    pub left_out: u64,
    /// The head did not answer: tasks that ended and that their owners have forgotten are missing.
    pub head_silent: bool,
}

/// Whose tasks are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TaskScope {
    /// Everybody's.
    Cluster,
    /// Those that the node which is asked owns.
    Owned,
}

/// Whose output is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogScope {
    /// That of the job's processes on all nodes. A failure at its end says what of it is missing.
    Cluster,
    /// That of those on the node which is asked.
    Node,
}

/// How a node stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NodeStatus {
    /// What everybody may know of it, with its load as of now.
    pub info: NodeInfo,
    /// Its cluster.
    pub cluster: ClusterId,
    /// Its process's number.
    pub process: u32,
    /// Milliseconds since its start.
    pub uptime_millis: u64,
    /// Worker processes.
    pub workers: u32,
    /// Open sessions, of workers and peers too.
    pub sessions: u32,
    /// Jobs that have work or sessions here.
    pub jobs: u32,
    /// Bytes of executables that it keeps.
    pub executables_bytes: u64,
    /// Whether it is connected to a head.
    pub head_connected: bool,
    /// Which state of the cluster it has seen.
    pub view: ViewVersion,
}
