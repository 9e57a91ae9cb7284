//! What the task engine is told.

use super::CallTarget;
use mobula_types::frame::{AssignmentEnd, FoundJob, SubmitExtras};
use mobula_types::outcome::CopyVersion;
use mobula_types::{
    ActorId, Attempt, ClusterView, Failure, JobId, NodeId, ObjectAddress, ObjectId, Outcome, OwnerTerm,
    Payload, ResultValue, TaskId, TaskTemplate,
};
use std::sync::Arc;

/// A session of this node with a driver or a worker, numbered by the engine's driver; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionKey(pub u64);

/// What is at the other end of a session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum SessionKind {
    /// A driver: its submits and puts need credit, which is withheld while the store is over its bound.
    Driver,
    /// A worker: its credit is never withheld, because what it waits for may be what frees the store.
    Worker,
}

/// Who asks.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Requester {
    /// A driver or a worker of this node.
    Session(SessionKey),
    /// Another node. It becomes a borrower of what it asks for.
    Peer(NodeId),
    /// A unary call of a thin client. What it submits, puts or gets is held until `Released` by a call of the job, or
    /// until the job's end.
    Call {
        /// The job whose secret the call carried.
        job: JobId,
        /// The call, numbered by the engine's driver.
        call: u64,
    },
}

/// Where an executor is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Place {
    /// On this node.
    Local,
    /// On that node.
    Peer(NodeId),
}

/// Something that happened.
///
/// Addresses whose owner is `None` mean this node, but for those that come from a peer (in `Ended` and `Resolved`), where
/// they mean that peer.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// A job may submit through this node; before its first session. Repeating it changes its properties.
    JobOpened {
        /// The job.
        job: JobId,
        /// Whether it brings an executable.
        has_executable: bool,
        /// Its share relative to other jobs; 0 counts as 1.
        weight: u32,
        /// Above 0 after a take-over: the nodes are then asked what they still have of the job.
        owner_term: OwnerTerm,
    },
    /// The job has ended: everything of it is cancelled and freed. Its sessions are told by the engine's driver, once,
    /// which ends everything that they wait for; calls and peers that wait are answered.
    JobEnded {
        /// The job.
        job: JobId,
        /// Why.
        failure: Failure,
    },
    /// A session was opened.
    SessionOpened {
        /// The session.
        session: SessionKey,
        /// Its job; `None` for the embedded worker, which serves every job.
        job: Option<JobId>,
        /// What it is with.
        kind: SessionKind,
    },
    /// A session is over and cannot be resumed: nothing is held by it any more.
    SessionClosed {
        /// The session.
        session: SessionKey,
    },
    /// A driver's session broke off for good, without a goodbye. What it held is kept for a while: its driver may be about
    /// to go on through another node, which has yet to tell.
    SessionLost {
        /// The session.
        session: SessionKey,
    },
    /// A task was submitted. A task that is known is not run again, unless it is nested and failed: the submitter is told
    /// its end too.
    Submitted {
        /// By whom. It holds each result until it releases it, once for each submit.
        requester: Requester,
        /// The task's job.
        job: JobId,
        /// The task.
        task: TaskId,
        /// Function and options; the same allocation again and again is what makes a submit cheap.
        template: Arc<TaskTemplate>,
        /// The encoded arguments.
        arguments: Payload,
        /// The task that submits.
        parent: Option<TaskId>,
        /// What most submits do without. Objects inside arguments are kept alive until the task ends; its parent's deadline
        /// counts too, if that is earlier; where it is offered again, what other nodes have of it is waited for first.
        extras: Option<Box<SubmitExtras>>,
    },
    /// A value was put. Answered by `PutDone`.
    Put {
        /// By whom. It holds the object until it releases it.
        requester: Requester,
        /// The object's job.
        job: JobId,
        /// The object, named by the requester.
        object: ObjectId,
        /// Its value.
        value: ResultValue,
    },
    /// A value is wanted. Answered by `Got`, once, when it is there.
    Wanted {
        /// By whom.
        requester: Requester,
        /// The object.
        address: ObjectAddress,
    },
    /// A call does not wait for an object any more.
    Withdrawn {
        /// Who had asked.
        requester: Requester,
        /// The object.
        object: ObjectId,
    },
    /// A session was given references in another way than by the engine's effects.
    Held {
        /// The session, or call.
        requester: Requester,
        /// The objects.
        objects: Vec<ObjectAddress>,
    },
    /// References are not held any more. A session takes back one for each time it was given one: by its submit or put, by
    /// `Held`, and inside each value that it was sent.
    Released {
        /// By whom.
        requester: Requester,
        /// The objects.
        objects: Vec<ObjectAddress>,
    },
    /// Cancel the task that makes this object. What has finished is left alone.
    Cancel {
        /// Who asks.
        requester: Requester,
        /// The object.
        address: ObjectAddress,
        /// End its worker 2 s later if it still runs.
        force: bool,
        /// Its children too.
        recursive: bool,
    },
    /// A call of an actor was submitted: a task whose target is `Method`. Answered as `Submitted` is.
    Called {
        /// Who submits.
        requester: Requester,
        /// Its job.
        job: JobId,
        /// The call, named by its submitter.
        task: TaskId,
        /// The method and options.
        template: Arc<TaskTemplate>,
        /// The encoded arguments.
        arguments: Payload,
        /// References, deadline.
        extras: Option<Box<SubmitExtras>>,
        /// Which actor, and which of the caller's calls. It lies apart, because events are moved often.
        call: Box<CallTarget>,
    },
    /// An actor that was created here is dead.
    ActorOver {
        /// The actor.
        actor: ActorId,
    },
    /// An assignment has ended.
    Ended {
        /// Where.
        place: Place,
        /// The task.
        task: TaskId,
        /// The attempt.
        attempt: Attempt,
        /// How.
        end: AssignmentEnd,
    },
    /// A task that this node runs waits for others. It may be another node's.
    Blocked {
        /// Its job.
        job: JobId,
        /// The task.
        task: TaskId,
    },
    /// It waits no more, or has ended while it waited.
    Unblocked {
        /// Its job.
        job: JobId,
        /// The task.
        task: TaskId,
    },
    /// A run of another node's task, which submitted tasks here, is over on this node.
    ParentEnded {
        /// The task.
        task: TaskId,
        /// Why its children are to be cancelled, if they are.
        cancel: Option<Failure>,
        /// End their workers 2 s later if they still run.
        force: bool,
    },
    /// The cluster as it is now known, loads included.
    View(Arc<ClusterView>),
    /// A node is dead: its generation is never heard again.
    NodeLost {
        /// The node.
        node: NodeId,
    },
    /// The session with a node is over and could not be resumed: what was under way to it may be lost.
    PeerUnreachable {
        /// The node.
        node: NodeId,
    },
    /// One of several sessions with a node is over: some of what was under way on it may not have arrived.
    PeerDoubtful {
        /// The node.
        node: NodeId,
    },
    /// An owner's answer to `Resolve`.
    Resolved {
        /// The owner.
        owner: NodeId,
        /// The object.
        object: ObjectId,
        /// Its value or the failure.
        outcome: Outcome,
    },
    /// A node's processes hold references to objects of this node.
    Borrowed {
        /// The node.
        node: NodeId,
        /// The objects.
        objects: Vec<ObjectId>,
    },
    /// They hold them no more.
    Unborrowed {
        /// The node.
        node: NodeId,
        /// The objects.
        objects: Vec<ObjectId>,
    },
    /// This node is about to send references to another one, in the outcome of a task that it ran for it. To be told
    /// before the worker's next frame.
    Handed {
        /// The node that gets them.
        node: NodeId,
        /// The references.
        objects: Vec<ObjectAddress>,
    },
    /// A node has another copy of an object.
    CopyMade {
        /// The node.
        node: NodeId,
        /// The object.
        object: ObjectId,
        /// The version that it has.
        version: CopyVersion,
    },
    /// A node has its copy of an object no more, as it says itself.
    CopyLost {
        /// The node.
        node: NodeId,
        /// Who was told so, or that node.
        reporter: NodeId,
        /// The object.
        object: ObjectId,
        /// The version that is gone.
        version: CopyVersion,
    },
    /// Answer to `FindJob`.
    FoundJob {
        /// Who answers.
        place: Place,
        /// What is there. Attempts that run there will be reported to this node.
        found: FoundJob,
    },
    /// Another node has taken a job over: the driver's tasks and objects are its own, whoever owned them before, and what a
    /// lost node owned of the job. One of a lower term than is known changes nothing.
    TakenOver {
        /// The job.
        job: JobId,
        /// Its new owner.
        owner: NodeId,
        /// The new owner's term.
        owner_term: OwnerTerm,
    },
    /// [`TaskEngine::next_deadline`](crate::tasks::TaskEngine::next_deadline) has been reached.
    Tick,
    /// The end of a batch of events: what is ready is placed now.
    Flush,
}
