//! To and from the records of the registry. Times are on the clock of one process, and travel as what people call them.

use super::Supervision;
use super::actor::{Actor, Phase};
use super::dead::Dead;
use super::supervisor::{Child, Decision, Rules, Stage, Supervisor};
use mobula_types::actor::{
    ActorRecord, ActorSpec, ChildRecord, DecisionEnd, DecisionRecord, SpecKey, SupervisorRecord,
};
use mobula_types::{ActorId, Epoch, ExitReason, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

impl Supervision {
    /// What people call a point in time; 0 for the clock's start.
    fn millis(&self, at: Time) -> u64 {
        if at == Time::ZERO {
            return 0;
        }
        let ahead = at.since(self.now).as_millis() as u64;
        self.wall_millis.saturating_add(ahead).saturating_sub(self.now.since(at).as_millis() as u64)
    }

    /// A point in time that is on record. What people call it, the head that wrote it may have had from a clock that is
    /// ahead of this one's: nothing is further away than the longest pause.
    fn time(&self, millis: u64) -> Time {
        if millis == 0 {
            return Time::ZERO;
        }
        let ahead = Duration::from_millis(millis.saturating_sub(self.wall_millis));
        let ahead = ahead.min(self.options.longest_pause);
        let ago = Duration::from_millis(self.wall_millis.saturating_sub(millis));
        (self.now + ahead).before(ago)
    }

    /// As [`time`](Self::time), of what has happened.
    fn past(&self, millis: u64) -> Time {
        self.time(millis).min(self.now)
    }

    fn child_record(&self, place: Option<(ActorId, u64)>) -> Option<ChildRecord> {
        let (supervisor, ordinal) = place?;
        let above = self.supervisors.get(&supervisor)?;
        let child = above.children.get(&ordinal)?;
        Some(child.record(supervisor, above.epoch, ordinal, |at| self.millis(at)))
    }

    pub(super) fn actor_record(&self, id: ActorId, actor: &Actor) -> ActorRecord {
        ActorRecord {
            actor: id,
            dead: false,
            job: actor.spec.job,
            spec: actor.key,
            epoch: actor.epoch,
            node: actor.node.clone(),
            granted: actor.is_granted(),
            last_exit: actor.last.as_ref().map(|(epoch, reason)| (*epoch, reason.kind())),
            last_reason: actor.last.as_ref().and_then(|(_, reason)| kept(reason)),
            creator: actor.creator.clone().filter(|_| actor.child.is_none()),
            again: actor.again,
            restarts: actor.restarts,
            losses_millis: actor.losses.to_vec(),
            child: self.child_record(actor.child),
            since_millis: actor.since_millis,
        }
    }

    /// What stays of one that is dead for good.
    pub(super) fn tombstone(&self, id: ActorId, dead: &Dead) -> ActorRecord {
        ActorRecord {
            actor: id,
            dead: true,
            job: dead.job,
            spec: SpecKey::default(),
            epoch: dead.incarnation.epoch,
            node: None,
            granted: false,
            last_exit: Some((dead.incarnation.epoch, dead.exit().kind())),
            last_reason: kept(dead.exit()),
            creator: None,
            again: false,
            restarts: 0,
            losses_millis: Vec::new(),
            child: None,
            since_millis: dead.since_millis,
        }
    }

    pub(super) fn supervisor_record(&self, id: ActorId, supervisor: &Supervisor) -> SupervisorRecord {
        let rules = &supervisor.rules;
        let decision = supervisor.decision.as_ref().map(|decision| DecisionRecord {
            number: decision.number,
            cause: decision.cause.as_ref().map(|(incarnation, reason)| (*incarnation, reason.shortened())),
            from: decision.from,
            stops: decision.stage == Stage::Stop,
            end: shortened(&decision.end),
            is_start: decision.is_start,
            not_before_millis: self.millis(decision.not_before),
        });
        SupervisorRecord {
            supervisor: id,
            namespace: supervisor.namespace.clone(),
            name: supervisor.name.clone(),
            job: supervisor.job,
            detached: supervisor.detached,
            child: self.child_record(supervisor.parent),
            strategy: rules.strategy,
            intensity: rules.intensity,
            auto_shutdown: rules.auto_shutdown,
            placement: rules.placement,
            pattern: rules.pattern.clone(),
            epoch: supervisor.epoch,
            running: supervisor.running,
            next_ordinal: supervisor.next_ordinal,
            restarts_millis: supervisor.window.iter().map(|at| self.millis(at)).collect(),
            worker_ends: supervisor.worker_ends.iter().copied().collect(),
            restarts: supervisor.restarts,
            last_reason: supervisor.last.as_ref().map(ExitReason::shortened),
            decision,
            since_millis: supervisor.since_millis,
        }
    }

    /// An actor as an earlier head left it.
    pub(super) fn actor_of(&self, record: &ActorRecord, spec: Arc<ActorSpec>) -> Actor {
        let supervised = record.child.is_some();
        Actor {
            spec,
            has_arguments: supervised,
            key: record.spec,
            epoch: record.epoch,
            phase: if record.granted { Phase::Unknown } else { Phase::Idle },
            node: record.node.clone(),
            stop: None,
            again: record.again,
            child: record.child.as_ref().map(|child| (child.supervisor, child.ordinal)),
            creator: record.creator.clone(),
            restarts: record.restarts,
            last: last_exit(record),
            since_millis: record.since_millis,
            started: self.now,
            losses: record.losses_millis.iter().map(|millis| self.wall_millis.min(*millis)).collect(),
            write: 0,
            listeners: Default::default(),
        }
    }

    /// A supervisor as an earlier head left it, without its children.
    pub(super) fn supervisor_of(&self, record: &SupervisorRecord) -> Supervisor {
        let decision = record.decision.as_ref().map(|decision| Decision {
            number: decision.number,
            cause: decision.cause.clone(),
            from: decision.from,
            stage: if decision.stops { Stage::Stop } else { Stage::Start },
            end: decision.end.clone(),
            is_start: decision.is_start,
            not_before: self.time(decision.not_before_millis),
            cursor: if decision.stops { u64::MAX } else { decision.from },
            ahead: decision.from,
            all_told: false,
            brutal: false,
            kill_at: Time::NEVER,
        });
        Supervisor {
            namespace: record.namespace.clone(),
            name: record.name.clone(),
            job: record.job,
            detached: record.detached,
            parent: record.child.as_ref().map(|child| (child.supervisor, child.ordinal)),
            depth: 0,
            rules: Rules {
                strategy: record.strategy,
                intensity: record.intensity,
                auto_shutdown: record.auto_shutdown,
                placement: record.placement,
                pattern: record.pattern.clone(),
            },
            children: BTreeMap::new(),
            by_id: BTreeMap::new(),
            next_ordinal: record.next_ordinal,
            epoch: record.epoch,
            running: record.running,
            window: record.restarts_millis.iter().map(|millis| self.past(*millis)).collect(),
            worker_ends: record.worker_ends.iter().copied().collect(),
            restarts: record.restarts,
            decisions: record.decision.as_ref().map_or(0, |decision| decision.number),
            decision,
            deferred: Vec::new(),
            paused: BTreeSet::new(),
            started: self.now,
            last: record.last_reason.clone(),
            since_millis: record.since_millis,
            write: 0,
        }
    }

    /// A child as an earlier head left it.
    pub(super) fn child_of(&self, record: &ChildRecord, actor: ActorId, is_supervisor: bool) -> Child {
        Child::from_record(
            record,
            actor,
            is_supervisor,
            |millis| self.time(millis),
            |millis| self.past(millis),
        )
    }
}

/// What the registry has of the end of a decision.
fn shortened(end: &DecisionEnd) -> DecisionEnd {
    match end {
        DecisionEnd::Start => DecisionEnd::Start,
        DecisionEnd::Exit(reason) => DecisionEnd::Exit(reason.shortened()),
        DecisionEnd::StartFailed(reason) => DecisionEnd::StartFailed(reason.shortened()),
    }
}

/// What the registry has of an exit beside its kind.
fn kept(reason: &ExitReason) -> Option<ExitReason> {
    let says_more = reason.failure().is_some() || reason.cause().is_some();
    says_more.then(|| reason.shortened())
}

/// The last exit that is on record.
pub(super) fn last_exit(record: &ActorRecord) -> Option<(Epoch, ExitReason)> {
    let (epoch, kind) = record.last_exit?;
    Some((epoch, record.last_reason.clone().unwrap_or_else(|| ExitReason::of(kind))))
}
