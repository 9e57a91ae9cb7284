//! Lanes that nodes have named, and the turns that came on them.

use crate::calls::HostedCall;
use crate::tasks::Place;
use mobula_types::actor::{Caller, LaneId};
use mobula_types::{ActorId, Attempt, JobId, TaskId};
use std::collections::VecDeque;

/// The calls of one caller to one actor, on one path.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) from: Place,
    pub(super) id: LaneId,
    pub(super) caller: Caller,
    pub(super) actor_id: ActorId,
    /// The job of the calls.
    pub(super) job: JobId,
    /// The incarnation, and what is known of its caller, while that is here.
    pub(super) actor: Option<usize>,
    pub(super) at_actor: usize,
    pub(super) record: Option<usize>,
    /// Calls that have not been given to the actor's worker, in order.
    pub(super) queue: VecDeque<HostedCall>,
    /// Turns that are not answered, in the order of their calls; the last one fetches its inputs if `fetching` is set.
    pub(super) turns: VecDeque<usize>,
    pub(super) fetching: bool,
    pub(super) window: u32,
    /// A call of it was answered as unstarted: nothing that comes behind it starts either.
    pub(super) broken: bool,
}

/// A call that was given to the actor's worker, or fetches its inputs to be.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) actor: usize,
    /// The lane that is answered; none where that is gone.
    pub(super) lane: Option<usize>,
    /// The node that had that.
    pub(super) orphaned_by: Option<Place>,
    /// What is known of the caller, by its number.
    pub(super) record: u64,
    pub(super) sequence: u64,
    pub(super) task: TaskId,
    pub(super) attempt: Attempt,
    /// What fetches its inputs.
    pub(super) fetching: Option<Box<Fetching>>,
}

/// A call that fetches its inputs.
#[derive(Debug)]
pub(super) struct Fetching {
    pub(super) call: HostedCall,
    /// The last call of the caller before it.
    pub(super) previous: u64,
}
