//! Sessions inside one process.

use crate::node::{driver, number, numbered, within};
use mobula_rpc::session::pair;
use mobula_rpc::{SessionEnd, SessionOptions};

#[tokio::test]
async fn frames_change_hands_in_order_from_any_thread() {
    within(async {
        let (one, mut two) = pair(driver(), SessionOptions::default());
        let sender = one.sender.clone();
        let thread = std::thread::spawn(move || (0..10_000).for_each(|number| sender.send(numbered(number))));
        let mut frames = Vec::new();
        while frames.len() < 10_000 {
            two.receiver.receive(&mut frames).await.unwrap();
        }
        thread.join().unwrap();
        assert!(frames.iter().map(number).eq(0..10_000));
        assert_eq!(one.sender.backlog().frames, 0);
    })
    .await;
}

#[tokio::test]
async fn the_end_of_one_is_the_end_of_the_other_after_the_last_frame() {
    within(async {
        let (one, mut two) = pair(driver(), SessionOptions::default());
        one.sender.send(numbered(1));
        drop(one);
        let mut frames = Vec::new();
        two.receiver.receive(&mut frames).await.unwrap();
        assert_eq!(two.receiver.receive(&mut frames).await, Err(SessionEnd::Closed));
        assert_eq!(frames, [numbered(1)]);
    })
    .await;
}

#[tokio::test]
async fn a_pair_is_bounded() {
    within(async {
        let options = SessionOptions { most_frames: 10, ..SessionOptions::default() };
        let (mut one, _two) = pair(driver(), options);
        (0..20).for_each(|number| one.sender.send(numbered(number)));
        let end = one.receiver.receive(&mut Vec::new()).await.unwrap_err();
        assert!(matches!(end, SessionEnd::Overflow(_)), "{end}");
    })
    .await;
}
