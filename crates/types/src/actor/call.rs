//! Calls on their way from the node that owns them to the node that hosts the actor.

use super::exit::ExitReason;
use super::id::{ActorId, Epoch, Incarnation};
use crate::frame::Input;
use crate::{Attempt, Failure, JobId, ObjectId, Outcome, Payload, TaskId, TemplateId};
use std::time::Duration;

/// Who calls: what "in the order in which one caller made them" means.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Caller {
    /// A job's driver.
    Driver(JobId),
    /// One attempt at a task; a thin client's call counts as a task of its own.
    Task(TaskId, Attempt),
    /// An incarnation of an actor.
    Actor(Incarnation),
}

/// The calls of one caller to one actor, numbered by the caller's home node; never used twice in its generation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct LaneId(pub u64);

/// A call on its lane to the node that hosts the actor.
#[derive(Clone, PartialEq, Debug)]
pub struct LaneCall {
    /// The lane.
    pub lane: LaneId,
    /// Counts the caller's calls to the actor, from 1. What is sent again keeps its number.
    pub sequence: u64,
    /// The incarnation that the call may start at, and no other.
    pub epoch: Epoch,
    /// The call, as a task of its caller.
    pub task: TaskId,
    /// Which try of it.
    pub attempt: Attempt,
    /// The method and its options.
    pub template: TemplateId,
    /// The encoded arguments.
    pub arguments: Payload,
    /// Resolved references; those not inline are fetched by the node that hosts the actor.
    pub inputs: Vec<Input>,
    /// How much time is left until the call's deadline.
    pub deadline: Option<Duration>,
    /// The caller has the answers of all calls below this number.
    pub answered_below: u64,
    /// Its driver made it before through another node, so that it may have run, here or at an earlier incarnation.
    pub resent: bool,
}

/// What became of a call at the node that was to host the actor.
#[derive(Clone, PartialEq, Debug)]
pub enum CallEnd {
    /// It ran.
    Ran {
        /// How it ended.
        outcome: Outcome,
        /// Whether the failure is one that the method's `retry_on` names.
        retryable: bool,
        /// How long it ran, in microseconds.
        micros: u32,
        /// Objects among its arguments that the hosting node's processes still hold references to, whoever owns them.
        borrows: Vec<ObjectId>,
    },
    /// It did not start and will not: this incarnation is not here, or not any more. It may go to another one.
    NotStarted {
        /// The incarnation's exit, where this node has seen it.
        reason: Option<ExitReason>,
    },
    /// The incarnation exited, and the call may have started before.
    Died {
        /// The exit.
        reason: ExitReason,
    },
    /// It is refused: `MailboxFull`, `BadArguments`, a sequence number whose answer is forgotten.
    Refused {
        /// Why.
        failure: Failure,
    },
    /// Its inputs cannot be brought there now. It did not start.
    InputsUnavailable {
        /// Why.
        failure: Failure,
    },
}

impl CallEnd {
    /// Whether the call certainly did not start.
    pub const fn is_unstarted(&self) -> bool {
        matches!(self, CallEnd::NotStarted { .. } | CallEnd::InputsUnavailable { .. })
    }
}

impl Caller {
    /// The actor that calls.
    pub const fn actor(&self) -> Option<ActorId> {
        match self {
            Caller::Actor(incarnation) => Some(incarnation.actor),
            Caller::Driver(_) | Caller::Task(..) => None,
        }
    }
}
