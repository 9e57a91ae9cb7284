//! Actors that this head has never heard of. Their creators may be about to tell it: who asks where one is, or watches it,
//! waits a while for that, and only then is told that it is lost.

use super::Supervision;
use mobula_types::actor::Watch;
use mobula_types::{ActorId, NodeId, Time};
use std::collections::{BTreeMap, BTreeSet};

/// A watch: its node, and its number there.
type WatchKey = (NodeId, u64);

/// Who waits for actors to be heard of. Bounded in time and number.
#[derive(Clone, Default, Debug)]
pub(super) struct Unheard {
    by_id: BTreeMap<ActorId, Waiting>,
    until: BTreeSet<(Time, ActorId)>,
    watches: BTreeMap<WatchKey, Watch>,
    /// Listeners, of all together.
    listeners: usize,
}

/// Who waits for one of them.
#[derive(Clone, Default, Debug)]
struct Waiting {
    until: Time,
    listeners: BTreeSet<NodeId>,
    watches: BTreeSet<WatchKey>,
}

/// Who waited for one of them: nodes that listen, and watches.
type Found = (BTreeSet<NodeId>, Vec<(NodeId, Watch)>);

impl Unheard {
    pub(super) fn next_deadline(&self) -> Time {
        self.until.first().map_or(Time::NEVER, |(until, _)| *until)
    }

    fn has_room(&self, most: usize) -> bool {
        self.listeners + self.watches.len() < most
    }

    fn listens(&self, node: &NodeId, id: ActorId) -> bool {
        self.by_id.get(&id).is_some_and(|waiting| waiting.listeners.contains(node))
    }

    fn entry(&mut self, id: ActorId, until: Time) -> &mut Waiting {
        self.by_id.entry(id).or_insert_with(|| {
            self.until.insert((until, id));
            Waiting { until, ..Waiting::default() }
        })
    }

    fn listen(&mut self, node: &NodeId, id: ActorId, until: Time) {
        if self.entry(id, until).listeners.insert(node.clone()) {
            self.listeners += 1;
        }
    }

    fn watch(&mut self, key: WatchKey, watch: Watch, until: Time) {
        self.entry(watch.target, until).watches.insert(key.clone());
        self.watches.insert(key, watch);
    }

    /// Who waited for it, and waits no more.
    fn take(&mut self, id: ActorId) -> Option<Found> {
        let Waiting { until, listeners, watches } = self.by_id.remove(&id)?;
        self.until.remove(&(until, id));
        self.listeners -= listeners.len();
        let watches = watches.into_iter();
        let watches = watches.filter_map(|key| Some((key.0.clone(), self.watches.remove(&key)?)));
        Some((listeners, watches.collect()))
    }

    fn drop_unwanted(&mut self, id: ActorId) {
        let is_unwanted = |waiting: &Waiting| waiting.listeners.is_empty() && waiting.watches.is_empty();
        if self.by_id.get(&id).is_some_and(is_unwanted) {
            self.take(id);
        }
    }

    /// A node waits no more for where an actor is.
    pub(super) fn unlocate(&mut self, node: &NodeId, id: ActorId) {
        if self.by_id.get_mut(&id).is_some_and(|waiting| waiting.listeners.remove(node)) {
            self.listeners -= 1;
            self.drop_unwanted(id);
        }
    }

    /// A watch is over.
    pub(super) fn unwatch(&mut self, key: &WatchKey) {
        let Some(watch) = self.watches.remove(key) else { return };
        if let Some(waiting) = self.by_id.get_mut(&watch.target) {
            waiting.watches.remove(key);
        }
        self.drop_unwanted(watch.target);
    }

    /// A dead node watches nothing. What it would be told it does not hear.
    pub(super) fn unwatch_node(&mut self, node: &NodeId) {
        let all = (node.clone(), 0)..=(node.clone(), u64::MAX);
        for key in self.watches.range(all).map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            self.unwatch(&key);
        }
    }
}

impl Supervision {
    fn is_unheard(&self, id: ActorId) -> bool {
        !self.actors.contains_key(&id)
            && !self.supervisors.contains_key(&id)
            && self.dead.get(id).is_none()
            && !self.is_left_alone(id)
    }

    /// Whether a node that wants to hear of an actor is to wait for its creator. Past the bound it is not.
    pub(super) fn await_creation(&mut self, node: &NodeId, id: ActorId) -> bool {
        let may_wait = self.unheard.listens(node, id) || self.unheard.has_room(self.options.most_unheard);
        let waits = may_wait && self.is_unheard(id);
        if waits {
            self.unheard.listen(node, id, self.now + self.options.await_creations);
        }
        waits
    }

    /// As [`await_creation`](Self::await_creation), of one that is to be watched. Who names an incarnation has heard of it.
    pub(super) fn await_watched(&mut self, key: &WatchKey, watch: Watch) -> bool {
        let may_wait =
            self.unheard.watches.contains_key(key) || self.unheard.has_room(self.options.most_unheard);
        let waits = may_wait && watch.epoch.is_none() && self.is_unheard(watch.target);
        if waits {
            self.unheard.watch(key.clone(), watch, self.now + self.options.await_creations);
        }
        waits
    }

    /// An actor or supervisor is there: who waited for it hears of it from now on.
    pub(super) fn heard_of(&mut self, id: ActorId) {
        let Some((listeners, watches)) = self.unheard.take(id) else { return };
        if let Some(actor) = self.actors.get_mut(&id) {
            let others: Vec<NodeId> =
                listeners.into_iter().filter(|node| !actor.listeners.contains(node)).collect();
            actor.listeners.extend(others);
        }
        watches.into_iter().for_each(|(node, watch)| self.watch(&node, watch));
    }

    /// Those whose creators have said nothing for so long are lost.
    pub(super) fn give_up_unheard(&mut self) {
        while let Some((until, id)) = self.unheard.until.first().copied()
            && until <= self.now
        {
            let Some((listeners, watches)) = self.unheard.take(id) else { return };
            self.tell(listeners.into_iter().collect(), id, 0);
            watches.into_iter().for_each(|(node, watch)| self.register(&node, watch));
        }
    }
}
