//! Values that do not travel in frames.

use super::{call, usual};
use crate::link::testing::{copy_of, template};
use crate::{CallBuilder, ErrorKind, ObjectRef};
use bytes::Bytes;
use mobula_types::{ArgumentShape, Failure, FailureKind, Frame, Outcome, ResultValue, StoredValue};
use std::sync::Arc;

const LARGE: usize = 200 * 1024;

#[tokio::test]
async fn a_small_put_is_known_here_and_there() {
    let mut driver = usual().await;
    let put = mobula_runtime::spawn("test", {
        let put = driver.cluster.put("hello".to_string());
        async move { put.await }
    });
    let (object, value) = driver.node.next_put().await;
    assert!(matches!(value.value, StoredValue::Inline(_)));
    driver.node.sender.send(Frame::PutDone { object, failure: None });
    let reference = put.await.unwrap().unwrap();
    assert_eq!(reference.await.unwrap(), "hello");
    let refused = driver.cluster.put(1_u64).submit();
    let (object, _value) = driver.node.next_put().await;
    let failure = Failure::new(FailureKind::StoreFull, "no room");
    driver.node.sender.send(Frame::PutDone { object, failure: Some(failure) });
    // The value is here until the node's answer is.
    while refused.get().await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(refused.await.unwrap_err().kind(), ErrorKind::StoreFull);
}

#[tokio::test]
async fn a_large_argument_is_uploaded_before_its_task_is_submitted() {
    let mut driver = usual().await;
    driver.bulk.permits.forget_permits(1000);
    let mut builder = CallBuilder::of_template(template("tests::large"));
    builder.argument::<u64>(1);
    builder.argument::<Bytes>(Bytes::from(vec![1; LARGE]));
    builder.argument::<u64>(2);
    let large: ObjectRef<u64> = builder.finish().on(&driver.cluster).submit();
    let other = call(&driver.cluster, 1).submit();
    let small = driver.node.next_submit().await;
    assert_eq!(small.task, other.id().task, "what needs no upload does not wait for one");
    driver.bulk.permits.add_permits(1);
    let Frame::Put { object, value } = driver.node.next_no_template().await else { panic!("no put") };
    assert!(matches!(&value.value, StoredValue::Stored(copy) if copy.length == LARGE as u64));
    let Frame::Submit(submit) = driver.node.next_no_template().await else { panic!("no submit") };
    assert_eq!(submit.arguments.as_slice(), [1, 2]);
    let [reference] = submit.references() else { panic!("{:?}", submit.references()) };
    assert_eq!((reference.parameter, reference.shape), (1, ArgumentShape::Whole));
    assert_eq!(reference.address.object, object);
    drop(large);
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_tried_again() {
    let mut driver = usual().await;
    driver.bulk.unreachable.store(2, std::sync::atomic::Ordering::Relaxed);
    let mut builder = CallBuilder::of_template(template("tests::large"));
    builder.argument::<Bytes>(Bytes::from(vec![1; LARGE]));
    let large: ObjectRef<u64> = builder.finish().on(&driver.cluster).submit();
    assert_eq!(driver.node.next_submit().await.task, large.id().task);
    assert_eq!(driver.bulk.stored.lock().len(), 1);
}

#[tokio::test]
async fn a_large_result_is_fetched_once() {
    let mut driver = usual().await;
    let reference = call(&driver.cluster, 1).submit();
    let reference: ObjectRef<Bytes> = ObjectRef::new(reference.into_handle());
    let submit = driver.node.next_submit().await;
    let bytes = Bytes::from(vec![5; LARGE]);
    let value = StoredValue::Stored(Arc::new(copy_of(&bytes)));
    driver.bulk.stored.lock().insert(reference.id(), bytes.clone());
    let outcome = Outcome::Value(ResultValue { value, contained: None });
    driver.node.sender.send(Frame::Completed { task: submit.task, outcome });
    assert_eq!((&reference).await.unwrap(), bytes);
    driver.bulk.stored.lock().clear();
    assert_eq!((&reference).await.unwrap(), bytes);
}

#[tokio::test]
async fn a_copy_that_is_gone_is_looked_for_again() {
    let mut driver = usual().await;
    let reference = call(&driver.cluster, 1).submit();
    let reference: ObjectRef<Bytes> = ObjectRef::new(reference.into_handle());
    let submit = driver.node.next_submit().await;
    let bytes = Bytes::from(vec![5; LARGE]);
    let stored = || StoredValue::Stored(Arc::new(copy_of(&bytes)));
    let outcome = Outcome::Value(ResultValue { value: stored(), contained: None });
    driver.node.sender.send(Frame::Completed { task: submit.task, outcome });
    let get = mobula_runtime::spawn("test", {
        let reference = reference.clone();
        async move { reference.await }
    });
    let Frame::Get { address } = driver.node.next().await else { panic!("no get") };
    driver.bulk.stored.lock().insert(reference.id(), bytes.clone());
    let outcome = Outcome::Value(ResultValue { value: stored(), contained: None });
    driver.node.sender.send(Frame::Got { object: address.object, outcome });
    assert_eq!(get.await.unwrap().unwrap(), bytes);
}

#[tokio::test]
async fn what_needs_a_task_that_waits_for_an_upload_waits_with_it() {
    let mut driver = usual().await;
    driver.bulk.permits.forget_permits(1000);
    let first = large_call(&driver.cluster);
    let second = call_with(&driver.cluster, &first);
    let put = driver.cluster.put(vec![second.clone()]).submit();
    second.cancel();
    drop(second);
    let other = call(&driver.cluster, 1).submit();
    assert_eq!(driver.node.next_submit().await.task, other.id().task);
    driver.bulk.permits.add_permits(1);
    driver.node.next_put().await;
    assert_eq!(driver.node.next_submit().await.task, first.id().task);
    let Frame::Submit(submit) = driver.node.next_no_template().await else { panic!("no submit") };
    let Frame::Cancel { address, .. } = driver.node.next().await else { panic!("no cancel") };
    assert_eq!(address.object.task, submit.task, "a cancel goes behind its task");
    let Frame::Put { object, .. } = driver.node.next().await else { panic!("no put") };
    assert_eq!(object, put.id());
}

#[tokio::test]
async fn what_is_released_during_its_upload_is_released_behind_its_put() {
    let mut driver = usual().await;
    driver.bulk.permits.forget_permits(1000);
    let put = driver.cluster.put(Bytes::from(vec![1; LARGE])).submit();
    let object = put.id();
    drop(put);
    let other = call(&driver.cluster, 1).submit();
    assert_eq!(driver.node.next_submit().await.task, other.id().task);
    driver.bulk.permits.add_permits(1);
    assert_eq!(driver.node.next_put().await.0, object);
    assert_eq!(driver.node.next_released(1).await.into_iter().collect::<Vec<_>>(), [object]);
}

#[tokio::test]
async fn a_large_argument_is_offered_again_with_all_that_depends_on_it() {
    let mut driver = usual().await;
    let first = large_call(&driver.cluster);
    let second = call_with(&driver.cluster, &first);
    for _ in 0..2 {
        driver.node.next_submit().await;
    }
    let bulk = crate::link::testing::FakeBulk::default();
    bulk.permits.forget_permits(1000);
    let mut heir = driver.connector.add("heir", super::CREDIT, bulk.clone());
    drop(driver.node);
    let other = call(&driver.cluster, 1).submit();
    assert_eq!(heir.next_submit().await.task, other.id().task, "nothing else goes before the upload");
    bulk.permits.add_permits(1);
    heir.next_put().await;
    assert_eq!(heir.next_submit().await.task, first.id().task);
    assert_eq!(heir.next_submit().await.task, second.id().task);
}

#[tokio::test]
async fn an_upload_that_the_loss_of_its_home_cut_short_starts_anew() {
    let mut driver = usual().await;
    driver.bulk.permits.forget_permits(1000);
    let first = large_call(&driver.cluster);
    let second = call_with(&driver.cluster, &first);
    let other = call(&driver.cluster, 1).submit();
    assert_eq!(driver.node.next_submit().await.task, other.id().task);
    let mut heir = driver.connector.add("heir", super::CREDIT, crate::link::testing::FakeBulk::default());
    drop(driver.node);
    let submit = heir.next_submit().await;
    assert_eq!(submit.task, other.id().task);
    assert!(submit.reoffer().is_some());
    heir.next_put().await;
    let submit = heir.next_submit().await;
    assert_eq!(submit.task, first.id().task);
    assert!(submit.reoffer().is_none(), "it was never sent before");
    assert_eq!(heir.next_submit().await.task, second.id().task);
}

/// A call whose argument is too large for a frame.
fn large_call(cluster: &crate::Cluster) -> ObjectRef<u64> {
    let mut builder = CallBuilder::of_template(template("tests::large"));
    builder.argument::<Bytes>(Bytes::from(vec![1; LARGE]));
    builder.finish().on(cluster).submit()
}

/// A call that needs another one's result.
fn call_with(cluster: &crate::Cluster, needed: &ObjectRef<u64>) -> ObjectRef<u64> {
    let mut builder = CallBuilder::of_template(template("tests::call"));
    builder.argument::<u64>(needed);
    builder.finish().on(cluster).submit()
}
