//! What the jobs are told, and what they want done.

use mobula_types::job::JobState;
use mobula_types::{Failure, JobId, JobInfo, JobRecord, JobSpec, JobSummary, NodeId, SessionId};

/// A request that waits for an answer, numbered by the driver.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestKey(pub u64);

/// What a durable write was for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum JobWrite {
    /// The job is open.
    Opened,
    /// It has ended.
    Ended,
    /// Its counts.
    Summary,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A driver opens a job.
    Open {
        /// Who waits.
        request: RequestKey,
        /// The job, named by the driver.
        job: JobId,
        /// BLAKE3 of its secret.
        secret_hash: [u8; 32],
        /// What the driver declares.
        spec: JobSpec,
    },
    /// A job is to end.
    End {
        /// Who waits.
        request: RequestKey,
        /// The job.
        job: JobId,
        /// As what.
        state: JobState,
        /// Why, for people.
        reason: String,
    },
    /// A node has joined, and said which streams of drivers it has.
    NodeJoined {
        /// The node.
        node: NodeId,
        /// All streams.
        drivers: Vec<(JobId, SessionId)>,
        /// Jobs whose drivers said goodbye.
        departed: Vec<JobId>,
    },
    /// A node is dead, and its streams with it.
    NodeLost {
        /// The node.
        node: NodeId,
    },
    /// A driver's stream was opened or resumed.
    Attached {
        /// Where.
        node: NodeId,
        /// Its job.
        job: JobId,
        /// Its session.
        session: SessionId,
    },
    /// A driver's stream broke.
    Detached {
        /// Where.
        node: NodeId,
        /// Its job.
        job: JobId,
        /// Its session.
        session: SessionId,
        /// The driver left for good.
        goodbye: bool,
    },
    /// A driver without a stream made a call.
    KeepAlive {
        /// Its job.
        job: JobId,
    },
    /// A node counts the tasks of a job that it owns.
    Summary {
        /// The node.
        node: NodeId,
        /// The job.
        job: JobId,
        /// All that it counted so far.
        summary: JobSummary,
    },
    /// Every node that may hold streams has said so to this head, or is dead.
    Settled,
    /// [`Effect::Write`] is durable.
    Written {
        /// The job.
        job: JobId,
        /// What it was for.
        write: JobWrite,
    },
    /// [`Effect::Write`] cannot be made, and nothing was written.
    NotWritten {
        /// The job.
        job: JobId,
        /// What it was for.
        write: JobWrite,
        /// Why.
        failure: Failure,
    },
    /// [`Effect::Delete`] is durable.
    Deleted {
        /// The job.
        job: JobId,
    },
    /// Time has passed.
    Tick,
}

/// What is to be done, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Put a record, then say [`Event::Written`].
    Write {
        /// The record.
        record: JobRecord,
        /// What for.
        write: JobWrite,
    },
    /// Delete a record, then say [`Event::Deleted`].
    Delete {
        /// The job.
        job: JobId,
    },
    /// Tell every node of a job that was opened or has ended: its state says which.
    Announce(JobInfo),
    /// Tell one node.
    Tell {
        /// The node.
        node: NodeId,
        /// The job.
        info: JobInfo,
    },
    /// Answer a request.
    Answer {
        /// Who waits.
        request: RequestKey,
        /// The job as it is now, or why not.
        answer: Result<JobInfo, Failure>,
    },
}
