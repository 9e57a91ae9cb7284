//! Actors and supervisors as the registry keeps them: small records, one for each, so that none grows with its siblings.

use super::exit::{ExitKind, ExitReason};
use super::id::{ActorId, Epoch, Incarnation};
use super::info::ChildState;
use super::spec::{ActorSpec, Placement};
use super::tree::{AutoShutdown, ChildShutdown, Intensity, RestartType, SupervisorStrategy};
use crate::{JobId, NodeId};
use std::fmt;
use std::sync::Arc;

/// What a spec is stored under: 128 bits of a hash of its content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SpecKey(pub u128);

impl fmt::Debug for SpecKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpecKey({:x})", self.0)
    }
}

/// A spec, stored once for all actors that are started from it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpecRecord {
    /// Its key.
    pub key: SpecKey,
    /// The spec; its arguments are there for children of supervisors alone.
    pub spec: Arc<ActorSpec>,
}

/// What a supervisor keeps of a child.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChildRecord {
    /// The supervisor.
    pub supervisor: ActorId,
    /// Its place among the siblings: they start in rising order.
    pub ordinal: u64,
    /// Its id, unique among the siblings.
    pub id: Arc<str>,
    /// After which exits it starts again.
    pub restart: RestartType,
    /// How it is stopped.
    pub shutdown: ChildShutdown,
    /// Whether its exit may end its supervisor.
    pub significant: bool,
    /// Whether it is of the supervisor's spec, and so is there again after that was restarted; others were added at run
    /// time.
    pub declared: bool,
    /// A declared child that was removed: nobody sees it until its supervisor is started again.
    pub removed: bool,
    /// How it stands.
    pub state: ChildState,
    /// It is being terminated: its exit leads to no restart.
    pub terminating: bool,
    /// It ran on too many nodes that were lost, and is started again only when somebody asks for it.
    pub quarantined: bool,
    /// How often it was restarted without staying up long enough: what its next pause follows from.
    pub failures: u32,
    /// When that pause is over, in milliseconds since 1970; 0 where it does not wait.
    pub restart_at_millis: u64,
    /// In which start of its supervisor it stood so. A later start wants every child anew, also where nothing was written
    /// of the child since.
    pub above: Epoch,
    /// When it exited while its supervisor was starting, in milliseconds since 1970: what follows from it is decided once
    /// the supervisor has started. 0 where it did not.
    pub deferred_millis: u64,
}

/// An actor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ActorRecord {
    /// The actor.
    pub actor: ActorId,
    /// It is dead for good. It is remembered for a while, so that a creation that is sent again finds itself, and no epoch
    /// is granted twice; its spec may be gone.
    pub dead: bool,
    /// Its job.
    pub job: JobId,
    /// Its spec, which has its name too.
    pub spec: SpecKey,
    /// The latest epoch that was granted; 0 for none.
    pub epoch: Epoch,
    /// The node that it was granted to.
    pub node: Option<NodeId>,
    /// Whether that grant is in force: no exit of it is recorded.
    pub granted: bool,
    /// Why the latest incarnation exited, where one has.
    pub last_exit: Option<(Epoch, ExitKind)>,
    /// More of that exit, where more is known than its kind: [shortened](ExitReason::shortened).
    pub last_reason: Option<ExitReason>,
    /// The node whose program created it: that sends the arguments again.
    pub creator: Option<NodeId>,
    /// It is being stopped to be started again, and no restart is counted.
    pub again: bool,
    /// How often it was started again.
    pub restarts: u64,
    /// When nodes were lost that it ran on, lately, in milliseconds since 1970.
    pub losses_millis: Vec<u64>,
    /// As whose child.
    pub child: Option<ChildRecord>,
    /// When its state changed, in milliseconds since 1970.
    pub since_millis: u64,
}

/// What follows when a decision's children have stopped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DecisionEnd {
    /// They start again, in order.
    Start,
    /// The supervisor exits for that reason.
    Exit(ExitReason),
    /// The supervisor could not start, for that reason.
    StartFailed(ExitReason),
}

/// A decision of a supervisor that is being carried out: which children it stops, in reverse order, and what follows.
///
/// Its steps are told by the children's records. While it stops them, no epoch of theirs is raised, and every exit of
/// theirs belongs to it. Once it starts them, those whose latest grant is in force have had their turn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DecisionRecord {
    /// Counts the supervisor's decisions.
    pub number: u64,
    /// The exit that led to it, where one did, and of what epoch.
    pub cause: Option<(Incarnation, ExitReason)>,
    /// It has to do with the children from this place on.
    pub from: u64,
    /// Whether they are still to be stopped; else they are being started.
    pub stops: bool,
    /// What follows.
    pub end: DecisionEnd,
    /// Whether it is the supervisor's own start: a child that cannot start then ends that.
    pub is_start: bool,
    /// No child starts before, in milliseconds since 1970.
    pub not_before_millis: u64,
}

/// A supervisor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SupervisorRecord {
    /// The supervisor.
    pub supervisor: ActorId,
    /// Where its name is unique.
    pub namespace: Arc<str>,
    /// Its name; empty for none.
    pub name: Arc<str>,
    /// Its job.
    pub job: JobId,
    /// Whether it outlives that job.
    pub detached: bool,
    /// As whose child; `None` for the root of a tree.
    pub child: Option<ChildRecord>,
    /// Which children start again when one exits.
    pub strategy: SupervisorStrategy,
    /// How many restarts are too many.
    pub intensity: Intensity,
    /// Whether it exits with significant children.
    pub auto_shutdown: AutoShutdown,
    /// How its children are spread over nodes.
    pub placement: Placement,
    /// `SimpleOneForOne`: what all children are like, and the spec that they have but for its arguments.
    pub pattern: Option<(ChildRecord, SpecKey)>,
    /// Which of its starts this is, from 1; 0 before the first.
    pub epoch: Epoch,
    /// Whether it has been started and has not exited.
    pub running: bool,
    /// A place that no child has, nor any behind it, as of this record; children that were added since have higher ones.
    pub next_ordinal: u64,
    /// When the restarts of the intensity's window happened, in milliseconds since 1970.
    pub restarts_millis: Vec<u64>,
    /// The ends of workers that were counted among them, the latest last: what was in one worker counts once.
    pub worker_ends: Vec<u64>,
    /// How often it started children again.
    pub restarts: u64,
    /// Why it exited last, or which exit of a child it last acted on: [shortened](ExitReason::shortened).
    pub last_reason: Option<ExitReason>,
    /// What it is carrying out.
    pub decision: Option<DecisionRecord>,
    /// When its state changed, in milliseconds since 1970.
    pub since_millis: u64,
}

/// One change of what the registry holds of actors. Deleting what is not there is no error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RecordChange {
    /// Put an actor.
    PutActor(Box<ActorRecord>),
    /// Delete one.
    DeleteActor(ActorId),
    /// Put a spec.
    PutSpec(SpecRecord),
    /// Delete one.
    DeleteSpec(SpecKey),
    /// Put a supervisor.
    PutSupervisor(Box<SupervisorRecord>),
    /// Delete one.
    DeleteSupervisor(ActorId),
    /// A name has an owner: an actor or a supervisor.
    PutName {
        /// The namespace.
        namespace: Arc<str>,
        /// The name.
        name: Arc<str>,
        /// The owner.
        actor: ActorId,
    },
    /// A name is free.
    DeleteName {
        /// The namespace.
        namespace: Arc<str>,
        /// The name.
        name: Arc<str>,
    },
}
