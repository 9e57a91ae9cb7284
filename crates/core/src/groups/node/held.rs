//! What the actors and sessions of this node have joined.

use super::Recipient;
use crate::groups::pattern::PatternIndex;
use crate::tasks::SessionKey;
use mobula_types::Incarnation;
use mobula_types::actor::{Roster, RosterChange, RosterEntry, RosterPart};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Somebody who is in groups or has subscriptions, all of which end with it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Holder {
    Actor(Incarnation),
    Session(SessionKey),
}

/// What one holder is in.
#[derive(Debug, Default)]
struct Joined {
    groups: BTreeSet<Roster>,
    subscriptions: BTreeSet<u64>,
}

/// A subscription.
#[derive(Debug)]
pub(super) struct Subscription {
    namespace: Arc<str>,
    pattern: Arc<str>,
    pub(super) recipient: Recipient,
    /// The session that asked for it, which alone may end it.
    pub(super) asker: SessionKey,
}

/// The subscriptions of a namespace.
#[derive(Debug)]
struct Topics {
    index: PatternIndex<u64>,
    /// How many subscriptions have each pattern.
    patterns: BTreeMap<Arc<str>, usize>,
}

/// Everything that this node holds.
#[derive(Debug, Default)]
pub(super) struct Held {
    holders: BTreeMap<Holder, Joined>,
    groups: BTreeMap<Roster, BTreeSet<Incarnation>>,
    subscriptions: BTreeMap<u64, Subscription>,
    topics: BTreeMap<Arc<str>, Topics>,
    last: u64,
}

impl Recipient {
    pub(super) fn holder(&self) -> Holder {
        match self {
            Recipient::Session(session) => Holder::Session(*session),
            Recipient::Actor { incarnation, .. } => Holder::Actor(*incarnation),
        }
    }
}

impl Held {
    /// How many groups and subscriptions somebody has.
    pub(super) fn count(&self, holder: Holder) -> usize {
        self.holders.get(&holder).map_or(0, |joined| joined.groups.len() + joined.subscriptions.len())
    }

    pub(super) fn join(&mut self, group: Roster, member: Incarnation) -> Option<RosterChange> {
        if !self.groups.entry(group.clone()).or_default().insert(member) {
            return None;
        }
        self.holders.entry(Holder::Actor(member)).or_default().groups.insert(group.clone());
        Some(RosterChange { roster: group, entry: RosterEntry::Member(member), is_in: true })
    }

    pub(super) fn leave(&mut self, group: Roster, member: Incarnation) -> Option<RosterChange> {
        let members = self.groups.get_mut(&group)?;
        if !members.remove(&member) {
            return None;
        }
        if members.is_empty() {
            self.groups.remove(&group);
        }
        self.note_less(Holder::Actor(member), |joined| {
            joined.groups.remove(&group);
        });
        Some(RosterChange { roster: group, entry: RosterEntry::Member(member), is_in: false })
    }

    /// Adds a subscription; gives its number, and what that means to others.
    pub(super) fn subscribe(
        &mut self,
        namespace: Arc<str>,
        pattern: Arc<str>,
        recipient: Recipient,
        asker: SessionKey,
    ) -> (u64, Option<RosterChange>) {
        self.last += 1;
        let number = self.last;
        self.holders.entry(recipient.holder()).or_default().subscriptions.insert(number);
        let topics = self
            .topics
            .entry(namespace.clone())
            .or_insert_with(|| Topics { index: PatternIndex::new(), patterns: BTreeMap::new() });
        topics.index.insert(&pattern, number);
        let count = topics.patterns.entry(pattern.clone()).or_default();
        *count += 1;
        let is_first = *count == 1;
        let change = is_first.then(|| pattern_change(&namespace, &pattern, true));
        self.subscriptions.insert(number, Subscription { namespace, pattern, recipient, asker });
        (number, change)
    }

    pub(super) fn unsubscribe(&mut self, number: u64) -> Option<RosterChange> {
        let Subscription { namespace, pattern, recipient, asker: _ } = self.subscriptions.remove(&number)?;
        self.note_less(recipient.holder(), |joined| {
            joined.subscriptions.remove(&number);
        });
        let topics = self.topics.get_mut(&namespace)?;
        topics.index.remove(&pattern, &number);
        let count = topics.patterns.get_mut(&pattern)?;
        *count -= 1;
        if *count > 0 {
            return None;
        }
        topics.patterns.remove(&pattern);
        if topics.patterns.is_empty() {
            self.topics.remove(&namespace);
        }
        Some(pattern_change(&namespace, &pattern, false))
    }

    /// Somebody is gone, with all that it has joined.
    pub(super) fn gone(&mut self, holder: Holder) -> Vec<RosterChange> {
        let Some(Joined { groups, subscriptions }) = self.holders.remove(&holder) else { return Vec::new() };
        let mut changes = Vec::new();
        if let Holder::Actor(member) = holder {
            changes.extend(groups.into_iter().filter_map(|group| self.leave(group, member)));
        }
        changes.extend(subscriptions.into_iter().filter_map(|number| self.unsubscribe(number)));
        changes
    }

    fn note_less(&mut self, holder: Holder, change: impl FnOnce(&mut Joined)) {
        if let Some(joined) = self.holders.get_mut(&holder) {
            change(joined);
            if joined.groups.is_empty() && joined.subscriptions.is_empty() {
                self.holders.remove(&holder);
            }
        }
    }

    pub(super) fn members(&self, group: &Roster) -> impl Iterator<Item = Incarnation> + '_ {
        self.groups.get(group).into_iter().flatten().copied()
    }

    pub(super) fn subscription(&self, number: u64) -> Option<&Subscription> {
        self.subscriptions.get(&number)
    }

    /// The subscriptions that want a message.
    pub(super) fn matching(&self, namespace: &str, topic: &str) -> BTreeSet<u64> {
        self.topics.get(namespace).map(|topics| topics.index.matching(topic)).unwrap_or_default()
    }

    /// Everything, as a head is told of it: so many entries, and those behind as changes.
    pub(super) fn parts(&self, most: usize) -> (Vec<RosterPart>, Vec<RosterChange>) {
        let groups = self.groups.iter().map(|(roster, members)| {
            let entries: Vec<_> = members.iter().copied().map(RosterEntry::Member).collect();
            (roster.clone(), entries)
        });
        let topics = self.topics.iter().map(|(namespace, topics)| {
            let entries: Vec<_> = topics.patterns.keys().cloned().map(RosterEntry::Pattern).collect();
            (Roster::Topics { namespace: namespace.clone() }, entries)
        });
        let (mut parts, mut behind) = (Vec::new(), Vec::new());
        let mut room = most;
        for (roster, mut entries) in groups.chain(topics) {
            for entry in entries.drain(room.min(entries.len())..) {
                behind.push(RosterChange { roster: roster.clone(), entry, is_in: true });
            }
            room -= entries.len();
            if !entries.is_empty() {
                parts.push(RosterPart { roster, entries });
            }
        }
        (parts, behind)
    }
}

fn pattern_change(namespace: &Arc<str>, pattern: &Arc<str>, is_in: bool) -> RosterChange {
    RosterChange {
        roster: Roster::Topics { namespace: namespace.clone() },
        entry: RosterEntry::Pattern(pattern.clone()),
        is_in,
    }
}
