//! What the executor wants done.

use crate::executor::{Owner, RunKey};
use mobula_types::frame::{AssignmentEnd, Input};
use mobula_types::{Attempt, Failure, JobId, Payload, TaskId, TaskTemplate, Time, WorkerId};
use std::sync::Arc;

/// Something for the driver to do, in the order given.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Tell the owner how its assignment ended: once for each, unless the owner was lost.
    Report {
        /// The owner.
        owner: Owner,
        /// The task.
        task: TaskId,
        /// The attempt.
        attempt: Attempt,
        /// How it ended.
        end: AssignmentEnd,
    },
    /// Fetch inputs, all or nothing; answered by `InputsReady`, `InputLost` or
    /// `InputsUnavailable`.
    Fetch {
        /// The run that needs them.
        run: RunKey,
        /// All its inputs; those that are stored elsewhere are to be fetched.
        inputs: Vec<Input>,
    },
    /// The run of this fetch is over: an answer is not waited for any more.
    CancelFetch {
        /// The run.
        run: RunKey,
    },
    /// Start a worker process of a job; answered by `WorkerStarted` or `WorkerStartFailed`.
    StartWorker {
        /// Its id.
        worker: WorkerId,
        /// The job whose executable it runs.
        job: JobId,
        /// How many slots it has of its own.
        slots: u32,
        /// Whether it is for one run alone.
        isolated: bool,
    },
    /// Hand a run to a worker.
    Run(RunOrder),
    /// Ask a worker for runs that it has not started; answered by `Returned`, which names those given back.
    RecallRuns {
        /// The worker.
        worker: WorkerId,
        /// The runs' handles.
        handles: Vec<u64>,
    },
    /// Tell a worker to cancel a run, started or not; answered by `Done`.
    CancelRun {
        /// The worker.
        worker: WorkerId,
        /// The run's handle.
        handle: u64,
        /// Why.
        failure: Failure,
    },
    /// A run that waited has its CPUs back.
    Resume {
        /// The worker.
        worker: WorkerId,
        /// The run's handle.
        handle: u64,
    },
    /// Let a worker end when nothing runs on it; `WorkerLost` follows.
    Retire {
        /// The worker.
        worker: WorkerId,
    },
    /// End a worker's process now; `WorkerLost` follows.
    Kill {
        /// The worker.
        worker: WorkerId,
        /// Why.
        failure: Failure,
    },
    /// Tell the job's driver something that its user should know.
    Warn {
        /// The job.
        job: JobId,
        /// The text.
        text: String,
    },
}

/// A run as it is handed to a worker.
#[derive(Clone, PartialEq, Debug)]
pub struct RunOrder {
    /// The worker.
    pub worker: WorkerId,
    /// The run's handle.
    pub handle: u64,
    /// Which slot it queues on; from the worker's own number of slots on, an extra one.
    pub slot: u32,
    /// Its job.
    pub job: JobId,
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: Attempt,
    /// Function and options.
    pub template: Arc<TaskTemplate>,
    /// The encoded arguments.
    pub arguments: Payload,
    /// Resolved references, all here.
    pub inputs: Vec<Input>,
    /// The task's deadline.
    pub deadline: Option<Time>,
}
