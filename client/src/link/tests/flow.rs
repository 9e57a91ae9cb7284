//! Credit and back-pressure.

use super::call;
use crate::link::LinkOptions;
use crate::link::testing::{driver, template};
use crate::remote::CallBuilder;
use crate::{ErrorKind, ObjectRef};
use bytes::Bytes;
use mobula_types::Frame;

#[tokio::test]
async fn requests_wait_for_credit_and_the_rest_does_not() {
    let mut driver = driver(2, LinkOptions::default()).await;
    let references: Vec<_> = (0..4).map(|number| call(&driver.cluster, number).submit()).collect();
    let first = driver.node.next_submit().await;
    let second = driver.node.next_submit().await;
    drop(references.into_iter().next());
    // The release of the first goes out although submits wait.
    let Frame::Release { objects } = driver.node.next().await else { panic!("no release") };
    assert_eq!(objects[0].object.task, first.task);
    driver.node.sender.send(Frame::Credit { total: 3 });
    let third = driver.node.next_submit().await;
    assert_eq!(third.task.low, second.task.low + 1);
    driver.node.sender.send(Frame::Credit { total: 10 });
    assert_eq!(driver.node.next_submit().await.task.low, third.task.low + 1);
}

#[tokio::test]
async fn a_release_follows_the_request_that_waits() {
    let mut driver = driver(0, LinkOptions::default()).await;
    drop(call(&driver.cluster, 1).submit());
    driver.node.sender.send(Frame::Credit { total: 1 });
    let Frame::Submit(submit) = driver.node.next_no_template().await else { panic!("no submit") };
    let Frame::Release { objects } = driver.node.next().await else { panic!("no release") };
    assert_eq!(objects[0].object.task, submit.task);
}

#[tokio::test]
async fn a_full_buffer_is_backpressure_or_a_wait() {
    let options = LinkOptions { most_requests: 3, ..LinkOptions::default() };
    let mut driver = driver(0, options).await;
    let taken: Vec<_> = (0..3).map(|number| call(&driver.cluster, number).submit()).collect();
    let error = call(&driver.cluster, 3).submit().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Backpressure);
    assert!(error.is_retryable());
    let waiting = mobula_runtime::spawn("test", call(&driver.cluster, 4).submit_wait());
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    driver.node.sender.send(Frame::Credit { total: 100 });
    for _ in 0..4 {
        let submit = driver.node.next_submit().await;
        driver.node.complete(submit.task, &1_u64);
    }
    assert_eq!(waiting.await.unwrap().await.unwrap(), 1);
    drop(taken);
}

#[tokio::test]
async fn many_calls_pass_through_a_small_buffer() {
    let options = LinkOptions { most_requests: 10, ..LinkOptions::default() };
    let mut driver = driver(5, options).await;
    let cluster = driver.cluster.clone();
    let all = mobula_runtime::spawn("test", async move {
        let calls: Vec<_> = (0..500).map(|number| call(&cluster, number)).collect();
        let references = crate::submit_all(calls).await.unwrap();
        crate::get_batch(&references).await
    });
    for number in 0..500_u64 {
        let submit = driver.node.next_submit().await;
        driver.node.complete(submit.task, &number);
        driver.node.sender.send(Frame::Credit { total: number + 6 });
    }
    let values = all.await.unwrap().unwrap();
    assert!(values.into_iter().eq(0..500));
}

#[tokio::test]
async fn a_request_that_no_frame_can_carry_is_refused_by_itself() {
    let options = LinkOptions { largest_frame: 1_000, ..LinkOptions::default() };
    let mut driver = driver(10, options).await;
    let needed = call(&driver.cluster, 0).submit();
    driver.node.next_submit().await;
    let mut builder = CallBuilder::of_template(template("tests::call"));
    (0..20).for_each(|_| builder.argument::<u64>(&needed));
    let refused = builder.finish::<ObjectRef<u64>>().on(&driver.cluster).submit();
    let error = refused.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains("may take 1000"), "{error}");
    // A large argument travels apart, and nothing else is disturbed.
    let mut builder = CallBuilder::of_template(template("tests::large"));
    builder.argument::<Bytes>(Bytes::from(vec![1; 200_000]));
    let _large = builder.finish::<ObjectRef<u64>>().on(&driver.cluster).submit();
    driver.node.next_submit().await;
}
