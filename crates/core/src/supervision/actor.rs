//! An actor as the head keeps it.

use mobula_types::actor::{ActorOptions, ActorSpec, ChildShutdown, Lifetime, SpecKey, Target};
use mobula_types::{ActorId, Epoch, ExitReason, Incarnation, NodeId, Time};
use smallvec::SmallVec;
use std::sync::Arc;

/// How far an actor's latest grant is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// None is in force, and none is wanted now: it waits for time, for its siblings, or for a fence.
    Idle,
    /// None is in force; one is made as soon as a node has room, and its arguments are there.
    Pending,
    /// It is made, and its turn to start has not come: no node knows of it.
    Granted,
    /// Its node was told to start it.
    Starting,
    /// It takes calls.
    Running,
    /// An earlier head made it, and its node has not yet said how it stands.
    Unknown,
    /// The lease of its node has ended; it keeps on without a head, and may still run there.
    Isolated,
}

/// An order to stop that is in force.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Stop {
    pub(super) shutdown: ChildShutdown,
    pub(super) reason: ExitReason,
    /// When its time is over: a later order counts where that is before.
    pub(super) dead_at: Time,
}

impl Stop {
    pub(super) fn new(now: Time, shutdown: ChildShutdown, reason: ExitReason) -> Self {
        Stop { shutdown, reason, dead_at: Self::end(now, shutdown) }
    }

    /// It is said once more: its time may begin anew.
    pub(super) fn again(&mut self, now: Time) {
        self.dead_at = Self::end(now, self.shutdown);
    }

    fn end(now: Time, shutdown: ChildShutdown) -> Time {
        match shutdown {
            // A kill is before everything.
            ChildShutdown::Brutal => Time::ZERO,
            ChildShutdown::Within(time) => now + time,
            ChildShutdown::Infinity => Time::NEVER,
        }
    }
}

/// An actor that is not dead for good.
#[derive(Clone, Debug)]
pub(super) struct Actor {
    pub(super) spec: Arc<ActorSpec>,
    /// Whether the spec has its arguments.
    pub(super) has_arguments: bool,
    pub(super) key: SpecKey,
    pub(super) epoch: Epoch,
    pub(super) phase: Phase,
    /// The node of the latest grant.
    pub(super) node: Option<NodeId>,
    pub(super) stop: Option<Box<Stop>>,
    /// It is started again after its exit, and no restart is counted.
    pub(super) again: bool,
    /// The supervisor, and the place among its children.
    pub(super) child: Option<(ActorId, u64)>,
    pub(super) creator: Option<NodeId>,
    pub(super) restarts: u64,
    pub(super) last: Option<(Epoch, ExitReason)>,
    pub(super) since_millis: u64,
    pub(super) started: Time,
    pub(super) losses: SmallVec<[u64; 2]>,
    /// The last write that has it.
    pub(super) write: u64,
    /// Nodes that are told where it is.
    pub(super) listeners: SmallVec<[NodeId; 1]>,
}

impl Actor {
    pub(super) fn new(spec: Arc<ActorSpec>, key: SpecKey) -> Self {
        Actor {
            spec,
            has_arguments: true,
            key,
            epoch: Epoch(0),
            phase: Phase::Idle,
            node: None,
            stop: None,
            again: false,
            child: None,
            creator: None,
            restarts: 0,
            last: None,
            since_millis: 0,
            started: Time::ZERO,
            losses: SmallVec::new(),
            write: 0,
            listeners: SmallVec::new(),
        }
    }

    /// Whether a grant is in force: the next epoch has to wait for its end.
    pub(super) fn is_granted(&self) -> bool {
        matches!(
            self.phase,
            Phase::Granted | Phase::Starting | Phase::Running | Phase::Unknown | Phase::Isolated
        )
    }

    pub(super) fn incarnation(&self, actor: ActorId) -> Incarnation {
        Incarnation { actor, epoch: self.epoch }
    }

    pub(super) fn options(&self) -> &ActorOptions {
        options_of(&self.spec)
    }

    pub(super) fn is_detached(&self) -> bool {
        self.options().lifetime == Lifetime::Detached
    }

    /// How it is stopped where it has no supervisor.
    pub(super) fn own_shutdown(&self) -> ChildShutdown {
        self.options().shutdown
    }
}

/// The options of a spec; those of an actor without any where it is not of a constructor.
pub(super) fn options_of(spec: &ActorSpec) -> &ActorOptions {
    static NONE: std::sync::LazyLock<ActorOptions> = std::sync::LazyLock::new(ActorOptions::default);
    match &spec.template.options.target {
        Target::Constructor(options) => options,
        Target::Function | Target::Method(_) => &NONE,
    }
}
