//! The workers of actors.

use mobula_types::{JobId, Time, WorkerId};
use slab::Slab;

/// A worker process that hosts actors, or the one that the node embeds.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) id: WorkerId,
    /// Its job; none for the embedded one.
    pub(super) job: Option<JobId>,
    pub(super) kind: WorkerKind,
    pub(super) state: WorkerState,
    /// Who has which number in it.
    pub(super) seats: Slab<Occupant>,
    /// How many of them are actors that are not dead.
    pub(super) live: usize,
    pub(super) idle_since: Time,
    pub(super) kill_at: Time,
}

/// Who has a number in a worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Occupant {
    Actor(usize),
    /// An actor that is dead for everybody but its thread.
    Abandoned,
}

/// Which actors a worker is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum WorkerKind {
    /// Those of a job that stop on a node without a head.
    Stopping,
    /// Those of a job that run on there.
    Keeping,
    /// One alone.
    Isolated,
    /// Those of jobs without an executable.
    Embedded,
}

/// How it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum WorkerState {
    Starting,
    Ready,
    Retiring,
    Killed,
}

impl Worker {
    /// Whether dead actors hold threads of it: it takes no further ones, and is replaced.
    pub(super) fn is_spoiled(&self) -> bool {
        self.seats.len() > self.live
    }
}
