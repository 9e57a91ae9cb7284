//! What a node of the test has.

use mobula_types::actor::*;
use mobula_types::{ActorId, ExitReason, Time};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A node of the test.
#[derive(Default, Debug)]
pub(super) struct TestNode {
    pub(super) connected: bool,
    pub(super) inbox: VecDeque<ActorOrder>,
    pub(super) actors: BTreeMap<Incarnation, ActorState>,
    pub(super) stops: BTreeMap<Incarnation, ExitReason>,
    /// Those whose constructors wanted no actor, until that is recorded.
    pub(super) ignored: BTreeSet<Incarnation>,
    pub(super) exits: Vec<(ExitReport, Time)>,
    pub(super) located: BTreeMap<ActorId, Location>,
    pub(super) downs: Vec<Down>,
    pub(super) link_downs: Vec<(Incarnation, Incarnation)>,
    pub(super) watches: BTreeMap<u64, Watch>,
    pub(super) observations: Vec<Observation>,
    pub(super) changes: BTreeMap<u64, Vec<StateChange>>,
}

impl TestNode {
    /// Watches are registered.
    pub(super) fn bind(&mut self, bounds: &[WatchBound]) {
        for bound in bounds {
            self.watches.get_mut(&bound.number).expect("a watch").epoch = Some(bound.epoch);
        }
    }

    /// Other actors have linked themselves with some of this node: the links are told to heads from here too, when it joins.
    pub(super) fn take_links(&mut self, links: &[LinkChange]) {
        for LinkChange { linked, by, holds } in links.iter().copied() {
            let is_this = |watch: &Watch| {
                watch.watcher == Some(linked) && watch.target == by.actor && watch.epoch == Some(by.epoch)
            };
            if !holds {
                self.watches.retain(|_, watch| !is_this(watch));
            } else if !self.watches.values().any(is_this) {
                let number = 1_000_000 + self.watches.len() as u64;
                let (watcher, target, epoch) = (Some(linked), by.actor, Some(by.epoch));
                self.watches.insert(number, Watch { number, watcher, target, epoch, kind: WatchKind::Link });
            }
        }
    }

    /// What it has, in two parts.
    pub(super) fn inventory(&self, now: Time) -> [ActorReport; 2] {
        let actors = self.actors.iter();
        let actors =
            actors.map(|(incarnation, state)| HostedActor { incarnation: *incarnation, state: *state });
        let exits = self.exits.iter();
        let exits = exits.map(|(exit, at)| ExitReport { age: now.since(*at), ..exit.clone() });
        let first = ActorReport::Inventory {
            actors: actors.collect(),
            exits: Vec::new(),
            ignored: self.ignored.iter().copied().collect(),
            located: Vec::new(),
            watches: Vec::new(),
            last: false,
        };
        let rest = ActorReport::Inventory {
            actors: Vec::new(),
            exits: exits.collect(),
            ignored: Vec::new(),
            located: self.located.keys().copied().collect(),
            watches: self.watches.values().copied().collect(),
            last: true,
        };
        [first, rest]
    }

    /// What an observer is told of one actor is in order.
    pub(super) fn take_changes(&mut self, number: u64, changes: Vec<StateChange>) {
        let told = self.changes.entry(number).or_default();
        for change in changes {
            let before = told.iter().rev().find(|before| before.actor == change.actor);
            let is_behind = before.is_some_and(|before| change.epoch < before.epoch && !change.is_final);
            assert!(!is_behind, "{change:?} is told behind {before:?}");
            told.push(change);
        }
    }
}
