//! Calls of actors, and actors as workers are told to host them.

use super::SubmitExtras;
use crate::actor::{
    ActorAnswer, ActorId, ActorRequest, CallEnd, Caller, Epoch, Incarnation, LaneId, Subscriber, WatchKind,
};
use crate::frame::Input;
use crate::{Attempt, Failure, JobId, Payload, TaskId, TemplateId};
use std::sync::Arc;
use std::time::Duration;

/// A call of an actor, as it is submitted. Its result is an object of the call's task.
#[derive(Clone, PartialEq, Debug)]
pub struct Call {
    /// The call, named by the sender.
    pub task: TaskId,
    /// The actor.
    pub actor: ActorId,
    /// Counts the caller's calls to the actor, from 1.
    pub sequence: u64,
    /// The caller has the answers of all calls below this number.
    pub answered_below: u64,
    /// The method and its options; its target is `Method`.
    pub template: TemplateId,
    /// The encoded arguments, one behind the other.
    pub arguments: Payload,
    /// A worker's call: the handle of the run or turn that calls.
    pub parent: Option<u64>,
    /// What most calls do without.
    pub extras: Option<Box<SubmitExtras>>,
}

/// What stands as `parent` in requests that an actor makes outside of its turns, in hooks and timers: its number in the
/// worker, under two bits that are together in no handle.
pub const fn actor_as_parent(key: u32) -> u64 {
    0b11 << 62 | key as u64
}

/// The actor that such a `parent` stands for; `None` where it is the handle of a run or a turn.
pub const fn parent_as_actor(parent: u64) -> Option<u32> {
    if parent >> 62 == 0b11 { Some(parent as u32) } else { None }
}

/// An actor as a worker is told to start it.
#[derive(Clone, PartialEq, Debug)]
pub struct HostActor {
    /// Its number in this worker, given by the node; used again only after its exit.
    pub key: u32,
    /// The incarnation.
    pub incarnation: Incarnation,
    /// Its job.
    pub job: JobId,
    /// The constructor and the actor's options.
    pub template: TemplateId,
    /// The encoded arguments of the constructor.
    pub arguments: Payload,
    /// Resolved references among them.
    pub inputs: Vec<Input>,
}

/// A call as a worker is told to take it.
#[derive(Clone, PartialEq, Debug)]
pub struct Turn {
    /// The call, numbered by the node for this worker. Never the handle of a run too.
    pub handle: u64,
    /// The actor, as [`HostActor`] numbered it.
    pub key: u32,
    /// Who calls.
    pub caller: Caller,
    /// The call, as a task of its caller.
    pub task: TaskId,
    /// Which try of it.
    pub attempt: Attempt,
    /// The method and its options.
    pub template: TemplateId,
    /// The encoded arguments.
    pub arguments: Payload,
    /// Resolved references.
    pub inputs: Vec<Input>,
    /// How much time is left until the call's deadline.
    pub deadline: Option<Duration>,
}

/// The calls of one caller to one actor, on their way to the node that hosts it.
#[derive(Clone, PartialEq, Debug)]
pub struct Lane {
    /// Its number.
    pub lane: LaneId,
    /// Who calls.
    pub caller: Caller,
    /// The actor.
    pub actor: ActorId,
    /// The job of the calls.
    pub job: JobId,
}

/// What became of a call, for the node that sent it.
#[derive(Clone, PartialEq, Debug)]
pub struct LaneCallEnded {
    /// The lane.
    pub lane: LaneId,
    /// The call.
    pub sequence: u64,
    /// What became of it.
    pub end: CallEnd,
    /// How many calls of the lane may be unanswered at once from now on.
    pub window: u32,
}

/// What a program asks its node, beside tasks, objects and calls.
#[derive(Clone, PartialEq, Debug)]
pub enum Ask {
    /// Something that heads know.
    Actors(ActorRequest),
    /// Tell the asker when the actor exits: as [`Frame::Down`](super::Frame::Down), to the asking actor or session.
    Watch {
        /// The actor.
        target: ActorId,
        /// Monitor or link.
        kind: WatchKind,
        /// Its incarnation, where it was watched before through another home; else the one of the moment.
        epoch: Option<Epoch>,
    },
    /// No more.
    Unwatch {
        /// The number that `Watch` was answered with.
        number: u64,
    },
    /// A member more of a process group. Done once the node that hosts it is told.
    Join {
        /// The namespace.
        namespace: Arc<str>,
        /// The group.
        group: Arc<str>,
        /// The actor; with epoch 0 the incarnation that there is.
        member: Incarnation,
    },
    /// A member less.
    Leave {
        /// The namespace.
        namespace: Arc<str>,
        /// The group.
        group: Arc<str>,
        /// The actor.
        member: Incarnation,
    },
    /// The members of a group.
    Members {
        /// The namespace.
        namespace: Arc<str>,
        /// The group.
        group: Arc<str>,
    },
    /// From now on, messages to topics that match: each at most once, those of one publisher in its order.
    Subscribe {
        /// The namespace.
        namespace: Arc<str>,
        /// Segments with `.` between them: `*` is any one, `#` at the end is any number of them.
        pattern: Arc<str>,
        /// Who wants them.
        subscriber: Subscriber,
    },
    /// No more.
    Unsubscribe {
        /// The number that `Subscribe` was answered with.
        subscription: u64,
    },
    /// From now on, how the cluster looks: as [`Frame::View`](super::Frame::View), to the asking session, the full view before
    /// the answer. Drivers hear of it unasked.
    View,
    /// Tell the session how an actor or supervisor stands, now and whenever that changes: by
    /// [`Frame::Observed`](super::Frame::Observed), until a change of the target that is final.
    Observe {
        /// The actor or supervisor.
        target: ActorId,
        /// Of a supervisor: everything below it too.
        below: bool,
    },
    /// No more.
    Unobserve {
        /// The number that `Observe` was answered with.
        number: u64,
    },
}

/// A member more or less of a group, for the node that hosts it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Enrolment {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The group.
    pub group: Arc<str>,
    /// The incarnation.
    pub member: Incarnation,
    /// Whether it joins, rather than leaves.
    pub joins: bool,
}

/// What a node answers to an [`Ask`].
#[derive(Clone, PartialEq, Debug)]
pub enum Answer {
    /// To `Actors`.
    Actors(ActorAnswer),
    /// To `Watch`: the number that its `Down` will bear.
    Watching {
        /// The number.
        number: u64,
        /// The incarnation that it names.
        epoch: Epoch,
    },
    /// To `Members`: by their ids.
    Members(Vec<Incarnation>),
    /// To `Subscribe`: the number that its messages will bear.
    Subscribed {
        /// The number.
        subscription: u64,
    },
    /// To `Observe`: the number that its changes will bear.
    Observing {
        /// The number.
        number: u64,
    },
    /// It is done.
    Done,
    /// It is refused, or failed.
    Failed(Failure),
}
