//! One roster as the head knows it.

use crate::groups::MOST_ENTRIES;
use mobula_types::NodeId;
use mobula_types::actor::{Roster, RosterEntry, RosterNews, RosterUpdate};
use std::collections::{BTreeMap, BTreeSet};

/// What the nodes have in a roster, and who follows it.
#[derive(Debug, Default)]
pub(super) struct RosterState {
    /// What each node has in it; never empty.
    pub(super) parts: BTreeMap<NodeId, BTreeSet<RosterEntry>>,
    /// Who follows it.
    pub(super) followers: BTreeMap<NodeId, Follower>,
}

/// A node that follows a roster.
#[derive(Debug, Default)]
pub(super) struct Follower {
    /// Whether it was told everything.
    pub(super) is_told: bool,
    /// Counts what it was told.
    version: u64,
}

impl Follower {
    /// What it is told next.
    pub(super) fn update(&mut self, roster: &Roster, news: RosterNews) -> RosterUpdate {
        self.version += 1;
        RosterUpdate { roster: roster.clone(), version: self.version, news }
    }

    /// Has it told everything: what is too much for one message comes as changes behind it.
    pub(super) fn tell_all(
        &mut self,
        roster: &Roster,
        parts: &BTreeMap<NodeId, BTreeSet<RosterEntry>>,
    ) -> Vec<RosterUpdate> {
        self.is_told = true;
        let mut room = MOST_ENTRIES;
        let mut first = Vec::new();
        let mut behind = Vec::new();
        for (node, entries) in parts {
            let mut entries = entries.iter().cloned();
            let fitting: Vec<RosterEntry> = entries.by_ref().take(room).collect();
            room -= fitting.len();
            if !fitting.is_empty() {
                first.push((node.clone(), fitting));
            }
            loop {
                let added: Vec<RosterEntry> = entries.by_ref().take(MOST_ENTRIES).collect();
                if added.is_empty() {
                    break;
                }
                behind.push(RosterNews::Changed { node: node.clone(), added, removed: Vec::new() });
            }
        }
        let news = std::iter::once(RosterNews::Full(first)).chain(behind);
        news.map(|news| self.update(roster, news)).collect()
    }
}

impl RosterState {
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.followers.is_empty()
    }

    /// Takes in what a node has more and less; gives what of it is news.
    pub(super) fn change(
        &mut self,
        node: &NodeId,
        mut added: Vec<RosterEntry>,
        mut removed: Vec<RosterEntry>,
    ) -> Option<RosterNews> {
        let part = self.parts.entry(node.clone()).or_default();
        removed.retain(|entry| part.remove(entry));
        added.retain(|entry| part.insert(entry.clone()));
        if part.is_empty() {
            self.parts.remove(node);
        }
        if added.is_empty() && removed.is_empty() {
            return None;
        }
        Some(RosterNews::Changed { node: node.clone(), added, removed })
    }
}

/// How many entries an update has.
pub(super) fn size(update: &RosterUpdate) -> usize {
    match &update.news {
        RosterNews::Full(parts) => parts.iter().map(|(_, entries)| entries.len()).sum(),
        RosterNews::Changed { added, removed, .. } => added.len() + removed.len(),
        RosterNews::Lost(_) => 0,
    }
}
