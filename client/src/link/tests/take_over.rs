//! The loss of the home node.

use super::{CREDIT, call, usual};
use crate::link::testing::FakeBulk;
use crate::{CallBuilder, ErrorKind, ObjectRef};
use mobula_types::frame::{Charges, Progress};
use mobula_types::{Failure, FailureKind, Frame, Outcome, OwnerTerm, ResultValue, StoredValue};
use std::time::Duration;

#[tokio::test]
async fn everything_that_is_held_or_waited_for_is_offered_again() {
    let mut driver = usual().await;
    let put = driver.cluster.put(5_u64).submit();
    let first = call(&driver.cluster, 1).submit();
    let mut builder = CallBuilder::of_template(crate::link::testing::template("tests::call"));
    builder.argument::<u64>(&first);
    let second: ObjectRef<u64> = builder.finish().on(&driver.cluster).submit();
    let forgotten = call(&driver.cluster, 3).submit();
    let ended = call(&driver.cluster, 4).submit();
    let mut tasks = Vec::new();
    for _ in 0..4 {
        tasks.push(driver.node.next_submit().await.task);
    }
    driver.node.complete(tasks[3], &44_u64);
    assert_eq!((&ended).await.unwrap(), 44);
    // The second still needs the first, whose reference goes.
    drop((first, forgotten));
    driver.node.next_released(2).await;
    let mut heir = driver.connector.add("heir", CREDIT, FakeBulk::default());
    drop(driver.node);
    let Frame::Put { object, value } = heir.next().await else { panic!("no put") };
    assert_eq!(object, put.id());
    assert!(matches!(value.value, StoredValue::Inline(_)));
    for task in &tasks[..2] {
        let Frame::Submit(submit) = heir.next_no_template().await else { panic!("no submit") };
        assert!(submit.reoffer().is_some());
        assert_eq!(submit.task, *task, "in order, and not those that nobody needs");
    }
    assert_eq!(*driver.connector.terms.lock(), [OwnerTerm(1)]);
    heir.complete(tasks[1], &22_u64);
    assert_eq!(second.await.unwrap(), 22);
    let after = call(&driver.cluster, 9).submit();
    let submit = heir.next_submit().await;
    assert!(submit.reoffer().is_none());
    heir.complete(submit.task, &81_u64);
    assert_eq!(after.await.unwrap(), 81);
    // What lapsed, because its value is here, is offered once it is needed.
    let mut builder = CallBuilder::of_template(crate::link::testing::template("tests::call"));
    builder.argument::<u64>(&ended);
    let dependant: ObjectRef<u64> = builder.finish().on(&driver.cluster).submit();
    let submit = heir.next_submit().await;
    let outcome = submit.reoffer().expect("it is no news").outcome.as_ref().expect("it is not run again");
    assert!(matches!(&outcome.values(), Ok([ResultValue { value: StoredValue::Inline(_), .. }])));
    assert_eq!(submit.task, ended.id().task);
    assert_eq!(heir.next_submit().await.task, dependant.id().task);
    assert_eq!(ended.await.unwrap(), 44);
}

#[tokio::test]
async fn without_another_home_everything_fails() {
    let mut driver = usual().await;
    let reference = call(&driver.cluster, 1).submit();
    driver.node.next_submit().await;
    drop(driver.node);
    let error = reference.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::JobEnded);
    assert!(error.message().contains("home node"), "{error}");
}

#[tokio::test]
async fn what_was_not_kept_is_lost_with_its_node() {
    let options = crate::link::LinkOptions { most_kept: 0, ..Default::default() };
    let mut driver = crate::link::testing::driver(CREDIT, options).await;
    let reference = call(&driver.cluster, 1).submit();
    driver.node.next_submit().await;
    let _heir = driver.connector.add("heir", CREDIT, FakeBulk::default());
    drop(driver.node);
    assert_eq!(reference.await.unwrap_err().kind(), ErrorKind::LineageEvicted);
}

#[tokio::test]
async fn a_draining_home_is_left() {
    let mut driver = usual().await;
    let reference = call(&driver.cluster, 1).submit();
    driver.node.next_submit().await;
    let mut heir = driver.connector.add("heir", CREDIT, FakeBulk::default());
    driver.node.sender.send(Frame::Draining);
    let submit = heir.next_submit().await;
    assert!(submit.reoffer().is_some());
    heir.complete(submit.task, &1_u64);
    assert_eq!(reference.await.unwrap(), 1);
}

#[tokio::test]
async fn the_next_home_is_told_what_became_of_a_task() {
    let mut driver = usual().await;
    let running = call(&driver.cluster, 1).deadline(Duration::from_secs(3600)).submit();
    let submit = driver.node.next_submit().await;
    let given = submit.deadline().expect("a deadline");
    let losses = vec![Duration::from_secs(5)];
    driver.node.sender.send(Frame::Charged { task: submit.task, charges: Charges { retries: 2, losses } });
    // Its answer shows that the charge was heard.
    let other = call(&driver.cluster, 2).submit();
    let answered = driver.node.next_submit().await;
    driver.node.complete(answered.task, &4_u64);
    assert_eq!(other.await.unwrap(), 4);
    let mut heir = driver.connector.add("heir", CREDIT, FakeBulk::default());
    drop(driver.node);
    let again = heir.next_submit().await;
    assert_eq!(again.task, submit.task);
    let reoffer = again.reoffer().expect("it is offered again");
    assert_eq!((reoffer.progress, reoffer.charges.retries), (Progress::Offered, 2));
    assert!(reoffer.charges.losses[0] >= Duration::from_secs(5));
    assert!(again.deadline().expect("a deadline") < given, "it counts from the submission");
    drop(running);
}

#[tokio::test]
async fn a_value_that_is_here_outlives_the_failure_of_its_task() {
    let mut driver = usual().await;
    let value = call(&driver.cluster, 1).submit();
    let task = driver.node.next_submit().await.task;
    driver.node.complete(task, &9_u64);
    assert_eq!((&value).await.unwrap(), 9);
    let mut heir = driver.connector.add("heir", CREDIT, FakeBulk::default());
    drop(driver.node);
    let mut builder = CallBuilder::of_template(crate::link::testing::template("tests::call"));
    builder.argument::<u64>(&value);
    let dependant: ObjectRef<u64> = builder.finish().on(&driver.cluster).submit();
    let again = heir.next_submit().await;
    assert_eq!(again.reoffer().expect("it is offered again").progress, Progress::Ended);
    let failure = Failure::new(FailureKind::ObjectLost, "it may not run again");
    for task in [task, heir.next_submit().await.task] {
        heir.sender.send(Frame::Completed { task, outcome: Outcome::Failed(failure.clone()) });
    }
    assert_eq!(dependant.await.unwrap_err().kind(), ErrorKind::ObjectLost);
    assert_eq!(value.await.unwrap(), 9);
}
