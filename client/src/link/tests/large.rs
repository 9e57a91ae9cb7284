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
    let [reference] = &submit.references[..] else { panic!("{:?}", submit.references) };
    assert_eq!((reference.parameter, reference.shape), (1, ArgumentShape::Whole));
    assert_eq!(reference.address.object, object);
    drop(large);
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
