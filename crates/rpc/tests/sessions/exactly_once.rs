//! Frames arrive once and in order, however often connections break.

use crate::node::{self, number, numbered, within};
use crate::proxy;
use mobula_rpc::{Session, SessionEvent, SessionOptions};

const FRAMES: u64 = 30_000;

/// Sends numbered frames in bursts, and receives as many.
async fn exchange(session: &mut Session) -> Vec<u64> {
    let mut sent = 0;
    let mut received = Vec::new();
    let mut frames = Vec::new();
    while received.len() < FRAMES as usize {
        let burst = (sent..FRAMES.min(sent + 700)).map(numbered);
        let mut burst: Vec<_> = burst.collect();
        sent += burst.len() as u64;
        session.sender.send_all(&mut burst);
        session.receiver.receive(&mut frames).await.unwrap();
        received.extend(frames.drain(..).map(|frame| number(&frame)));
    }
    (sent..FRAMES).for_each(|left| session.sender.send(numbered(left)));
    received
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_while_connections_break_at_random_points() {
    let seed = std::env::var("MOBULA_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("replay with MOBULA_SEED={seed}");
    within(async {
        let options = SessionOptions::default();
        let mut node = node::start(options).await;
        let proxy = proxy::start(&node.url, seed, 25, 60_000).await;
        let (mut client, mut server) = node.session(&proxy.url, options).await;
        let (there, back) = tokio::join!(exchange(&mut client), exchange(&mut server));
        let expected: Vec<_> = (0..FRAMES).collect();
        assert!(there == expected, "client received {} frames", there.len());
        assert!(back == expected, "server received {} frames", back.len());
        assert!(proxy.cuts() > 3, "only {} connections broke", proxy.cuts());
    })
    .await;
}

#[tokio::test]
async fn a_session_resumes_after_each_cut_and_says_so() {
    within(async {
        let options = SessionOptions::default();
        let mut node = node::start(options).await;
        let proxy = proxy::start(&node.url, 0, 0, 1).await;
        let (mut client, mut server) = node.session(&proxy.url, options).await;
        let mut events = client.sender.events();
        assert_eq!(*events.borrow_and_update(), SessionEvent::Opened);
        let mut frames = Vec::new();
        for round in 1..=3 {
            proxy.cut();
            client.sender.send(numbered(round));
            server.receiver.receive(&mut frames).await.unwrap();
            assert_eq!(frames.drain(..).map(|frame| number(&frame)).collect::<Vec<_>>(), [round]);
            server.sender.send(numbered(round));
            client.receiver.receive(&mut frames).await.unwrap();
            assert_eq!(number(&frames.pop().unwrap()), round);
            assert!(events.wait_for(|event| matches!(event, SessionEvent::Resumed(_))).await.is_ok());
        }
    })
    .await;
}
