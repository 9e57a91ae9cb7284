//! Calls, results, and what is told when references go.

use super::{call, usual};
use crate::link::testing::JOB;
use crate::{ErrorKind, ObjectRef};
use mobula_types::{
    Failure, FailureKind, Frame, ObjectAddress, ObjectId, Outcome, ResultValue, StoredValue, TaskId,
};
use std::time::Duration;

#[tokio::test]
async fn a_call_resolves_to_its_value_each_time() {
    let mut driver = usual().await;
    let reference = call(&driver.cluster, 6).submit();
    assert!(matches!(driver.node.next().await, Frame::Template { .. }));
    let Frame::Submit(submit) = driver.node.next().await else { panic!("no submit") };
    assert_eq!(submit.task, TaskId::of_driver(JOB, 1));
    assert_eq!(submit.arguments.as_slice(), [6]);
    driver.node.complete(submit.task, &36_u64);
    assert_eq!((&reference).await.unwrap(), 36);
    assert_eq!(reference.get_blocking().unwrap(), 36);
    let again = call(&driver.cluster, 7).submit();
    let Frame::Submit(submit) = driver.node.next().await else { panic!("the template was sent twice") };
    let failure = Failure::new(FailureKind::TaskPanicked, "boom");
    driver.node.sender.send(Frame::Completed { task: submit.task, outcome: Outcome::Failed(failure) });
    for _ in 0..2 {
        assert_eq!((&again).await.unwrap_err().kind(), ErrorKind::TaskPanicked);
    }
}

#[tokio::test]
async fn references_that_go_are_released_in_batches() {
    let mut driver = usual().await;
    let references: Vec<_> = (0..100).map(|number| call(&driver.cluster, number).submit()).collect();
    for _ in 0..100 {
        let submit = driver.node.next_submit().await;
        driver.node.complete(submit.task, &0_u64);
    }
    let kept = references[0].clone();
    crate::get_batch(&references).await.unwrap();
    drop(references);
    let released = driver.node.next_released(99).await;
    assert!(!released.contains(&kept.id()), "a clone lives");
    let id = kept.id();
    drop(kept);
    assert!(driver.node.next_released(1).await.contains(&id));
}

#[tokio::test]
async fn a_reference_inside_a_value_is_asked_for_when_it_is_waited_for() {
    let mut driver = usual().await;
    let outer = call(&driver.cluster, 1).submit();
    let outer: ObjectRef<Vec<ObjectRef<u64>>> = ObjectRef::new(outer.into_handle());
    let submit = driver.node.next_submit().await;
    // What a worker would return: a list with a reference to one of its own objects.
    let inner = ObjectId::result(TaskId::from_hash(0x99), 0);
    let foreign = crate::link::testing::silent_link();
    let handle = crate::reference::Handle::lent(foreign, inner, None);
    let encoded = crate::codec::encode(&vec![ObjectRef::<u64>::new(handle)]).unwrap();
    let contained = Some(vec![ObjectAddress::at_home(inner)].into());
    let value = ResultValue { value: StoredValue::Inline(encoded.payload), contained };
    driver.node.sender.send(Frame::Completed { task: submit.task, outcome: Outcome::Value(value) });
    let list = (&outer).await.unwrap();
    assert_eq!(list[0].id(), inner);
    let (answered, value) = tokio::join!(
        async {
            let Frame::Get { address } = driver.node.next().await else { panic!("no get") };
            assert_eq!(address, ObjectAddress::at_home(inner));
            let payload = crate::codec::encode_value(&5_u64).unwrap();
            let outcome = Outcome::Value(ResultValue::inline(payload));
            driver.node.sender.send(Frame::Got { object: inner, outcome });
        },
        list[0].get()
    );
    let () = answered;
    assert_eq!(value.unwrap(), 5);
    drop((outer, list));
    let released = driver.node.next_released(2).await;
    assert!(released.contains(&inner) && released.contains(&ObjectId::result(submit.task, 0)));
}

#[tokio::test]
async fn each_reference_to_an_object_hears_of_it() {
    let mut driver = usual().await;
    // As a worker has them that is lent the same reference twice.
    let call = call(&driver.cluster, 1).submit();
    let link = call.handle().link().unwrap().clone();
    driver.node.next_submit().await;
    let object = ObjectId::result(TaskId::from_hash(0x99), 0);
    let lent = || ObjectRef::<u64>::new(crate::reference::Handle::lent(link.clone(), object, None));
    let (one, two) = (lent(), lent());
    // An answer may come before the second has asked: then there is another question.
    let answers = async {
        loop {
            let Frame::Get { .. } = driver.node.next().await else { panic!("no get") };
            let payload = crate::codec::encode_value(&5_u64).unwrap();
            let outcome = Outcome::Value(ResultValue::inline(payload));
            driver.node.sender.send(Frame::Got { object, outcome });
        }
    };
    tokio::select! {
        (one, two) = async { tokio::join!(one.get(), two.get()) } => {
            assert_eq!((one.unwrap(), two.unwrap()), (5, 5));
        }
        () = answers => {}
    }
}

#[tokio::test]
async fn several_results_have_a_reference_each() {
    let mut driver = usual().await;
    let mut builder = crate::CallBuilder::of_template(crate::link::testing::template("tests::list"));
    builder.argument::<u64>(3);
    let list: crate::RemoteCall<ObjectRef<Vec<u64>>> = builder.finish();
    let references = list.num_returns(3).on(&driver.cluster).submit();
    assert_eq!(references.len(), 3);
    let submit = driver.node.next_submit().await;
    let value = |number: u64| ResultValue::inline(crate::codec::encode_value(&number).unwrap());
    let outcome = Outcome::Values(vec![value(1), value(2)]);
    driver.node.sender.send(Frame::Completed { task: submit.task, outcome });
    assert_eq!((&references[0]).await.unwrap(), 1);
    assert_eq!((&references[1]).await.unwrap(), 2);
    assert_eq!((&references[2]).await.unwrap_err().kind(), ErrorKind::BadValue);
}

#[tokio::test]
async fn wait_returns_what_is_ready_in_the_order_given() {
    let mut driver = usual().await;
    let references: Vec<_> = (0..10).map(|number| call(&driver.cluster, number).submit()).collect();
    let mut tasks = Vec::new();
    for _ in 0..10 {
        tasks.push(driver.node.next_submit().await.task);
    }
    let ids: Vec<_> = references.iter().map(ObjectRef::id).collect();
    let (none, references) = crate::wait(references, 1, Some(Duration::from_millis(1))).await;
    assert!(none.is_empty());
    driver.node.complete(tasks[7], &7_u64);
    driver.node.complete(tasks[3], &3_u64);
    let (ready, references) = crate::wait(references, 2, None).await;
    assert_eq!(ready.iter().map(ObjectRef::id).collect::<Vec<_>>(), [ids[3], ids[7]]);
    assert_eq!(references.len(), 8);
    let mut pending = references;
    for task in &tasks {
        driver.node.complete(*task, &0_u64);
    }
    while !pending.is_empty() {
        let (ready, rest) = crate::wait(pending, 1, None).await;
        assert_eq!(ready.len(), 1);
        pending = rest;
    }
}

#[tokio::test]
async fn completed_references_come_as_they_complete() {
    let mut driver = usual().await;
    let references: Vec<_> = (0..5).map(|number| call(&driver.cluster, number).submit()).collect();
    let ids: Vec<_> = references.iter().map(ObjectRef::id).collect();
    let mut completed = crate::as_completed(references);
    let mut tasks = Vec::new();
    for _ in 0..5 {
        tasks.push(driver.node.next_submit().await.task);
    }
    for place in [4, 0, 2, 1, 3] {
        driver.node.complete(tasks[place], &0_u64);
        assert_eq!(completed.next().await.unwrap().id(), ids[place]);
    }
    assert!(completed.next().await.is_none());
}

#[tokio::test]
async fn a_timeout_leaves_the_task_alone() {
    let mut driver = usual().await;
    let reference = call(&driver.cluster, 1).submit();
    let submit = driver.node.next_submit().await;
    let error = reference.get_timeout(Duration::from_millis(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let error = reference.get_blocking_timeout(Duration::from_millis(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    driver.node.complete(submit.task, &9_u64);
    assert_eq!(reference.await.unwrap(), 9);
}

#[tokio::test]
async fn cancelling_and_closing_tell_the_node() {
    let mut driver = usual().await;
    let reference = call(&driver.cluster, 1).submit();
    driver.node.next_submit().await;
    crate::cancel(&reference).force(true).recursive(false).send();
    let Frame::Cancel { address, force, recursive } = driver.node.next().await else { panic!("no cancel") };
    assert_eq!((address.object, force, recursive), (reference.id(), true, false));
    let cluster = driver.cluster.clone();
    cluster.close().await;
    let error = reference.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::JobEnded);
    let after = call(&cluster, 2).submit();
    assert_eq!(after.await.unwrap_err().kind(), ErrorKind::JobEnded);
    assert!(matches!(driver.node.try_next(), Some(Frame::Goodbye)));
}
