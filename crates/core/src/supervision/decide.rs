//! What a supervisor makes of its children's exits.

use super::Supervision;
use super::supervisor::{ChildExit, Decision, Stage, Supervisor, Trial, WORKER_ENDS};
use super::write::Key;
use mobula_types::actor::{
    AutoShutdown, ChildState, DecisionEnd, ExitCause, ExitDetail, RestartType, SupervisorStrategy,
};
use mobula_types::{ActorId, ExitKind, ExitReason, Failure, FailureKind, Time};
use std::collections::BTreeMap;
use std::time::Duration;

/// Exits of one moment, by supervisor.
pub(super) type Exits = BTreeMap<ActorId, Vec<ChildExit>>;

/// What an exit of one child leads to.
enum Verdict {
    /// Nothing more.
    Nothing,
    /// The child, and whoever goes with it, starts again.
    Restart,
    /// The supervisor shuts down.
    Shutdown,
    /// The supervisor's own start has failed.
    StartFailed,
}

impl Supervision {
    /// Handles sets of exits that happened together, supervisors above before those below: what an upper one stops, its
    /// decision has, and the lower one counts it no more.
    pub(super) fn children_exited(&mut self, exits: Exits) {
        let depth = |id: &ActorId| self.supervisors.get(id).map_or(u32::MAX, |supervisor| supervisor.depth);
        let mut sets: Vec<_> = exits.into_iter().map(|(id, set)| (depth(&id), id, set)).collect();
        sets.sort_by_key(|(depth, id, _)| (*depth, *id));
        for (_, id, set) in sets {
            self.decide(id, set);
        }
    }

    /// One supervisor's decision about a set of exits.
    pub(super) fn decide(&mut self, id: ActorId, exits: Vec<ChildExit>) {
        let mut restarts = Vec::new();
        for exit in exits {
            match self.judge(id, &exit) {
                Verdict::Nothing => {}
                Verdict::Restart => restarts.push(exit),
                Verdict::Shutdown => {
                    let reason = self.caused(id, ExitReason::of(ExitKind::Shutdown), &exit);
                    return self.stop_children(id, DecisionEnd::Exit(reason), Some(&exit));
                }
                Verdict::StartFailed => {
                    let reason = self.caused(id, ExitReason::of(ExitKind::ConstructorFailed), &exit);
                    return self.stop_children(id, DecisionEnd::StartFailed(reason), Some(&exit));
                }
            }
        }
        let Some(first) = restarts.first().cloned() else { return self.advance(id) };
        if self.is_over_intensity(id, &restarts) {
            let reason = self.caused(id, ExitReason::of(ExitKind::RestartIntensity), &first);
            return self.stop_children(id, DecisionEnd::Exit(reason), Some(&first));
        }
        self.restart(id, &restarts, &first);
    }

    fn judge(&mut self, id: ActorId, exit: &ChildExit) -> Verdict {
        let Some(supervisor) = self.supervisors.get(&id) else { return Verdict::Nothing };
        let is_past = supervisor.epoch != exit.above || self.has_later(exit);
        let Some(supervisor) = self.supervisors.get_mut(&id) else { return Verdict::Nothing };
        if !supervisor.running || is_past {
            return Verdict::Nothing;
        }
        supervisor.paused.remove(&exit.ordinal);
        let stopping = supervisor.is_stopping(exit.ordinal);
        let starting = supervisor.is_starting(exit.ordinal);
        let is_start = supervisor.decision.as_ref().is_some_and(|decision| decision.is_start);
        let Some(child) = supervisor.children.get_mut(&exit.ordinal) else { return Verdict::Nothing };
        child.restart_at = Time::ZERO;
        if exit.started {
            child.trial = Trial::None;
        }
        if child.deferred.take().is_some() {
            self.mark_child(id, exit.ordinal);
        }
        let Some(child) = self.child_mut(id, exit.ordinal) else { return Verdict::Nothing };
        if stopping {
            child.terminating = false;
            return Verdict::Nothing;
        }
        if child.terminating {
            return self.child_ended(id, exit.ordinal, &exit.reason);
        }
        if exit.again {
            self.launch_child(id, exit.ordinal);
            return Verdict::Nothing;
        }
        if self.is_poisoned(id, exit) {
            return Verdict::Nothing;
        }
        if !exit.started && !exit.reason.counts() {
            // It did not fail, and nobody has seen it: its node did not get it started.
            self.launch_child(id, exit.ordinal);
            return Verdict::Nothing;
        }
        let Some(child) = self.child_mut(id, exit.ordinal) else { return Verdict::Nothing };
        // Also while its supervisor starts: who added it hears of that, and the others go on.
        if child.trial != Trial::None && !exit.started {
            return self.trial_failed(id, exit);
        }
        if is_start && starting && !exit.started {
            return Verdict::StartFailed;
        }
        if is_start {
            self.defer(id, exit);
            return Verdict::Nothing;
        }
        let Some(child) = self.child_mut(id, exit.ordinal) else { return Verdict::Nothing };
        let wanted = match child.restart {
            RestartType::Permanent => true,
            RestartType::Transient => exit.reason.is_abnormal(),
            RestartType::Temporary => false,
        };
        if wanted && !self.job_is_over(id, exit.ordinal) {
            return Verdict::Restart;
        }
        let significant = self.child_mut(id, exit.ordinal).is_some_and(|child| child.significant);
        self.child_ended(id, exit.ordinal, &exit.reason);
        if significant && self.shuts_down(id) { Verdict::Shutdown } else { Verdict::Nothing }
    }

    /// Puts an exit off until the supervisor has started. The child's record says so: that is what another head has of it.
    fn defer(&mut self, id: ActorId, exit: &ChildExit) {
        let Some(supervisor) = self.supervisors.get_mut(&id) else { return };
        let Some(child) = supervisor.children.get_mut(&exit.ordinal) else { return };
        child.deferred = Some(exit.at);
        supervisor.deferred.push(exit.clone());
        self.mark_child(id, exit.ordinal);
    }

    /// Handles what was put off, in parts with a write each.
    pub(super) fn decide_deferred(&mut self, id: ActorId) {
        let Some(supervisor) = self.supervisors.get_mut(&id) else { return };
        let (deferred, size) = (std::mem::take(&mut supervisor.deferred), self.exits_of_a_write());
        for (index, exit) in deferred.into_iter().enumerate() {
            if index % size == 0 {
                self.cut();
            }
            // What was asked for meanwhile has settled the others.
            if self.child_mut(id, exit.ordinal).is_some_and(|child| child.deferred.is_some()) {
                self.decide(id, vec![exit]);
            }
        }
    }

    /// Whether it was started once more since that exit.
    fn has_later(&self, exit: &ChildExit) -> bool {
        let id = exit.incarnation.actor;
        let actor = self.actors.get(&id).map(|actor| actor.epoch);
        let epoch = actor.or_else(|| self.supervisors.get(&id).map(|supervisor| supervisor.epoch));
        epoch.is_some_and(|epoch| epoch != exit.incarnation.epoch)
    }

    /// A child is not started again: its spec stays, unless it is temporary.
    fn child_ended(&mut self, id: ActorId, ordinal: u64, reason: &ExitReason) -> Verdict {
        let Some(child) = self.child_mut(id, ordinal) else { return Verdict::Nothing };
        child.terminating = false;
        child.trial = Trial::None;
        child.state = ChildState::Stopped;
        let (temporary, actor) = (child.restart == RestartType::Temporary, child.actor);
        let write = self.mark_child(id, ordinal);
        self.not_wanted(write, actor, reason);
        self.moved.insert(actor);
        if temporary {
            self.remove_child(id, ordinal, reason);
        }
        Verdict::Nothing
    }

    fn trial_failed(&mut self, id: ActorId, exit: &ChildExit) -> Verdict {
        let Some(child) = self.child_mut(id, exit.ordinal) else { return Verdict::Nothing };
        let (trial, actor) = (child.trial, child.actor);
        child.trial = Trial::None;
        child.state = ChildState::Stopped;
        let write = self.mark_child(id, exit.ordinal);
        let failure = start_failure(exit.incarnation, &exit.reason);
        self.fail_waiters(write, actor, &failure);
        if trial == Trial::Added {
            self.remove_child(id, exit.ordinal, &exit.reason);
        }
        Verdict::Nothing
    }

    /// A child that ran on too many nodes that were lost is not started again.
    fn is_poisoned(&mut self, id: ActorId, exit: &ChildExit) -> bool {
        let most = self.options.poison_losses;
        let Some(actor) = self.actors.get_mut(&exit.incarnation.actor) else { return false };
        if exit.reason.kind() != ExitKind::NodeLost || actor.losses.len() < most {
            return false;
        }
        actor.losses.clear();
        let text =
            format!("it ran on {most} nodes that were lost one after the other, and is not started again");
        let failure = Failure::new(FailureKind::PoisonSuspected, text).of_incarnation(exit.incarnation);
        let detail = ExitDetail { failure: Some(failure), cause: None };
        actor.last = Some((exit.incarnation.epoch, ExitReason::with_detail(ExitKind::NodeLost, detail)));
        if let Some(child) = self.child_mut(id, exit.ordinal) {
            child.quarantined = true;
        }
        self.child_ended(id, exit.ordinal, &exit.reason);
        true
    }

    fn job_is_over(&mut self, id: ActorId, ordinal: u64) -> bool {
        let Some(child) = self.child_mut(id, ordinal) else { return true };
        let actor = child.actor;
        let Some(actor) = self.actors.get(&actor) else { return false };
        !actor.is_detached() && self.jobs.get(&actor.spec.job).is_some_and(|job| job.ended)
    }

    /// Whether the supervisor ends with a significant child that has ended by itself.
    fn shuts_down(&self, id: ActorId) -> bool {
        let Some(supervisor) = self.supervisors.get(&id) else { return false };
        match supervisor.rules.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => true,
            AutoShutdown::AllSignificant => {
                let mut children = supervisor.children.values();
                !children
                    .any(|child| child.significant && child.state == ChildState::Present && !child.removed)
            }
        }
    }

    /// Counts the restarts at the times of their exits. The end of one worker counts once, whatever was in it.
    fn is_over_intensity(&mut self, id: ActorId, exits: &[ChildExit]) -> bool {
        let Some(supervisor) = self.supervisors.get_mut(&id) else { return false };
        let intensity = supervisor.rules.intensity;
        let mut worker_counted = false;
        for exit in exits.iter().filter(|exit| exit.reason.counts()) {
            if exit.reason.kind() == ExitKind::WorkerDied {
                let counted = match exit.worker {
                    Some(end) => !supervisor.counts_end(end),
                    None => std::mem::replace(&mut worker_counted, true),
                };
                if counted {
                    continue;
                }
            }
            if supervisor.window.count(exit.at, &intensity) {
                self.mark(Key::Supervisor(id));
                return true;
            }
        }
        false
    }

    fn restart(&mut self, id: ActorId, exits: &[ChildExit], first: &ChildExit) {
        let mut pause_until = Time::ZERO;
        let mut from = u64::MAX;
        let is_group = self.supervisors.get(&id).is_some_and(|supervisor| supervisor.rules.is_group());
        for exit in exits {
            let until = self.pause(id, exit);
            pause_until = pause_until.max(until);
            from = from.min(exit.ordinal);
            if !is_group {
                self.restart_one(id, exit.ordinal, until);
            }
        }
        let Some(supervisor) = self.supervisors.get_mut(&id) else { return };
        supervisor.restarts += exits.len() as u64;
        supervisor.last = Some(first.reason.clone());
        if !is_group {
            self.mark_supervisor(id);
            return self.advance(id);
        }
        if supervisor.rules.strategy == SupervisorStrategy::OneForAll {
            from = 0;
        }
        // What stands behind a child that exited is stopped because of that one, not because of one behind it.
        let first = exits.iter().min_by_key(|exit| exit.ordinal).unwrap_or(first);
        let mut cause = Some((first.incarnation, first.reason.clone()));
        if let Some(earlier) = &supervisor.decision {
            if earlier.stage == Stage::Stop && earlier.from <= from && earlier.cause.is_some() {
                cause.clone_from(&earlier.cause);
            }
            from = from.min(earlier.from);
            pause_until = pause_until.max(earlier.not_before);
        }
        let decision = supervisor.new_decision(from, Stage::Stop, DecisionEnd::Start);
        supervisor.decision = Some(Decision { cause, not_before: pause_until, ..decision });
        self.mark_supervisor(id);
        self.advance(id);
    }

    /// One child starts again, when its pause is over.
    fn restart_one(&mut self, id: ActorId, ordinal: u64, until: Time) {
        let now = self.now;
        let Some(supervisor) = self.supervisors.get_mut(&id) else { return };
        let Some(child) = supervisor.children.get_mut(&ordinal) else { return };
        child.state = ChildState::Present;
        if until <= now {
            return self.launch_child(id, ordinal);
        }
        child.restart_at = until;
        supervisor.paused.insert(ordinal);
        self.mark_child(id, ordinal);
        self.timers.insert((until, id, ordinal));
    }

    /// Until when a child's restart waits: not at all the first time, then longer with each.
    fn pause(&mut self, id: ActorId, exit: &ChildExit) -> Time {
        if !exit.reason.counts() {
            return Time::ZERO;
        }
        let (now, settled) = (self.now, self.options.settled_after);
        let (first, longest) = (self.options.first_pause, self.options.longest_pause);
        let started = self.started_at(exit.incarnation.actor);
        let Some(child) = self.child_mut(id, exit.ordinal) else { return Time::ZERO };
        if exit.started && exit.at.since(started) >= settled {
            child.failures = 0;
        }
        let failures = child.failures;
        child.failures = failures.saturating_add(1);
        self.mark_child(id, exit.ordinal);
        if failures == 0 {
            return Time::ZERO;
        }
        let doubled = first.saturating_mul(1_u32.checked_shl(failures - 1).unwrap_or(u32::MAX));
        now + self.scattered(doubled.min(longest))
    }

    /// Between three quarters of the pause and all of it, so that what failed together does not start together.
    fn scattered(&mut self, pause: Duration) -> Duration {
        self.scatter = self.scatter.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.scatter;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        pause * 3 / 4 + (pause / 4).mul_f64((mixed >> 40) as f64 / (1_u64 << 24) as f64)
    }

    fn started_at(&self, id: ActorId) -> Time {
        let actor = self.actors.get(&id).map(|actor| actor.started);
        actor.or_else(|| self.supervisors.get(&id).map(|supervisor| supervisor.started)).unwrap_or_default()
    }

    /// The supervisor's exit, with the child's that led to it.
    fn caused(&self, id: ActorId, reason: ExitReason, exit: &ChildExit) -> ExitReason {
        let child = self.supervisors.get(&id).and_then(|supervisor| supervisor.children.get(&exit.ordinal));
        let name = child.map_or_else(|| "".into(), |child| child.id.clone());
        reason.caused_by(ExitCause { incarnation: exit.incarnation, name, reason: exit.reason.clone() })
    }
}

impl Supervisor {
    /// Counts the end of a worker. Whether it has not been counted before.
    fn counts_end(&mut self, end: u64) -> bool {
        if self.worker_ends.contains(&end) {
            return false;
        }
        if self.worker_ends.len() >= WORKER_ENDS {
            self.worker_ends.pop_front();
        }
        self.worker_ends.push_back(end);
        true
    }

    pub(super) fn new_decision(&mut self, from: u64, stage: Stage, end: DecisionEnd) -> Decision {
        self.decisions += 1;
        Decision {
            number: self.decisions,
            cause: None,
            from,
            stage,
            end,
            is_start: false,
            not_before: Time::ZERO,
            cursor: if stage == Stage::Stop { u64::MAX } else { from },
            ahead: from,
            all_told: false,
            brutal: false,
            kill_at: Time::NEVER,
        }
    }
}

/// What those are told who wait for the start of something that could not start.
pub(super) fn start_failure(incarnation: mobula_types::Incarnation, reason: &ExitReason) -> Failure {
    let failure =
        Failure::new(FailureKind::ConstructorFailed, format!("{incarnation} did not start: {reason}"));
    let failure = failure.of_incarnation(incarnation);
    match reason.root_cause().failure() {
        Some(cause) => failure.caused_by(cause.clone()),
        None => failure,
    }
}
