//! Observers: who is told how actors and supervisors stand. A head keeps them as its nodes tell them, and a later head
//! hears of them again.
//!
//! What changes in a turn is noted as it changes; at the end of the turn each is compared with what was told of it last.
//! Who observes a tree is found on the way up from what changed. Without any observer nothing is noted.

use super::Supervision;
use super::outbox::Said;
use indexmap::IndexSet;
use mobula_types::actor::{ActorState, Observation, StateChange};
use mobula_types::{ActorId, NodeId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An observation: its node, and its number there.
type ObserverKey = (NodeId, u64);

/// All observations, as many as nodes have asked for, and what was told last of each that any of them is about.
#[derive(Clone, Default, Debug)]
pub(super) struct Observers {
    all: BTreeMap<ObserverKey, Observer>,
    targets: BTreeMap<ActorId, Target>,
    /// Supervisors, with the targets below them: those may stand otherwise when the supervisor does.
    through: BTreeMap<ActorId, BTreeSet<ActorId>>,
    told: BTreeMap<ActorId, StateChange>,
    /// What may have changed in this turn.
    touched: IndexSet<ActorId, foldhash::fast::FixedState>,
    /// What has died for good in this turn, each behind what was below it, and who is told.
    buried: Vec<(ActorId, BTreeSet<ObserverKey>)>,
}

/// An observation.
#[derive(Clone, Debug)]
struct Observer {
    target: ActorId,
    /// The write that what it is told first waits for: nothing overtakes that.
    write: u64,
}

/// What observations name.
#[derive(Clone, Debug)]
struct Target {
    /// Those that are about it alone.
    alone: BTreeSet<ObserverKey>,
    /// Those that are about everything below it too.
    trees: BTreeSet<ObserverKey>,
    /// The supervisors above it.
    above: Vec<ActorId>,
}

impl Observers {
    /// It may stand otherwise from now on.
    pub(super) fn touch(&mut self, id: ActorId) {
        if !self.all.is_empty() {
            self.touched.insert(id);
        }
    }

    /// What was told of it last.
    pub(super) fn told(&self, id: ActorId) -> Option<&StateChange> {
        self.told.get(&id)
    }

    fn insert(&mut self, key: ObserverKey, observation: &Observation, above: Vec<ActorId>, write: u64) {
        let id = observation.target;
        for above in &above {
            self.through.entry(*above).or_default().insert(id);
        }
        let new = || Target { alone: BTreeSet::new(), trees: BTreeSet::new(), above };
        let target = self.targets.entry(id).or_insert_with(new);
        let keys = if observation.below { &mut target.trees } else { &mut target.alone };
        keys.insert(key.clone());
        self.all.insert(key, Observer { target: id, write });
    }

    /// Nobody observes that target any more.
    fn remove_target(&mut self, id: ActorId) -> Option<Target> {
        let target = self.targets.remove(&id)?;
        for above in &target.above {
            if let Some(below) = self.through.get_mut(above) {
                below.remove(&id);
                if below.is_empty() {
                    self.through.remove(above);
                }
            }
        }
        Some(target)
    }
}

impl Supervision {
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
        let above: Vec<ActorId> = self.and_above(target).skip(1).collect();
        // What is not said to be there may be gone only since a moment ago.
        let write = self.all_writes();
        self.observers.insert(key.clone(), &observation, above.clone(), write);
        above.into_iter().for_each(|id| _ = self.last_told(id));
        let mut about = vec![target];
        if observation.below {
            about.clear();
            self.visible_below(target, &mut about);
        }
        let is_whole = observation.below && about.len() < self.options.longest_list;
        let below: Option<Arc<[ActorId]>> = is_whole.then(|| about[1..].into());
        for id in about {
            let Some(mut change) = self.last_told(id) else { continue };
            change.below = below.clone().filter(|_| id == target);
            self.say(write, Said::Changed(key.0.clone(), key.1, change));
        }
    }

    /// What was told of it last; how it stands, where nobody was told yet.
    fn last_told(&mut self, id: ActorId) -> Option<StateChange> {
        if let Some(told) = self.observers.told(id) {
            return Some(told.clone());
        }
        let change = self.current(id)?;
        self.observers.told.insert(id, change.clone());
        Some(change)
    }

    /// Whether it is not dead for good, as far as this head can tell.
    fn is_known(&self, id: ActorId) -> bool {
        self.actors.contains_key(&id) || self.supervisors.contains_key(&id) || self.is_left_alone(id)
    }

    /// It, and the supervisors above it up to the root.
    fn and_above(&self, id: ActorId) -> impl Iterator<Item = ActorId> {
        let above = |id: &ActorId| {
            let child = self.actors.get(id).and_then(|actor| actor.child);
            let child = child.or_else(|| self.supervisors.get(id).and_then(|supervisor| supervisor.parent));
            child.map(|(supervisor, _)| supervisor)
        };
        std::iter::successors(Some(id), above)
    }

    /// The write that has how it stands: what is above it says whether it is to run.
    fn writes_above(&self, id: ActorId) -> u64 {
        self.and_above(id).map(|id| self.writes_of(id)).max().unwrap_or_default()
    }

    /// A supervisor and what is below it, each behind what is above it: at most as many as a list may have. What is more is
    /// told as it changes, and so are children that were deleted and come back when their supervisor starts again.
    fn visible_below(&self, id: ActorId, about: &mut Vec<ActorId>) {
        if about.len() >= self.options.longest_list {
            return;
        }
        about.push(id);
        let children =
            self.supervisors.get(&id).into_iter().flat_map(|supervisor| supervisor.children.values());
        children.filter(|child| !child.removed).for_each(|child| self.visible_below(child.actor, about));
    }

    /// A supervisor and all that is below it.
    fn all_below(&self, id: ActorId, about: &mut Vec<ActorId>) {
        about.push(id);
        let children =
            self.supervisors.get(&id).into_iter().flat_map(|supervisor| supervisor.children.values());
        children.for_each(|child| self.all_below(child.actor, about));
    }

    /// Whether a tree that it is in is observed.
    fn is_in_tree(&self, id: ActorId) -> bool {
        let is_tree = |id| self.observers.targets.get(&id).is_some_and(|target| !target.trees.is_empty());
        self.and_above(id).any(is_tree)
    }

    /// Whether anybody is told of it, or of something below it.
    fn is_observed(&self, id: ActorId) -> bool {
        let observers = &self.observers;
        observers.targets.contains_key(&id) || observers.through.contains_key(&id) || self.is_in_tree(id)
    }

    /// Who is told of it. What is dead for good has lost its place, which is said beside it.
    fn observers_of(&self, id: ActorId, above: Option<ActorId>) -> BTreeSet<ObserverKey> {
        let targets = &self.observers.targets;
        let mut keys = targets.get(&id).map(|target| target.alone.clone()).unwrap_or_default();
        let place = above.into_iter().flat_map(|above| self.and_above(above));
        for target in self.and_above(id).chain(place).filter_map(|id| targets.get(&id)) {
            keys.extend(target.trees.iter().cloned());
        }
        keys
    }

    /// It has died for good, and was the child of that supervisor.
    pub(super) fn note_burial(&mut self, id: ActorId, above: Option<ActorId>) {
        if !self.observers.all.is_empty() {
            let keys = self.observers_of(id, above);
            self.observers.buried.push((id, keys));
        }
    }

    pub(super) fn unobserve(&mut self, node: &NodeId, number: u64) {
        let key = (node.clone(), number);
        let Some(Observer { target: id, .. }) = self.observers.all.remove(&key) else { return };
        let Some(target) = self.observers.targets.get_mut(&id) else { return };
        let was_tree = target.trees.remove(&key) && target.trees.is_empty();
        target.alone.remove(&key);
        let mut about = Vec::new();
        if was_tree {
            self.all_below(id, &mut about);
        }
        if self.observers.targets.get(&id).is_some_and(|target| target.is_free()) {
            about.push(id);
            about.extend(self.observers.remove_target(id).into_iter().flat_map(|target| target.above));
        }
        self.forget_told(about);
    }

    /// What was told of these is of no more use, unless somebody observes them still.
    fn forget_told(&mut self, about: Vec<ActorId>) {
        for id in about {
            if !self.is_observed(id) {
                self.observers.told.remove(&id);
            }
        }
    }

    /// A dead node observes nothing; one that joins says it all again.
    pub(super) fn unobserve_node(&mut self, node: &NodeId) {
        let all = (node.clone(), 0)..=(node.clone(), u64::MAX);
        let numbers: Vec<u64> = self.observers.all.range(all).map(|((_, number), _)| *number).collect();
        numbers.into_iter().for_each(|number| self.unobserve(node, number));
    }

    /// Tells of everything that stands otherwise than it did when the turn began.
    pub(super) fn tell_changes(&mut self) {
        let mut touched: Vec<ActorId> = std::mem::take(&mut self.observers.touched).into_iter().collect();
        let mut next = 0;
        while let Some(id) = touched.get(next).copied() {
            next += 1;
            if !self.is_observed(id) {
                continue;
            }
            let stood = self.observers.told(id).map(|told| (told.state == ActorState::Dead, told.epoch));
            let Some(change) = self.current(id) else { continue };
            // What is below a supervisor that is not to run is not to run either; one that starts has all its children back.
            if change.is_supervisor && stood != Some((change.state == ActorState::Dead, change.epoch)) {
                self.touch_below(id, &mut touched);
            }
            let keys = self.observers_of(id, None);
            self.tell_change(id, change, self.writes_above(id), keys);
        }
        // An observer hears of its target last: nothing follows on that.
        let mut write = 0;
        for (id, keys) in std::mem::take(&mut self.observers.buried) {
            if !self.is_known(id) {
                write = write.max(self.write_of(id));
                self.tell_change(id, self.final_change(id), write, keys);
                self.forget(id);
            }
        }
    }

    /// What is observed below a supervisor may stand otherwise.
    fn touch_below(&self, id: ActorId, touched: &mut Vec<ActorId>) {
        if self.is_in_tree(id) {
            let mut below = Vec::new();
            self.all_below(id, &mut below);
            return touched.extend(below.into_iter().skip(1));
        }
        for id in self.observers.through.get(&id).into_iter().flatten() {
            // The supervisors on the way there too.
            touched.extend(self.and_above(*id));
        }
    }

    fn tell_change(&mut self, id: ActorId, mut change: StateChange, write: u64, keys: BTreeSet<ObserverKey>) {
        change.at_millis = self.wall_millis;
        if self.observers.told(id).is_some_and(|told| told.is_same_state(&change)) {
            return;
        }
        self.observers.told.insert(id, change.clone());
        for key in keys {
            if let Some(observer) = self.observers.all.get(&key) {
                self.say(write.max(observer.write), Said::Changed(key.0, key.1, change.clone()));
            }
        }
    }

    /// It is dead for good: who observed it has nothing more to hear.
    fn forget(&mut self, id: ActorId) {
        self.observers.told.remove(&id);
        let Some(target) = self.observers.remove_target(id) else { return };
        for key in target.alone.into_iter().chain(target.trees) {
            self.observers.all.remove(&key);
        }
        self.forget_told(target.above);
    }

    /// At the end of a turn observers have been told how everything stands that they observe.
    pub(super) fn check_observers(&self) -> Result<(), String> {
        let check = |id: &ActorId| match (self.current(*id), self.observers.told(*id)) {
            (Some(current), Some(told)) if told.is_same_state(&current) => Ok(()),
            (Some(current), told) => Err(format!("of {current:?} observers were told {told:?}")),
            (None, _) => Ok(()),
        };
        self.observers.told.keys().try_for_each(check)?;
        for (id, target) in &self.observers.targets {
            let mut about = vec![*id];
            if !target.trees.is_empty() {
                about.clear();
                self.visible_below(*id, &mut about);
            }
            about.iter().try_for_each(check)?;
        }
        match self.observers.told.keys().find(|id| !self.is_observed(**id)) {
            Some(id) => Err(format!("what was told of {id} is kept, and nobody observes it")),
            None => Ok(()),
        }
    }
}

impl Target {
    /// Whether nobody observes it any more.
    fn is_free(&self) -> bool {
        self.alone.is_empty() && self.trees.is_empty()
    }
}
