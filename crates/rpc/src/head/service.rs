//! The face of a head towards its clients, in domain types.

use super::message::{HeadMessage, JoinRequest, NodeReport};
use async_trait::async_trait;
use mobula_types::actor::{ActorRequest, Asked, Question};
use mobula_types::job::JobState;
use mobula_types::session::JobSecret;
use mobula_types::{
    ClusterId, ClusterView, ExecutableHash, Failure, FailureKind, FunctionInfo, HeadTerm, JobId, JobInfo,
    JobSpec, JobStatus, NodeId, NodeInfo, NodeName, TaskEvent, TaskFilter, ViewDelta,
};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::Stream;

/// What a node sends on its `Join` stream after the first message. An error is how the stream broke; its end without
/// one is the node's own.
pub type NodeReports = Pin<Box<dyn Stream<Item = Result<NodeReport, Failure>> + Send>>;

/// What a head sends on a `Join` stream, which ends with it.
pub type HeadMessages = Pin<Box<dyn Stream<Item = HeadMessage> + Send>>;

/// A head refuses a request.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{failure}")]
pub struct HeadRefusal {
    /// Why.
    pub failure: Failure,
    /// Whether another head has to be asked: this one does not lead.
    pub not_leader: bool,
    /// The leader's address, where it is known.
    pub leader: Option<Arc<str>>,
}

impl HeadRefusal {
    /// This head does not lead; `leader` does, as far as is known.
    pub fn not_leader(leader: Option<Arc<str>>) -> Self {
        let message = match &leader {
            Some(address) => format!("this head does not lead; the leader is {address}"),
            None => "this head does not lead, and nobody else does yet".to_owned(),
        };
        HeadRefusal { failure: Failure::new(FailureKind::Unavailable, message), not_leader: true, leader }
    }
}

impl From<Failure> for HeadRefusal {
    fn from(failure: Failure) -> Self {
        HeadRefusal { failure, not_leader: false, leader: None }
    }
}

/// How a head stands.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct HeadStatus {
    /// The cluster; `None` until the registry was reached once.
    pub cluster: Option<ClusterId>,
    /// Its own advertised URL.
    pub address: Arc<str>,
    /// Whether it leads.
    pub leading: bool,
    /// The leader's advertised URL, where it is known.
    pub leader: Option<Arc<str>>,
    /// The term, while it leads.
    pub term: HeadTerm,
    /// Heads that registered within the last ten minutes.
    pub heads: Vec<Arc<str>>,
    /// The registry, for people.
    pub registry: String,
    /// What is wrong with the registry; empty where nothing is.
    pub registry_problem: String,
    /// Records of the registry that could not be read and are left alone.
    pub quarantined: Vec<String>,
    /// The version of the program.
    pub version: Arc<str>,
}

/// What a head has heard of single tasks.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct TaskEventList {
    /// The latest event of each task, newest first.
    pub events: Vec<TaskEvent>,
    /// How many ends of tasks nodes have left out of their reports to this head, as they were too many.
    pub left_out: u64,
}

/// A function and the nodes that embed it.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct FunctionStatus {
    /// The function.
    pub info: FunctionInfo,
    /// The nodes.
    pub nodes: Vec<NodeId>,
}

/// What a head does for nodes, clients and operators. Every call is answered within a deadline of the head's own.
#[async_trait]
pub trait HeadService: fmt::Debug + Send + Sync + 'static {
    /// A node joins. The stream's first message is the grant.
    async fn join(&self, request: JoinRequest, reports: NodeReports) -> Result<HeadMessages, HeadRefusal>;

    /// Renews a node's lease; any head does. Answers what remains of it; `NotFound` where it has ended.
    async fn renew_lease(&self, node: NodeId, lease_id: u64) -> Result<Duration, HeadRefusal>;

    /// Opens a job under an id and a secret that the caller chose, so that a repeat finds itself. Durable before it
    /// is answered.
    async fn open_job(&self, job: JobId, secret: JobSecret, spec: JobSpec) -> Result<JobInfo, HeadRefusal>;

    /// What is known of a job.
    async fn get_job(&self, job: JobId) -> Result<JobStatus, HeadRefusal>;

    /// What is known of a job, if the secret is its own; else `PermissionDenied`.
    async fn verify_job(&self, job: JobId, secret: JobSecret) -> Result<JobInfo, HeadRefusal>;

    /// Ends a job. Ending one that has ended answers how it did.
    async fn end_job(&self, job: JobId, state: JobState, reason: String) -> Result<JobInfo, HeadRefusal>;

    /// The nodes.
    async fn view(&self) -> Result<ClusterView, HeadRefusal>;

    /// The nodes, and every change of them. Ends when the receiver is too slow or the head stops leading.
    async fn watch_view(&self) -> Result<mpsc::Receiver<ViewDelta>, HeadRefusal>;

    /// The nodes, those declared dead within the last while too.
    async fn list_nodes(&self) -> Result<Vec<Arc<NodeInfo>>, HeadRefusal>;

    /// The jobs, newest first, at most `limit`.
    async fn list_jobs(&self, limit: usize) -> Result<Vec<JobStatus>, HeadRefusal>;

    /// What nodes embed.
    async fn list_functions(&self) -> Result<Vec<FunctionStatus>, HeadRefusal>;

    /// The latest known event of each task that the head has heard of, newest first, at most `limit`.
    async fn list_tasks(&self, filter: TaskFilter, limit: usize) -> Result<TaskEventList, HeadRefusal>;

    /// The nodes that hold an executable.
    async fn locate_executable(&self, hash: ExecutableHash) -> Result<Vec<NodeId>, HeadRefusal>;

    /// Tells a node to drain; answered once that is durable.
    async fn drain(&self, node: NodeName) -> Result<(), HeadRefusal>;

    /// Answers what is asked about actors and supervisors. `asker` is the node that asks, for itself or its programs: where
    /// actors that it creates are, it hears without asking.
    /// A question is done once, however often it is asked.
    async fn actors(
        &self,
        asker: Option<NodeId>,
        question: Option<Question>,
        request: ActorRequest,
    ) -> Result<Asked, HeadRefusal>;

    /// How this head stands; standbys answer for themselves.
    async fn status(&self) -> HeadStatus;
}
