//! Observers: who is told how actors and supervisors stand. A head keeps them as its nodes tell them, and a later head
//! hears of them again.
//!
//! What changes in a turn is noted as it changes; at the end of the turn each is compared with what was told of it last.
//! Without any observer nothing is noted.

use super::Supervision;
use super::outbox::Said;
use indexmap::IndexSet;
use mobula_types::actor::{ActorState, Observation, StateChange};
use mobula_types::{ActorId, NodeId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An observation: its node, and its number there.
type ObserverKey = (NodeId, u64);

/// All observations, and what they are about: as much as nodes have asked for.
#[derive(Clone, Default, Debug)]
pub(super) struct Observers {
    all: BTreeMap<ObserverKey, Observer>,
    /// Supervisors of which everything below is observed.
    trees: BTreeMap<ActorId, BTreeSet<ObserverKey>>,
    observed: BTreeMap<ActorId, Observed>,
    /// What may have changed in this turn.
    touched: IndexSet<ActorId, foldhash::fast::FixedState>,
    /// What has died for good in this turn: each behind what was below it.
    buried: Vec<ActorId>,
}

/// Who observes, and what.
#[derive(Clone, Debug)]
struct Observer {
    observation: Observation,
    /// Everything that it is told of.
    about: BTreeSet<ActorId>,
    /// What is above its target.
    above: Vec<ActorId>,
    /// The write that what it is told first waits for: nothing overtakes that.
    write: u64,
}

/// Something that is observed, or is above something that is.
#[derive(Clone, Default, Debug)]
struct Observed {
    by: BTreeSet<ObserverKey>,
    /// Observers of what is below it, who hear nothing of it: but with it, what is below may stand otherwise.
    through: BTreeSet<ObserverKey>,
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

    /// What was told of it last.
    pub(super) fn told(&self, id: ActorId) -> Option<&StateChange> {
        self.observed.get(&id)?.told.as_ref()
    }

    fn add(&mut self, key: &ObserverKey, id: ActorId) {
        if let Some(observer) = self.all.get_mut(key) {
            observer.about.insert(id);
            self.observed.entry(id).or_default().by.insert(key.clone());
        }
    }

    fn remove(&mut self, key: &ObserverKey) {
        let Some(Observer { observation, about, above, .. }) = self.all.remove(key) else { return };
        for id in about.into_iter().chain(above) {
            if let Some(observed) = self.observed.get_mut(&id) {
                observed.by.remove(key);
                observed.through.remove(key);
                if observed.by.is_empty() && observed.through.is_empty() {
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
            let Some(observer) = self.all.get_mut(&key) else { continue };
            observer.about.remove(&id);
            if observer.observation.target == id {
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
        if !self.is_known(target) {
            let change = self.final_change(target);
            return self.say(self.write_of(target), Said::Changed(key.0, key.1, change));
        }
        let above = self.all_above(target);
        // What is not said to be there may be gone only since a moment ago.
        let write = self.all_writes();
        let observer = Observer { observation, about: BTreeSet::new(), above: above.clone(), write };
        self.observers.all.insert(key.clone(), observer);
        for id in above {
            let change = self.current(id);
            let observed = self.observers.observed.entry(id).or_default();
            observed.through.insert(key.clone());
            observed.told = observed.told.take().or(change);
        }
        let mut about = vec![target];
        if observation.below {
            self.observers.trees.entry(target).or_default().insert(key.clone());
            about.clear();
            self.below(target, self.options.longest_list, &mut about);
        }
        let is_whole = observation.below && about.len() < self.options.longest_list;
        let below: Option<Arc<[ActorId]>> = is_whole.then(|| about[1..].into());
        for id in about {
            self.observers.add(&key, id);
            let Some(change) = self.current(id) else { continue };
            let mut change = self.tell_once(id, change);
            change.below = below.clone().filter(|_| id == target);
            self.say(write, Said::Changed(key.0.clone(), key.1, change));
        }
    }

    /// Whether it is not dead for good, as far as this head can tell.
    fn is_known(&self, id: ActorId) -> bool {
        self.actors.contains_key(&id) || self.supervisors.contains_key(&id) || self.is_left_alone(id)
    }

    fn above(&self, id: ActorId) -> Option<ActorId> {
        let child = self.actors.get(&id).and_then(|actor| actor.child);
        let child = child.or_else(|| self.supervisors.get(&id).and_then(|supervisor| supervisor.parent));
        child.map(|(supervisor, _)| supervisor)
    }

    /// The supervisors above it, up to the root.
    fn all_above(&self, id: ActorId) -> Vec<ActorId> {
        std::iter::successors(self.above(id), |above| self.above(*above)).collect()
    }

    /// The write that has how it stands: what is above it says whether it is to run.
    fn writes_above(&self, id: ActorId) -> u64 {
        let all = std::iter::successors(Some(id), |at| self.above(*at));
        all.map(|id| self.writes_of(id)).max().unwrap_or_default()
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

    /// A supervisor and what is below it, each behind what is above it: at most so many. What is more is told as it changes.
    fn below(&self, id: ActorId, most: usize, about: &mut Vec<ActorId>) {
        if about.len() >= most {
            return;
        }
        about.push(id);
        let Some(supervisor) = self.supervisors.get(&id) else { return };
        for child in supervisor.children.values().filter(|child| !child.removed) {
            self.below(child.actor, most, about);
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
                self.touch_below(id, &mut touched);
            }
            self.tell_change(id, change, self.writes_above(id));
        }
        // An observer hears of its target last: nothing follows on that.
        let mut write = 0;
        for id in std::mem::take(&mut self.observers.buried) {
            if self.is_known(id) {
                continue;
            }
            write = write.max(self.write_of(id));
            self.tell_change(id, self.final_change(id), write);
            self.observers.forget(id);
        }
    }

    /// What is observed below a supervisor may stand otherwise.
    fn touch_below(&self, id: ActorId, touched: &mut Vec<ActorId>) {
        let Some(observed) = self.observers.observed.get(&id) else { return };
        if !observed.by.is_empty() {
            let mut below = Vec::new();
            self.below(id, usize::MAX, &mut below);
            return touched.extend(below.into_iter().skip(1));
        }
        let observers = observed.through.iter().filter_map(|key| self.observers.all.get(key));
        let below: BTreeSet<ActorId> =
            observers.flat_map(|observer| observer.about.iter().chain(&observer.above)).copied().collect();
        touched.extend(below);
    }

    /// What is new below an observed supervisor is observed too.
    fn find_trees(&mut self, id: ActorId) {
        if self.observers.trees.is_empty() {
            return;
        }
        let mut at = Some(id);
        while let Some(tree) = at {
            for key in self.observers.trees.get(&tree).cloned().into_iter().flatten() {
                self.observers.add(&key, id);
            }
            at = self.above(tree);
        }
    }

    fn tell_change(&mut self, id: ActorId, mut change: StateChange, write: u64) {
        let Some(observed) = self.observers.observed.get_mut(&id) else { return };
        change.at_millis = self.wall_millis;
        if observed.told.as_ref().is_some_and(|told| told.is_same_state(&change)) {
            return;
        }
        observed.told = Some(change.clone());
        for key in observed.by.clone() {
            let first = self.observers.all.get(&key).map_or(0, |observer| observer.write);
            self.say(write.max(first), Said::Changed(key.0, key.1, change.clone()));
        }
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
            self.below(*tree, self.options.longest_list, &mut below);
            let observed = |id: &ActorId| self.observers.observed.get(id).map(|observed| &observed.by);
            let is_missed = |id: &&ActorId| !observed(id).is_some_and(|by| keys.is_subset(by));
            if let Some(missed) = below.iter().find(is_missed) {
                return Err(format!("{missed} is below {tree}, and is not observed"));
            }
        }
        Ok(())
    }
}
