//! The machine of the node's side.

use super::followed::{Followed, Taken};
use super::held::{Held, Holder};
use super::{Effect, Event, GroupsOptions};
use crate::groups::MOST_ENTRIES;
use indexmap::IndexMap;
use mobula_types::Time;
use mobula_types::actor::{Follow, GroupReport, Roster, RosterChange, RosterUpdate};
use std::collections::BTreeSet;

/// What this node's actors and sessions are in, and what it knows of others' groups and topics.
#[derive(Debug)]
pub struct Groups {
    pub(super) options: GroupsOptions,
    /// The time of the event that is being handled.
    pub(super) now: Time,
    pub(super) held: Held,
    pub(super) followed: IndexMap<Roster, Followed, foldhash::fast::FixedState>,
    /// When rosters are to be looked at; one that is due earlier than it says is looked at once more.
    due: BTreeSet<(Time, Roster)>,
}

impl Groups {
    /// Nobody has joined anything.
    pub fn new(options: GroupsOptions) -> Self {
        Groups {
            options,
            now: Time::ZERO,
            held: Held::default(),
            followed: IndexMap::default(),
            due: BTreeSet::new(),
        }
    }

    /// Takes in what happened at `now`, and appends what is to be done about it.
    pub fn on_event(&mut self, now: Time, event: Event, effects: &mut Vec<Effect>) {
        self.now = now;
        match event {
            Event::Publish(publication) => self.publish(&publication, effects),
            Event::Distributed(publication) => self.deliver(&publication, effects),
            Event::Enrol { asker, enrolment } => self.enrol(asker, enrolment, effects),
            Event::Members { asker, namespace, group } => {
                self.members(asker, Roster::Group { namespace, name: group }, effects);
            }
            Event::Subscribe { asker, namespace, pattern, recipient } => {
                self.subscribe(asker, namespace, pattern, recipient, effects);
            }
            Event::Unsubscribe { asker, subscription } => self.unsubscribe(asker, subscription, effects),
            Event::Exited { incarnation } => self.gone(Holder::Actor(incarnation), effects),
            Event::SessionEnded { session } => self.gone(Holder::Session(session), effects),
            Event::Joined => self.joined(effects),
            Event::Rosters(updates) => {
                updates.into_iter().for_each(|update| self.updated(update, effects));
            }
            Event::Tick => self.tick(effects),
        }
    }

    /// When the next [`Event::Tick`] is wanted.
    pub fn next_deadline(&self) -> Time {
        self.due.first().map_or(Time::NEVER, |(at, _)| *at)
    }

    fn gone(&mut self, holder: Holder, effects: &mut Vec<Effect>) {
        let changes = self.held.gone(holder);
        report(changes, effects);
    }

    /// What is known may have changed since: each roster is told anew.
    fn joined(&mut self, effects: &mut Vec<Effect>) {
        let followed = self.followed.iter_mut().map(|(roster, followed)| {
            followed.version = None;
            Follow { roster: roster.clone(), has_view: followed.has_view }
        });
        let followed = followed.collect();
        let (held, behind) = self.held.parts(MOST_ENTRIES);
        effects.push(Effect::Report(GroupReport::All { held, followed }));
        let behind = behind.chunks(MOST_ENTRIES);
        effects.extend(behind.map(|changes| Effect::Report(GroupReport::Changed(changes.to_vec()))));
    }

    fn updated(&mut self, update: RosterUpdate, effects: &mut Vec<Effect>) {
        let RosterUpdate { roster, version, news } = update;
        let Some(followed) = self.followed.get_mut(&roster) else { return };
        match followed.take(&self.options.node, version, news) {
            Taken::Known => self.answer_waiting(&roster, effects),
            Taken::Ignored => {}
            Taken::Missed => {
                let follow = Follow { roster, has_view: followed.has_view };
                effects.push(Effect::Report(GroupReport::Follow(follow)));
            }
        }
    }

    /// Follows a roster from now on, if it is not followed; its place, or none where too many are.
    pub(super) fn follow(&mut self, roster: &Roster, effects: &mut Vec<Effect>) -> Option<usize> {
        if let Some(place) = self.followed.get_index_of(roster) {
            self.followed[place].used = self.now;
            return Some(place);
        }
        if self.followed.len() >= self.options.most_followed {
            return None;
        }
        let (place, _) = self.followed.insert_full(roster.clone(), Followed::new(self.now));
        self.due.insert((self.now + self.options.idle, roster.clone()));
        let follow = Follow { roster: roster.clone(), has_view: false };
        effects.push(Effect::Report(GroupReport::Follow(follow)));
        Some(place)
    }

    /// Something waits for what is in a roster, for so long.
    pub(super) fn be_patient(&mut self, place: usize) {
        let Some((roster, followed)) = self.followed.get_index_mut(place) else { return };
        if followed.give_up == Time::NEVER {
            followed.give_up = self.now + self.options.patience;
            self.due.insert((followed.give_up, roster.clone()));
        }
    }

    fn tick(&mut self, effects: &mut Vec<Effect>) {
        while let Some((_, roster)) = self.due.first().cloned().filter(|(at, _)| *at <= self.now) {
            self.due.pop_first();
            let Some(followed) = self.followed.get(&roster) else { continue };
            if followed.give_up <= self.now {
                self.give_up(&roster, effects);
            }
            let Some(followed) = self.followed.get(&roster) else { continue };
            if followed.used + self.options.idle <= self.now && !followed.is_waited_for() {
                self.followed.swap_remove(&roster);
                effects.push(Effect::Report(GroupReport::Unfollow(roster)));
            } else {
                self.due.insert((followed.due(self.options.idle), roster));
            }
        }
    }
}

/// Tells the head of changes, if there are any.
pub(super) fn report(changes: impl IntoIterator<Item = RosterChange>, effects: &mut Vec<Effect>) {
    let changes: Vec<RosterChange> = changes.into_iter().collect();
    if !changes.is_empty() {
        effects.push(Effect::Report(GroupReport::Changed(changes)));
    }
}
