//! The frames of a session, in domain types.
//!
//! A session is a reliable, ordered channel of frames in both directions: the session layer numbers them, keeps them
//! until they are acknowledged and sends them again after a broken stream, so that a frame arrives exactly once as long
//! as the session lives.

use crate::outcome::CopyVersion;
use crate::{
    ArgumentRef, ArgumentShape, Attempt, Failure, FunctionInfo, JobId, NodeId, ObjectAddress, ObjectId,
    Outcome, OwnerTerm, Payload, ResultValue, StoredValue, TaskId, TaskTemplate, TemplateId, ViewDelta,
};
use std::sync::Arc;
use std::time::Duration;

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
    /// The sum of submits and puts that may have been sent since the session began.
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

    // ---- node ↔ node
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

/// A task as it is submitted.
#[derive(Clone, PartialEq, Debug)]
pub struct Submit {
    /// The task, named by the sender.
    pub task: TaskId,
    /// Function and options.
    pub template: TemplateId,
    /// The encoded arguments, one behind the other.
    pub arguments: Payload,
    /// A worker's submit: the handle of the run that submits.
    pub parent: Option<u64>,
    /// What most submits do without. It lies apart, because frames are moved often.
    pub extras: Option<Box<SubmitExtras>>,
}

/// What only some submits have.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct SubmitExtras {
    /// The references among the arguments.
    pub references: Vec<ArgumentRef>,
    /// References inside encoded arguments, which the task keeps alive.
    pub contained: Vec<ObjectAddress>,
    /// How much time is left; without an end unless set.
    pub deadline: Option<Duration>,
    /// Offered again after the loss of its owner: what became of it before. Its result may exist somewhere.
    pub reoffer: Option<Reoffer>,
}

impl SubmitExtras {
    /// A place of their own, where there are any.
    pub fn boxed(self) -> Option<Box<Self>> {
        let Self { references, contained, deadline, reoffer } = &self;
        let is_empty =
            references.is_empty() && contained.is_empty() && deadline.is_none() && reoffer.is_none();
        if is_empty { None } else { Some(Box::new(self)) }
    }
}

impl Submit {
    /// The references among the arguments.
    pub fn references(&self) -> &[ArgumentRef] {
        self.extras.as_ref().map_or(&[], |extras| &extras.references)
    }

    /// References inside encoded arguments.
    pub fn contained(&self) -> &[ObjectAddress] {
        self.extras.as_ref().map_or(&[], |extras| &extras.contained)
    }

    /// How much time is left.
    pub fn deadline(&self) -> Option<Duration> {
        self.extras.as_ref()?.deadline
    }

    /// What became of it before, where it is offered again.
    pub fn reoffer(&self) -> Option<&Reoffer> {
        self.extras.as_ref()?.reoffer.as_ref()
    }

    /// The extras, to be changed.
    pub fn extras_mut(&mut self) -> &mut SubmitExtras {
        self.extras.get_or_insert_default()
    }
}

/// What is known of a task that is offered to another owner.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Reoffer {
    /// How far it had come.
    pub progress: Progress,
    /// What was counted against it before.
    pub charges: Charges,
    /// How it ended, where all of that is in the driver's hands.
    pub outcome: Option<Outcome>,
}

/// How far a task had come with the owner that was lost.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Progress {
    /// No owner can have received it.
    #[default]
    Unsent,
    /// It may have been running.
    Offered,
    /// It had ended.
    Ended,
}

/// What counts against a task's retries.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Charges {
    /// How many of its retries are used up.
    pub retries: u32,
    /// How long ago nodes were lost while they may have been running it, as far as that counts still.
    pub losses: Vec<Duration>,
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

/// A task as a worker is told to run it.
#[derive(Clone, PartialEq, Debug)]
pub struct Run {
    /// The run, numbered by the node for this worker.
    pub handle: u64,
    /// Which slot it queues on; slots beyond the worker's own are opened on demand.
    pub slot: u32,
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: Attempt,
    /// Function and options.
    pub template: TemplateId,
    /// The encoded arguments.
    pub arguments: Payload,
    /// What most runs do without. It lies apart, because frames are moved often.
    pub extras: Option<Box<RunExtras>>,
}

/// What only some runs have.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct RunExtras {
    /// Resolved references, in the order of the task's.
    pub inputs: Vec<Input>,
    /// How much time is left until the task's deadline.
    pub deadline: Option<Duration>,
}

impl RunExtras {
    /// A place of their own, where there are any.
    pub fn boxed(self) -> Option<Box<Self>> {
        if self.inputs.is_empty() && self.deadline.is_none() { None } else { Some(Box::new(self)) }
    }
}

impl Run {
    /// Resolved references, in the order of the task's.
    pub fn inputs(&self) -> &[Input] {
        self.extras.as_ref().map_or(&[], |extras| &extras.inputs)
    }

    /// How much time is left until the task's deadline.
    pub fn deadline(&self) -> Option<Duration> {
        self.extras.as_ref()?.deadline
    }
}

/// A resolved reference of a task.
#[derive(Clone, PartialEq, Debug)]
pub struct Input {
    /// Which parameter.
    pub parameter: u32,
    /// How it fills it.
    pub shape: ArgumentShape,
    /// The object.
    pub object: ObjectId,
    /// Its value, or where the bytes are.
    pub value: StoredValue,
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
