//! Frames that are larger than a message: they go in pieces.

use crate::node::{self, number, numbered, within};
use crate::proxy;
use mobula_rpc::{Backlog, SessionEnd, SessionOptions};
use mobula_types::{Frame, Payload, ResultValue};
use std::time::Duration;

/// A frame of that many bytes.
fn large(bytes: usize) -> Frame {
    let value = ResultValue::inline(Payload::from(vec![7; bytes]));
    Frame::Put { object: Default::default(), value }
}

#[tokio::test]
async fn a_frame_larger_than_a_message_arrives_whole() {
    within(async {
        let options = SessionOptions::default();
        let mut node = node::start(options).await;
        let (mut client, mut server) = node.session(&node.url.clone(), options).await;
        for (from, to) in [(&client.sender, &mut server.receiver), (&server.sender, &mut client.receiver)] {
            let sent = [numbered(1), large(90 << 20), numbered(2), large(5 << 20), numbered(3)];
            sent.iter().for_each(|frame| from.send(frame.clone()));
            let mut frames = Vec::new();
            while frames.len() < sent.len() {
                to.receive(&mut frames).await.unwrap();
            }
            assert!(frames == sent);
        }
        while client.sender.backlog() != Backlog::default() {
            server.sender.send(numbered(4));
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn pieces_survive_broken_connections() {
    let seed = std::env::var("MOBULA_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("replay with MOBULA_SEED={seed}");
    within(async {
        let options = SessionOptions { window_bytes: 4 << 20, ..SessionOptions::default() };
        let mut node = node::start(options).await;
        let proxy = proxy::start(&node.url, seed, 8, 6 << 20).await;
        let (client, mut server) = node.session(&proxy.url, options).await;
        let sent: Vec<Frame> = (0..6).flat_map(|number| [large(9 << 20), numbered(number)]).collect();
        sent.iter().for_each(|frame| client.sender.send(frame.clone()));
        let mut frames = Vec::new();
        while frames.len() < sent.len() {
            server.receiver.receive(&mut frames).await.unwrap();
        }
        assert!(frames == sent);
        assert!(proxy.cuts() > 2, "only {} connections broke", proxy.cuts());
    })
    .await;
}

/// Waits until a sender has nothing more that it may send, and says how many frames it has handed to streams.
async fn settled(sender: &mobula_rpc::FrameSender) -> u64 {
    let mut taken = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        match sender.taken() {
            same if same == taken && same > 0 => return same,
            more => taken = more,
        }
    }
}

#[tokio::test]
async fn a_program_that_takes_nothing_is_sent_a_window_and_one_large_frame() {
    within(async {
        let options = SessionOptions { window_bytes: 1 << 20, ..SessionOptions::default() };
        let mut node = node::start(options).await;
        let (client, mut server) = node.session(&node.url.clone(), options).await;
        let sent: Vec<Frame> = (0..5).flat_map(|number| [large(6 << 20), numbered(number)]).collect();
        sent.iter().for_each(|frame| client.sender.send(frame.clone()));
        let mut frames = Vec::new();
        while frames.len() < sent.len() {
            settled(&client.sender).await;
            let before = frames.len();
            server.receiver.receive(&mut frames).await.unwrap();
            let bytes: u64 = frames[before..].iter().map(mobula_rpc::session::weight).sum();
            assert!(bytes <= 7 << 20, "{bytes} bytes had arrived");
        }
        assert!(frames == sent);
    })
    .await;
}

#[tokio::test]
async fn large_frames_in_a_row_arrive_in_order() {
    within(async {
        // The frames have more pieces than the window has frames, and more bytes than it has.
        let options = SessionOptions { window_frames: 4, window_bytes: 2 << 20, ..SessionOptions::default() };
        let mut node = node::start(options).await;
        let (mut client, mut server) = node.session(&node.url.clone(), options).await;
        let sent: Vec<Frame> = [5, 7, 9, 6].iter().map(|mega| large(mega << 20)).collect();
        for session in [&client, &server] {
            sent.iter().for_each(|frame| session.sender.send(frame.clone()));
        }
        let (mut there, mut back) = (Vec::new(), Vec::new());
        while there.len() < sent.len() {
            server.receiver.receive(&mut there).await.unwrap();
        }
        while back.len() < sent.len() {
            client.receiver.receive(&mut back).await.unwrap();
        }
        assert!(there == sent && back == sent);
    })
    .await;
}

#[tokio::test]
async fn a_frame_over_the_bound_ends_the_session_and_both_sides_know_why() {
    within(async {
        let options = SessionOptions { largest_frame: 6 << 20, ..SessionOptions::default() };
        let mut node = node::start(options).await;
        let (mut client, mut server) = node.session(&node.url.clone(), SessionOptions::default()).await;
        client.sender.send(large(5 << 20));
        client.sender.send(large(7 << 20));
        let mut frames = Vec::new();
        for receiver in [&mut server.receiver, &mut client.receiver] {
            let end = loop {
                if let Err(end) = receiver.receive(&mut frames).await {
                    break end;
                }
            };
            assert!(matches!(end, SessionEnd::Malformed(_)), "{end}");
            let text = end.to_string();
            assert!(text.contains("a frame has 73400") && text.contains("may have 6291456"), "{text}");
        }
        assert_eq!(frames.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_frame_in_pieces_is_one_frame_that_was_taken() {
    within(async {
        let options = SessionOptions { window_bytes: 1 << 20, ..SessionOptions::default() };
        let mut node = node::start(options).await;
        let (client, mut server) = node.session(&node.url.clone(), options).await;
        (0..3).for_each(|_| client.sender.send(large(8 << 20)));
        assert_eq!(settled(&client.sender).await, 1);
        assert_eq!((client.sender.backlog().frames, client.sender.backlog().unsent), (3, 2));
        let mut frames = Vec::new();
        while frames.len() < 3 {
            server.receiver.receive(&mut frames).await.unwrap();
        }
        client.sender.send(numbered(1));
        server.receiver.receive(&mut frames).await.unwrap();
        assert_eq!(number(&frames[3]), 1);
        assert_eq!(client.sender.taken(), 4);
    })
    .await;
}
