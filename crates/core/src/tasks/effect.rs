//! What the task engine wants done.

use crate::assignment::Assignment;
use crate::calls::{NewCall, ReadyCall};
use crate::tasks::{Place, Requester, SessionKey};
use mobula_types::frame::{Charges, Input};
use mobula_types::outcome::CopyVersion;
use mobula_types::{
    ActorId, Attempt, Failure, JobId, NodeId, ObjectId, Outcome, OwnerTerm, Payload, TaskId, TaskTemplate,
};
use std::sync::Arc;

/// Something for the driver to do, in the order given.
///
/// A value that is sent to a session (`Completed`, `Got`) gives it the references inside: it holds each once more, until it
/// releases it. A value that is sent to a peer makes the peer a borrower of them.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// A call of an actor was recorded. It is told as ready, or dropped, later.
    CallMade(NewCall),
    /// A call has all that it needs.
    CallReady(ReadyCall),
    /// A call is over that was made and is not on its way.
    CallDropped {
        /// The call.
        task: TaskId,
    },
    /// These calls are another node's from now on, wherever each of them is: they go together, so that none is sent because
    /// an earlier one went.
    CallsGivenUp {
        /// The calls.
        tasks: Vec<TaskId>,
    },
    /// Have an actor created, then say [`Event::Ended`](crate::tasks::Event::Ended): as having run with one
    /// empty value when it has started.
    CreateActor {
        /// The creation, which names the actor.
        task: TaskId,
        /// The attempt.
        attempt: Attempt,
        /// The job.
        job: JobId,
        /// The constructor and the actor's options.
        template: Arc<TaskTemplate>,
        /// The constructor's arguments.
        arguments: Payload,
        /// Resolved references among them.
        inputs: Vec<Input>,
    },
    /// Stop a call or a creation that is on its way. Its end is said all the same.
    CancelRouted {
        /// The task.
        task: TaskId,
        /// The attempt.
        attempt: Attempt,
        /// Why.
        failure: Failure,
    },
    /// A creation has failed: nobody is to wait for its actor.
    ActorNotCreated {
        /// The actor.
        actor: ActorId,
        /// Why.
        failure: Failure,
    },
    /// Nobody holds a handle of an actor that was created here any more.
    ActorUnreferenced {
        /// The actor.
        actor: ActorId,
    },
    /// Have a task run; answered by `Ended`, once.
    Assign {
        /// Where.
        place: Place,
        /// The task.
        assignment: Assignment,
    },
    /// Cancel an assignment; it ends all the same.
    CancelAssignment {
        /// Where it is.
        place: Place,
        /// The task.
        task: TaskId,
        /// The attempt.
        attempt: Attempt,
        /// Why.
        failure: Failure,
        /// End its worker 2 s later if it still runs.
        force: bool,
    },
    /// Ask for assignments back that have not started; each that has not ends as `Returned`.
    RecallAssignments {
        /// Where they are.
        place: Place,
        /// The tasks and their attempts.
        tasks: Vec<(TaskId, Attempt)>,
    },
    /// Have a node say which of these assignments it does not have.
    ConfirmAssignments {
        /// The node.
        node: NodeId,
        /// The tasks and their attempts.
        tasks: Vec<(TaskId, Attempt)>,
    },
    /// Tell a session how a task that it submitted has ended: once for each submit, unless the job has ended.
    Completed {
        /// The session.
        session: SessionKey,
        /// The task.
        task: TaskId,
        /// How.
        outcome: Outcome,
    },
    /// Answer a call's submit. Sessions hear of a refusal by `Completed`.
    SubmitDone {
        /// Who asked.
        requester: Requester,
        /// The task.
        task: TaskId,
        /// Why it was refused.
        failure: Option<Failure>,
    },
    /// Tell a driver what counts against a task of its own, so that the count outlives this node.
    Charged {
        /// The session.
        session: SessionKey,
        /// The task.
        task: TaskId,
        /// All that counts against it now.
        charges: Charges,
    },
    /// Answer `Wanted`.
    Got {
        /// Who asked.
        requester: Requester,
        /// The object.
        object: ObjectId,
        /// Its one value, or the failure.
        outcome: Outcome,
    },
    /// Answer `Put`.
    PutDone {
        /// Who asked.
        requester: Requester,
        /// The object.
        object: ObjectId,
        /// Why it was not stored.
        failure: Option<Failure>,
    },
    /// The sum of submits and puts that the session may have sent since it began.
    Credit {
        /// The session.
        session: SessionKey,
        /// That sum.
        total: u64,
    },
    /// Ask an owner for an object; answered by `Resolved`.
    Resolve {
        /// The owner.
        owner: NodeId,
        /// The object.
        object: ObjectId,
    },
    /// Tell an owner that this node holds references to its objects.
    Borrow {
        /// The owner.
        owner: NodeId,
        /// The objects.
        objects: Vec<ObjectId>,
    },
    /// Tell an owner that it holds them no more.
    Unborrow {
        /// The owner.
        owner: NodeId,
        /// The objects.
        objects: Vec<ObjectId>,
    },
    /// Tell an owner that a node has its copy of an object no more.
    CopyLost {
        /// The owner.
        owner: NodeId,
        /// The object.
        object: ObjectId,
        /// The version that is gone.
        version: CopyVersion,
        /// The node that held it.
        holder: NodeId,
    },
    /// Drop copies.
    Free {
        /// Where they are.
        place: Place,
        /// The objects.
        objects: Vec<ObjectId>,
    },
    /// Cancel a task of another owner.
    CancelRemote {
        /// The owner.
        owner: NodeId,
        /// The object that the task makes.
        object: ObjectId,
        /// End its worker 2 s later if it still runs.
        force: bool,
        /// Its children too.
        recursive: bool,
    },
    /// Ask what a node still has of a job that was taken over; answered by `FoundJob`.
    FindJob {
        /// Who is asked.
        place: Place,
        /// The job.
        job: JobId,
        /// The term of this ownership.
        owner_term: OwnerTerm,
    },
    /// Tell the job's driver something that its user should know.
    Warn {
        /// The job.
        job: JobId,
        /// The text.
        text: String,
    },
}
