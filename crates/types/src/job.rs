//! Jobs: everything a driver program does between connect and disconnect.

use crate::ExecutableHash;
use std::collections::BTreeMap;

/// What a driver declares of its job when it opens it.
#[derive(Clone, PartialEq, Eq, Default, Debug, serde::Serialize, serde::Deserialize)]
pub struct JobSpec {
    /// A name for people.
    pub name: String,
    /// The executable whose functions the job's tasks run; `None` for a client that only uses what nodes embed.
    pub executable: Option<ExecutableHash>,
    /// The environment of its workers, which is otherwise empty.
    pub environment: BTreeMap<String, String>,
    /// The job's share of a node's queue relative to others; 1 unless set.
    pub weight: u32,
    /// The packed folder that its processes find in their working directory; `None` where it brings no files.
    pub files: Option<ExecutableHash>,
    /// The arguments with which its workers are started. Programs whose `main` diverts first have no use for them; others
    /// come to their worker's entry only so.
    pub worker_arguments: Vec<String>,
    /// Who opened it (`user@host`, program), for people.
    pub origin: String,
    /// A node runs its driver, as that node's child: the job has failed where that is lost, and is over when it exits.
    pub driven: bool,
    /// It has no driver: it lives while actors or supervisors of it do, or until it is stopped.
    pub detached: bool,
}

/// How a job stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub enum JobState {
    /// Its driver is there, or may come back.
    Running,
    /// It ended because its driver said so, or left and did not come back.
    Ended,
    /// It ended because the node that ran its submitted driver was lost, or that driver exited with an error.
    Failed,
    /// It was stopped on request.
    Stopped,
}
