//! A roster that the node follows: what the other nodes have in it, and what waits for that to be known.

use crate::groups::pattern::PatternIndex;
use crate::tasks::SessionKey;
use mobula_types::actor::{Publication, RosterEntry, RosterNews};
use mobula_types::{Incarnation, NodeId, Time};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// A roster that the node follows.
#[derive(Debug)]
pub(super) struct Followed {
    /// What the other nodes have, as far as is known.
    pub(super) view: View,
    /// Whether anything is.
    pub(super) has_view: bool,
    /// Which of the head's versions that is; none where the head was asked for all of it.
    pub(super) version: Option<u64>,
    /// When it was last of use.
    pub(super) used: Time,
    /// Until when what waits does so.
    pub(super) give_up: Time,
    /// Questions that wait.
    pub(super) asks: Vec<(SessionKey, u64)>,
    /// Messages that wait, in order.
    pub(super) publications: VecDeque<Arc<Publication>>,
    pub(super) bytes: usize,
}

/// How an update was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Taken {
    /// The view is as the head's.
    Known,
    /// It is not for now.
    Ignored,
    /// One before it was missed.
    Missed,
}

impl Followed {
    pub(super) fn new(now: Time) -> Self {
        Followed {
            view: View { parts: BTreeMap::new(), index: PatternIndex::new() },
            has_view: false,
            version: None,
            used: now,
            give_up: Time::NEVER,
            asks: Vec::new(),
            publications: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Takes in what a head says; `own` is this node, whose part it knows better.
    pub(super) fn take(&mut self, own: &NodeId, version: u64, news: RosterNews) -> Taken {
        if let RosterNews::Full(parts) = news {
            self.view = View { parts: BTreeMap::new(), index: PatternIndex::new() };
            for (node, entries) in parts.into_iter().filter(|(node, _)| node != own) {
                entries.into_iter().for_each(|entry| self.view.add(&node, entry));
            }
            (self.has_view, self.version) = (true, Some(version));
            return Taken::Known;
        }
        let Some(known) = self.version else { return Taken::Ignored };
        if version != known + 1 {
            self.version = None;
            return Taken::Missed;
        }
        self.version = Some(version);
        match news {
            RosterNews::Changed { node, added, removed } if node != *own => {
                removed.iter().for_each(|entry| self.view.remove(&node, entry));
                added.into_iter().for_each(|entry| self.view.add(&node, entry));
            }
            RosterNews::Lost(node) => self.view.lose(&node),
            RosterNews::Changed { .. } | RosterNews::Full(_) => {}
        }
        Taken::Known
    }

    /// Keeps a message until the roster is known; `false` where too much waits.
    pub(super) fn wait(&mut self, publication: Arc<Publication>, most: usize, most_bytes: usize) -> bool {
        let bytes = publication.payload.len() + publication.topic.len();
        if self.publications.len() >= most || self.bytes + bytes > most_bytes {
            return false;
        }
        self.bytes += bytes;
        self.publications.push_back(publication);
        true
    }

    pub(super) fn is_waited_for(&self) -> bool {
        !(self.asks.is_empty() && self.publications.is_empty())
    }

    /// When it is to be looked at again.
    pub(super) fn due(&self, idle: std::time::Duration) -> Time {
        self.give_up.min(self.used + idle)
    }
}

/// What other nodes have in a roster.
#[derive(Debug)]
pub(super) struct View {
    parts: BTreeMap<NodeId, BTreeSet<RosterEntry>>,
    /// Of topics: which node has each pattern.
    index: PatternIndex<NodeId>,
}

impl View {
    fn add(&mut self, node: &NodeId, entry: RosterEntry) {
        if let RosterEntry::Pattern(pattern) = &entry {
            self.index.insert(pattern, node.clone());
        }
        self.parts.entry(node.clone()).or_default().insert(entry);
    }

    fn remove(&mut self, node: &NodeId, entry: &RosterEntry) {
        if let RosterEntry::Pattern(pattern) = entry {
            self.index.remove(pattern, node);
        }
        if let Some(part) = self.parts.get_mut(node) {
            part.remove(entry);
            if part.is_empty() {
                self.parts.remove(node);
            }
        }
    }

    fn lose(&mut self, node: &NodeId) {
        for entry in self.parts.remove(node).unwrap_or_default() {
            if let RosterEntry::Pattern(pattern) = &entry {
                self.index.remove(pattern, node);
            }
        }
    }

    pub(super) fn members(&self) -> impl Iterator<Item = Incarnation> + '_ {
        self.parts.values().flatten().filter_map(RosterEntry::member)
    }

    pub(super) fn nodes_for(&self, topic: &str) -> BTreeSet<NodeId> {
        self.index.matching(topic)
    }
}
