//! What heads and nodes tell each other of actors.

use super::exit::ExitReason;
use super::group::{GroupReport, RosterUpdate};
use super::id::{ActorId, Incarnation};
use super::info::ActorState;
use super::observer::{Observation, StateChange};
use super::spec::ActorSpec;
use super::tree::ChildShutdown;
use crate::{NodeId, WorkerId};
use std::sync::Arc;
use std::time::Duration;

/// Start an incarnation: the grant of its epoch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StartActor {
    /// The incarnation.
    pub incarnation: Incarnation,
    /// What it is started from. Incarnations of one spec share the allocation in a message.
    pub spec: Arc<ActorSpec>,
}

/// Stop an incarnation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StopActor {
    /// The incarnation.
    pub incarnation: Incarnation,
    /// How long it may take.
    pub shutdown: ChildShutdown,
    /// What it exits with.
    pub reason: ExitReason,
}

/// A watch is registered, and names this incarnation. The node says so when it joins again: a later one is not what was
/// meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WatchBound {
    /// The watch.
    pub number: u64,
    /// The incarnation of its target.
    pub epoch: super::Epoch,
}

/// An actor has linked itself with one of the receiver, or takes that back. The receiver tells every head of it from its side
/// too: the link holds though both the other node and the head are lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkChange {
    /// The incarnation of the receiver.
    pub linked: Incarnation,
    /// The one that has linked itself.
    pub by: Incarnation,
    /// Whether the link holds.
    pub holds: bool,
}

/// An actor that linked itself to one of the receiver has exited: where that is abnormal, the linked one exits with
/// `Linked`, unless it traps exits. Nobody there asked for it, so it has no number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkDown {
    /// The incarnation of the receiver.
    pub linked: Incarnation,
    /// The one that exited.
    pub exited: Incarnation,
    /// Why.
    pub reason: ExitReason,
}

/// What a head tells a node of actors. Of each kind there is one in a turn, unless it is cut: see
/// [`EncodedSize`](super::EncodedSize).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ActorOrder {
    /// Start these, in any order among each other.
    Start(Vec<StartActor>),
    /// Stop these incarnations, then report their exits. One that is not there is reported as exited.
    Stops(Vec<StopActor>),
    /// Where actors are, for who asked for them: the state now, and later each change.
    Located(Vec<ActorLocation>),
    /// These exits are written: the node may forget them.
    ExitsRecorded(Vec<Incarnation>),
    /// Things that actors or sessions of this node watch have exited.
    Downs(Vec<Down>),
    /// Watches of this node are registered.
    Watching(Vec<WatchBound>),
    /// Actors have linked themselves with ones of this node, or take that back.
    Links(Vec<LinkChange>),
    /// Actors that linked themselves to ones of this node have exited.
    LinkDowns(Vec<LinkDown>),
    /// The head has compared what the node reported with the registry; of the actors that the node has, these are not the
    /// cluster's any more, and are to be killed without a report.
    Reconciled {
        /// Those to kill.
        unknown: Vec<Incarnation>,
    },
    /// What is in the rosters of groups and topics that this node follows.
    Rosters(Vec<RosterUpdate>),
    /// For an observer of this node: how things stand, first all as they are, then each change.
    Changes {
        /// The observation.
        number: u64,
        /// The changes; those of one actor in their order.
        changes: Vec<StateChange>,
    },
}

/// Where an actor is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ActorLocation {
    /// The actor.
    pub actor: ActorId,
    /// Where.
    pub location: Location,
}

/// Where calls to an actor go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Location {
    /// Nowhere yet: it has not started, or is started again. Calls wait.
    Pending {
        /// Its latest incarnation's exit, where there was one.
        last: Option<(Incarnation, ExitReason)>,
    },
    /// It takes calls there.
    At {
        /// The node.
        node: NodeId,
        /// The incarnation.
        incarnation: Incarnation,
    },
    /// It is dead for good, or nothing is known of it (`Lost`).
    Dead {
        /// The last incarnation.
        incarnation: Incarnation,
        /// Why it exited.
        reason: ExitReason,
    },
}

/// What a watcher is told of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub enum WatchKind {
    /// The exit of an incarnation, as `Down`.
    Monitor,
    /// As that; and where the exit is abnormal, the watcher exits too, unless it traps exits.
    Link,
}

/// A watch of an actor. It ends with its `Down`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Watch {
    /// Numbered by the watcher's node, never twice in its generation.
    pub number: u64,
    /// The actor that watches; `None` for a session of the node.
    pub watcher: Option<Incarnation>,
    /// The actor that is watched: its incarnation of the moment at which the watch is registered.
    pub target: ActorId,
    /// That incarnation, once it is known.
    pub epoch: Option<super::Epoch>,
    /// What the watcher is told of.
    pub kind: WatchKind,
}

/// A watched incarnation has exited.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Down {
    /// The watch that ends with it.
    pub number: u64,
    /// The incarnation.
    pub incarnation: Incarnation,
    /// Why.
    pub reason: ExitReason,
}

/// An incarnation has exited, or never started.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExitReport {
    /// The incarnation.
    pub incarnation: Incarnation,
    /// Why.
    pub reason: ExitReason,
    /// How long ago: exits count at the time at which they happened.
    pub age: Duration,
    /// Whether it had started.
    pub started: bool,
    /// The worker of the node that has ended, where that is why: what was in it counts once.
    pub worker: Option<WorkerId>,
}

/// An actor as its node reports it to a head that it joins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostedActor {
    /// The incarnation.
    pub incarnation: Incarnation,
    /// `Starting`, `Running` or `Stopping`.
    pub state: ActorState,
}

/// What a node tells its head of actors.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ActorReport {
    /// Everything that the node has, right after it joined and before any other report: actors, exits that were not yet
    /// recorded, actors whose locations it wants to hear of, watches. In parts where it is large: the head does nothing about
    /// them before it has the last one.
    Inventory {
        /// The actors.
        actors: Vec<HostedActor>,
        /// The exits.
        exits: Vec<ExitReport>,
        /// Those whose constructors answered `Ignore`.
        ignored: Vec<Incarnation>,
        /// Whose locations it wants to know.
        located: Vec<ActorId>,
        /// Watches without a `Down` so far.
        watches: Vec<Watch>,
        /// Whether nothing more of it follows.
        last: bool,
    },
    /// These have started.
    Started(Vec<Incarnation>),
    /// A constructor answered `Ignore`: there is no actor, and none is missing. Kept and said again until it is recorded, as
    /// exits are.
    Ignored(Incarnation),
    /// These have exited. Kept and said again until they are recorded.
    Exited(Vec<ExitReport>),
    /// Tell this node where these are, now and whenever it changes.
    Locate(Vec<ActorId>),
    /// No more.
    Unlocate(Vec<ActorId>),
    /// Nobody holds a handle of these any more, as far as their creators' home knows.
    Unreferenced(Vec<ActorId>),
    /// Tell this node when the target exits. Answered by exactly one `Down`, unless it is taken back.
    Watch(Watch),
    /// No more.
    Unwatch {
        /// Its number.
        number: u64,
    },
    /// Of groups and topics.
    Groups(GroupReport),
    /// Tell this node how these stand, now and whenever that changes. All of them are said again right behind an inventory,
    /// which ends those before it.
    Observe(Vec<Observation>),
    /// No more.
    Unobserve {
        /// Its number.
        number: u64,
    },
}
