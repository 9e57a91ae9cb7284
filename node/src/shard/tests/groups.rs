//! Groups and topics, between sessions of a node and other nodes.

use super::*;
use mobula_core::tasks::SessionKey;
use mobula_types::actor::{
    ActorId, ActorOrder, Epoch, Publication, Roster, RosterEntry, RosterNews, RosterUpdate, Subscriber,
};
use mobula_types::frame::{Answer, Ask};
use mobula_types::{Incarnation, Payload};

const JOB: JobId = JobId(1);

fn world() -> World {
    let mut world = World::new();
    world.open_job(JOB, None);
    world.sees(&[node("other", 2)]);
    world
}

/// A driver's session, and its key here.
fn driver(world: &mut World) -> (Session, SessionKey) {
    let role = SessionRole::Client { job: JOB, secret: JobSecret([0; 32]), owner_term: Default::default() };
    let session = world.open_session(role).unwrap();
    (session, *keys(world).last().unwrap())
}

fn say(world: &mut World, session: SessionKey, frame: Frame) {
    world.tell(Input::Frames { session, frames: vec![frame] });
}

fn publication(topic: &str) -> Publication {
    let payload = Payload::from(&[0xc3][..]);
    Publication { namespace: "default".into(), topic: topic.into(), payload }
}

async fn ask(world: &mut World, (session, key): (&mut Session, SessionKey), ask: Ask) -> Answer {
    say(world, key, Frame::Ask { number: 1, parent: None, ask: Box::new(ask) });
    match received(world, session).await.pop() {
        Some(Frame::Answered { number: 1, answer }) => *answer,
        other => panic!("{other:?}"),
    }
}

fn subscribe(pattern: &str, subscriber: Subscriber) -> Ask {
    Ask::Subscribe { namespace: "default".into(), pattern: pattern.into(), subscriber }
}

fn know(world: &mut World, roster: Roster, entry: RosterEntry) {
    let news = RosterNews::Full(vec![(node("other", 2), vec![entry])]);
    let order = ActorOrder::Rosters(vec![RosterUpdate { roster, version: 1, news }]);
    world.tell(Input::Head(HeadEvent::Actors(order)));
}

#[tokio::test]
async fn messages_reach_sessions_here_and_other_nodes_with_subscribers() {
    let mut world = world();
    let (mut first, first_key) = driver(&mut world);
    let (_second, second_key) = driver(&mut world);
    let (mut peer, peer_key) = {
        let session = world.open_session(peer(2)).unwrap();
        (session, *keys(&world).last().unwrap())
    };
    let answer = ask(&mut world, (&mut first, first_key), subscribe("a.*", Subscriber::Session)).await;
    assert_eq!(answer, Answer::Subscribed { subscription: 1 });
    say(&mut world, second_key, Frame::Publish(Box::new(publication("a.b"))));
    let published = |topic| Frame::Published { subscription: 1, publication: Arc::new(publication(topic)) };
    assert_eq!(received(&mut world, &mut first).await, [published("a.b")]);
    let topics = Roster::Topics { namespace: "default".into() };
    know(&mut world, topics, RosterEntry::Pattern("#".into()));
    let distributed = Frame::Distribute(Arc::new(publication("a.b")));
    assert_eq!(received(&mut world, &mut peer).await, [distributed], "it has waited");
    say(&mut world, peer_key, Frame::Distribute(Arc::new(publication("a.c"))));
    assert_eq!(received(&mut world, &mut first).await, [published("a.c")]);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_disturbs_nobody() {
    let mut world = world();
    let (mut driver, key) = driver(&mut world);
    let stranger = Incarnation { actor: ActorId(TaskId { high: 1, low: 2 }), epoch: Epoch(1) };
    let method = mobula_types::FunctionId::new("m", "");
    let as_stranger = subscribe("a", Subscriber::Actor { incarnation: stranger, method });
    let empty = Ask::Join { namespace: "default".into(), group: "".into(), member: stranger };
    for refused in [as_stranger, subscribe("a..b", Subscriber::Session), empty] {
        let answer = ask(&mut world, (&mut driver, key), refused).await;
        assert!(
            matches!(&answer, Answer::Failed(failure) if failure.kind() == FailureKind::InvalidArgument),
            "{answer:?}"
        );
    }
    say(&mut world, key, Frame::Publish(Box::new(publication("a.*"))));
    let frames = received(&mut world, &mut driver).await;
    assert!(matches!(&frames[..], [Frame::Warning { .. }]), "{frames:?}");
}

#[tokio::test]
async fn members_of_other_nodes_come_from_the_head() {
    let mut world = world();
    let (mut driver, key) = driver(&mut world);
    let members = Ask::Members { namespace: "default".into(), group: "g".into() };
    say(&mut world, key, Frame::Ask { number: 1, parent: None, ask: Box::new(members) });
    let member = Incarnation { actor: ActorId(TaskId { high: 1, low: 2 }), epoch: Epoch(3) };
    let group = Roster::Group { namespace: "default".into(), name: "g".into() };
    know(&mut world, group, RosterEntry::Member(member));
    let answer = Box::new(Answer::Members(vec![member]));
    let last = received(&mut world, &mut driver).await.pop();
    assert_eq!(last, Some(Frame::Answered { number: 1, answer }));
}
