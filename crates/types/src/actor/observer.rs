//! Observers: who is told how actors and supervisors stand, and of each change of that.

use super::exit::ExitReason;
use super::id::{ActorId, Epoch};
use super::info::ActorState;
use crate::NodeId;
use std::sync::Arc;

/// Somebody who wants to hear how an actor or supervisor stands, now and whenever that changes. It ends with the target's
/// death for good.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Observation {
    /// Numbered by the observer's node, never twice in its generation.
    pub number: u64,
    /// The actor or supervisor.
    pub target: ActorId,
    /// Of a supervisor: whether it is about everything below it too, what is added later included.
    pub below: bool,
}

/// How an actor or supervisor stands from some moment on. What follows each other closely may be told as one change: its
/// reason and epoch say what happened in between.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StateChange {
    /// The actor or supervisor.
    pub actor: ActorId,
    /// Whether it is a supervisor.
    pub is_supervisor: bool,
    /// Its name; empty for none.
    pub name: Arc<str>,
    /// Its supervisor.
    pub supervisor: Option<ActorId>,
    /// Its id among the supervisor's children; empty without one.
    pub child: Arc<str>,
    /// How it stands.
    pub state: ActorState,
    /// Its latest incarnation.
    pub epoch: Epoch,
    /// Where that is, or was; supervisors are nowhere.
    pub node: Option<NodeId>,
    /// Why it stops, or why the last incarnation exited, with the chain of causes. Of a supervisor: its own exit, or the
    /// child's that it handled last. `None` where nothing has exited.
    pub reason: Option<ExitReason>,
    /// How often it was started again; of a supervisor, how often it started children again.
    pub restarts: u64,
    /// When the head decided or heard of it, in milliseconds since 1970.
    pub at_millis: u64,
    /// It is dead for good: nothing more is told of it. One that is `Dead` and not this may be started again by its
    /// supervisor's `restart_child`.
    pub is_final: bool,
    /// How many changes before this one were dropped, as the observer did not take them in time.
    pub missed: u64,
    /// Where a head begins to tell of a tree, with what it says of the supervisor that is observed: everything that is below,
    /// so that what was told of before and is not among it is known to be gone. `None` in all other changes, and of a tree
    /// that is too large.
    pub below: Option<Arc<[ActorId]>>,
}

impl StateChange {
    /// Whether both say the same, at whatever time they were told.
    pub fn is_same_state(&self, other: &StateChange) -> bool {
        let kind = |change: &StateChange| change.reason.as_ref().map(ExitReason::kind);
        let stands = |change: &StateChange| (change.state, change.epoch, change.restarts, change.is_final);
        self.actor == other.actor
            && stands(self) == stands(other)
            && self.node == other.node
            && kind(self) == kind(other)
    }

    /// Notes that a change before this one was dropped.
    pub fn note_dropped(&mut self, dropped: &StateChange) {
        self.missed = self.missed.saturating_add(dropped.missed).saturating_add(1);
    }
}
