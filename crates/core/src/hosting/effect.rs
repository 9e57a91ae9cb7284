//! What the hosting machine wants done.

use crate::tasks::Place;
use mobula_types::actor::{ActorReport, CallEnd, Caller, LaneId, StartActor};
use mobula_types::frame::Input;
use mobula_types::{
    Attempt, ExitReason, Failure, JobId, Payload, Resources, TaskId, TaskTemplate, Time, WorkerId,
};
use std::sync::Arc;
use std::time::Duration;

/// A call for a worker.
#[derive(Clone, PartialEq, Debug)]
pub struct TurnOrder {
    /// The worker.
    pub worker: WorkerId,
    /// The turn, numbered by this machine; never used twice.
    pub handle: u64,
    /// The actor's number in the worker.
    pub key: u32,
    /// Who calls.
    pub caller: Caller,
    /// The call, as a task of its caller.
    pub task: TaskId,
    /// Which try of it.
    pub attempt: Attempt,
    /// The method and its options.
    pub template: Arc<TaskTemplate>,
    /// The encoded arguments.
    pub arguments: Payload,
    /// Resolved references; all inline or in this node's store.
    pub inputs: Vec<Input>,
    /// When it is over.
    pub deadline: Option<Time>,
}

/// What is to be done, in order.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Start a worker process for a job's actors.
    StartWorker {
        /// Its number, given by this machine; never that of one of the executor's.
        worker: WorkerId,
        /// The job.
        job: JobId,
        /// Whether one actor alone is to be in it.
        isolated: bool,
    },
    /// An actor has so much of the node for itself, until it is released.
    Reserve {
        /// What it needs; never nothing.
        resources: Resources,
    },
    /// What an actor had is free again.
    Release {
        /// What it had.
        resources: Resources,
    },
    /// A worker has nothing to do any more: it is told to end.
    Retire {
        /// The worker.
        worker: WorkerId,
    },
    /// End a worker at once.
    Kill {
        /// The worker.
        worker: WorkerId,
        /// Why.
        failure: Failure,
    },
    /// Have a worker start an actor.
    Host {
        /// The worker.
        worker: WorkerId,
        /// The actor's number there.
        key: u32,
        /// The grant.
        start: StartActor,
    },
    /// Have a worker stop an actor; at once where the grace is zero.
    Stop {
        /// The worker.
        worker: WorkerId,
        /// The actor's number there.
        key: u32,
        /// How long it may take; without an end where `None`.
        grace: Option<Duration>,
        /// What it exits with.
        reason: ExitReason,
    },
    /// Have a worker take a call.
    Turn(TurnOrder),
    /// Cancel a turn.
    CancelTurn {
        /// The worker.
        worker: WorkerId,
        /// The turn.
        handle: u64,
        /// Why.
        failure: Failure,
    },
    /// Bring inputs to this node's store, and say `InputsReady`.
    Fetch {
        /// The turn that needs them, or the start of an actor: never a handle of both.
        handle: u64,
        /// Its job.
        job: JobId,
        /// The inputs.
        inputs: Vec<Input>,
    },
    /// They are needed no more, on their way or here; nothing is said.
    CancelFetch {
        /// The turn or the start.
        handle: u64,
    },
    /// Answer a call.
    Answer {
        /// The node that it came from.
        to: Place,
        /// The lane there.
        lane: LaneId,
        /// The call.
        sequence: u64,
        /// The call's task.
        task: TaskId,
        /// What became of it.
        end: CallEnd,
        /// How many calls of the lane may be unanswered at once from now on.
        window: u32,
    },
    /// Tell the head.
    Report(ActorReport),
}
