//! What the executor is told.

use crate::assignment::Assignment;
use crate::executor::RunKey;
use mobula_types::frame::Input;
use mobula_types::{
    Attempt, Failure, FunctionInfo, JobId, NodeId, ObjectId, Outcome, OwnerTerm, Resources, TaskId, WorkerId,
};
use std::sync::Arc;

/// Who owns an assignment and wants to know how it ends.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Owner {
    /// The task engine of this node.
    Local,
    /// The task engine of that node.
    Peer(NodeId),
}

/// The last run that a slot of a dead worker had started, as its crash page says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LastRun {
    /// The run's handle.
    pub handle: u64,
    /// Whether it was over: its end may have been under way.
    pub over: bool,
}

/// Something that happened. Events of one worker arrive in the order in which the worker sent its frames.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// A job may have tasks here; before its first assignment. Repeating it changes the job's properties.
    JobOpened {
        /// The job.
        job: JobId,
        /// Whether it brings an executable, whose functions come before the embedded ones.
        has_executable: bool,
        /// Its share of the node's queue relative to other jobs; 0 counts as 1.
        weight: u32,
    },
    /// The job has ended: what waits is reported failed, what runs is cancelled and killed 2 s later, its workers retire.
    JobEnded {
        /// The job.
        job: JobId,
    },
    /// Run a task.
    Assigned {
        /// Who is told how it ends.
        owner: Owner,
        /// The task.
        assignment: Assignment,
    },
    /// An actor that the node hosts has so much for itself from now on. What runs meanwhile goes on, though it is more together
    /// than there is: nothing else starts before that is made up for.
    Reserved {
        /// What it has.
        resources: Resources,
    },
    /// The actor is gone.
    Released {
        /// What it had.
        resources: Resources,
    },
    /// Every input that [`Effect::Fetch`](crate::executor::Effect::Fetch) named is here.
    InputsReady {
        /// The run.
        run: RunKey,
        /// All of the run's inputs, as the worker is to get them, in the order of the assignment's.
        inputs: Vec<Input>,
    },
    /// A holder itself says that it does not have an input any more, before the run was handed to a worker.
    InputLost {
        /// The run.
        run: RunKey,
        /// The object.
        object: ObjectId,
        /// The holder that does not have it.
        holder: NodeId,
    },
    /// The inputs of a run cannot be brought here now: holders cannot be reached, or there is no room. Nothing is lost:
    /// another node may have more luck, or this one later.
    InputsUnavailable {
        /// The run.
        run: RunKey,
        /// Why; `StoreFull` for want of room.
        failure: Failure,
    },
    /// A worker gives a run back unstarted, because it could not read an input from this node's store.
    Unreadable {
        /// The worker.
        worker: WorkerId,
        /// The run's handle.
        handle: u64,
        /// The object.
        object: ObjectId,
        /// Whether it is in the store all the same.
        is_here: bool,
        /// Why it could not be read.
        failure: Failure,
    },
    /// The node embeds functions: they run on this worker, which is never started, retired or killed.
    EmbeddedStarted {
        /// Its id; none that [`Effect::StartWorker`](crate::executor::Effect::StartWorker) ever names.
        worker: WorkerId,
        /// What it can run.
        functions: Arc<[FunctionInfo]>,
        /// How many slots it has; extra ones are opened on demand.
        slots: u32,
    },
    /// A worker that was asked for is connected and has announced its functions.
    WorkerStarted {
        /// The worker.
        worker: WorkerId,
        /// What it can run.
        functions: Arc<[FunctionInfo]>,
    },
    /// A worker that was asked for could not be started.
    WorkerStartFailed {
        /// The worker.
        worker: WorkerId,
        /// Why.
        failure: Failure,
    },
    /// A worker's process has ended, on its own, killed, or because it was retired.
    WorkerLost {
        /// The worker.
        worker: WorkerId,
        /// How it ended.
        failure: Failure,
        /// What its crash page says each slot started last. What stands behind that on its slot has not started, and is
        /// run again.
        last: Vec<LastRun>,
    },
    /// A run has ended.
    Done {
        /// The worker.
        worker: WorkerId,
        /// The run's handle.
        handle: u64,
        /// How.
        outcome: Outcome,
        /// Whether the failure is one that `retry_on` names.
        retryable: bool,
        /// How long it ran, in microseconds.
        micros: u32,
        /// Objects among its arguments that this node's processes still hold references to.
        borrows: Vec<ObjectId>,
    },
    /// Runs given back unstarted, because they were recalled or cancelled.
    Returned {
        /// The worker.
        worker: WorkerId,
        /// The runs' handles.
        handles: Vec<u64>,
    },
    /// A run waits for others: its CPUs may be used. What is behind it on its slot is recalled. A worker that ends a run
    /// while it waits (because it was cancelled) gives back what is still behind it first: the next one would start on
    /// CPUs that are given away.
    Blocked {
        /// The worker.
        worker: WorkerId,
        /// The run's handle.
        handle: u64,
    },
    /// A run that waited wants its CPUs back; answered by [`Effect::Resume`](crate::executor::Effect::Resume).
    Unblocked {
        /// The worker.
        worker: WorkerId,
        /// The run's handle.
        handle: u64,
    },
    /// Cancel an assignment. One that is not here has ended, and its report is on its way.
    Cancel {
        /// The owner that asks.
        owner: Owner,
        /// The task.
        task: TaskId,
        /// The attempt.
        attempt: Attempt,
        /// Why: `Cancelled` or `DeadlineExceeded`.
        failure: Failure,
        /// End its worker 2 s later if it still runs.
        force: bool,
    },
    /// The owner wants these back if they have not started; each that has not is reported as `Returned`.
    Recall {
        /// The owner that asks.
        owner: Owner,
        /// The tasks and their attempts.
        tasks: Vec<(TaskId, Attempt)>,
    },
    /// The owner takes these for assignments of this node, and some of what was said between the two may not have arrived:
    /// each that is not here is reported as lost, uncharged; one that was thought to be without an owner goes on.
    Confirm {
        /// The owner that asks.
        owner: Owner,
        /// The tasks and their attempts.
        tasks: Vec<(TaskId, Attempt)>,
    },
    /// A peer is dead. Its unstarted assignments are dropped, unreported; its running ones go on for 30 s, so that a
    /// new owner can adopt them.
    OwnerLost {
        /// The peer.
        node: NodeId,
    },
    /// The job's driver goes on through another owner: the runs of its tasks are that one's, whoever had them, and what
    /// an owner of a lower term says of them is refused. One of a lower term than is known changes nothing.
    Adopted {
        /// The job.
        job: JobId,
        /// Its new owner.
        owner: Owner,
        /// The new owner's term.
        owner_term: OwnerTerm,
    },
    /// The node drains: what has not started goes back to its owners, and nothing new is taken.
    Draining,
    /// [`Executor::next_deadline`](crate::executor::Executor::next_deadline) has been reached.
    Tick,
    /// The end of a batch of events: what can run is handed out now.
    Flush,
}
