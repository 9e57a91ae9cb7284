//! What the hosting machine is told.

use crate::calls::HostedCall;
use crate::tasks::Place;
use mobula_types::actor::{Caller, ChildShutdown, Incarnation, LaneId, StartActor};
use mobula_types::frame::Input;
use mobula_types::{
    ActorId, ExitReason, Failure, JobId, NodeId, ObjectId, Outcome, OwnerTerm, Payload, TaskId, TaskTemplate,
    Time, WorkerId,
};
use std::sync::Arc;
use std::time::Duration;

/// How far a node's lease has run without a renewal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Isolation {
    /// It is renewed.
    None,
    /// Three quarters are over: nothing is started any more.
    Suspected,
    /// Five sixths are over: actors that are to stop do so, at once.
    Stopping,
    /// It is over: the workers that host such actors must be gone.
    Over,
}

impl Isolation {
    /// How far a lease has run at some time, and when it enters its next stage unless it is renewed. It was last counted from
    /// `length` before its `end`.
    ///
    /// # Example
    /// ```
    /// use mobula_core::hosting::Isolation;
    /// use mobula_types::Time;
    /// use std::time::Duration;
    /// let after = |seconds| Time::ZERO + Duration::from_secs(seconds);
    /// let stage = |seconds| Isolation::of(after(12), Duration::from_secs(12), after(seconds));
    /// assert_eq!(stage(8), (Isolation::None, after(9)));
    /// assert_eq!(stage(9), (Isolation::Suspected, after(10)));
    /// assert_eq!(stage(10), (Isolation::Stopping, after(12)));
    /// assert_eq!(stage(12), (Isolation::Over, Time::NEVER));
    /// ```
    pub fn of(end: Time, length: Duration, now: Time) -> (Self, Time) {
        let (suspected, stopping) = (end.before(length / 4), end.before(length / 6));
        match now {
            now if now < suspected => (Isolation::None, suspected),
            now if now < stopping => (Isolation::Suspected, stopping),
            now if now < end => (Isolation::Stopping, end),
            _ => (Isolation::Over, Time::NEVER),
        }
    }
}

/// What happened.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// A job runs; whether it brought an executable.
    JobOpened {
        /// The job.
        job: JobId,
        /// Without one, only what the node embeds can be hosted.
        has_executable: bool,
    },
    /// A job has ended: its actors end with `JobEnded`, as the head says so, or after a while without that.
    JobEnded {
        /// The job.
        job: JobId,
    },
    /// A head grants an incarnation to this node.
    Start(StartActor),
    /// A head stops an incarnation; it may not be here.
    Stop {
        /// The incarnation.
        incarnation: Incarnation,
        /// How long it may take.
        shutdown: ChildShutdown,
        /// What it exits with.
        reason: ExitReason,
    },
    /// A head says that these are none of the cluster's: they end at once, and nobody is told.
    Unknown {
        /// The incarnations.
        incarnations: Vec<Incarnation>,
    },
    /// A head has recorded these exits.
    ExitsRecorded(Vec<Incarnation>),
    /// The node embeds functions; a worker of that number runs them.
    EmbeddedStarted {
        /// The worker.
        worker: WorkerId,
    },
    /// A worker process that this machine asked for is there.
    WorkerStarted {
        /// The worker.
        worker: WorkerId,
    },
    /// It could not be started.
    WorkerStartFailed {
        /// The worker.
        worker: WorkerId,
        /// Why.
        failure: Failure,
    },
    /// A worker has ended, with everything in it.
    WorkerLost {
        /// The worker.
        worker: WorkerId,
        /// How.
        failure: Failure,
    },
    /// A worker has started an actor.
    ActorStarted {
        /// The worker.
        worker: WorkerId,
        /// The actor's number there.
        key: u32,
    },
    /// An actor has exited there, after all answers to its turns; or its constructor wanted no actor (`None`).
    ActorExited {
        /// The worker.
        worker: WorkerId,
        /// The actor's number there.
        key: u32,
        /// Why.
        reason: Option<ExitReason>,
    },
    /// A turn has ended.
    Done {
        /// The worker.
        worker: WorkerId,
        /// The turn.
        handle: u64,
        /// How.
        outcome: Outcome,
        /// Whether the failure is one that the method's `retry_on` names.
        retryable: bool,
        /// How long it ran, in microseconds.
        micros: u32,
        /// Objects among its arguments that the worker still holds references to.
        borrows: Vec<ObjectId>,
    },
    /// Calls come back from a worker unstarted.
    Returned {
        /// The worker.
        worker: WorkerId,
        /// The turns.
        handles: Vec<u64>,
    },
    /// A node names a lane.
    LaneOpened {
        /// Which node.
        from: Place,
        /// Its number there.
        lane: LaneId,
        /// Who calls.
        caller: Caller,
        /// Whom.
        actor: ActorId,
        /// The job of the calls.
        job: JobId,
    },
    /// A lane is used no more.
    LaneClosed {
        /// Which node.
        from: Place,
        /// Its number there.
        lane: LaneId,
    },
    /// A call has come.
    Called {
        /// From which node.
        from: Place,
        /// The call.
        call: HostedCall,
    },
    /// An incarnation that may be here is told something: a cast that is nobody's call. It is lost where the actor does not
    /// run, or its mailbox is full.
    Told {
        /// Whom.
        incarnation: Incarnation,
        /// The cast, under a task of its own.
        task: TaskId,
        /// The method.
        template: Arc<TaskTemplate>,
        /// The encoded arguments.
        arguments: Payload,
    },
    /// A call is to end.
    Cancelled {
        /// From which node.
        from: Place,
        /// The lane.
        lane: LaneId,
        /// The call.
        sequence: u64,
        /// Why.
        failure: Failure,
    },
    /// The answer to [`Effect::Fetch`](super::Effect::Fetch).
    InputsReady {
        /// The turn or the start.
        handle: u64,
        /// The inputs as they are now.
        inputs: Result<Vec<Input>, Failure>,
    },
    /// The session with a node is over, or the node is dead: its lanes are gone, and nobody waits for their answers. What
    /// runs goes on.
    PeerLost {
        /// The node.
        node: NodeId,
    },
    /// The driver of a job goes on through another owner. Calls that an earlier one still sends are refused, since the driver
    /// makes again what it has no answer of: to be said before the new owner sends any of that.
    Adopted {
        /// The job.
        job: JobId,
        /// The term of the new owner.
        owner_term: OwnerTerm,
    },
    /// How the node's lease stands.
    Isolation(Isolation),
    /// The node drains: it takes no grants any more; the head stops what is here.
    Draining,
    /// Time has passed.
    Tick,
}
