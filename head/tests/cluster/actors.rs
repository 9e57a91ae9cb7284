//! What heads and nodes tell each other of actors, where it is a lot at once.

use super::*;
use mobula_types::TaskId;
use mobula_types::actor::{ActorId, ActorOrder, ActorReport, Observation};
use std::collections::BTreeSet;

fn nothing_here() -> ActorReport {
    ActorReport::Inventory {
        actors: Vec::new(),
        exits: Vec::new(),
        ignored: Vec::new(),
        located: Vec::new(),
        watches: Vec::new(),
        last: true,
    }
}

#[tokio::test]
async fn twenty_thousand_orders_of_a_turn_close_no_stream() {
    const ORDERS: u64 = 20_000;
    let head = head(options(&memory())).await;
    let mut node = TestNode::start("one", &[&head]).await;
    node.granted().await;
    node.link.report_actors(nothing_here());
    // Of what is not there an observer is told at once, and each in a message of its own.
    let observation =
        |number| Observation { number, target: ActorId(TaskId { high: 1, low: number }), below: false };
    node.link.report_actors(ActorReport::Observe((1..=ORDERS).map(observation).collect()));
    let mut told = BTreeSet::new();
    node.until("answers", |event| {
        match event {
            HeadEvent::Actors(ActorOrder::Changes { number, .. }) => _ = told.insert(number),
            HeadEvent::Disconnected { failure } => panic!("{failure}"),
            HeadEvent::Granted(grant) => panic!("it joined again: {grant:?}"),
            _ => {}
        }
        (told.len() as u64 == ORDERS).then_some(())
    })
    .await;
    head.stop().await;
}
