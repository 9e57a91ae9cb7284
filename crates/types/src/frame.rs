//! The frames of a session, in domain types.
//!
//! A session is a reliable, ordered channel of frames in both directions: the session layer numbers them, keeps them
//! until they are acknowledged and sends them again after a broken stream, so that a frame arrives exactly once as long
//! as the session lives.

use crate::actor::{Down, ExitReason, LaneCall, LaneId, Publication, StateChange, WatchKind};
use crate::outcome::CopyVersion;
use crate::{
    Attempt, Failure, FunctionInfo, JobId, NodeId, ObjectAddress, ObjectId, Outcome, OwnerTerm, Payload,
    ResultValue, TaskId, TaskTemplate, TemplateId, Time, ViewDelta,
};
use std::sync::Arc;
use std::time::Duration;

mod actor;
mod run;
mod submit;

pub use actor::{
    Answer, Ask, Call, Enrolment, HostActor, Lane, LaneCallEnded, Turn, actor_as_parent, parent_as_actor,
};
pub use run::{Input, Run, RunExtras};
pub use submit::{Charges, Progress, Reoffer, Submit, SubmitExtras};

/// One frame.
#[derive(Clone, PartialEq, Debug)]
pub enum Frame {
    // ---- either direction: names a template for later frames of the same sender
    /// A template, before its first use.
    Template {
        /// Its number, from 0 without gaps up to [`MAX_TEMPLATES`](crate::MAX_TEMPLATES), then anew.
        id: TemplateId,
        /// What it stands for.
        template: Arc<TaskTemplate>,
    },

    // ---- client or worker → node
    /// Submit a task.
    Submit(Submit),
    /// Call an actor.
    Call(Box<Call>),
    /// Ask for something beside tasks, objects and calls. Answered once, by [`Frame::Answered`].
    Ask {
        /// Counts the sender's questions.
        number: u64,
        /// The handle of the run or turn that asks.
        parent: Option<u64>,
        /// The question.
        ask: Box<Ask>,
    },
    /// Put a small value. Answered by [`Frame::PutDone`].
    Put {
        /// The object, named by the sender.
        object: ObjectId,
        /// Its value. `Stored` where the bytes were uploaded before.
        value: ResultValue,
    },
    /// Ask for an object's value. Answered once, when it is there, by [`Frame::Got`].
    Get {
        /// The object.
        address: ObjectAddress,
    },
    /// The sender holds no handle to these objects any more. One that it was given several times, by its submits and puts
    /// and inside values that it was sent, stands there as often.
    Release {
        /// The objects.
        objects: Vec<ObjectAddress>,
    },
    /// Cancel a task. What has finished is left alone.
    Cancel {
        /// The task, by its first result.
        address: ObjectAddress,
        /// End its worker 2 s later if it still runs.
        force: bool,
        /// Its children too.
        recursive: bool,
    },
    /// A message to a topic, at most [`INLINE_LIMIT`](crate::INLINE_LIMIT) bytes. Not answered: one that is not delivered is
    /// lost.
    Publish(Box<Publication>),
    /// The driver leaves for good: its job may end at once.
    Goodbye,

    // ---- node → client or worker
    /// A task that this session submitted has ended.
    Completed {
        /// The task.
        task: TaskId,
        /// How.
        outcome: Outcome,
    },
    /// A task of the driver was charged a retry: the driver keeps the count for the case that the node is lost.
    Charged {
        /// The task.
        task: TaskId,
        /// All that counts against it now.
        charges: Charges,
    },
    /// Answer to [`Frame::Get`]: exactly one value or the failure.
    Got {
        /// The object.
        object: ObjectId,
        /// Its value.
        outcome: Outcome,
    },
    /// Answer to [`Frame::Put`].
    PutDone {
        /// The object.
        object: ObjectId,
        /// Why it was not stored.
        failure: Option<Failure>,
    },
    /// Answer to [`Frame::Ask`].
    Answered {
        /// Which question.
        number: u64,
        /// The answer.
        answer: Box<Answer>,
    },
    /// What this session, or an actor of it, watches has exited.
    Down {
        /// The actor that watches, as the worker knows it; `None` for the session itself.
        key: Option<u32>,
        /// What has exited.
        down: Box<Down>,
        /// Monitor or link.
        kind: WatchKind,
    },
    /// A message to a topic that this session has subscribed to.
    Published {
        /// The subscription.
        subscription: u64,
        /// The message.
        publication: Arc<Publication>,
    },
    /// How what this session observes stands.
    Observed {
        /// The observation.
        number: u64,
        /// The changes; those of one actor in their order.
        changes: Vec<StateChange>,
    },
    /// The sum of submits, calls and puts that may have been sent since the session began.
    Credit {
        /// That sum; it only grows.
        total: u64,
    },
    /// A change of the cluster.
    View(Box<ViewDelta>),
    /// Something that the program's user should know; at most one a second and kind.
    Warning {
        /// The text.
        text: String,
    },
    /// The job has ended.
    JobEnded {
        /// Why.
        failure: Failure,
    },
    /// The node drains: the driver should take over through another one.
    Draining,

    // ---- node → worker
    /// Run a task.
    Run(Run),
    /// Give back these runs if they have not started.
    Recall {
        /// The runs' handles.
        handles: Vec<u64>,
    },
    /// Cancel a run.
    CancelRun {
        /// The run's handle.
        handle: u64,
        /// Why: `Cancelled` or `DeadlineExceeded`.
        failure: Failure,
    },
    /// A run that waited may go on: its CPUs are its own again.
    Resume {
        /// The run's handle.
        handle: u64,
    },
    /// End when nothing runs any more.
    Retire,
    /// The worker may host what it hosts until then, by `CLOCK_BOOTTIME`, which it shares with its node: at that time it ends
    /// by itself. Said before the first actor that stops on a node without a head, and with each renewal of the node's lease.
    Lease {
        /// The end of the lease.
        until: Time,
    },
    /// Start an actor. Answered by [`Frame::ActorStarted`] or [`Frame::ActorExited`].
    HostActor(Box<HostActor>),
    /// A call of an actor. Answered by [`Frame::Done`] or [`Frame::Returned`], like a run.
    Turn(Box<Turn>),
    /// Stop an actor. Answered by [`Frame::ActorExited`].
    StopActor {
        /// The actor, as [`HostActor`] numbered it.
        key: u32,
        /// How long it may go on with what is queued, and run `on_stop`; at once where zero.
        grace: Option<Duration>,
        /// What it exits with.
        reason: ExitReason,
    },

    // ---- worker → node
    /// What the worker can run; its first frame.
    Announce {
        /// Its functions.
        functions: Vec<FunctionInfo>,
    },
    /// A run has ended.
    Done {
        /// The run's handle.
        handle: u64,
        /// How.
        outcome: Outcome,
        /// Whether the failure is one that `retry_on` names.
        retryable: bool,
        /// How long it ran, in microseconds.
        micros: u32,
        /// References that were lent to it with its arguments and that the worker still keeps: it holds each once more
        /// from now on, until it releases it. They may be the home node's or another's.
        borrows: Box<[ObjectAddress]>,
    },
    /// Runs given back unstarted.
    Returned {
        /// Their handles.
        handles: Vec<u64>,
    },
    /// A run is given back unstarted because an input could not be read from the node's store.
    Unreadable {
        /// The run's handle.
        handle: u64,
        /// The object.
        object: ObjectId,
        /// Why.
        failure: Failure,
    },
    /// A run waits for others: its CPUs may be used.
    Blocked {
        /// The run's handle.
        handle: u64,
    },
    /// A run that waited wants its CPUs back. Answered by [`Frame::Resume`].
    Unblocked {
        /// The run's handle.
        handle: u64,
    },

    /// An actor has started.
    ActorStarted {
        /// The actor, as [`HostActor`] numbered it.
        key: u32,
    },
    /// An actor has exited; all its turns have been answered before.
    ActorExited {
        /// The actor, as [`HostActor`] numbered it.
        key: u32,
        /// Why; `None` where the constructor answered that there is to be no actor.
        reason: Option<ExitReason>,
    },

    // ---- node ↔ node
    /// A caller of the sender is about to call an actor of the receiver.
    OpenLane(Box<Lane>),
    /// A call. Answered once by [`Frame::LaneCallEnded`].
    LaneCall(Box<LaneCall>),
    /// How a call ended.
    LaneCallEnded(Box<LaneCallEnded>),
    /// Cancel a call.
    CancelLaneCall {
        /// The lane.
        lane: LaneId,
        /// The call.
        sequence: u64,
        /// Why.
        failure: Failure,
    },
    /// The caller calls that actor no more.
    CloseLane {
        /// The lane.
        lane: LaneId,
    },
    /// A member more or less of a group, which the receiver hosts.
    Enrol(Box<Enrolment>),
    /// A message to a topic that somebody on the receiver has subscribed to.
    Distribute(Arc<Publication>),
    /// Run a task for the sender, who stays its owner.
    Assign(Box<Assignment>),
    /// Cancel an assignment.
    CancelAssignment {
        /// The task.
        task: TaskId,
        /// The attempt.
        attempt: Attempt,
        /// Why.
        failure: Failure,
        /// End its worker 2 s later if it still runs.
        force: bool,
    },
    /// Give back these assignments if they have not started.
    RecallAssignments {
        /// The tasks and their attempts.
        tasks: Vec<(TaskId, Attempt)>,
    },
    /// Some frames of the sender may not have arrived: it takes these assignments for the receiver's. Those that are not
    /// there end as lost, uncharged.
    ConfirmAssignments {
        /// The tasks and their attempts.
        tasks: Vec<(TaskId, Attempt)>,
    },
    /// How an assignment ended.
    AssignmentEnded {
        /// The task.
        task: TaskId,
        /// The attempt.
        attempt: Attempt,
        /// How.
        end: Box<AssignmentEnd>,
    },
    /// Ask the owner for an object. Answered once by [`Frame::Resolved`]; makes the sender a borrower.
    Resolve {
        /// The object.
        object: ObjectId,
    },
    /// Answer to [`Frame::Resolve`].
    Resolved {
        /// The object.
        object: ObjectId,
        /// Its value or the failure.
        outcome: Outcome,
    },
    /// The sender's processes hold references to these objects of the receiver. Idempotent.
    Borrow {
        /// The objects.
        objects: Vec<ObjectId>,
    },
    /// They hold them no more.
    Unborrow {
        /// The objects.
        objects: Vec<ObjectId>,
    },
    /// The owner needs these copies no more.
    Free {
        /// The objects.
        objects: Vec<ObjectId>,
    },
    /// A node has its copy of an object of the receiver no more: the sender has dropped its own, or was told so by another
    /// holder itself.
    CopyLost {
        /// The object.
        object: ObjectId,
        /// The version that is gone.
        version: CopyVersion,
        /// The node that held it.
        holder: NodeId,
    },
    /// The sender holds another copy of an object of the receiver.
    CopyMade {
        /// The object.
        object: ObjectId,
        /// The version that it holds.
        version: CopyVersion,
    },
    /// After a take-over: which copies and running attempts of this job are there?
    FindJob {
        /// The job.
        job: JobId,
        /// The new owner's term.
        owner_term: OwnerTerm,
    },
    /// Answer to [`Frame::FindJob`].
    FoundJob(Box<FoundJob>),
}

/// What a node has of a job that was taken over.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct FoundJob {
    /// The job.
    pub job: JobId,
    /// Copies in the sender's store; from the owner before, values that it has in place too.
    pub copies: Vec<(ObjectId, ResultValue)>,
    /// Attempts on the sender, which will report their ends to the receiver.
    pub running: Vec<(TaskId, Attempt)>,
    /// From the owner before: unfinished tasks of which no attempt is anywhere.
    pub unstarted: Vec<TaskId>,
    /// Another such answer follows.
    pub more: bool,
}

/// A task on its way to the node that runs it.
#[derive(Clone, PartialEq, Debug)]
pub struct Assignment {
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: Attempt,
    /// Its job.
    pub job: JobId,
    /// Function and options.
    pub template: TemplateId,
    /// The encoded arguments.
    pub arguments: Payload,
    /// Resolved references; those not inline are fetched by the node that runs the task.
    pub inputs: Vec<Input>,
    /// How much time is left until the task's deadline.
    pub deadline: Option<Duration>,
    /// How many nodes have refused this attempt.
    pub refusals: u32,
}

/// How an assignment ended.
#[derive(Clone, PartialEq, Debug)]
pub enum AssignmentEnd {
    /// It ran.
    Ran {
        /// How it ended.
        outcome: Outcome,
        /// Whether the failure is one that `retry_on` names.
        retryable: bool,
        /// How long it ran, in microseconds.
        micros: u32,
        /// Objects among its arguments that the executing node's processes still hold references to, whoever owns them.
        borrows: Vec<ObjectId>,
    },
    /// It was not taken: the node has no room.
    NoRoom {
        /// How many tasks wait there.
        queued: u64,
    },
    /// It was given back unstarted, at no charge.
    Returned,
    /// It had started when its worker died.
    Lost {
        /// How the worker died.
        failure: Failure,
        /// Whether this counts against the task's retries. A task without any does not start again either way.
        charged: bool,
    },
    /// A holder of one of its inputs says that it has it no more; the owner looks for another copy.
    InputLost {
        /// The object.
        object: ObjectId,
        /// The version that was looked for.
        version: CopyVersion,
        /// The holder that does not have it.
        holder: NodeId,
    },
    /// The node does not get workers for it started; another one may.
    CannotRun {
        /// Why.
        failure: Failure,
    },
    /// Its inputs cannot be brought there now: holders cannot be reached, or the store has no room. Nothing is lost.
    InputsUnavailable {
        /// Why; `StoreFull` for want of room.
        failure: Failure,
    },
    /// It was not taken: the task's driver goes on through a later owner.
    Superseded {
        /// The later owner.
        owner: NodeId,
        /// Its term.
        owner_term: OwnerTerm,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_cheap_to_move() {
        assert!(size_of::<Frame>() <= 88, "{}", size_of::<Frame>());
        assert!(size_of::<Submit>() <= 80, "{}", size_of::<Submit>());
        assert!(size_of::<Run>() <= 80, "{}", size_of::<Run>());
    }
}
