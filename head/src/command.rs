//! What the front desk asks the leader.

use mobula_core::membership::LinkKey;
use mobula_rpc::head::{
    FunctionStatus, HeadMessages, HeadRefusal, JoinRequest, NodeReport, NodeReports, TaskEventList,
};
use mobula_types::actor::{ActorAnswer, ActorRequest, Question};
use mobula_types::job::JobState;
use mobula_types::session::JobSecret;
use mobula_types::{
    ClusterView, ExecutableHash, Failure, JobId, JobInfo, JobSpec, JobStatus, NodeId, NodeInfo, NodeName,
    TaskFilter, ViewDelta,
};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// How an answer gets back. A leader that steps down drops it.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, HeadRefusal>>;

/// What is asked of the leader.
pub(crate) enum Command {
    Join { request: Box<JoinRequest>, reports: NodeReports, reply: Reply<HeadMessages> },
    Report { link: LinkKey, report: NodeReport },
    LinkEnded { link: LinkKey, failure: Option<Failure> },
    OpenJob { job: JobId, secret: JobSecret, spec: JobSpec, reply: Reply<JobInfo> },
    GetJob { job: JobId, reply: Reply<JobStatus> },
    VerifyJob { job: JobId, secret: JobSecret, reply: Reply<JobInfo> },
    EndJob { job: JobId, state: JobState, reason: String, reply: Reply<JobInfo> },
    View { reply: Reply<ClusterView> },
    WatchView { reply: Reply<mpsc::Receiver<ViewDelta>> },
    ListNodes { reply: Reply<Vec<Arc<NodeInfo>>> },
    ListJobs { limit: usize, reply: Reply<Vec<JobStatus>> },
    ListFunctions { reply: Reply<Vec<FunctionStatus>> },
    ListTasks { filter: TaskFilter, limit: usize, reply: Reply<TaskEventList> },
    LocateExecutable { hash: ExecutableHash, reply: Reply<Vec<NodeId>> },
    Drain { node: NodeName, reply: Reply<()> },
    Actors { ask: AskActors, reply: Reply<ActorAnswer> },
}

/// What is asked about actors and supervisors.
#[derive(Debug)]
pub(crate) struct AskActors {
    pub(crate) asker: Option<NodeId>,
    pub(crate) question: Option<Question>,
    pub(crate) request: ActorRequest,
}
