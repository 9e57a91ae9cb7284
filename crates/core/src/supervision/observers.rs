//! Observers: who is told how actors and supervisors stand. A head keeps them as its nodes tell them, and a later head
//! hears of them again.
//!
//! What changes in a turn is noted as it changes; at the end of the turn each is compared with what was told of it last.
//! Without any observer nothing is noted.

use super::Supervision;
use super::actor::Phase;
use super::outbox::Said;
use indexmap::IndexSet;
use mobula_types::actor::{ActorState, DecisionEnd, Observation, StateChange};
use mobula_types::{ActorId, Epoch, ExitKind, ExitReason, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// An observation: its node, and its number there.
type ObserverKey = (NodeId, u64);

/// All observations, and what they are about: as much as nodes have asked for.
#[derive(Clone, Default, Debug)]
pub(super) struct Observers {
    /// Each with everything that it is told of.
    all: BTreeMap<ObserverKey, (Observation, BTreeSet<ActorId>)>,
    /// Supervisors of which everything below is observed.
    trees: BTreeMap<ActorId, BTreeSet<ObserverKey>>,
    observed: BTreeMap<ActorId, Observed>,
    /// What may have changed in this turn.
    touched: IndexSet<ActorId, foldhash::fast::FixedState>,
    /// What has died for good in this turn: each behind what was below it.
    buried: Vec<ActorId>,
}

/// Something that is observed.
#[derive(Clone, Default, Debug)]
struct Observed {
    by: BTreeSet<ObserverKey>,
    told: Option<StateChange>,
}

impl Observers {
    pub(super) fn touch(&mut self, id: ActorId) {
        if !self.all.is_empty() {
            self.touched.insert(id);
        }
    }

    pub(super) fn buried(&mut self, id: ActorId) {
        if !self.all.is_empty() {
            self.buried.push(id);
        }
    }

    fn add(&mut self, key: &ObserverKey, id: ActorId) {
        if let Some((_, about)) = self.all.get_mut(key) {
            about.insert(id);
            self.observed.entry(id).or_default().by.insert(key.clone());
        }
    }

    fn remove(&mut self, key: &ObserverKey) {
        let Some((observation, about)) = self.all.remove(key) else { return };
        for id in about {
            if let Some(observed) = self.observed.get_mut(&id) {
                observed.by.remove(key);
                if observed.by.is_empty() {
                    self.observed.remove(&id);
                }
            }
        }
        if let Some(keys) = self.trees.get_mut(&observation.target) {
            keys.remove(key);
            if keys.is_empty() {
                self.trees.remove(&observation.target);
            }
        }
        if self.all.is_empty() {
            self.touched.clear();
            self.buried.clear();
        }
    }

    /// It is dead for good: who observed nothing else has nothing more to hear.
    fn forget(&mut self, id: ActorId) {
        let Some(observed) = self.observed.remove(&id) else { return };
        for key in observed.by {
            let Some((observation, about)) = self.all.get_mut(&key) else { continue };
            about.remove(&id);
            if observation.target == id {
                self.remove(&key);
            }
        }
    }
}

impl Supervision {
    /// An actor or supervisor may stand otherwise from now on.
    pub(super) fn touch(&mut self, id: ActorId) {
        self.observers.touch(id);
    }

    /// Tells a node how things stand, and from now on each change.
    pub(super) fn observe(&mut self, node: &NodeId, observation: Observation) {
        let key = (node.clone(), observation.number);
        if self.observers.all.contains_key(&key) {
            return;
        }
        let target = observation.target;
        if !self.actors.contains_key(&target) && !self.supervisors.contains_key(&target) {
            let change = self.final_change(target);
            return self.say(self.write_of(target), Said::Changed(key.0, key.1, change));
        }
        self.observers.all.insert(key.clone(), (observation, BTreeSet::new()));
        let mut about = vec![target];
        if observation.below {
            self.observers.trees.entry(target).or_default().insert(key.clone());
            about.clear();
            self.below(target, &mut about);
        }
        for id in about {
            self.observers.add(&key, id);
            let Some(change) = self.current(id) else { continue };
            let change = self.tell_once(id, change);
            self.say(self.writes_of(id), Said::Changed(key.0.clone(), key.1, change));
        }
    }

    /// What is told of a state: with the time at which it was told first.
    fn tell_once(&mut self, id: ActorId, change: StateChange) -> StateChange {
        let Some(observed) = self.observers.observed.get_mut(&id) else { return change };
        match &observed.told {
            Some(told) if told.is_same_state(&change) => told.clone(),
            _ => {
                observed.told = Some(change.clone());
                change
            }
        }
    }

    /// A supervisor and what is below it, each behind what is above it. What is more than a list may have is told as it
    /// changes.
    fn below(&self, id: ActorId, about: &mut Vec<ActorId>) {
        if about.len() >= self.options.longest_list {
            return;
        }
        about.push(id);
        let Some(supervisor) = self.supervisors.get(&id) else { return };
        for child in supervisor.children.values().filter(|child| !child.removed) {
            self.below(child.actor, about);
        }
    }

    pub(super) fn unobserve(&mut self, node: &NodeId, number: u64) {
        self.observers.remove(&(node.clone(), number));
    }

    /// A dead node observes nothing; one that joins says it all again.
    pub(super) fn unobserve_node(&mut self, node: &NodeId) {
        let all = (node.clone(), 0)..=(node.clone(), u64::MAX);
        let keys: Vec<ObserverKey> = self.observers.all.range(all).map(|(key, _)| key.clone()).collect();
        keys.iter().for_each(|key| self.observers.remove(key));
    }

    /// Tells of everything that stands otherwise than it did when the turn began.
    pub(super) fn tell_changes(&mut self) {
        let mut touched: Vec<ActorId> = std::mem::take(&mut self.observers.touched).into_iter().collect();
        let mut next = 0;
        while let Some(id) = touched.get(next).copied() {
            next += 1;
            self.find_trees(id);
            let Some(observed) = self.observers.observed.get(&id) else { continue };
            let stood = observed.told.as_ref().map(|told| (told.state == ActorState::Dead, told.epoch));
            let Some(change) = self.current(id) else { continue };
            // What is below a supervisor that is not to run is not to run either; one that starts has all its children back.
            if change.is_supervisor && stood != Some((change.state == ActorState::Dead, change.epoch)) {
                let mut below = Vec::new();
                self.below(id, &mut below);
                touched.extend(below.into_iter().skip(1));
            }
            self.tell_change(id, change, self.writes_of(id));
        }
        // An observer hears of its target last: nothing follows on that.
        let mut write = 0;
        for id in std::mem::take(&mut self.observers.buried) {
            if self.actors.contains_key(&id) || self.supervisors.contains_key(&id) {
                continue;
            }
            write = write.max(self.write_of(id));
            self.tell_change(id, self.final_change(id), write);
            self.observers.forget(id);
        }
    }

    /// What is new below an observed supervisor is observed too.
    fn find_trees(&mut self, id: ActorId) {
        if self.observers.trees.is_empty() {
            return;
        }
        let mut above = Some(id);
        while let Some(at) = above {
            for key in self.observers.trees.get(&at).cloned().into_iter().flatten() {
                self.observers.add(&key, id);
            }
            let child = self.actors.get(&at).and_then(|actor| actor.child);
            let child = child.or_else(|| self.supervisors.get(&at).and_then(|supervisor| supervisor.parent));
            above = child.map(|(supervisor, _)| supervisor);
        }
    }

    fn tell_change(&mut self, id: ActorId, mut change: StateChange, write: u64) {
        let Some(observed) = self.observers.observed.get_mut(&id) else { return };
        change.at_millis = self.wall_millis;
        if observed.told.as_ref().is_some_and(|told| told.is_same_state(&change)) {
            return;
        }
        observed.told = Some(change.clone());
        for (node, number) in observed.by.clone() {
            self.say(write, Said::Changed(node, number, change.clone()));
        }
    }

    /// How something stands that is not dead for good; `None` where its node has not said so to this head yet.
    fn current(&self, id: ActorId) -> Option<StateChange> {
        if let Some(actor) = self.actors.get(&id) {
            let stops = actor.stop.as_ref().map(|stop| stop.reason.clone());
            let last = actor.last.as_ref().map(|(_, reason)| reason.clone());
            let change = StateChange {
                name: actor.options().name.clone(),
                state: self.state_of_actor(actor),
                epoch: actor.epoch,
                node: actor.node.clone(),
                reason: stops.or(last),
                restarts: actor.restarts,
                at_millis: actor.since_millis,
                ..self.blank(id, actor.child)
            };
            return (actor.phase != Phase::Unknown).then_some(change);
        }
        let supervisor = self.supervisors.get(&id)?;
        let ends = supervisor.decision.as_ref().and_then(|decision| match &decision.end {
            DecisionEnd::Exit(reason) | DecisionEnd::StartFailed(reason) => Some(reason.clone()),
            DecisionEnd::Start => None,
        });
        Some(StateChange {
            is_supervisor: true,
            name: supervisor.name.clone(),
            state: self.state_of_supervisor(supervisor),
            epoch: supervisor.epoch,
            reason: ends.or_else(|| supervisor.last.clone()),
            restarts: supervisor.restarts,
            at_millis: supervisor.since_millis,
            ..self.blank(id, supervisor.parent)
        })
    }

    /// At the end of a turn observers have been told how everything stands that they observe.
    pub(super) fn check_observers(&self) -> Result<(), String> {
        for (id, observed) in &self.observers.observed {
            let Some(current) = self.current(*id) else { continue };
            if !observed.told.as_ref().is_some_and(|told| told.is_same_state(&current)) {
                return Err(format!("of {current:?} observers were told {:?}", observed.told));
            }
        }
        for (tree, keys) in &self.observers.trees {
            let mut below = Vec::new();
            self.below(*tree, &mut below);
            let observed = |id: &ActorId| self.observers.observed.get(id).map(|observed| &observed.by);
            let is_missed = |id: &&ActorId| !observed(id).is_some_and(|by| keys.is_subset(by));
            if let Some(missed) = below.iter().find(is_missed) {
                return Err(format!("{missed} is below {tree}, and is not observed"));
            }
        }
        Ok(())
    }

    fn blank(&self, id: ActorId, place: Option<(ActorId, u64)>) -> StateChange {
        let child = place.and_then(|(above, ordinal)| self.supervisors.get(&above)?.children.get(&ordinal));
        StateChange {
            actor: id,
            is_supervisor: false,
            name: "".into(),
            supervisor: place.map(|(above, _)| above),
            child: child.map_or_else(|| "".into(), |child| child.id.clone()),
            state: ActorState::Pending,
            epoch: Epoch(0),
            node: None,
            reason: None,
            restarts: 0,
            at_millis: self.wall_millis,
            is_final: false,
            missed: 0,
        }
    }

    /// It is dead for good, or nothing is known of it any more.
    fn final_change(&self, id: ActorId) -> StateChange {
        let told = self.observers.observed.get(&id).and_then(|observed| observed.told.clone());
        let dead = self.dead.get(id);
        let info = dead.and_then(|dead| dead.info.as_deref());
        let mut change = told.unwrap_or_else(|| self.blank(id, None));
        if let Some(info) = info {
            change.name = info.name.clone();
            change.supervisor = info.supervisor.or(change.supervisor);
            change.node = info.node.clone();
            change.restarts = info.restarts;
        }
        let lost = || (change.epoch, ExitReason::of(ExitKind::Lost), self.wall_millis);
        let known = dead.map(|dead| (dead.incarnation.epoch, dead.reason.clone(), dead.since_millis));
        let (epoch, reason, at_millis) = known.unwrap_or_else(lost);
        StateChange {
            state: ActorState::Dead,
            epoch,
            reason: Some(reason),
            at_millis,
            is_final: true,
            missed: 0,
            ..change
        }
    }
}
