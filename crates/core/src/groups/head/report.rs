//! What nodes report.

use super::memberships::Memberships;
use super::roster::Follower;
use mobula_types::NodeId;
use mobula_types::actor::{Follow, GroupReport, Roster, RosterChange, RosterEntry, RosterPart};
use std::collections::{BTreeMap, BTreeSet};

impl Memberships {
    pub(super) fn reported(&mut self, node: &NodeId, report: GroupReport) {
        if !self.nodes.contains_key(node) {
            return;
        }
        match report {
            GroupReport::All { held, followed } => self.told_all(node, held, followed),
            GroupReport::Changed(changes) => self.changed(node, changes),
            GroupReport::Follow(follow) => self.follow(node, follow),
            GroupReport::Unfollow(roster) => {
                if let Some(known) = self.nodes.get_mut(node) {
                    known.follows.remove(&roster);
                }
                self.unfollow_roster(node, &roster);
            }
        }
    }

    fn told_all(&mut self, node: &NodeId, held: Vec<RosterPart>, followed: Vec<Follow>) {
        self.unheard.remove(node);
        let Some(known) = self.nodes.get_mut(node) else { return };
        let mut before: BTreeSet<Roster> = known.holds.clone();
        let follows = std::mem::take(&mut known.follows);
        for roster in &follows {
            self.unfollow_roster(node, roster);
        }
        for RosterPart { roster, entries } in held {
            before.remove(&roster);
            let entries: BTreeSet<RosterEntry> = entries.into_iter().collect();
            let had = self.rosters.get(&roster).and_then(|state| state.parts.get(node));
            let less = had.map(|had| had.difference(&entries).cloned().collect()).unwrap_or_default();
            self.change_roster(node, &roster, entries.into_iter().collect(), less);
        }
        for roster in before {
            let had = self.rosters.get(&roster).and_then(|state| state.parts.get(node));
            let less = had.map(|had| had.iter().cloned().collect()).unwrap_or_default();
            self.change_roster(node, &roster, Vec::new(), less);
        }
        for follow in followed {
            self.follow(node, follow);
        }
    }

    fn changed(&mut self, node: &NodeId, changes: Vec<RosterChange>) {
        // The last change of an entry counts.
        let mut by_roster: BTreeMap<Roster, BTreeMap<RosterEntry, bool>> = BTreeMap::new();
        for RosterChange { roster, entry, is_in } in changes {
            by_roster.entry(roster).or_default().insert(entry, is_in);
        }
        for (roster, entries) in by_roster {
            let (added, removed): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(_, is_in)| *is_in);
            let entries = |list: Vec<(RosterEntry, bool)>| list.into_iter().map(|(entry, _)| entry).collect();
            self.change_roster(node, &roster, entries(added), entries(removed));
        }
    }

    fn change_roster(
        &mut self,
        node: &NodeId,
        roster: &Roster,
        added: Vec<RosterEntry>,
        removed: Vec<RosterEntry>,
    ) {
        let state = self.rosters.entry(roster.clone()).or_default();
        let news = state.change(node, added, removed);
        let holds = state.parts.contains_key(node);
        if let Some(known) = self.nodes.get_mut(node) {
            if holds {
                known.holds.insert(roster.clone());
            } else {
                known.holds.remove(roster);
            }
        }
        if let Some(news) = news {
            self.publish(roster, &news);
        }
        self.tidy(roster);
    }

    /// A node that knows something already is told once everybody has been heard; one that knows nothing, at once.
    fn follow(&mut self, node: &NodeId, follow: Follow) {
        let Follow { roster, has_view } = follow;
        let state = self.rosters.entry(roster.clone()).or_default();
        let mut follower = Follower::default();
        let all =
            if self.settled || !has_view { follower.tell_all(&roster, &state.parts) } else { Vec::new() };
        state.followers.insert(node.clone(), follower);
        if !all.is_empty() {
            self.tell(node, all);
        }
        if let Some(known) = self.nodes.get_mut(node) {
            known.follows.insert(roster);
        }
    }
}
