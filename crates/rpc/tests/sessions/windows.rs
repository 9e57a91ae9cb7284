//! Bounds: slow consumers, and senders that nobody keeps up with.

use crate::node::{self, number, numbered, within};
use mobula_rpc::{Backlog, SessionEnd, SessionOptions};
use mobula_types::FailureKind;

#[tokio::test]
async fn a_slow_consumer_holds_back_its_peer_and_nobody_else() {
    within(async {
        let options = SessionOptions { window_frames: 1_000, ..SessionOptions::default() };
        let mut node = node::start(options).await;
        let url = node.url.clone();
        let (mut client, mut server) = node.session(&url, options).await;
        let (other, mut other_server) = node.session(&url, options).await;
        let total = 10_000;
        (0..total).for_each(|number| client.sender.send(numbered(number)));
        // The other direction, and another session, go on while nobody takes the frames.
        let mut frames = Vec::new();
        server.sender.send(numbered(1));
        client.receiver.receive(&mut frames).await.unwrap();
        other.sender.send(numbered(2));
        other_server.receiver.receive(&mut frames).await.unwrap();
        assert_eq!(frames.drain(..).map(|frame| number(&frame)).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(client.sender.backlog().frames, total);
        let mut received = 0;
        while received < total {
            server.receiver.receive(&mut frames).await.unwrap();
            assert!(frames.len() <= 1_000, "{} frames had arrived", frames.len());
            for frame in frames.drain(..) {
                assert_eq!(number(&frame), received);
                received += 1;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_backlog_goes_when_the_peers_program_has_taken_it() {
    within(async {
        let options = SessionOptions { window_frames: 4, ..SessionOptions::default() };
        let mut node = node::start(options).await;
        let (client, mut server) = node.session(&node.url.clone(), options).await;
        (0..100).for_each(|number| client.sender.send(numbered(number)));
        let mut frames = Vec::new();
        while client.sender.backlog() != Backlog::default() {
            server.receiver.try_receive(&mut frames);
            tokio::task::yield_now().await;
        }
        assert_eq!(frames.len(), 100);
    })
    .await;
}

#[tokio::test]
async fn a_session_ends_at_its_hard_bound_and_both_sides_know_why() {
    within(async {
        let options = SessionOptions { most_frames: 2_000, ..SessionOptions::default() };
        let mut node = node::start(SessionOptions::default()).await;
        let (mut client, mut server) = node.session(&node.url.clone(), options).await;
        (0..2_001).for_each(|number| client.sender.send(numbered(number)));
        let mut frames = Vec::new();
        let end = client.receiver.receive(&mut frames).await.unwrap_err();
        assert!(
            matches!(&end, SessionEnd::Overflow(failure) if failure.kind() == FailureKind::ResourceExhausted)
        );
        let end = loop {
            if let Err(end) = server.receiver.receive(&mut frames).await {
                break end;
            }
        };
        assert!(matches!(end, SessionEnd::Overflow(_)), "{end}");
    })
    .await;
}
