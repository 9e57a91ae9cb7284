//! Monitors and links: who is told when an incarnation exits. A head keeps them as its nodes tell them, and a later head
//! hears of them again.

use super::Supervision;
use super::actor::Phase;
use super::outbox::Said;
use mobula_types::actor::{Down, LinkChange, LinkDown, Watch, WatchBound, WatchKind};
use mobula_types::{ActorId, Epoch, ExitKind, ExitReason, Incarnation, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// How many ends of links are remembered for a node, lest it has not heard of them.
const MOST_LINK_DOWNS: usize = 1000;

/// A watch: its node, and its number there.
type WatchKey = (NodeId, u64);

/// The watches without a `Down` so far.
#[derive(Clone, Default, Debug)]
pub(super) struct Watches {
    watches: BTreeMap<WatchKey, (Watch, Epoch)>,
    by_target: BTreeMap<ActorId, BTreeSet<WatchKey>>,
    by_watcher: BTreeMap<Incarnation, BTreeSet<WatchKey>>,
}

impl Watches {
    fn insert(&mut self, key: WatchKey, watch: Watch, epoch: Epoch) {
        self.by_target.entry(watch.target).or_default().insert(key.clone());
        if let Some(watcher) = watch.watcher {
            self.by_watcher.entry(watcher).or_default().insert(key.clone());
        }
        self.watches.insert(key, (watch, epoch));
    }

    fn remove(&mut self, key: &WatchKey) -> Option<(Watch, Epoch)> {
        let (watch, epoch) = self.watches.remove(key)?;
        remove_from(&mut self.by_target, &watch.target, key);
        if let Some(watcher) = watch.watcher {
            remove_from(&mut self.by_watcher, &watcher, key);
        }
        Some((watch, epoch))
    }
}

fn remove_from<K: Ord>(index: &mut BTreeMap<K, BTreeSet<WatchKey>>, at: &K, key: &WatchKey) {
    if let Some(keys) = index.get_mut(at) {
        keys.remove(key);
        if keys.is_empty() {
            index.remove(at);
        }
    }
}

/// The incarnation of the moment, for who begins to watch.
enum Moment {
    /// It lives, or is the one that comes first.
    Lives(Epoch),
    /// It has exited.
    Exited(Incarnation, ExitReason),
}

impl Supervision {
    pub(super) fn watch(&mut self, node: &NodeId, watch: Watch) {
        let key = (node.clone(), watch.number);
        let is_known = self.watches.watches.contains_key(&key) || self.is_link_of_the_dead(&watch);
        if !is_known && !self.await_watched(&key, watch) {
            self.register(node, watch);
        }
    }

    /// Takes up a watch, or ends it at once where what it names has exited, or is lost.
    pub(super) fn register(&mut self, node: &NodeId, watch: Watch) {
        let key = (node.clone(), watch.number);
        let moment = match (self.moment(watch.target, watch.epoch), watch.epoch) {
            (Moment::Lives(epoch), Some(bound)) if epoch != bound => self.earlier(watch.target, bound),
            (Moment::Exited(incarnation, _), Some(bound)) if incarnation.epoch != bound => {
                self.earlier(watch.target, bound)
            }
            (moment, _) => moment,
        };
        match moment {
            Moment::Lives(epoch) => {
                self.watches.insert(key, watch, epoch);
                if watch.epoch.is_none() {
                    let bound = WatchBound { number: watch.number, epoch };
                    self.say(self.write_of(watch.target), Said::Watching(node.clone(), bound));
                }
                self.say_link(&watch, epoch, true);
            }
            Moment::Exited(incarnation, reason) => {
                let down = Down { number: watch.number, incarnation, reason };
                let write = self.write_of(watch.target);
                self.say(write, Said::Down(node.clone(), down));
            }
        }
    }

    /// A node tells of the links of its actors for a while after those have exited: whom they were linked to may not have
    /// heard of it, where a stream broke or another head leads.
    fn is_link_of_the_dead(&mut self, watch: &Watch) -> bool {
        let Some(watcher) = watch.watcher.filter(|_| watch.kind == WatchKind::Link) else { return false };
        let (epoch, last, write) = match (self.actors.get(&watcher.actor), self.dead.get(watcher.actor)) {
            (Some(actor), _) if actor.is_granted() && actor.epoch == watcher.epoch => return false,
            (Some(actor), _) => (actor.epoch, actor.last.clone(), actor.write),
            (None, Some(dead)) => {
                (dead.incarnation.epoch, Some((dead.incarnation.epoch, dead.exit().clone())), dead.write)
            }
            (None, None) => return false,
        };
        if epoch < watcher.epoch {
            return false;
        }
        let reason = last.filter(|(of, _)| *of == watcher.epoch).map(|(_, reason)| reason);
        if let (Some(epoch), Some(reason)) = (watch.epoch, reason) {
            let linked = Incarnation { actor: watch.target, epoch };
            self.say_link_down(linked, watcher, &reason, write);
        }
        true
    }

    fn moment(&self, id: ActorId, bound: Option<Epoch>) -> Moment {
        if let Some((incarnation, exit)) = self.moment_of_left_alone(id) {
            return match (incarnation, exit, bound) {
                (Some(incarnation), Some(reason), _) => Moment::Exited(incarnation, reason),
                (Some(incarnation), None, _) => Moment::Lives(incarnation.epoch),
                (None, _, Some(bound)) => Moment::Lives(bound),
                // Its incarnation is not known: there is nothing that the watch could name.
                (None, _, None) => self.earlier(id, Epoch(0)),
            };
        }
        if let Some(actor) = self.actors.get(&id) {
            return match &actor.last {
                Some((epoch, reason)) if !actor.is_granted() => {
                    Moment::Exited(Incarnation { actor: id, epoch: *epoch }, reason.clone())
                }
                _ if actor.is_granted() => Moment::Lives(actor.epoch),
                _ => Moment::Lives(actor.epoch.next()),
            };
        }
        if let Some(supervisor) = self.supervisors.get(&id) {
            return match &supervisor.last {
                Some(reason) if !supervisor.running => {
                    Moment::Exited(supervisor.incarnation(id), reason.clone())
                }
                _ if supervisor.running => Moment::Lives(supervisor.epoch),
                _ => Moment::Lives(supervisor.epoch.next()),
            };
        }
        match self.dead.get(id) {
            Some(dead) => Moment::Exited(dead.incarnation, dead.exit().clone()),
            None => self.earlier(id, Epoch(0)),
        }
    }

    /// An incarnation of which no more is known than that it is over.
    fn earlier(&self, actor: ActorId, epoch: Epoch) -> Moment {
        let known = self.actors.get(&actor).and_then(|actor| actor.last.as_ref());
        let reason = known.filter(|(of, _)| *of == epoch).map(|(_, reason)| reason.clone());
        let reason = reason.unwrap_or_else(|| ExitReason::of(ExitKind::Lost));
        Moment::Exited(Incarnation { actor, epoch }, reason)
    }

    /// An epoch was granted. Where the one before was taken back before any node had heard of it, who watches that watches
    /// this one.
    pub(super) fn rebind_watches(&mut self, id: ActorId, epoch: Epoch) {
        let Some(keys) = self.watches.by_target.get(&id).cloned() else { return };
        for key in keys {
            let Some((_, bound)) = self.watches.watches.get_mut(&key) else { continue };
            if *bound < epoch {
                *bound = epoch;
                let (node, number) = key;
                self.say(self.write_of(id), Said::Watching(node, WatchBound { number, epoch }));
            }
        }
    }

    pub(super) fn unwatch(&mut self, node: &NodeId, number: u64) {
        self.unheard.unwatch(&(node.clone(), number));
        if let Some((watch, epoch)) = self.watches.remove(&(node.clone(), number)) {
            self.say_link(&watch, epoch, false);
        }
    }

    /// Tells the node of an actor that another one has linked itself with it, so that it tells later heads of that too. One
    /// that has not started hears of it when it has.
    fn say_link(&mut self, watch: &Watch, epoch: Epoch, holds: bool) {
        let Some(by) = watch.watcher.filter(|_| watch.kind == WatchKind::Link) else { return };
        let Some(actor) = self.actors.get(&watch.target) else { return };
        let runs = actor.phase == Phase::Running && actor.epoch == epoch;
        if let Some(node) = actor.node.clone().filter(|_| runs) {
            let linked = Incarnation { actor: watch.target, epoch };
            self.say(actor.write, Said::Link(node, LinkChange { linked, by, holds }));
        }
    }

    /// An actor is there: its node hears who has linked itself with it.
    pub(super) fn say_links(&mut self, id: ActorId) {
        let Some(keys) = self.watches.by_target.get(&id) else { return };
        let links = keys.iter().filter_map(|key| self.watches.watches.get(key).copied());
        for (watch, epoch) in links.collect::<Vec<_>>() {
            self.say_link(&watch, epoch, true);
        }
    }

    /// A dead node watches nothing. Links of what keeps on there last as long as that: their other ends hear of its exit.
    pub(super) fn unwatch_node(&mut self, node: &NodeId) {
        self.unheard.unwatch_node(node);
        let all = (node.clone(), 0)..=(node.clone(), u64::MAX);
        let keeps_on = |watcher: Incarnation| {
            let actor = self.actors.get(&watcher.actor);
            actor.is_some_and(|actor| actor.epoch == watcher.epoch && actor.phase == Phase::Isolated)
        };
        let is_over = |watch: &Watch| watch.kind != WatchKind::Link || !watch.watcher.is_some_and(keeps_on);
        let over = self.watches.watches.range(all).filter(|(_, (watch, _))| is_over(watch));
        let keys: Vec<WatchKey> = over.map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.watches.remove(&key);
        }
    }

    /// Tells who watched an incarnation of its exit, and whom it was linked to.
    pub(super) fn say_downs(&mut self, incarnation: Incarnation, reason: &ExitReason, write: u64) {
        let watching = self.watches.by_target.get(&incarnation.actor);
        let of_this = |key: &&WatchKey| {
            self.watches.watches.get(*key).is_some_and(|(_, epoch)| *epoch == incarnation.epoch)
        };
        let keys: Vec<WatchKey> = watching.into_iter().flatten().filter(of_this).cloned().collect();
        for key in keys {
            self.watches.remove(&key);
            let (node, number) = key;
            let down = Down { number, incarnation, reason: reason.clone() };
            self.say(write, Said::Down(node, down));
        }
        let own = self.watches.by_watcher.get(&incarnation).cloned().unwrap_or_default();
        for key in own {
            let Some((watch, epoch)) = self.watches.remove(&key) else { continue };
            if watch.kind == WatchKind::Link {
                let linked = Incarnation { actor: watch.target, epoch };
                self.say_link_down(linked, incarnation, reason, write);
            }
        }
    }

    /// Tells who still watches something that is dead for good: what they watch was never heard of by any node, or is to come
    /// no more.
    pub(super) fn say_last_downs(&mut self, id: ActorId, reason: &ExitReason, write: u64) {
        for key in self.watches.by_target.get(&id).cloned().unwrap_or_default() {
            let Some((_, epoch)) = self.watches.remove(&key) else { continue };
            let (node, number) = key;
            let down = Down { number, incarnation: Incarnation { actor: id, epoch }, reason: reason.clone() };
            self.say(write, Said::Down(node, down));
        }
    }

    fn say_link_down(&mut self, linked: Incarnation, exited: Incarnation, reason: &ExitReason, write: u64) {
        let Some(actor) = self.actors.get(&linked.actor) else { return };
        let Some(node) = actor.node.clone().filter(|_| actor.epoch == linked.epoch && actor.is_granted())
        else {
            return;
        };
        let order = LinkDown { linked, exited, reason: reason.clone() };
        // It is told once more when it joins again: nobody there asks for it.
        if let Some(known) =
            self.nodes.get_mut(&node).filter(|known| !known.link_downs.iter().any(|(_, said)| *said == order))
        {
            if known.link_downs.len() >= MOST_LINK_DOWNS {
                known.link_downs.pop_front();
            }
            known.link_downs.push_back((write, order.clone()));
        }
        self.say(write, Said::LinkDown(node, order));
    }
}
