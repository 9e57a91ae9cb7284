//! How actors, supervisors and groups stand, for lists and observers.

use super::id::{ActorId, Epoch, Incarnation};
use super::tree::{ChildShutdown, Intensity, RestartType, SupervisorStrategy};
use crate::{FunctionId, JobId, NodeId};
use std::sync::Arc;

/// How an actor stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub enum ActorState {
    /// It waits for a node with room.
    Pending,
    /// A node runs its constructor.
    Starting,
    /// It takes calls.
    Running,
    /// It was told to stop.
    Stopping,
    /// It has exited and is to be started again, after a pause or when its siblings have stopped.
    Restarting,
    /// It is on a node that has lost every head, and may run there still.
    Isolated,
    /// It exited and is not started again.
    Dead,
}

/// An actor for a list.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct ActorInfo {
    /// The actor.
    pub actor: ActorId,
    /// Where its name is unique.
    pub namespace: Arc<str>,
    /// Its name; empty for none.
    pub name: Arc<str>,
    /// Its constructor.
    pub class: FunctionId,
    /// Its job.
    pub job: JobId,
    /// How it stands.
    pub state: ActorState,
    /// Its latest incarnation.
    pub epoch: Epoch,
    /// Where that is, or was.
    pub node: Option<NodeId>,
    /// How often it was started again.
    pub restarts: u64,
    /// Why the last incarnation exited, for people; empty where none has.
    pub last_exit: String,
    /// Its supervisor.
    pub supervisor: Option<ActorId>,
    /// Its id among the supervisor's children.
    pub child: Arc<str>,
    /// When its state changed, in milliseconds since 1970.
    pub since_millis: u64,
}

/// How a child stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub enum ChildState {
    /// It has an actor or supervisor; how that stands is said there.
    Present,
    /// Its constructor answered `Ignore`: it counts as started, without an actor.
    Ignored,
    /// It was terminated, or has exited and is not started again; its spec stays.
    Stopped,
}

/// A child for a list.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct ChildInfo {
    /// Its id.
    pub id: Arc<str>,
    /// How it stands.
    pub state: ChildState,
    /// The actor or supervisor; it keeps its id from incarnation to incarnation.
    pub actor: ActorId,
    /// Whether it is a supervisor.
    pub is_supervisor: bool,
    /// After which exits it starts again.
    pub restart: RestartType,
    /// How it is stopped.
    pub shutdown: ChildShutdown,
    /// Whether its exit may end its supervisor.
    pub significant: bool,
}

/// A supervisor for a list.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct SupervisorInfo {
    /// The supervisor.
    pub supervisor: ActorId,
    /// Where its name is unique.
    pub namespace: Arc<str>,
    /// Its name; empty where it has none.
    pub name: Arc<str>,
    /// Its job.
    pub job: JobId,
    /// The supervisor above it.
    pub parent: Option<ActorId>,
    /// Its strategy.
    pub strategy: SupervisorStrategy,
    /// Its intensity.
    pub intensity: Intensity,
    /// How it stands.
    pub state: ActorState,
    /// How often it started children again.
    pub restarts: u64,
    /// Why it, or the child that it handled last, exited; empty where none has.
    pub last_exit: String,
    /// Its children in order, or so many of them as one answer has.
    pub children: Vec<ChildInfo>,
    /// Where these end, if there are more.
    pub more_after: Option<u64>,
    /// When its state changed, in milliseconds since 1970.
    pub since_millis: u64,
}

/// A process group for a list.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct GroupInfo {
    /// Where its name is unique.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its members.
    pub members: Vec<Incarnation>,
}
