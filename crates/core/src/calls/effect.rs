//! What the router of calls wants done.

use crate::tasks::Place;
use mobula_types::actor::{Caller, Epoch, LaneId};
use mobula_types::frame::{AssignmentEnd, Input};
use mobula_types::{ActorId, Attempt, Failure, JobId, Payload, TaskId, TaskTemplate, Time};
use std::sync::Arc;

/// A call on its way to the machine that hosts the actor, on this node or on another.
#[derive(Clone, PartialEq, Debug)]
pub struct HostedCall {
    /// The lane.
    pub lane: LaneId,
    /// Counts the caller's calls to the actor.
    pub sequence: u64,
    /// The incarnation that it may start at.
    pub epoch: Epoch,
    /// The call, as a task of its caller.
    pub task: TaskId,
    /// Which try of it.
    pub attempt: Attempt,
    /// The method and its options. The same allocation for every call of one template.
    pub template: Arc<TaskTemplate>,
    /// The encoded arguments.
    pub arguments: Payload,
    /// Resolved references.
    pub inputs: Vec<Input>,
    /// When it is cancelled with `DeadlineExceeded`, on this process's clock.
    pub deadline: Option<Time>,
    /// The caller has the answers of all calls below this number.
    pub answered_below: u64,
    /// Its driver made it before through another node, so that it may have run, here or at an earlier incarnation.
    pub resent: bool,
}

/// What is to be done, in order.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Ask the head where an actor is, and to be told of changes.
    Locate {
        /// The actor.
        actor: ActorId,
    },
    /// No more.
    Unlocate {
        /// The actor.
        actor: ActorId,
    },
    /// Name a lane to the node that hosts the actor, before its first call there.
    OpenLane {
        /// Where.
        place: Place,
        /// The lane.
        lane: LaneId,
        /// Who calls.
        caller: Caller,
        /// Whom.
        actor: ActorId,
        /// The job of the calls.
        job: JobId,
    },
    /// A lane that was named there is used there no more.
    CloseLane {
        /// Where.
        place: Place,
        /// The lane.
        lane: LaneId,
    },
    /// Send a call.
    Send {
        /// Where.
        place: Place,
        /// The call.
        call: HostedCall,
    },
    /// Cancel a call that was sent. Its end comes all the same.
    Cancel {
        /// Where it was sent.
        place: Place,
        /// The lane.
        lane: LaneId,
        /// The call.
        sequence: u64,
        /// Why.
        failure: Failure,
    },
    /// Tell the task engine how an attempt of a call ended. `AssignmentEnd::Ran` where it ran, or failed for good, which is
    /// never to be tried again by the engine; `InputsUnavailable` where the engine is to make it ready again.
    End {
        /// The call.
        task: TaskId,
        /// The attempt.
        attempt: Attempt,
        /// Where it ran last: the node whose processes hold what the end says that they borrow. This one, if it did not run.
        place: Place,
        /// How.
        end: AssignmentEnd,
    },
}
