//! Creations, calls of actors, and questions.

use super::usual;
use crate::actor::generated::{call, call_options, creation, creation_options, deserialize, serialize};
use crate::actor::{ActorCall, ActorHandle, ActorPool, ActorRef, Creation};
use crate::link::testing::{Driver, FakeBulk, FakeNode, JOB};
use crate::{CallBuilder, ErrorKind, ObjectRef};
use bytes::Bytes;
use mobula_types::actor::{
    ActorAnswer, ActorInfo, ActorOptions, ActorRequest, ActorState, ActorTarget, Down, Epoch, ExitKind,
    Incarnation, Lifetime, Target, WatchKind,
};
use mobula_types::frame::{Answer, Ask, Call, Submit};
use mobula_types::{
    ActorId, ExitReason, Failure, FailureKind, Frame, FunctionId, ObjectId, Outcome, Payload, ResultValue,
    TaskId, TaskOptions, TaskTemplate,
};
use std::sync::Arc;

/// As the macro makes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct TallyHandle(ActorRef);

impl TallyHandle {
    fn new(cluster: &crate::Cluster) -> Creation<Self> {
        creation(builder("tests::Tally::new", creation_options(ActorOptions::default()))).on(cluster)
    }

    fn add(&self, by: u64) -> ActorCall<ObjectRef<u64>> {
        let mut builder = builder("tests::Tally::add", call_options(false, 0));
        builder.argument::<u64>(by);
        call(builder, &self.0)
    }

    fn load(&self, bytes: Bytes) -> ActorCall<ObjectRef<u64>> {
        let mut builder = builder("tests::Tally::load", call_options(false, 0));
        builder.argument::<Bytes>(bytes);
        call(builder, &self.0)
    }
}

impl ActorHandle for TallyHandle {
    fn class() -> &'static str {
        "tests::Tally"
    }
    fn from_actor_ref(actor: ActorRef) -> Self {
        TallyHandle(actor)
    }
    fn actor_ref(&self) -> &ActorRef {
        &self.0
    }
}

impl serde::Serialize for TallyHandle {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(self, serializer)
    }
}

impl<'de> serde::Deserialize<'de> for TallyHandle {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer)
    }
}

fn builder(name: &str, options: TaskOptions) -> CallBuilder {
    let template = TaskTemplate { function: FunctionId::new(name, "1"), signature: None, options };
    CallBuilder::of_template(Arc::new(template))
}

/// The next call; what is let go of is not looked at.
async fn next_call(node: &mut FakeNode) -> Call {
    loop {
        match node.next_no_template().await {
            Frame::Call(call) => return *call,
            Frame::Release { .. } => {}
            frame => panic!("{frame:?} instead of a call"),
        }
    }
}

async fn next_creation(node: &mut FakeNode) -> (Submit, ActorOptions) {
    let Frame::Template { template, .. } = node.next().await else { panic!("no template") };
    let Target::Constructor(options) = &template.options.target else { panic!("no constructor") };
    (node.next_submit().await, ActorOptions::clone(options))
}

fn started(node: &FakeNode, task: TaskId) {
    let outcome = Outcome::Value(ResultValue::inline(Payload::EMPTY));
    node.sender.send(Frame::Completed { task, outcome });
}

async fn a_tally() -> (Driver, TallyHandle) {
    let mut driver = usual().await;
    let tally = TallyHandle::new(&driver.cluster).start();
    driver.node.next_submit().await;
    (driver, tally)
}

#[tokio::test]
async fn an_actor_is_spawned_when_its_creation_has_ended() {
    let mut driver = usual().await;
    let creation = TallyHandle::new(&driver.cluster).named("tally").namespace("tests").detached();
    let spawned = async {
        let (submit, options) = next_creation(&mut driver.node).await;
        assert_eq!((&*options.name, &*options.namespace), ("tally", "tests"));
        assert_eq!(options.lifetime, Lifetime::Detached);
        started(&driver.node, submit.task);
        submit.task
    };
    let (tally, task) = tokio::join!(creation.spawn(), spawned);
    assert_eq!(tally.unwrap().id(), ActorId(task));
    let failing = TallyHandle::new(&driver.cluster);
    let fails = async {
        let task = driver.node.next_submit().await.task;
        let failure = Failure::new(FailureKind::TaskFailed, "no disk");
        driver.node.sender.send(Frame::Completed { task, outcome: Outcome::Failed(failure) });
    };
    let (failed, ()) = tokio::join!(failing.spawn(), fails);
    assert_eq!(failed.unwrap_err().message(), "no disk");
}

#[tokio::test]
async fn what_get_or_create_found_is_another_actor() {
    let mut driver = usual().await;
    let creation = TallyHandle::new(&driver.cluster).named("tally").get_or_create();
    let other = TaskId { high: 3, low: 4 };
    let found = async {
        let task = driver.node.next_submit().await.task;
        let number = (u128::from(other.high) << 64) | u128::from(other.low);
        let payload = Payload::from(&number.to_le_bytes()[..]);
        let outcome = Outcome::Value(ResultValue::inline(payload));
        driver.node.sender.send(Frame::Completed { task, outcome });
        task
    };
    let (tally, task) = tokio::join!(creation.spawn(), found);
    let tally = tally.unwrap();
    assert_eq!(tally.id(), ActorId(other));
    let released = driver.node.next_released(1).await;
    assert!(released.contains(&ObjectId::result(task, 0)), "nothing was created");
    let error = TallyHandle::new(&driver.cluster).get_or_create().start().add(1).await.unwrap_err();
    assert_eq!(error.root_cause().kind(), ErrorKind::InvalidArgument);
}

#[tokio::test]
async fn calls_are_numbered_in_the_order_in_which_they_were_made() {
    let (mut driver, tally) = a_tally().await;
    let first = tally.add(1).submit();
    let second = tally.add(2).submit();
    let calls = [next_call(&mut driver.node).await, next_call(&mut driver.node).await];
    for (call, number) in calls.iter().zip(1..) {
        assert_eq!((call.actor, call.sequence, call.answered_below), (tally.id(), number, 1));
        assert_eq!((call.parent, call.arguments.as_slice()), (None, &[number as u8][..]));
    }
    // Only now: the second one may be sent later than the first, and would tell of what is answered meanwhile.
    for (call, value) in calls.iter().zip([10, 20]) {
        driver.node.complete(call.task, &value);
    }
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (10, 20));
    let other = TallyHandle::new(&driver.cluster).start();
    other.add(7).cast();
    let mut cast = None;
    while cast.is_none() {
        if let Frame::Template { template, .. } = driver.node.next().await
            && let Target::Method(method) = template.options.target
        {
            assert!(method.cast && template.options.num_returns == 0);
            cast = Some(next_call(&mut driver.node).await);
        }
    }
    assert_eq!(cast.unwrap().sequence, 1, "each actor's calls are counted for themselves");
    let third = tally.add(3).submit();
    loop {
        if let Frame::Call(call) = driver.node.next().await {
            assert_eq!((call.sequence, call.answered_below), (3, 3));
            break;
        }
    }
    drop(third);
}

#[tokio::test]
async fn a_call_stays_behind_one_whose_argument_is_being_uploaded() {
    let (mut driver, tally) = a_tally().await;
    driver.bulk.permits.forget_permits(1000);
    let large = tally.load(Bytes::from(vec![1; 200 * 1024])).submit();
    let small = tally.add(2).submit();
    let other = TallyHandle::new(&driver.cluster).start();
    let free = other.add(3).submit();
    let submit = driver.node.next_submit().await;
    assert_eq!(ActorId(submit.task), other.id());
    assert_eq!(next_call(&mut driver.node).await.task, free.id().task, "calls of other actors go on");
    driver.bulk.permits.add_permits(1);
    assert!(matches!(driver.node.next_no_template().await, Frame::Put { .. }));
    for (number, reference) in [(1, large), (2, small)] {
        let call = next_call(&mut driver.node).await;
        assert_eq!((call.sequence, call.task), (number, reference.id().task));
    }
}

#[tokio::test]
async fn an_actor_is_held_as_long_as_a_call_of_it_is_waited_for() {
    let (mut driver, tally) = a_tally().await;
    let creation = ObjectId::result(tally.id().0, 0);
    let call = tally.add(1).submit();
    drop(tally);
    let sent = next_call(&mut driver.node).await;
    tokio::task::yield_now().await;
    assert!(driver.node.try_next().is_none(), "the actor was let go");
    driver.node.complete(sent.task, &1_u64);
    assert_eq!((&call).await.unwrap(), 1);
    assert!(driver.node.next_released(1).await.contains(&creation));
}

#[tokio::test]
async fn another_home_gets_creations_and_calls_under_the_same_numbers() {
    let (mut driver, tally) = a_tally().await;
    started(&driver.node, tally.id().0);
    tally.started().await.unwrap();
    let answered = tally.add(1).submit();
    let call = next_call(&mut driver.node).await;
    driver.node.complete(call.task, &1_u64);
    assert_eq!(answered.await.unwrap(), 1);
    let pending = tally.add(2).submit();
    next_call(&mut driver.node).await;
    let mut heir = driver.connector.add("heir", 1000, FakeBulk::default());
    drop(driver.node);
    let offered = heir.next_submit().await;
    assert_eq!(ActorId(offered.task), tally.id());
    assert!(offered.reoffer().is_some());
    let call = next_call(&mut heir).await;
    assert_eq!((call.sequence, call.task), (2, pending.id().task));
    heir.complete(call.task, &5_u64);
    assert_eq!(pending.await.unwrap(), 5);
    let next = tally.add(3).submit();
    assert_eq!(next_call(&mut heir).await.sequence, 3);
    drop(next);
}

#[tokio::test]
async fn handles_travel_and_stay_the_same() {
    let (driver, tally) = a_tally().await;
    let link = tally.0.link().unwrap().clone();
    let scope = || crate::codec::scope::DecodeScope::new(Some(link.clone()), None);
    let encoded = crate::codec::encode(&tally).unwrap();
    assert_eq!(encoded.addresses().len(), 1, "a value with a handle inside keeps the actor alive");
    let back: TallyHandle = crate::codec::decode_with(&encoded.payload, scope()).unwrap();
    assert!(back == tally && back.0.is_counted());
    let found = TallyHandle(ActorRef::uncounted(&link, tally.id()));
    let encoded = crate::codec::encode(&found).unwrap();
    assert!(encoded.addresses().is_empty());
    let back: TallyHandle = crate::codec::decode_with(&encoded.payload, scope()).unwrap();
    assert!(back == tally && !back.0.is_counted());
    assert!(rmp_serde::to_vec(&found).is_err(), "outside of the codec");
    drop(driver);
}

#[tokio::test]
async fn a_name_is_looked_up_and_its_class_compared() {
    let mut driver = usual().await;
    let info = |class: &str, state| ActorInfo {
        actor: ActorId(TaskId { high: 1, low: 2 }),
        namespace: "default".into(),
        name: "tally".into(),
        class: FunctionId::new(class, "1"),
        job: JOB,
        state,
        epoch: Epoch(1),
        node: None,
        restarts: 0,
        last_exit: "Killed".into(),
        supervisor: None,
        child: "".into(),
        since_millis: 0,
    };
    let answers = [
        (info("tests::Tally::new", ActorState::Running), None),
        (info("tests::TallyTwo::new", ActorState::Running), Some(ErrorKind::TypeMismatch)),
        (info("tests::Tally::new", ActorState::Dead), Some(ErrorKind::NotFound)),
    ];
    for (info, expected) in answers {
        let cluster = driver.cluster.clone();
        let (found, ()) = tokio::join!(cluster.context_here().scope(TallyHandle::get("tally")), async {
            let Frame::Ask { number, parent: None, ask } = driver.node.next().await else { panic!("no ask") };
            let Ask::Actors(ActorRequest::Find(ActorTarget::Named { name, .. })) = *ask else {
                panic!("{ask:?}")
            };
            assert_eq!(&*name, "tally");
            let answer = Box::new(Answer::Actors(ActorAnswer::Found(Box::new(info))));
            driver.node.sender.send(Frame::Answered { number, answer });
        });
        assert_eq!(found.err().map(|error| error.kind()), expected);
    }
}

#[tokio::test]
async fn a_monitor_hears_of_the_exit_through_whoever_is_the_home() {
    let (mut driver, tally) = a_tally().await;
    let watched = |frame, known| match frame {
        Frame::Ask { number, ask, .. } => match *ask {
            Ask::Watch { target, kind: WatchKind::Monitor, epoch } if target == tally.id() => {
                assert_eq!(epoch, known, "the same incarnation is watched through the next home");
                number
            }
            ask => panic!("{ask:?}"),
        },
        frame => panic!("{frame:?}"),
    };
    let watching = |node: &FakeNode, number, watch| {
        let answer = Box::new(Answer::Watching { number: watch, epoch: Epoch(1) });
        node.sender.send(Frame::Answered { number, answer });
    };
    let (monitor, ()) = tokio::join!(tally.monitor(), async {
        let number = watched(driver.node.next_no_template().await, None);
        watching(&driver.node, number, 70);
    });
    let mut heir = driver.connector.add("heir", 1000, FakeBulk::default());
    drop(driver.node);
    heir.next_submit().await;
    let number = watched(heir.next_no_template().await, Some(Epoch(1)));
    watching(&heir, number, 9);
    // Another one may have the number that the first had at the old home, and ends by itself.
    let (other, ()) = tokio::join!(tally.monitor(), async {
        let number = watched(heir.next_no_template().await, None);
        watching(&heir, number, 70);
    });
    drop(other.unwrap());
    let Frame::Ask { ask, .. } = heir.next_no_template().await else { panic!("no ask") };
    assert_eq!(*ask, Ask::Unwatch { number: 70 });
    let incarnation = Incarnation { actor: tally.id(), epoch: Epoch(1) };
    let down = Down { number: 9, incarnation, reason: ExitReason::of(ExitKind::NodeLost) };
    heir.sender.send(Frame::Down { key: None, down: Box::new(down.clone()), kind: WatchKind::Monitor });
    assert_eq!(monitor.unwrap().await.unwrap(), down);
}

#[tokio::test]
async fn a_pool_gives_the_next_item_to_whoever_is_done() {
    let mut driver = usual().await;
    let tallies = [TallyHandle::new(&driver.cluster).start(), TallyHandle::new(&driver.cluster).start()];
    for _ in 0..2 {
        driver.node.next_submit().await;
    }
    let mut pool = ActorPool::new(tallies.clone());
    let (results, calls) = tokio::join!(pool.map(|tally, by: u64| tally.add(by), 0..10_u64), async {
        let mut calls = Vec::new();
        // The second of the two is always the one that is done.
        let slow = next_call(&mut driver.node).await;
        for _ in 0..9 {
            let call = next_call(&mut driver.node).await;
            driver.node.complete(call.task, &u64::from(call.arguments.as_slice()[0]));
            calls.push(call.actor);
        }
        driver.node.complete(slow.task, &u64::from(slow.arguments.as_slice()[0]));
        calls
    });
    assert!(results.unwrap().into_iter().eq(0..10));
    assert!(calls.iter().all(|actor| *actor == tallies[1].id()), "{calls:?}");
    let error = pool.next().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}
