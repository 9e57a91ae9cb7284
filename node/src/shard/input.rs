//! What reaches a shard.

use crate::bring::NotBrought;
use crate::workers::WorkerExit;
use mobula_core::executor::RunKey;
use mobula_core::tasks::SessionKey;
use mobula_objects::Pin;
use mobula_rpc::head::HeadEvent;
use mobula_rpc::session::{Session, SessionEnd};
use mobula_types::frame::Input as TaskInput;
use mobula_types::outcome::{CopyVersion, StoredCopy};
use mobula_types::{
    ActorId, ArgumentRef, Failure, Frame, JobId, JobInfo, NodeId, ObjectAddress, ObjectId, Outcome, Payload,
    ResultValue, SessionRole, TaskFilter, TaskId, TaskTemplate, Time, WorkerId,
};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Where an answer goes. A caller that has left is not missed.
pub(crate) type Reply<T> = oneshot::Sender<T>;

/// Something that happened outside the shard's thread of thought.
#[derive(Debug)]
pub(crate) enum Input {
    /// A session was opened with this node; its role was checked.
    Opened { role: SessionRole, session: Session, reply: Reply<Result<(), Failure>> },
    /// Frames of a session.
    Frames { session: SessionKey, frames: Vec<Frame> },
    /// A session's stream broke (`false`) or is there again (`true`).
    Attached { session: SessionKey, attached: bool },
    /// A session is over.
    Ended { session: SessionKey, end: SessionEnd },
    /// A session that this node opened with another is there, or could not be opened.
    PeerConnected { node: NodeId, session: Result<Session, Failure> },
    /// A head says something.
    Head(HeadEvent),
    /// A worker process runs.
    WorkerLaunched { worker: WorkerId, process: u32 },
    /// A worker could not be started.
    WorkerFailed { worker: WorkerId, failure: Failure },
    /// A worker's process has ended.
    WorkerExited { worker: WorkerId, exit: WorkerExit },
    /// A run's inputs are here, and kept, or one could not be brought.
    Fetched { run: RunKey, result: Result<(Vec<TaskInput>, Vec<Pin>), (ObjectId, NotBrought)> },
    /// A turn's inputs are here, and kept, or one could not be brought.
    FetchedForTurn { handle: u64, result: super::actors::BroughtInputs },
    /// What the head says of actors that it was to create; each by itself.
    ActorsCreated { actors: Vec<ActorId>, answer: Result<Vec<Result<ActorId, Failure>>, Failure> },
    /// The job of what a creation detaches, or why there is none.
    DetachedJob { new: Box<super::actors::NewActor>, job: Result<JobId, Failure> },
    /// The head's answer to a question of a session.
    HeadAnswered { session: SessionKey, number: u64, answer: mobula_types::frame::Answer },
    /// Where an actor is that joins a group, or leaves it.
    MemberFound(Box<super::actors::FoundMember>),
    /// What the head knows of a job, or that it could not say.
    JobKnown { job: JobId, info: Result<JobInfo, Failure> },
    /// A call from outside any session.
    Call(Call),
}

impl Input {
    /// What it counts of those that one turn takes.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Input::Frames { frames, .. } => frames.len(),
            _ => 1,
        }
    }
}

/// A call of the service that needs the shard.
#[derive(Debug)]
pub(crate) enum Call {
    /// Submit a task for a thin client.
    Submit {
        job: JobId,
        task: TaskId,
        template: Arc<TaskTemplate>,
        arguments: Payload,
        references: Vec<ArgumentRef>,
        deadline: Option<Time>,
        reply: Reply<Option<Failure>>,
    },
    /// Call an actor for a thin client.
    Invoke {
        job: JobId,
        task: TaskId,
        template: Arc<TaskTemplate>,
        arguments: Payload,
        references: Vec<ArgumentRef>,
        deadline: Option<Time>,
        target: mobula_core::tasks::CallTarget,
        reply: Reply<Option<Failure>>,
    },
    /// An object's value, when it is there; `TimedOut` where it is not by then.
    Get { address: ObjectAddress, job: JobId, until: Time, reply: Reply<Outcome> },
    /// Put a value for a thin client.
    Put { job: JobId, object: ObjectId, value: ResultValue, reply: Reply<Option<Failure>> },
    /// A thin client holds these no more.
    Release { job: JobId, objects: Vec<ObjectAddress> },
    /// Cancel a task of a thin client.
    Cancel { job: JobId, task: TaskId, force: bool, recursive: bool },
    /// A job that was just opened, or that the head has explained.
    KnowJob { info: JobInfo, reply: Reply<()> },
    /// Where an object's bytes are, for a download; nothing where they are not in stores.
    Locate { object: ObjectId, reply: Reply<Option<(Option<JobId>, Arc<StoredCopy>)>> },
    /// The node that owns an object, as far as is known here: else this one.
    OwnerOf { object: ObjectId, reply: Reply<NodeId> },
    /// The job of a task that runs here.
    JobOf { task: TaskId, reply: Reply<Option<JobId>> },
    /// A copy of this is here now.
    Copied { object: ObjectId, version: CopyVersion },
    /// That node has its copy of this no more, as it says itself.
    CopyGone { object: ObjectId, version: CopyVersion, holder: NodeId },
    /// Tasks that this node owns.
    Tasks { filter: TaskFilter, limit: usize, reply: Reply<OwnTasks> },
    /// One task that this node owns.
    Task { task: TaskId, reply: Reply<Option<mobula_core::tasks::TaskSnapshot>> },
    /// The logs of a job on this node.
    Logs { job: JobId, reply: Reply<Option<crate::workers::JobLogs>> },
    /// Where a job's driver runs and what it prints.
    Workplace { job: JobId, reply: Reply<Result<Workplace, Failure>> },
    /// The shard owns this task from now on.
    Own { task: mobula_runtime::TaskHandle<()> },
    /// How this node stands.
    Status { reply: Reply<super::ShardStatus> },
    /// Let running work end, hand drivers over, then leave.
    Drain { reply: Reply<()> },
}

/// What a node knows of tasks by itself.
#[derive(Debug)]
pub(crate) struct OwnTasks {
    /// Tasks that it owns.
    pub(crate) tasks: Vec<mobula_core::tasks::TaskSnapshot>,
    /// Attempts of others' tasks that have started here.
    pub(crate) started: Vec<(TaskId, mobula_types::Attempt)>,
}

/// Where the driver of a job works, as a process of this node.
#[derive(Debug)]
pub(crate) struct Workplace {
    pub(crate) logs: crate::workers::JobLogs,
    /// Its working directory.
    pub(crate) folder: crate::folder::JobFolder,
    /// Given when the job is over.
    pub(crate) end: mobula_runtime::Shutdown,
}
