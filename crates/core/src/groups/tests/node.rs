//! The node's side by itself.

use super::super::node::Delivery;
use super::*;
use crate::groups::MOST_ENTRIES;
use mobula_types::actor::{
    Follow, GroupReport, Roster, RosterChange, RosterEntry, RosterNews, RosterPart, RosterUpdate,
};
use mobula_types::frame::Answer;
use mobula_types::{FailureKind, FunctionId, TaskOptions, TaskTemplate, Time};
use std::time::Duration;

struct World {
    machine: Groups,
    now: Time,
}

impl World {
    fn new() -> Self {
        let mut options = GroupsOptions::new(node_id(1));
        (options.most_of_one, options.most_followed, options.most_waiting) = (2, 2, 2);
        World { machine: Groups::new(options), now: Time::from_nanos(1_000_000_000) }
    }

    fn tell(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.machine.on_event(self.now, event, &mut effects);
        effects
    }

    /// Everything that is due until then.
    fn pass(&mut self, time: Duration) -> Vec<Effect> {
        let end = self.now + time;
        let mut effects = Vec::new();
        while self.machine.next_deadline() <= end {
            self.now = self.machine.next_deadline();
            self.machine.on_event(self.now, Event::Tick, &mut effects);
        }
        self.now = end;
        effects
    }

    fn know(&mut self, roster: Roster, version: u64, news: RosterNews) -> Vec<Effect> {
        self.tell(Event::Rosters(vec![RosterUpdate { roster, version, news }]))
    }
}

fn group() -> Roster {
    Roster::Group { namespace: "default".into(), name: "g".into() }
}

fn topics() -> Roster {
    Roster::Topics { namespace: "default".into() }
}

fn member(low: u64) -> RosterEntry {
    RosterEntry::Member(incarnation(low))
}

fn changed(roster: Roster, entry: RosterEntry, is_in: bool) -> Effect {
    Effect::Report(GroupReport::Changed(vec![RosterChange { roster, entry, is_in }]))
}

fn follows(roster: Roster, has_view: bool) -> Effect {
    Effect::Report(GroupReport::Follow(Follow { roster, has_view }))
}

fn answered(session: u64, answer: Answer) -> Effect {
    Effect::Answer { session: SessionKey(session), number: 1, answer }
}

fn delivered(subscription: u64, session: u64, topic: &str) -> Effect {
    let recipient = Recipient::Session(SessionKey(session));
    Effect::Deliver(Delivery { subscription, recipient, publication: publication(topic) })
}

#[test]
fn members_are_those_here_and_those_that_a_head_knows() {
    let mut world = World::new();
    assert_eq!(world.tell(enrol("g", 1, true)), [changed(group(), member(1), true)]);
    assert_eq!(world.tell(enrol("g", 1, true)), [], "it is in it already");
    assert_eq!(world.tell(members(5, "g")), [follows(group(), false)]);
    let parts = vec![(node_id(1), vec![member(8)]), (node_id(2), vec![member(2)])];
    let everybody = Answer::Members(vec![incarnation(1), incarnation(2)]);
    assert_eq!(world.know(group(), 4, RosterNews::Full(parts)), [answered(5, everybody)]);
    let news = RosterNews::Changed { node: node_id(2), added: vec![member(3)], removed: vec![member(2)] };
    assert_eq!(world.know(group(), 5, news), []);
    let everybody = Answer::Members(vec![incarnation(1), incarnation(3)]);
    assert_eq!(world.tell(members(5, "g")), [answered(5, everybody)]);
    assert_eq!(
        world.tell(Event::Exited { incarnation: incarnation(1) }),
        [changed(group(), member(1), false)]
    );
    world.know(group(), 6, RosterNews::Lost(node_id(2)));
    assert_eq!(world.tell(members(5, "g")), [answered(5, Answer::Members(vec![]))]);
}

#[test]
fn a_change_that_was_missed_has_everything_told_anew() {
    let mut world = World::new();
    world.tell(members(5, "g"));
    world.know(group(), 1, RosterNews::Full(vec![(node_id(2), vec![member(2)])]));
    assert_eq!(world.know(group(), 3, RosterNews::Lost(node_id(2))), [follows(group(), true)]);
    assert_eq!(world.know(group(), 4, RosterNews::Lost(node_id(2))), [], "all of it is on its way");
    let as_before = Answer::Members(vec![incarnation(2)]);
    assert_eq!(world.tell(members(5, "g")), [answered(5, as_before)]);
    world.know(group(), 4, RosterNews::Full(vec![]));
    assert_eq!(world.tell(members(5, "g")), [answered(5, Answer::Members(vec![]))]);
}

#[test]
fn a_head_that_is_joined_is_told_everything() {
    let mut world = World::new();
    world.tell(enrol("g", 1, true));
    world.tell(subscribe(5, "a.*"));
    world.tell(subscribe(6, "a.*"));
    world.tell(members(5, "g"));
    let held = vec![
        RosterPart { roster: group(), entries: vec![member(1)] },
        RosterPart { roster: topics(), entries: vec![RosterEntry::Pattern("a.*".into())] },
    ];
    let followed = vec![Follow { roster: group(), has_view: false }];
    assert_eq!(world.tell(Event::Joined), [Effect::Report(GroupReport::All { held, followed })]);
}

#[test]
fn what_is_too_much_for_one_report_comes_behind_it() {
    let mut world = World::new();
    for low in 0..MOST_ENTRIES as u64 + 2 {
        world.tell(enrol("g", low, true));
    }
    let effects = world.tell(Event::Joined);
    let [Effect::Report(GroupReport::All { held, .. }), Effect::Report(GroupReport::Changed(behind))] =
        &effects[..]
    else {
        panic!("{} effects", effects.len())
    };
    assert_eq!((held.len(), held[0].entries.len(), behind.len()), (1, MOST_ENTRIES, 2));
    assert!(behind.iter().all(|change| change.is_in && change.roster == group()));
}

#[test]
fn a_roster_is_followed_while_it_is_used() {
    let mut world = World::new();
    world.tell(members(5, "g"));
    world.know(group(), 1, RosterNews::Full(vec![]));
    assert_eq!(world.pass(Duration::from_secs(59)), []);
    world.tell(members(5, "g"));
    assert_eq!(world.pass(Duration::from_secs(59)), []);
    let unfollowed = Effect::Report(GroupReport::Unfollow(group()));
    assert_eq!(world.pass(Duration::from_secs(2)), [unfollowed]);
    assert_eq!(world.machine.next_deadline(), Time::NEVER);
}

#[test]
fn without_a_head_a_question_is_given_up() {
    let mut world = World::new();
    world.tell(members(5, "g"));
    let effects = world.pass(Duration::from_secs(11));
    let [Effect::Answer { session: SessionKey(5), answer: Answer::Failed(failure), .. }] = &effects[..]
    else {
        panic!("{effects:?}")
    };
    assert_eq!(failure.kind(), FailureKind::Unavailable);
}

#[test]
fn messages_go_to_those_here_and_once_to_each_node_that_has_somebody() {
    let mut world = World::new();
    let pattern = |text: &str| RosterEntry::Pattern(text.into());
    world.tell(subscribe(5, "a.*"));
    world.tell(subscribe(6, "b"));
    world.tell(subscribe(5, "#"));
    let effects = world.tell(Event::Publish(publication("a.b")));
    assert_eq!(effects, [delivered(1, 5, "a.b"), delivered(3, 5, "a.b"), follows(topics(), false)]);
    let effects = world.tell(Event::Publish(publication("b")));
    assert_eq!(effects, [delivered(2, 6, "b"), delivered(3, 5, "b")]);
    // What waited for the other nodes goes to them in order.
    let parts = vec![(node_id(2), vec![pattern("a.*"), pattern("#")]), (node_id(3), vec![pattern("c")])];
    let sent = |topic| Effect::Distribute { node: node_id(2), publication: publication(topic) };
    assert_eq!(world.know(topics(), 1, RosterNews::Full(parts)), [sent("a.b"), sent("b")]);
    let effects = world.tell(Event::Distributed(publication("b")));
    assert_eq!(effects, [delivered(2, 6, "b"), delivered(3, 5, "b")], "and no further");
    world.tell(Event::SessionEnded { session: SessionKey(5) });
    let to_third = Effect::Distribute { node: node_id(3), publication: publication("c") };
    assert_eq!(world.tell(Event::Publish(publication("c"))), [sent("c"), to_third]);
}

#[test]
fn a_subscription_ends_with_who_has_it_and_is_ended_by_nobody_else() {
    let mut world = World::new();
    let template = Arc::new(TaskTemplate {
        function: FunctionId::new("m", ""),
        signature: None,
        options: TaskOptions::default(),
    });
    let recipient = Recipient::Actor { incarnation: incarnation(1), template };
    let pattern = RosterEntry::Pattern("a".into());
    let asker = (SessionKey(5), 1);
    let event = Event::Subscribe { asker, namespace: "default".into(), pattern: "a".into(), recipient };
    let subscribed = |subscription| answered(5, Answer::Subscribed { subscription });
    assert_eq!(world.tell(event.clone()), [changed(topics(), pattern.clone(), true), subscribed(1)]);
    assert_eq!(world.tell(event), [subscribed(2)], "others know of the pattern already");
    let others = Event::Unsubscribe { asker: (SessionKey(6), 1), subscription: 1 };
    assert_eq!(world.tell(others), [answered(6, Answer::Done)]);
    assert_eq!(world.tell(Event::Distributed(publication("a"))).len(), 2);
    let own = Event::Unsubscribe { asker, subscription: 1 };
    assert_eq!(world.tell(own), [answered(5, Answer::Done)]);
    let exited = world.tell(Event::Exited { incarnation: incarnation(1) });
    assert_eq!(exited, [changed(topics(), pattern, false)]);
    assert_eq!(world.tell(Event::Distributed(publication("a"))), []);
}

#[test]
fn what_is_too_much_is_refused() {
    let mut world = World::new();
    let refused = |effects: Vec<Effect>| match &effects[..] {
        [Effect::Answer { answer: Answer::Failed(failure), .. }] => failure.kind(),
        other => panic!("{other:?}"),
    };
    world.tell(subscribe(5, "a"));
    world.tell(subscribe(5, "b"));
    assert_eq!(refused(world.tell(subscribe(5, "c"))), FailureKind::ResourceExhausted);
    assert_eq!(refused(world.tell(subscribe(6, "a..b"))), FailureKind::InvalidArgument);
    world.tell(members(6, "g"));
    world.tell(members(6, "h"));
    assert_eq!(refused(world.tell(members(6, "i"))), FailureKind::ResourceExhausted);
    assert_eq!(world.tell(Event::Publish(publication("x"))), [], "it stays on the node");
}

#[test]
fn no_more_messages_wait_than_there_may() {
    let mut world = World::new();
    for topic in ["a", "b", "c"] {
        world.tell(Event::Publish(publication(topic)));
    }
    let parts = vec![(node_id(2), vec![RosterEntry::Pattern("#".into())])];
    let sent = |topic| Effect::Distribute { node: node_id(2), publication: publication(topic) };
    assert_eq!(world.know(topics(), 1, RosterNews::Full(parts)), [sent("a"), sent("b")]);
}
