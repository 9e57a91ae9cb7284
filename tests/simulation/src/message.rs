//! What processes say to each other.

use crate::process::ProcessId;
use crate::registry::{Answer, Trouble};
use mobula_core::calls::HostedCall;
use mobula_types::actor::{
    ActorAnswer, ActorOrder, ActorReport, ActorRequest, ActorSpec, CallEnd, Caller, Down, LaneId,
    MethodOptions,
};
use mobula_types::{
    ActorId, Failure, HeadTerm, JobId, NodeId, NodeRegistration, Outcome, OwnerTerm, ProbeAnswer, TaskId,
    ViewDelta,
};
use std::sync::Arc;
use std::time::Duration;

/// A message outside of streams: it may be lost, and whoever waits for an answer gives up after a while.
#[derive(Clone, Debug)]
pub(crate) enum Datagram {
    /// A node renews a lease, through whichever head.
    Renew { by: ProcessId, number: u64, lease: u64 },
    /// Whether it was, or is known no more; nothing comes where the registry does not answer.
    Renewed { number: u64, known: bool },
    /// A node asks a head something about actors.
    Ask { by: ProcessId, number: u64, asker: Option<NodeId>, request: ActorRequest },
    /// The answer.
    Answered { number: u64, answer: Result<ActorAnswer, Failure> },
}

/// What the registry answers, or that it has not in time.
pub(crate) type RegistryReply = Result<Answer, Trouble>;

/// A message of a stream.
#[derive(Clone, Debug)]
pub(crate) enum Packet {
    Join(Box<JoinRequest>),
    Report(NodeReport),
    Head(HeadMessage),
    /// A head does not take the node, for now.
    Refused,
    Peer(PeerFrame),
    Driver(DriverFrame),
    Home(HomeFrame),
}

/// A node asks to be a member.
#[derive(Clone, Debug)]
pub(crate) struct JoinRequest {
    pub(crate) registration: NodeRegistration,
    pub(crate) previous: Option<NodeId>,
    pub(crate) seen_term: HeadTerm,
    pub(crate) peers: Vec<NodeId>,
}

/// What a member tells its head.
#[derive(Clone, Debug)]
pub(crate) enum NodeReport {
    PeerSession { peer: NodeId, open: bool },
    FenceAcknowledged(NodeId),
    DeathAnswer { about: NodeId, answer: ProbeAnswer },
    LeaseAcknowledged(u64),
    Leave,
    Actors(ActorReport),
}

/// What a head tells a member, and in which term.
#[derive(Clone, Debug)]
pub(crate) struct HeadMessage {
    pub(crate) term: HeadTerm,
    pub(crate) order: HeadOrder,
}

/// What a head tells a member.
#[derive(Clone, Debug)]
pub(crate) enum HeadOrder {
    Granted { node: NodeId, lease: Duration, lease_id: u64 },
    View(ViewDelta),
    Fence(NodeId),
    ConfirmDeath(NodeId),
    LeaseOffered { lease_id: u64, length: Duration },
    LeaseInForce(u64),
    Actors(ActorOrder),
    Drain,
    Fenced(Failure),
}

/// What nodes say to each other.
#[derive(Clone, Debug)]
pub(crate) enum PeerFrame {
    Hello(NodeId),
    /// The node owns the job from now on, under that term.
    FindJob {
        job: JobId,
        term: OwnerTerm,
    },
    OpenLane {
        lane: LaneId,
        caller: Caller,
        actor: ActorId,
        job: JobId,
    },
    Call(HostedCall),
    Ended {
        lane: LaneId,
        sequence: u64,
        end: CallEnd,
        window: u32,
    },
    Cancel {
        lane: LaneId,
        sequence: u64,
        failure: Failure,
    },
    CloseLane(LaneId),
}

/// A call as a driver makes it.
#[derive(Clone, Debug)]
pub(crate) struct DriverCall {
    pub(crate) task: TaskId,
    pub(crate) actor: ActorId,
    pub(crate) sequence: u64,
    pub(crate) answered_below: u64,
    pub(crate) options: MethodOptions,
    pub(crate) resent: bool,
    /// How long its arguments take.
    pub(crate) arguments_after: Duration,
}

/// What a driver says to its home.
#[derive(Clone, Debug)]
pub(crate) enum DriverFrame {
    Hello { job: JobId, term: OwnerTerm },
    Call(DriverCall),
    Cancel(TaskId),
    Create { actor: ActorId, spec: Arc<ActorSpec> },
    Ask { number: u64, request: ActorRequest },
    Watch(ActorId),
}

/// What a home says to a driver.
#[derive(Clone, Debug)]
pub(crate) enum HomeFrame {
    Ended { task: TaskId, outcome: Outcome },
    Created(ActorId),
    Answered { number: u64, answer: Result<ActorAnswer, Failure> },
    Watching(u64),
    Down(Down),
}
