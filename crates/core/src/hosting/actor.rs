//! Incarnations that this node was granted.

use mobula_types::actor::{ActorOptions, ActorState, OnIsolation, StartActor, Target};
use mobula_types::{ExitReason, Incarnation, Time, WorkerId};
use std::collections::BTreeSet;

/// An incarnation, from its grant to its exit.
#[derive(Debug)]
pub(super) struct Actor {
    pub(super) incarnation: Incarnation,
    pub(super) start: StartActor,
    pub(super) phase: Phase,
    /// Where it is, in a worker; from when it has been given one.
    pub(super) seat: Option<Seat>,
    /// How it stands with what it is made from.
    pub(super) inputs: StartInputs,
    /// Whether its constructor has succeeded.
    pub(super) started: bool,
    /// What it was told to exit with, and when it is dead without having said so.
    pub(super) stopping: Option<ExitReason>,
    pub(super) dead_at: Time,
    /// It is none of the cluster's: its exit is nobody's business.
    pub(super) is_unknown: bool,
    /// The lanes of its callers, and turns whose lanes are gone or that never had one.
    pub(super) lanes: Vec<usize>,
    pub(super) orphans: BTreeSet<usize>,
    /// Calls that are here and not answered.
    pub(super) pending: u32,
    /// From its options.
    pub(super) mailbox: u32,
    pub(super) max_pending: u32,
    pub(super) keeps: bool,
}

/// What an actor is made from, as far as that lies in stores.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum StartInputs {
    /// Nothing has to be brought for it, or not any more.
    None,
    /// They are on their way here.
    Fetching,
    /// They are here, and kept until it has started.
    Kept,
}

/// How far an incarnation has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// It has no worker: its job is not known yet, or nothing is started now.
    Waiting,
    /// Its worker is started, or runs its constructor.
    Starting,
    Running,
    Stopping,
}

/// An actor's place in a worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    pub(super) worker: usize,
    pub(super) id: WorkerId,
    pub(super) key: u32,
    /// Whether the worker has been told of the actor.
    pub(super) is_told: bool,
}

impl Actor {
    pub(super) fn new(start: StartActor) -> Self {
        let standard = ActorOptions::default();
        let options = match &start.spec.template.options.target {
            Target::Constructor(options) => options,
            Target::Function | Target::Method(_) => &standard,
        };
        Actor {
            incarnation: start.incarnation,
            phase: Phase::Waiting,
            seat: None,
            inputs: StartInputs::None,
            started: false,
            stopping: None,
            dead_at: Time::NEVER,
            is_unknown: false,
            lanes: Vec::new(),
            orphans: BTreeSet::new(),
            pending: 0,
            mailbox: options.mailbox,
            max_pending: options.max_pending_calls,
            keeps: options.on_isolation == OnIsolation::Keep,
            start,
        }
    }

    pub(super) fn state(&self) -> ActorState {
        match self.phase {
            Phase::Waiting | Phase::Starting => ActorState::Starting,
            Phase::Running => ActorState::Running,
            Phase::Stopping => ActorState::Stopping,
        }
    }
}
