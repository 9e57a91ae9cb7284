//! The head's side by itself.

use super::*;
use crate::groups::MOST_ENTRIES;
use mobula_types::Time;
use mobula_types::actor::{
    Follow, GroupInfo, GroupReport, Roster, RosterChange, RosterEntry, RosterNews, RosterPart, RosterUpdate,
};
use on_head::{Effect, Event};
use std::time::Duration;

struct World {
    machine: Memberships,
    now: Time,
}

impl World {
    fn lead(expected: &[u64]) -> Self {
        let (now, options) = (Time::from_nanos(1_000_000_000), MembershipsOptions::default());
        let expected = expected.iter().map(|number| node_id(*number));
        World { machine: Memberships::lead(now, &options, expected), now }
    }

    fn tell(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.machine.on_event(self.now, event, &mut effects);
        effects
    }

    fn report(&mut self, node: u64, report: GroupReport) -> Vec<Effect> {
        self.tell(Event::Reported { node: node_id(node), report })
    }

    fn join(&mut self, node: u64) -> Vec<Effect> {
        self.tell(Event::Joined { node: node_id(node) })
    }
}

fn group(name: &str) -> Roster {
    Roster::Group { namespace: "default".into(), name: name.into() }
}

fn follow(has_view: bool) -> Follow {
    Follow { roster: group("g"), has_view }
}

fn all(members: &[u64], followed: Vec<Follow>) -> GroupReport {
    let entries = members.iter().map(|low| member(*low)).collect();
    let held = if members.is_empty() { vec![] } else { vec![RosterPart { roster: group("g"), entries }] };
    GroupReport::All { held, followed }
}

fn member(low: u64) -> RosterEntry {
    RosterEntry::Member(incarnation(low))
}

fn change(low: u64, is_in: bool) -> RosterChange {
    RosterChange { roster: group("g"), entry: member(low), is_in }
}

fn told(node: u64, version: u64, news: RosterNews) -> Effect {
    Effect::Tell { node: node_id(node), updates: vec![RosterUpdate { roster: group("g"), version, news }] }
}

fn full(parts: &[(u64, &[u64])]) -> RosterNews {
    let part =
        |(node, members): &(u64, &[u64])| (node_id(*node), members.iter().map(|low| member(*low)).collect());
    RosterNews::Full(parts.iter().map(part).collect())
}

#[test]
fn followers_are_told_everything_and_then_what_changes() {
    let mut world = World::lead(&[]);
    assert_eq!((world.join(1), world.join(2)), (vec![], vec![]));
    assert_eq!(world.report(1, all(&[1, 2], vec![])), []);
    assert_eq!(world.report(2, all(&[], vec![follow(false)])), [told(2, 1, full(&[(1, &[1, 2])]))]);
    let changes = vec![change(3, true), change(2, false), change(4, true), change(4, false)];
    let news = RosterNews::Changed { node: node_id(1), added: vec![member(3)], removed: vec![member(2)] };
    assert_eq!(world.report(1, GroupReport::Changed(changes)), [told(2, 2, news)]);
    assert_eq!(world.report(1, GroupReport::Changed(vec![change(3, true)])), [], "known already");
    let lost = world.tell(Event::Lost { node: node_id(1) });
    assert_eq!(lost, [told(2, 3, RosterNews::Lost(node_id(1)))]);
    assert_eq!(world.report(1, all(&[7], vec![])), [], "a lost node is not listened to");
    assert_eq!(world.report(2, GroupReport::Unfollow(group("g"))), []);
    assert_eq!(world.machine.known_rosters(), 0, "nobody is in it, and nobody follows it");
}

#[test]
fn a_new_leader_hears_everybody_before_it_speaks_to_those_who_know() {
    let mut world = World::lead(&[1, 2, 3]);
    world.join(2);
    assert_eq!(world.report(2, all(&[], vec![follow(true)])), [], "it knows something already");
    world.join(1);
    assert_eq!(world.report(1, all(&[1], vec![follow(false)])), [told(1, 1, full(&[(1, &[1])]))]);
    let lost = world.tell(Event::Lost { node: node_id(3) });
    assert_eq!(lost, [told(2, 1, full(&[(1, &[1])]))], "nobody else is to be heard");
}

#[test]
fn a_new_leader_does_not_wait_for_ever() {
    let mut world = World::lead(&[1, 2]);
    world.join(2);
    assert_eq!(world.report(2, all(&[5], vec![follow(true)])), []);
    world.now = world.machine.next_deadline();
    assert_eq!(world.tell(Event::Tick), [told(2, 1, full(&[(2, &[5])]))]);
    assert_eq!(world.machine.next_deadline(), Time::NEVER);
    world.now = world.now + Duration::from_secs(1);
    world.join(1);
    let news = RosterNews::Changed { node: node_id(1), added: vec![member(1)], removed: vec![] };
    assert_eq!(world.report(1, all(&[1], vec![])), [told(2, 2, news)]);
}

#[test]
fn a_node_that_joins_again_changes_what_differs() {
    let mut world = World::lead(&[]);
    world.join(1);
    world.join(2);
    world.report(1, all(&[1, 2], vec![]));
    world.report(2, all(&[], vec![follow(false)]));
    let news = RosterNews::Changed { node: node_id(1), added: vec![member(3)], removed: vec![member(1)] };
    assert_eq!(world.report(1, all(&[2, 3], vec![])), [told(2, 2, news)]);
    let news = RosterNews::Changed { node: node_id(1), added: vec![], removed: vec![member(2), member(3)] };
    assert_eq!(world.report(1, all(&[], vec![])), [told(2, 3, news)]);
}

#[test]
fn what_is_too_much_for_one_message_comes_in_several() {
    let mut world = World::lead(&[]);
    world.join(1);
    world.join(2);
    let most = MOST_ENTRIES as u64;
    let everybody: Vec<u64> = (0..2 * most + 5).collect();
    world.report(1, all(&everybody, vec![]));
    let effects = world.report(2, all(&[], vec![follow(false)]));
    let mut sizes = Vec::new();
    for (number, effect) in effects.iter().enumerate() {
        let Effect::Tell { updates, .. } = effect;
        let [RosterUpdate { version, news, .. }] = &updates[..] else { panic!("{} updates", updates.len()) };
        assert_eq!(*version, number as u64 + 1);
        sizes.push(match news {
            RosterNews::Full(parts) => parts.iter().map(|(_, entries)| entries.len()).sum(),
            RosterNews::Changed { added, .. } => added.len(),
            RosterNews::Lost(_) => 0,
        });
    }
    assert_eq!(sizes, [MOST_ENTRIES, MOST_ENTRIES, 5]);
}

#[test]
fn groups_are_listed_in_pages() {
    let mut world = World::lead(&[]);
    world.join(1);
    let part = |namespace: &str, name: &str, low| RosterPart {
        roster: Roster::Group { namespace: namespace.into(), name: name.into() },
        entries: vec![member(low)],
    };
    let held = vec![part("a", "x", 1), part("b", "y", 2), part("b", "z", 3), part("c", "x", 4)];
    world.report(1, GroupReport::All { held, followed: vec![follow(false)] });
    let info = |namespace: &str, name: &str, low| GroupInfo {
        namespace: namespace.into(),
        name: name.into(),
        members: vec![incarnation(low)],
    };
    let first = world.machine.list(None, None, 2);
    assert_eq!(first, (vec![info("a", "x", 1), info("b", "y", 2)], true));
    let second = world.machine.list(None, Some(("b".into(), "y".into())), 2);
    assert_eq!(second, (vec![info("b", "z", 3), info("c", "x", 4)], false), "without the empty one");
    assert_eq!(world.machine.list(Some("b"), None, 9).0, [info("b", "y", 2), info("b", "z", 3)]);
}
