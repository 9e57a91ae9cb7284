//! One roster as the head knows it.

use mobula_types::NodeId;
use mobula_types::actor::{Roster, RosterEntry, RosterNews, RosterUpdate};
use std::collections::{BTreeMap, BTreeSet};

/// What the nodes have in a roster, and who follows it.
#[derive(Debug, Default)]
pub(super) struct RosterState {
    /// Counts its changes.
    pub(super) version: u64,
    /// What each node has in it; never empty.
    pub(super) parts: BTreeMap<NodeId, BTreeSet<RosterEntry>>,
    /// Who follows it, and whether that node was told everything.
    pub(super) followers: BTreeMap<NodeId, bool>,
}

impl RosterState {
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.followers.is_empty()
    }

    /// Everything.
    pub(super) fn full(&self, roster: &Roster) -> RosterUpdate {
        let parts = self.parts.iter();
        let parts = parts.map(|(node, entries)| (node.clone(), entries.iter().cloned().collect()));
        RosterUpdate {
            roster: roster.clone(),
            version: self.version,
            news: RosterNews::Full(parts.collect()),
        }
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
        self.version += 1;
        Some(RosterNews::Changed { node: node.clone(), added, removed })
    }
}
