//! Typed failures: the stored error of a task or an object, and what a session answers a refused request with.

use crate::actor::Incarnation;
use crate::{Attempt, NodeId, ObjectId, Payload, TaskId};
use std::fmt;
use std::sync::Arc;

/// What kind of failure it is. New kinds may be added.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum FailureKind {
    /// The function returned an error.
    TaskFailed,
    /// The function panicked.
    TaskPanicked,
    /// The worker process that ran the task ended.
    WorkerDied,
    /// The node that ran the task was lost.
    NodeLost,
    /// A task that this one needs failed, or an object that it needs is lost.
    DependencyFailed,
    /// Cancelled by its user.
    Cancelled,
    /// Its timeout or its deadline passed.
    DeadlineExceeded,
    /// A wait by the caller took longer than the caller allowed.
    TimedOut,
    /// The bounded buffer of the client is full.
    Backpressure,
    /// More tasks of the job wait for their children than the bound allows.
    TooDeep,
    /// The wait could never be served.
    WouldDeadlock,
    /// No node could ever run it, and `fail_if_infeasible` was set.
    Infeasible,
    /// It ran on three nodes that were lost within ten minutes, and is not run again.
    PoisonSuspected,
    /// Every copy is gone and it could not be made again.
    ObjectLost,
    /// What was kept to make it again was dropped for its size.
    LineageEvicted,
    /// The store of the node has no room.
    StoreFull,
    /// The value is of another type than the one asked for.
    TypeMismatch,
    /// Arguments that do not decode, or of the wrong count.
    BadArguments,
    /// A value that does not encode or decode.
    BadValue,
    /// No function of that name where it was looked for.
    UnknownFunction,
    /// A function of that name has another signature or version.
    FunctionMismatch,
    /// The executable cannot run as a worker here.
    ExecutableRefused,
    /// Workers of this executable end before they can run anything.
    WorkerStartFailed,
    /// The session was gone for longer than it could be resumed.
    SessionExpired,
    /// The job has ended.
    JobEnded,
    /// Nobody could be reached who can answer.
    Unavailable,
    /// No valid token.
    Unauthenticated,
    /// The token or the job's secret does not permit this.
    PermissionDenied,
    /// What was named does not exist.
    NotFound,
    /// It exists already.
    AlreadyExists,
    /// A request that makes no sense.
    InvalidArgument,
    /// No version of the protocol in common.
    ProtocolVersion,
    /// A message that cannot be read.
    Malformed,
    /// Over a limit of size.
    TooLarge,
    /// A limit of number was reached.
    ResourceExhausted,
    /// Called outside a task and outside a connected program.
    NoContext,
    /// Another living node has that name.
    NodeNameTaken,
    /// The sender belongs to a generation or term that has been replaced.
    Fenced,
    /// The executing node has no room; it is asked elsewhere.
    NoRoom,
    /// The actor is dead, or died while it had the call; the failure says whether the call may have run.
    ActorDied,
    /// More calls wait for the actor than it allows.
    MailboxFull,
    /// The constructor failed, so that there is no actor.
    ConstructorFailed,
    /// The supervisor has stopped its children and exited.
    SupervisorEnded,
    /// A defect of Mobula.
    Internal,
}

impl FailureKind {
    /// Whether the same request may succeed when it is made again.
    pub const fn is_retryable(self) -> bool {
        use FailureKind::*;
        matches!(
            self,
            WorkerDied
                | NodeLost
                | TimedOut
                | Backpressure
                | StoreFull
                | SessionExpired
                | Unavailable
                | ResourceExhausted
                | NodeNameTaken
                | NoRoom
        )
    }
}

/// A failure: what failed, on what, and why. One pointer, cheap to clone.
///
/// ```
/// use mobula_types::{Failure, FailureKind};
/// let cause = Failure::new(FailureKind::TaskPanicked, "index out of bounds");
/// let failure = Failure::new(FailureKind::DependencyFailed, "argument 0 failed").caused_by(cause);
/// assert_eq!(failure.root_cause().kind(), FailureKind::TaskPanicked);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Failure(Arc<FailureDetail>);

/// Everything a [`Failure`] says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FailureDetail {
    /// The kind.
    pub kind: FailureKind,
    /// What happened and what to do, for people; at most 8 KiB.
    pub message: String,
    /// The task.
    pub task: Option<TaskId>,
    /// The task's function, or its given name.
    pub function: Option<Arc<str>>,
    /// The attempt.
    pub attempt: Option<Attempt>,
    /// Where it happened.
    pub node: Option<NodeId>,
    /// The object.
    pub object: Option<ObjectId>,
    /// `file:line:column` of a panic.
    pub place: Option<Arc<str>>,
    /// The signal or the exit code of a worker, for people.
    pub exit: Option<Arc<str>>,
    /// The incarnation of an actor.
    pub incarnation: Option<Incarnation>,
    /// Of a call whose actor died: whether it may have started.
    pub may_have_run: bool,
    /// The error value that the function returned.
    pub user: Option<UserError>,
    /// Why.
    pub cause: Option<Failure>,
}

/// A serialised error of user code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserError {
    /// `std::any::type_name` of it.
    pub type_name: Arc<str>,
    /// It, in the codec of values; empty where the type is not serialisable.
    pub payload: Payload,
}

impl Failure {
    /// The most bytes of text that a failure carries.
    pub const MESSAGE_LIMIT: usize = 8 * 1024;

    /// A failure of that kind; the message is cut at [`MESSAGE_LIMIT`](Self::MESSAGE_LIMIT).
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > Self::MESSAGE_LIMIT {
            let cut =
                (0..=Self::MESSAGE_LIMIT - 4).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
            message.truncate(cut);
            message.push('…');
        }
        Failure(Arc::new(FailureDetail {
            kind,
            message,
            task: None,
            function: None,
            attempt: None,
            node: None,
            object: None,
            place: None,
            exit: None,
            incarnation: None,
            may_have_run: false,
            user: None,
            cause: None,
        }))
    }

    /// A failure with every detail given.
    pub fn from_detail(detail: FailureDetail) -> Self {
        Failure(Arc::new(detail))
    }

    /// Changes the details.
    pub fn with(mut self, change: impl FnOnce(&mut FailureDetail)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Adds the cause.
    pub fn caused_by(self, cause: Failure) -> Self {
        self.with(|detail| detail.cause = Some(cause))
    }

    /// Adds the task and the name of its function.
    pub fn of_task(self, task: TaskId, function: Arc<str>) -> Self {
        self.with(|detail| {
            detail.task = Some(task);
            detail.function = Some(function);
        })
    }

    /// Adds the node.
    pub fn on_node(self, node: NodeId) -> Self {
        self.with(|detail| detail.node = Some(node))
    }

    /// Adds the incarnation of an actor.
    pub fn of_incarnation(self, incarnation: Incarnation) -> Self {
        self.with(|detail| detail.incarnation = Some(incarnation))
    }

    /// Adds the object.
    pub fn of_object(self, object: ObjectId) -> Self {
        self.with(|detail| detail.object = Some(object))
    }

    /// The kind.
    pub fn kind(&self) -> FailureKind {
        self.0.kind
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Everything.
    pub fn detail(&self) -> &FailureDetail {
        &self.0
    }

    /// The failure at the end of the chain of causes.
    pub fn root_cause(&self) -> &Failure {
        let mut failure = self;
        while let Some(cause) = &failure.0.cause {
            failure = cause;
        }
        failure
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let detail = &*self.0;
        write!(f, "{:?}", detail.kind)?;
        if let Some(function) = &detail.function {
            write!(f, " in {function}")?;
        }
        if let Some(node) = &detail.node {
            write!(f, " on {node}")?;
        }
        write!(f, ": {}", detail.message)?;
        if let Some(exit) = &detail.exit {
            write!(f, " ({exit})")?;
        }
        if let Some(place) = &detail.place {
            write!(f, " at {place}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        match &self.0.cause {
            Some(cause) => write!(f, "; caused by {cause:?}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_ref().map(|cause| cause as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let failure = Failure::new(FailureKind::Internal, "ü".repeat(10_000));
        assert!(failure.message().len() <= Failure::MESSAGE_LIMIT);
        assert!(failure.message().ends_with('…'));
    }
}
