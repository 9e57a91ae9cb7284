//! Topics, as a driver sees them.

use super::usual;
use crate::ErrorKind;
use crate::link::testing::{FakeBulk, FakeNode};
use mobula_types::actor::{Publication, Subscriber};
use mobula_types::frame::{Answer, Ask};
use mobula_types::{Frame, Payload};
use std::sync::Arc;

fn publication(topic: &str, number: u8) -> Publication {
    let payload = Payload::from(&[number][..]);
    Publication { namespace: "default".into(), topic: topic.into(), payload }
}

/// The number of a question that is a subscription.
fn subscribed(frame: Frame) -> u64 {
    let Frame::Ask { number, parent: None, ask } = frame else { panic!("{frame:?}") };
    let (namespace, pattern) = ("default".into(), "a.*".into());
    assert_eq!(*ask, Ask::Subscribe { namespace, pattern, subscriber: Subscriber::Session });
    number
}

/// The number of the subscription that is to end.
fn unsubscribed(frame: Frame) -> u64 {
    let Frame::Ask { ask, .. } = frame else { panic!("{frame:?}") };
    let Ask::Unsubscribe { subscription } = *ask else { panic!("{ask:?}") };
    subscription
}

fn answer(node: &FakeNode, number: u64, subscription: u64) {
    let answer = Box::new(Answer::Subscribed { subscription });
    node.sender.send(Frame::Answered { number, answer });
}

fn publish(node: &FakeNode, subscription: u64, publication: Publication) {
    node.sender.send(Frame::Published { subscription, publication: Arc::new(publication) });
}

#[tokio::test]
async fn a_subscription_goes_on_through_whoever_is_the_home() {
    let mut driver = usual().await;
    let context = driver.cluster.context_here();
    let (subscription, ()) = tokio::join!(context.scope(crate::subscribe::<u64>("a.*")), async {
        let number = subscribed(driver.node.next().await);
        answer(&driver.node, number, 7);
    });
    let mut subscription = subscription.unwrap();
    publish(&driver.node, 7, publication("a.b", 5));
    assert_eq!(subscription.next().await.unwrap().unwrap(), ("a.b".to_owned(), 5));
    let mut heir = driver.connector.add("heir", 1000, FakeBulk::default());
    drop(driver.node);
    let number = subscribed(heir.next().await);
    answer(&heir, number, 1);
    publish(&heir, 1, publication("a.c", 0xc0));
    publish(&heir, 1, publication("a.d", 6));
    let error = subscription.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadValue);
    assert_eq!(subscription.next().await.unwrap().unwrap(), ("a.d".to_owned(), 6));
    // The new home may give another subscription the number that this one had at the old one.
    let (other, ()) = tokio::join!(context.scope(crate::subscribe::<u64>("a.*")), async {
        let number = subscribed(heir.next().await);
        answer(&heir, number, 7);
    });
    let mut other = other.unwrap();
    drop(subscription);
    assert_eq!(unsubscribed(heir.next().await), 1);
    publish(&heir, 7, publication("a.e", 8));
    assert_eq!(other.next().await.unwrap().unwrap(), ("a.e".to_owned(), 8));
    drop(other);
    assert_eq!(unsubscribed(heir.next().await), 7);
}

#[tokio::test]
async fn a_subscription_that_nobody_waited_for_ends_with_its_answer() {
    let mut driver = usual().await;
    let context = driver.cluster.context_here();
    let mut asked = Box::pin(context.scope(crate::subscribe::<u64>("a.*")));
    let number = tokio::select! {
        frame = driver.node.next() => subscribed(frame),
        _ = &mut asked => panic!("nobody has answered"),
    };
    drop(asked);
    answer(&driver.node, number, 7);
    assert_eq!(unsubscribed(driver.node.next().await), 7);
}

#[tokio::test]
async fn a_message_is_sent_as_an_argument_is_and_one_that_is_too_large_is_refused() {
    let mut driver = usual().await;
    let context = driver.cluster.context_here();
    let publish = |bytes: usize| context.enter(|| crate::topic("a.b").publish(&"x".repeat(bytes)));
    let error = publish(mobula_types::INLINE_LIMIT).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    publish(1).unwrap();
    let payload = Payload::from(&b"\xa1x"[..]);
    let sent = Publication { payload, ..publication("a.b", 0) };
    assert_eq!(driver.node.next().await, Frame::Publish(Box::new(sent)));
}
