//! The machine of the head's side.

use super::roster::{RosterState, size};
use super::{Effect, Event, MembershipsOptions};
use crate::groups::MOST_ENTRIES;
use mobula_types::actor::{Roster, RosterNews, RosterUpdate};
use mobula_types::{NodeId, Time};
use std::collections::{BTreeMap, BTreeSet};

/// What all nodes hold, as far as they have said. As much as they hold: each bounds what one of its actors and sessions may
/// join, and what it follows.
#[derive(Debug)]
pub struct Memberships {
    /// The nodes that have joined, or did under the leader before.
    pub(super) nodes: BTreeMap<NodeId, Node>,
    pub(super) rosters: BTreeMap<Roster, RosterState>,
    /// Nodes that have not said what they hold.
    pub(super) unheard: BTreeSet<NodeId>,
    /// Whether all had the time to.
    pub(super) settled: bool,
    settle_at: Time,
    /// What this event makes known, by node.
    updates: BTreeMap<NodeId, Vec<RosterUpdate>>,
}

/// A node.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// The rosters that it has something in.
    pub(super) holds: BTreeSet<Roster>,
    /// The rosters that it follows.
    pub(super) follows: BTreeSet<Roster>,
}

impl Memberships {
    /// A leader begins, and expects to hear from these nodes.
    pub fn lead(now: Time, options: &MembershipsOptions, expected: impl IntoIterator<Item = NodeId>) -> Self {
        let unheard: BTreeSet<NodeId> = expected.into_iter().collect();
        Memberships {
            nodes: unheard.iter().map(|node| (node.clone(), Node::default())).collect(),
            rosters: BTreeMap::new(),
            settled: unheard.is_empty(),
            unheard,
            settle_at: now + options.settle,
            updates: BTreeMap::new(),
        }
    }

    /// Takes in what happened at `now`, and appends what is to be done about it.
    pub fn on_event(&mut self, now: Time, event: Event, effects: &mut Vec<Effect>) {
        match event {
            Event::Joined { node } => {
                if !self.nodes.contains_key(&node) {
                    self.nodes.insert(node.clone(), Node::default());
                    self.unheard.insert(node);
                }
            }
            Event::Reported { node, report } => self.reported(&node, report),
            Event::Lost { node } => self.lost(&node),
            Event::Tick => {}
        }
        if !self.settled && (self.unheard.is_empty() || now >= self.settle_at) {
            self.settle();
        }
        for (node, updates) in std::mem::take(&mut self.updates) {
            tell_in_messages(&node, updates, effects);
        }
    }

    /// When the next [`Event::Tick`] is wanted.
    pub fn next_deadline(&self) -> Time {
        if self.settled { Time::NEVER } else { self.settle_at }
    }

    /// What is known is told to everybody from now on.
    fn settle(&mut self) {
        self.settled = true;
        for (roster, state) in &mut self.rosters {
            let RosterState { parts, followers } = state;
            for (node, follower) in followers.iter_mut().filter(|(_, follower)| !follower.is_told) {
                let all = follower.tell_all(roster, parts);
                self.updates.entry(node.clone()).or_default().extend(all);
            }
        }
    }

    fn lost(&mut self, node: &NodeId) {
        self.unheard.remove(node);
        let Some(Node { holds, follows }) = self.nodes.remove(node) else { return };
        for roster in follows {
            self.unfollow_roster(node, &roster);
        }
        for roster in holds {
            let Some(state) = self.rosters.get_mut(&roster) else { continue };
            if state.parts.remove(node).is_some() {
                self.publish(&roster, &RosterNews::Lost(node.clone()));
            }
            self.tidy(&roster);
        }
    }

    /// Tells the followers that were told everything what is new.
    pub(super) fn publish(&mut self, roster: &Roster, news: &RosterNews) {
        let Some(state) = self.rosters.get_mut(roster) else { return };
        for (node, follower) in state.followers.iter_mut().filter(|(_, follower)| follower.is_told) {
            let update = follower.update(roster, news.clone());
            self.updates.entry(node.clone()).or_default().push(update);
        }
    }

    pub(super) fn tell(&mut self, node: &NodeId, updates: Vec<RosterUpdate>) {
        self.updates.entry(node.clone()).or_default().extend(updates);
    }

    pub(super) fn unfollow_roster(&mut self, node: &NodeId, roster: &Roster) {
        if let Some(state) = self.rosters.get_mut(roster) {
            state.followers.remove(node);
            self.tidy(roster);
        }
    }

    /// Forgets a roster that nobody is in and nobody follows.
    pub(super) fn tidy(&mut self, roster: &Roster) {
        if self.rosters.get(roster).is_some_and(RosterState::is_empty) {
            self.rosters.remove(roster);
        }
    }
}

/// Tells a node what is new, in messages that are not too large.
fn tell_in_messages(node: &NodeId, updates: Vec<RosterUpdate>, effects: &mut Vec<Effect>) {
    let mut message = Vec::new();
    let mut entries = 0;
    for update in updates {
        // Each takes some room beside its entries.
        let size = 1 + size(&update);
        if entries + size > MOST_ENTRIES + 1 && !message.is_empty() {
            effects.push(Effect::Tell { node: node.clone(), updates: std::mem::take(&mut message) });
            entries = 0;
        }
        entries += size;
        message.push(update);
    }
    effects.push(Effect::Tell { node: node.clone(), updates: message });
}
