//! How decisions are carried out: children stop in reverse order, and start in order, one after the other.
//!
//! Every step looks at how things stand and goes on from there, so that it does not matter which head takes it, or how
//! often.

use super::Supervision;
use super::actor::Phase;
use super::supervisor::{Child, ChildExit, Decision, Stage};
use mobula_types::actor::{
    ChildShutdown, ChildState, DecisionEnd, ExitCause, RestartType, SupervisorStrategy,
};
use mobula_types::{ActorId, ExitKind, ExitReason, Time};

impl Supervision {
    pub(super) fn child_mut(&mut self, id: ActorId, ordinal: u64) -> Option<&mut Child> {
        self.supervisors.get_mut(&id)?.children.get_mut(&ordinal)
    }

    /// A child changed as its supervisor sees it: its own record has that.
    pub(super) fn mark_child(&mut self, id: ActorId, ordinal: u64) -> u64 {
        let Some(child) = self.child_mut(id, ordinal) else { return 0 };
        let (actor, is_supervisor) = (child.actor, child.is_supervisor);
        if is_supervisor { self.mark_supervisor(actor) } else { self.mark_actor(actor) }
    }

    /// Starts a child that does not run, where its supervisor does.
    pub(super) fn launch_child(&mut self, id: ActorId, ordinal: u64) {
        if !self.is_alive(id, true) || self.is_to_stop(Some((id, ordinal))) {
            return;
        }
        let Some(child) = self.child_mut(id, ordinal) else { return };
        let (actor, is_supervisor) = (child.actor, child.is_supervisor);
        if child.state == ChildState::Present && !child.removed {
            if is_supervisor { self.start_supervisor(actor) } else { self.launch(actor) }
        }
    }

    /// Starts a supervisor: its declared children, in order.
    pub(super) fn start_supervisor(&mut self, id: ActorId) {
        let (now, wall) = (self.now, self.wall_millis);
        let Some(supervisor) = self.supervisors.get_mut(&id).filter(|supervisor| !supervisor.running) else {
            return;
        };
        supervisor.running = true;
        supervisor.epoch = supervisor.epoch.next();
        supervisor.window.clear();
        supervisor.worker_ends.clear();
        supervisor.since_millis = wall;
        supervisor.started = now;
        for (ordinal, child) in &mut supervisor.children {
            child.wanted_anew();
            supervisor.by_id.insert(child.id.clone(), *ordinal);
        }
        let decision = supervisor.new_decision(0, Stage::Start, DecisionEnd::Start);
        supervisor.decision = Some(Decision { is_start: true, ..decision });
        let parent = supervisor.parent;
        self.mark_supervisor(id);
        self.no_longer_deferred(parent);
        self.moved.insert(id);
        self.advance(id);
    }

    /// A child starts once more.
    pub(super) fn no_longer_deferred(&mut self, child: Option<(ActorId, u64)>) {
        if let Some(child) = child.and_then(|(above, ordinal)| self.child_mut(above, ordinal)) {
            child.deferred = None;
        }
    }

    /// Stops all children of a supervisor; then `end` follows. An earlier end stays.
    pub(super) fn stop_children(&mut self, id: ActorId, end: DecisionEnd, exit: Option<&ChildExit>) {
        let wall = self.wall_millis;
        let Some(supervisor) = self.supervisors.get_mut(&id).filter(|supervisor| supervisor.running) else {
            return;
        };
        if !supervisor.is_ending() {
            let decision = supervisor.new_decision(0, Stage::Stop, end);
            let cause = exit.map(|exit| (exit.incarnation, exit.reason.clone()));
            supervisor.decision = Some(Decision { cause, ..decision });
            supervisor.deferred.clear();
            supervisor.since_millis = wall;
            self.mark_supervisor(id);
        }
        self.advance(id);
    }

    /// Kills what a supervisor that is stopping has left.
    pub(super) fn stop_brutally(&mut self, id: ActorId) {
        if let Some(decision) = self.supervisors.get_mut(&id).and_then(|known| known.decision.as_mut()) {
            (decision.brutal, decision.all_told, decision.cursor) = (true, false, u64::MAX);
            decision.kill_at = Time::NEVER;
        }
        self.advance(id);
    }

    /// Goes on with what a supervisor is carrying out, as far as it goes now. What a step changes by itself is seen by
    /// the next one, not from inside: ten thousand children that start at once need no deeper stack than one.
    pub(super) fn advance(&mut self, id: ActorId) {
        if let Some(once_more) = self.advancing.get_mut(&id) {
            *once_more = true;
            return;
        }
        self.advancing.insert(id, false);
        loop {
            let decision = self.supervisors.get(&id).and_then(|known| known.decision.as_ref());
            let goes_on = match decision.map(|decision| decision.stage) {
                Some(Stage::Stop) => self.step_of_stop(id),
                Some(Stage::Start) => self.step_of_start(id),
                None => false,
            };
            let once_more = self.advancing.insert(id, false).unwrap_or(false);
            if !goes_on && !once_more {
                break;
            }
        }
        self.advancing.remove(&id);
    }

    fn step_of_stop(&mut self, id: ActorId) -> bool {
        let Some(supervisor) = self.supervisors.get(&id) else { return false };
        let Some(decision) = &supervisor.decision else { return false };
        let simple = supervisor.rules.strategy == SupervisorStrategy::SimpleOneForOne;
        let together = (simple || decision.brutal) && !decision.all_told;
        let (from, number, mut cursor) = (decision.from, decision.number, decision.cursor);
        if together {
            self.stop_together(id, from);
            cursor = u64::MAX;
        }
        while let Some((ordinal, actor, is_supervisor)) = self.last_child(id, from, cursor) {
            if !self.still_stops(id, number) {
                return true;
            }
            if self.is_alive(actor, is_supervisor) {
                self.set_cursor(id, ordinal);
                if !together {
                    self.stop_child(id, ordinal);
                }
                // A supervisor without children has ended by now, and this one may have gone on meanwhile.
                if self.is_alive(actor, is_supervisor) {
                    return false;
                }
                continue;
            }
            self.no_longer_waits(id, ordinal, actor);
            let Some(below) = ordinal.checked_sub(1) else { break };
            cursor = below;
            self.set_cursor(id, cursor);
        }
        !self.still_stops(id, number) || self.all_stopped(id)
    }

    fn still_stops(&self, id: ActorId, number: u64) -> bool {
        let decision = self.supervisors.get(&id).and_then(|known| known.decision.as_ref());
        decision.is_some_and(|decision| decision.number == number && decision.stage == Stage::Stop)
    }

    fn set_cursor(&mut self, id: ActorId, ordinal: u64) {
        if let Some(decision) = self.supervisors.get_mut(&id).and_then(|known| known.decision.as_mut()) {
            decision.cursor = ordinal;
        }
    }

    fn last_child(&self, id: ActorId, from: u64, to: u64) -> Option<(u64, ActorId, bool)> {
        if from > to {
            return None;
        }
        let mut range = self.supervisors.get(&id)?.children.range(from..=to);
        range.next_back().map(|(ordinal, child)| (*ordinal, child.actor, child.is_supervisor))
    }

    /// Whether it runs, or may.
    pub(super) fn is_alive(&self, id: ActorId, is_supervisor: bool) -> bool {
        if is_supervisor {
            return self.supervisors.get(&id).is_some_and(|supervisor| supervisor.running);
        }
        self.actors.get(&id).is_some_and(|actor| actor.is_granted() && actor.phase != Phase::Granted)
    }

    /// What waited for its start waits no more.
    fn no_longer_waits(&mut self, id: ActorId, ordinal: u64, actor: ActorId) {
        self.withdraw(actor);
        if let Some(supervisor) = self.supervisors.get_mut(&id)
            && supervisor.paused.remove(&ordinal)
            && let Some(child) = supervisor.children.get_mut(&ordinal)
        {
            child.restart_at = Time::ZERO;
        }
    }

    fn stop_together(&mut self, id: ActorId, from: u64) {
        let Some(supervisor) = self.supervisors.get_mut(&id) else { return };
        if let Some(decision) = &mut supervisor.decision {
            decision.all_told = true;
        }
        let ordinals: Vec<u64> = supervisor.children.range(from..).map(|(ordinal, _)| *ordinal).collect();
        for ordinal in ordinals {
            self.stop_child(id, ordinal);
        }
    }

    /// Stops one child, because of what its supervisor is carrying out.
    fn stop_child(&mut self, id: ActorId, ordinal: u64) {
        let Some(supervisor) = self.supervisors.get(&id) else { return };
        let (Some(child), Some(decision)) = (supervisor.children.get(&ordinal), &supervisor.decision) else {
            return;
        };
        let shutdown = if decision.brutal { ChildShutdown::Brutal } else { child.shutdown };
        let own = match &decision.end {
            DecisionEnd::Exit(reason) if reason.kind() == ExitKind::JobEnded => ExitKind::JobEnded,
            _ => ExitKind::Shutdown,
        };
        let mut reason = ExitReason::of(own);
        let of_above = match &decision.end {
            DecisionEnd::Exit(reason) => reason.cause().cloned(),
            _ => None,
        };
        let of_child = decision.cause.as_ref().map(|(incarnation, cause)| ExitCause {
            incarnation: *incarnation,
            name: self.name_of(incarnation.actor),
            reason: cause.clone(),
        });
        // A supervisor that is stopped passes on why.
        if let Some(cause) = of_child.or(of_above) {
            reason = reason.caused_by(cause);
        }
        let (actor, is_supervisor, write) = (child.actor, child.is_supervisor, supervisor.write);
        self.stop_one(actor, is_supervisor, shutdown, reason, write);
    }

    /// Tells an actor or a supervisor to stop.
    pub(super) fn stop_one(
        &mut self,
        id: ActorId,
        is_supervisor: bool,
        shutdown: ChildShutdown,
        reason: ExitReason,
        after: u64,
    ) {
        if !is_supervisor {
            self.order_stop(id, shutdown, reason, after);
            return;
        }
        self.stop_children(id, DecisionEnd::Exit(reason), None);
        match shutdown {
            ChildShutdown::Within(time) => {
                self.kill_at(id, self.now + time);
            }
            ChildShutdown::Brutal => self.stop_brutally(id),
            ChildShutdown::Infinity => {}
        }
    }

    /// What a supervisor that stops has left is killed then, if not before.
    fn kill_at(&mut self, id: ActorId, at: Time) {
        let decision = self.supervisors.get_mut(&id).and_then(|known| known.decision.as_mut());
        if let Some(decision) = decision.filter(|decision| at < decision.kill_at) {
            decision.kill_at = at;
            self.timers.insert((at, id, u64::MAX));
        }
    }

    /// The children concerned have stopped. Whether there is more to do now.
    fn all_stopped(&mut self, id: ActorId) -> bool {
        let Some(supervisor) = self.supervisors.get_mut(&id) else { return false };
        let Some(decision) = &mut supervisor.decision else { return false };
        match decision.end.clone() {
            DecisionEnd::Exit(reason) => self.supervisor_ended(id, reason, true),
            DecisionEnd::StartFailed(reason) => self.supervisor_ended(id, reason, false),
            DecisionEnd::Start => {
                let from = decision.from;
                (decision.stage, decision.cursor, decision.ahead) = (Stage::Start, from, from);
                self.mark_supervisor(id);
                self.all_wanted(id, from);
                return true;
            }
        }
        false
    }

    /// After a group has stopped, its temporary children are gone, and all others are wanted again.
    fn all_wanted(&mut self, id: ActorId, from: u64) {
        let Some(supervisor) = self.supervisors.get_mut(&id) else { return };
        let mut temporary = Vec::new();
        let mut changed = Vec::new();
        for (ordinal, child) in supervisor.children.range_mut(from..).filter(|(_, child)| !child.removed) {
            if child.restart == RestartType::Temporary {
                temporary.push(*ordinal);
            } else if child.state != ChildState::Present && !child.quarantined {
                child.state = ChildState::Present;
                changed.push(*ordinal);
            }
        }
        for ordinal in changed {
            self.mark_child(id, ordinal);
        }
        for ordinal in temporary {
            self.remove_child(id, ordinal, &ExitReason::of(ExitKind::Shutdown));
        }
    }

    fn step_of_start(&mut self, id: ActorId) -> bool {
        let Some(supervisor) = self.supervisors.get(&id) else { return false };
        let Some(decision) = &supervisor.decision else { return false };
        if decision.not_before > self.now {
            self.timers.insert((decision.not_before, id, u64::MAX));
            return false;
        }
        let Some((ordinal, child)) = supervisor.children.range(decision.cursor..).next() else {
            return self.all_started(id);
        };
        let (ordinal, actor, is_supervisor) = (*ordinal, child.actor, child.is_supervisor);
        let skipped = child.removed || child.state != ChildState::Present || child.deferred.is_some();
        if skipped || self.has_started(actor, is_supervisor) {
            self.set_cursor(id, ordinal + 1);
            return true;
        }
        self.set_cursor(id, ordinal);
        self.grant_ahead(id);
        if is_supervisor {
            let waits = self.supervisors.get(&actor).is_some_and(|supervisor| supervisor.running);
            if !waits {
                self.start_supervisor(actor);
            }
            return self.has_started(actor, is_supervisor);
        }
        match self.actors.get(&actor).map(|actor| actor.phase) {
            Some(Phase::Granted) => self.order_start(actor),
            Some(Phase::Idle) => self.launch(actor),
            _ => {}
        }
        false
    }

    pub(super) fn has_started(&self, id: ActorId, is_supervisor: bool) -> bool {
        if is_supervisor {
            let started = |known: &super::supervisor::Supervisor| {
                known.running && !known.decision.as_ref().is_some_and(|decision| decision.is_start)
            };
            return self.supervisors.get(&id).is_some_and(|known| started(known) && !known.is_ending());
        }
        self.actors.get(&id).is_some_and(|actor| {
            matches!(actor.phase, Phase::Running | Phase::Isolated) && actor.stop.is_none()
        })
    }

    /// Grants the next children before their turn, so that one write does for many.
    fn grant_ahead(&mut self, id: ActorId) {
        let Some(supervisor) = self.supervisors.get_mut(&id) else { return };
        let Some(decision) = &mut supervisor.decision else { return };
        let window = supervisor.children.range(decision.cursor..).take(self.options.grant_ahead);
        let window = window.filter(|(ordinal, child)| {
            let wanted = child.state == ChildState::Present && !child.removed && !child.is_supervisor;
            **ordinal >= decision.ahead && wanted && child.deferred.is_none()
        });
        let next: Vec<(u64, ActorId)> = window.map(|(ordinal, child)| (*ordinal, child.actor)).collect();
        if let Some((last, _)) = next.last() {
            decision.ahead = last + 1;
        }
        for (_, actor) in next {
            if self.actors.get(&actor).is_some_and(|actor| actor.phase == Phase::Idle) {
                self.launch(actor);
            }
        }
    }

    fn all_started(&mut self, id: ActorId) -> bool {
        let Some(supervisor) = self.supervisors.get_mut(&id) else { return false };
        let was_start = supervisor.decision.take().is_some_and(|decision| decision.is_start);
        let parent = supervisor.parent;
        self.mark_supervisor(id);
        self.moved.insert(id);
        if was_start {
            match parent {
                Some((parent, ordinal)) => self.child_started(parent, ordinal),
                None => self.answer_tree_started(id),
            }
        }
        self.decide_deferred(id);
        false
    }

    /// A supervisor has stopped all its children.
    fn supervisor_ended(&mut self, id: ActorId, reason: ExitReason, started: bool) {
        let now = self.now;
        let Some(supervisor) = self.supervisors.get_mut(&id) else { return };
        supervisor.running = false;
        supervisor.decision = None;
        supervisor.last = Some(reason.clone());
        let incarnation = supervisor.incarnation(id);
        let parent = supervisor.parent;
        let added = supervisor.children.iter().filter(|(_, child)| !child.declared);
        let added: Vec<u64> = added.map(|(ordinal, _)| *ordinal).collect();
        if added.len() > self.exits_of_a_write() {
            // What follows from its end is written before its many children go.
            parent.map(|(parent, _)| self.mark_supervisor(parent));
            self.mark_supervisor(id);
        }
        for ordinal in added {
            self.remove_child(id, ordinal, &reason);
        }
        let write = self.mark_supervisor(id);
        self.say_downs(incarnation, &reason, write);
        self.none_wanted(id, write, &reason);
        self.moved.insert(id);
        let Some((parent, ordinal)) = parent else {
            if !started {
                self.fail_waiters(write, id, &super::decide::start_failure(incarnation, &reason));
            }
            return self.dissolve(id, &reason);
        };
        self.answer_ended(write, id, &reason);
        let above = self.epoch_of(parent);
        let exit =
            ChildExit { ordinal, incarnation, reason, at: now, started, again: false, above, worker: None };
        self.decide(parent, vec![exit]);
    }

    /// A child is no more. A declared one of a supervisor that may be started again is only hidden.
    pub(super) fn remove_child(&mut self, id: ActorId, ordinal: u64, reason: &ExitReason) {
        let Some(supervisor) = self.supervisors.get_mut(&id) else { return };
        let keeps = supervisor.parent.is_some();
        let Some(child) = supervisor.children.get_mut(&ordinal) else { return };
        let (actor, is_supervisor) = (child.actor, child.is_supervisor);
        supervisor.by_id.remove(&child.id);
        if child.declared && keeps {
            child.removed = true;
            child.state = ChildState::Stopped;
            let write = self.mark_child(id, ordinal);
            self.not_wanted(write, actor, reason);
            self.moved.insert(actor);
            return;
        }
        supervisor.children.remove(&ordinal);
        supervisor.paused.remove(&ordinal);
        if is_supervisor { self.dissolve(actor, reason) } else { self.bury(actor, reason.clone()) }
    }

    /// A supervisor that does not run is no more, nor is what is below it.
    pub(super) fn dissolve(&mut self, id: ActorId, reason: &ExitReason) {
        let Some(supervisor) = self.supervisors.get_mut(&id) else { return };
        let children = std::mem::take(&mut supervisor.children);
        for child in children.into_values() {
            if child.is_supervisor {
                self.dissolve(child.actor, reason)
            } else {
                self.bury(child.actor, reason.clone())
            }
        }
        self.bury_supervisor(id, reason);
    }

    /// What an actor or supervisor is called, for people; empty where it has no name.
    pub(super) fn name_of(&self, id: ActorId) -> std::sync::Arc<str> {
        if let Some(supervisor) = self.supervisors.get(&id) {
            return supervisor.name.clone();
        }
        let Some(actor) = self.actors.get(&id) else { return "".into() };
        let name = &actor.options().name;
        let child = actor.child.filter(|_| name.is_empty());
        let child = child.and_then(|(above, ordinal)| self.supervisors.get(&above)?.children.get(&ordinal));
        child.map_or_else(|| name.clone(), |child| child.id.clone())
    }

    /// The time has come that a child, or a supervisor, waited for.
    pub(super) fn timer_due(&mut self, id: ActorId, ordinal: u64) {
        let now = self.now;
        let Some(supervisor) = self.supervisors.get_mut(&id) else { return };
        if ordinal == u64::MAX {
            let kill = supervisor.decision.as_ref().is_some_and(|decision| decision.kill_at <= now);
            return if kill { self.stop_brutally(id) } else { self.advance(id) };
        }
        let Some(child) = supervisor.children.get_mut(&ordinal) else { return };
        if child.restart_at <= now && supervisor.paused.remove(&ordinal) {
            child.restart_at = Time::ZERO;
            self.launch_child(id, ordinal);
        }
    }
}
