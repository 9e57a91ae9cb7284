//! A supervisor as the head keeps it: a record, not a process.

use super::window::Window;
use mobula_types::actor::{
    AutoShutdown, ChildRecord, ChildShutdown, ChildState, DecisionEnd, Intensity, Placement, RestartType,
    SpecKey, SupervisorStrategy,
};
use mobula_types::{ActorId, Epoch, ExitReason, Incarnation, JobId, Time};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// A supervisor that is not dead for good.
#[derive(Clone, Debug)]
pub(super) struct Supervisor {
    pub(super) namespace: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) job: JobId,
    pub(super) detached: bool,
    /// The supervisor above, and the place among its children.
    pub(super) parent: Option<(ActorId, u64)>,
    /// How many are above it.
    pub(super) depth: u32,
    pub(super) rules: Rules,
    /// By place: they start in rising order.
    pub(super) children: BTreeMap<u64, Child>,
    pub(super) by_id: BTreeMap<Arc<str>, u64>,
    pub(super) next_ordinal: u64,
    pub(super) epoch: Epoch,
    /// It was started and has not exited; it may still be starting its children.
    pub(super) running: bool,
    /// When its latest restarts happened.
    pub(super) window: Window,
    /// The ends of workers that the window has counted, the latest last.
    pub(super) worker_ends: VecDeque<u64>,
    pub(super) restarts: u64,
    pub(super) decision: Option<Decision>,
    pub(super) decisions: u64,
    /// Children that exited while the supervisor was starting: handled once it has.
    pub(super) deferred: Vec<ChildExit>,
    /// Children whose pause lasts.
    pub(super) paused: BTreeSet<u64>,
    pub(super) started: Time,
    pub(super) last: Option<ExitReason>,
    pub(super) since_millis: u64,
    pub(super) write: u64,
}

/// How many ends of workers a supervisor remembers to have counted.
pub(super) const WORKER_ENDS: usize = 16;

/// What a supervisor goes by.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Rules {
    pub(super) strategy: SupervisorStrategy,
    pub(super) intensity: Intensity,
    pub(super) auto_shutdown: AutoShutdown,
    pub(super) placement: Placement,
    /// `SimpleOneForOne`: what each child is like, and the spec that all have but for its arguments.
    pub(super) pattern: Option<(ChildRecord, SpecKey)>,
}

impl Rules {
    /// Whether one child's exit concerns others.
    pub(super) fn is_group(&self) -> bool {
        matches!(self.strategy, SupervisorStrategy::OneForAll | SupervisorStrategy::RestForOne)
    }
}

/// Why a child is being started for the first time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Trial {
    None,
    /// It was added: if it cannot start, it is removed again.
    Added,
    /// It is started after it was terminated: if it cannot start, it stays so.
    Restarted,
}

/// A child of a supervisor.
#[derive(Clone, Debug)]
pub(super) struct Child {
    pub(super) id: Arc<str>,
    pub(super) actor: ActorId,
    pub(super) is_supervisor: bool,
    pub(super) restart: RestartType,
    pub(super) shutdown: ChildShutdown,
    pub(super) significant: bool,
    pub(super) declared: bool,
    pub(super) removed: bool,
    pub(super) state: ChildState,
    pub(super) terminating: bool,
    pub(super) quarantined: bool,
    pub(super) failures: u32,
    /// When its pause is over; `Time::ZERO` where it has none.
    pub(super) restart_at: Time,
    /// It exited while its supervisor was starting, at that time; what follows is decided once that start is over. Its next
    /// start ends this.
    pub(super) deferred: Option<Time>,
    pub(super) trial: Trial,
}

/// A decision that is being carried out.
#[derive(Clone, Debug)]
pub(super) struct Decision {
    pub(super) number: u64,
    pub(super) cause: Option<(Incarnation, ExitReason)>,
    /// The children from this place on are concerned.
    pub(super) from: u64,
    pub(super) stage: Stage,
    pub(super) end: DecisionEnd,
    /// It is the supervisor's own start.
    pub(super) is_start: bool,
    pub(super) not_before: Time,
    /// Stopping: no child behind it is alive. Starting: every child before it has started.
    pub(super) cursor: u64,
    /// Starting: children before it have been granted, or wait for a node.
    pub(super) ahead: u64,
    /// Stopping all at once: they have been told.
    pub(super) all_told: bool,
    /// What is left is killed, because its time was over.
    pub(super) brutal: bool,
    /// When that happens.
    pub(super) kill_at: Time,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    Stop,
    Start,
}

/// The exit of a child, for its supervisor.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct ChildExit {
    pub(super) ordinal: u64,
    pub(super) incarnation: Incarnation,
    pub(super) reason: ExitReason,
    pub(super) at: Time,
    /// It had started before.
    pub(super) started: bool,
    /// It was stopped to be started again.
    pub(super) again: bool,
    /// Which of its starts the supervisor was in: later ones have nothing to do with it.
    pub(super) above: Epoch,
    /// The end of a worker that it is a part of.
    pub(super) worker: Option<u64>,
}

impl Supervisor {
    pub(super) fn incarnation(&self, id: ActorId) -> Incarnation {
        Incarnation { actor: id, epoch: self.epoch }
    }

    /// Whether it is on its way to its own end.
    pub(super) fn is_ending(&self) -> bool {
        self.decision.as_ref().is_some_and(|decision| decision.end != DecisionEnd::Start)
    }

    /// Whether a decision is stopping the child at that place.
    pub(super) fn is_stopping(&self, ordinal: u64) -> bool {
        let stops = |decision: &Decision| decision.stage == Stage::Stop && ordinal >= decision.from;
        self.decision.as_ref().is_some_and(stops)
    }

    /// Whether a decision is starting the child at that place, which has not started yet.
    pub(super) fn is_starting(&self, ordinal: u64) -> bool {
        let starts = |decision: &Decision| decision.stage == Stage::Start && ordinal >= decision.cursor;
        self.decision.as_ref().is_some_and(starts)
    }

    /// The child of that id, and its place.
    pub(super) fn child(&self, id: &str) -> Option<(u64, &Child)> {
        let ordinal = *self.by_id.get(id)?;
        Some((ordinal, self.children.get(&ordinal)?))
    }
}

impl Child {
    /// As the registry has it, with its times as `millis` says them.
    pub(super) fn record(
        &self,
        supervisor: ActorId,
        above: Epoch,
        ordinal: u64,
        millis: impl Fn(Time) -> u64,
    ) -> ChildRecord {
        ChildRecord {
            supervisor,
            ordinal,
            id: self.id.clone(),
            restart: self.restart,
            shutdown: self.shutdown,
            significant: self.significant,
            declared: self.declared,
            removed: self.removed,
            state: self.state,
            terminating: self.terminating,
            quarantined: self.quarantined,
            failures: self.failures,
            restart_at_millis: millis(self.restart_at),
            above,
            deferred_millis: self.deferred.map_or(0, millis),
        }
    }

    /// Its supervisor starts, and wants all its children, whatever they were in an earlier start; a quarantined one stays so.
    pub(super) fn wanted_anew(&mut self) {
        self.deferred = None;
        if !self.quarantined {
            (self.removed, self.failures, self.restart_at) = (false, 0, Time::ZERO);
            self.state = ChildState::Present;
        }
    }

    pub(super) fn from_record(
        record: &ChildRecord,
        actor: ActorId,
        is_supervisor: bool,
        time: impl Fn(u64) -> Time,
        past: impl Fn(u64) -> Time,
    ) -> Self {
        Child {
            id: record.id.clone(),
            actor,
            is_supervisor,
            restart: record.restart,
            shutdown: record.shutdown,
            significant: record.significant,
            declared: record.declared,
            removed: record.removed,
            state: record.state,
            terminating: record.terminating,
            quarantined: record.quarantined,
            failures: record.failures,
            restart_at: time(record.restart_at_millis),
            deferred: Some(record.deferred_millis).filter(|millis| *millis > 0).map(past),
            trial: Trial::None,
        }
    }
}
