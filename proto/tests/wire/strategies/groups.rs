//! Arbitrary groups and topics.

use super::actors::group_info;
use super::parts::{function_id, incarnation, node_id, payload, text};
use mobula_types::Frame;
use mobula_types::actor::{
    ActorAnswer, ActorRequest, Follow, GroupReport, Publication, Roster, RosterChange, RosterEntry,
    RosterNews, RosterPart, RosterUpdate, Subscriber,
};
use mobula_types::frame::{Ask, Enrolment};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::sync::Arc;

fn roster() -> impl Strategy<Value = Roster> {
    prop_oneof![
        (text(), text()).prop_map(|(namespace, name)| Roster::Group { namespace, name }),
        text().prop_map(|namespace| Roster::Topics { namespace }),
    ]
}

fn entry() -> impl Strategy<Value = RosterEntry> {
    prop_oneof![incarnation().prop_map(RosterEntry::Member), text().prop_map(RosterEntry::Pattern)]
}

fn entries() -> impl Strategy<Value = Vec<RosterEntry>> {
    vec(entry(), 0..3)
}

fn follow() -> impl Strategy<Value = Follow> {
    (roster(), any::<bool>()).prop_map(|(roster, has_view)| Follow { roster, has_view })
}

pub(crate) fn report() -> impl Strategy<Value = GroupReport> {
    let part = (roster(), entries()).prop_map(|(roster, entries)| RosterPart { roster, entries });
    let change = (roster(), entry(), any::<bool>()).prop_map(|(roster, entry, is_in)| RosterChange {
        roster,
        entry,
        is_in,
    });
    prop_oneof![
        (vec(part, 0..3), vec(follow(), 0..3))
            .prop_map(|(held, followed)| GroupReport::All { held, followed }),
        vec(change, 0..3).prop_map(GroupReport::Changed),
        follow().prop_map(GroupReport::Follow),
        roster().prop_map(GroupReport::Unfollow),
    ]
}

pub(crate) fn update() -> impl Strategy<Value = RosterUpdate> {
    let news = prop_oneof![
        vec((node_id(), entries()), 0..3).prop_map(RosterNews::Full),
        (node_id(), entries(), entries()).prop_map(|(node, added, removed)| RosterNews::Changed {
            node,
            added,
            removed
        }),
        node_id().prop_map(RosterNews::Lost),
    ];
    (roster(), any::<u64>(), news).prop_map(|(roster, version, news)| RosterUpdate { roster, version, news })
}

pub(crate) fn request() -> impl Strategy<Value = ActorRequest> {
    (option::of(text()), option::of((text(), text())), 1..=10_000_usize)
        .prop_map(|(namespace, after, limit)| ActorRequest::ListGroups { namespace, after, limit })
}

pub(crate) fn answer() -> impl Strategy<Value = ActorAnswer> {
    (vec(group_info(), 0..3), any::<bool>()).prop_map(|(groups, more)| ActorAnswer::Groups { groups, more })
}

pub(crate) fn ask() -> impl Strategy<Value = Ask> {
    let subscriber = prop_oneof![
        Just(Subscriber::Session),
        (incarnation(), function_id())
            .prop_map(|(incarnation, method)| Subscriber::Actor { incarnation, method }),
    ];
    prop_oneof![
        (text(), text(), subscriber).prop_map(|(namespace, pattern, subscriber)| Ask::Subscribe {
            namespace,
            pattern,
            subscriber
        }),
        any::<u64>().prop_map(|subscription| Ask::Unsubscribe { subscription }),
    ]
}

fn publication() -> impl Strategy<Value = Publication> {
    (text(), text(), payload()).prop_map(|(namespace, topic, payload)| Publication {
        namespace,
        topic,
        payload,
    })
}

pub(crate) fn frame() -> BoxedStrategy<Frame> {
    let enrolment = (text(), text(), incarnation(), any::<bool>())
        .prop_map(|(namespace, group, member, joins)| Enrolment { namespace, group, member, joins });
    prop_oneof![
        publication().prop_map(|publication| Frame::Publish(Box::new(publication))),
        publication().prop_map(|publication| Frame::Distribute(Arc::new(publication))),
        (any::<u64>(), publication()).prop_map(|(subscription, publication)| Frame::Published {
            subscription,
            publication: Arc::new(publication)
        }),
        enrolment.prop_map(|enrolment| Frame::Enrol(Box::new(enrolment))),
    ]
    .boxed()
}
