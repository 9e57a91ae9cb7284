//! What the router of calls is told.

use crate::tasks::Place;
use mobula_types::actor::{ActorLocation, CallEnd, Caller, LaneId, MethodOptions};
use mobula_types::frame::Input;
use mobula_types::{ActorId, Attempt, Failure, JobId, NodeId, Payload, TaskId, TaskTemplate, Time};
use std::sync::Arc;

/// A call as it was made.
#[derive(Clone, PartialEq, Debug)]
pub struct NewCall {
    /// The call, as a task.
    pub task: TaskId,
    /// Its job.
    pub job: JobId,
    /// Who calls.
    pub caller: Caller,
    /// Whom.
    pub actor: ActorId,
    /// Counts the caller's calls to the actor, from 1. Calls of one lane come in this order.
    pub sequence: u64,
    /// The caller has the answers of all calls below this number.
    pub answered_below: u64,
    /// Cast or call, retries.
    pub options: MethodOptions,
    /// Its driver made it before, through a node that it does not reach any more: it may have run.
    pub resent: bool,
}

/// A call whose arguments are all there.
#[derive(Clone, PartialEq, Debug)]
pub struct ReadyCall {
    /// The call.
    pub task: TaskId,
    /// Which try of it, as the engine counts.
    pub attempt: Attempt,
    /// The method and its options.
    pub template: Arc<TaskTemplate>,
    /// The encoded arguments.
    pub arguments: Payload,
    /// Resolved references.
    pub inputs: Vec<Input>,
    /// When the call fails with `DeadlineExceeded`; the engine sees to it.
    pub deadline: Option<Time>,
}

/// What happened.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// A call was made, and recorded by the task engine.
    Made(NewCall),
    /// The arguments of a call are there. May come again for a later attempt of it, where an input was lost meanwhile.
    Ready(ReadyCall),
    /// The engine has ended a call before it was ready, or while it waits for its next attempt: it leaves its lane.
    Dropped {
        /// The call.
        task: TaskId,
    },
    /// A call that is ready is to end. It is answered by [`Effect::End`](super::Effect::End) nevertheless.
    Cancel {
        /// The call.
        task: TaskId,
        /// The attempt.
        attempt: Attempt,
        /// Why.
        failure: Failure,
    },
    /// Where an actor is: the answer to [`Effect::Locate`](super::Effect::Locate), and each change.
    Located(ActorLocation),
    /// These calls are made through another node now: none of them is sent any more, and nobody waits for their ends.
    GivenUp {
        /// The calls.
        tasks: Vec<TaskId>,
    },
    /// What became of a call that was sent.
    Ended {
        /// From where.
        place: Place,
        /// The lane.
        lane: LaneId,
        /// The call.
        sequence: u64,
        /// What became of it.
        end: CallEnd,
        /// How many calls of the lane may be unanswered at once from now on.
        window: u32,
    },
    /// The session with a node is over for good: what it had is unavailable, though it may live.
    PeerUnreachable {
        /// The node.
        node: NodeId,
    },
    /// A node is dead.
    NodeLost {
        /// The node.
        node: NodeId,
    },
    /// A caller is gone for good: its lanes may go once they are empty.
    CallerEnded {
        /// The caller.
        caller: Caller,
    },
    /// Time has passed.
    Tick,
}
