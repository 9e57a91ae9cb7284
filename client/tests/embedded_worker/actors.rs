//! Actors in a worker, against a node that this test plays.

use crate::node::{Node, encoded, value};
use bytes::Bytes;
use mobula::{ActorContext, ActorHandle, Down};
use mobula_types::actor::{
    ActorOptions, Caller, Epoch, ExitKind, Incarnation, MethodOptions, Target, WatchKind,
};
use mobula_types::frame::{Answer, Ask, Call, HostActor, Turn, actor_as_parent};
use mobula_types::{
    ActorId, Attempt, ExitReason, Failure, FailureKind, Frame, INLINE_LIMIT, JobId, Outcome, Payload,
    ResultValue, TaskId, TaskOptions, TemplateId,
};
use std::sync::Arc;
use std::time::Duration;

const TURNS: u64 = 1 << 63;

struct Tally {
    total: u64,
}

#[mobula::actor]
impl Tally {
    pub(crate) fn new(start: u64) -> Self {
        Tally { total: start }
    }

    pub(crate) async fn checked(start: u64) -> Result<Option<Self>, String> {
        match start {
            0 => Ok(None),
            13 => Err("an unlucky number".into()),
            start => Ok(Some(Tally { total: start })),
        }
    }

    pub(crate) fn add(&mut self, by: u64) -> u64 {
        self.total += by;
        self.total
    }

    pub(crate) fn read(&self) -> u64 {
        self.total
    }

    pub(crate) fn me(&self, context: &ActorContext) -> TallyHandle {
        context.me()
    }

    pub(crate) async fn add_other(&mut self, other: TallyHandle) -> mobula::Result<u64> {
        self.total += other.read().await?;
        Ok(self.total)
    }

    /// Waits for a call behind its reference.
    pub(crate) async fn add_later(&mut self, other: TallyHandle) -> mobula::Result<u64> {
        let call = other.read().submit();
        tokio::task::yield_now().await;
        self.total += call.await?;
        Ok(self.total)
    }

    #[method(blocking)]
    pub(crate) fn add_blocking(&mut self, other: TallyHandle) -> mobula::Result<u64> {
        self.total += other.read().submit().get_blocking()?;
        Ok(self.total)
    }

    /// Does not wait in its turn.
    pub(crate) fn add_apart(&mut self, other: TallyHandle) {
        drop(mobula::spawn(async move { other.read().await }));
    }

    /// As `add_other`, of a turn that others share.
    pub(crate) async fn read_other(&self, other: TallyHandle) -> mobula::Result<u64> {
        other.read().await
    }

    pub(crate) async fn forever(&self) {
        std::future::pending().await
    }

    pub(crate) fn zeros(&self, count: usize) -> Bytes {
        Bytes::from(vec![0; count])
    }

    pub(crate) fn leave(&self, context: ActorContext) {
        context.exit();
    }

    pub(crate) fn break_down(&mut self) {
        panic!("broken")
    }

    pub(crate) async fn watch(&self, other: TallyHandle, context: &ActorContext) -> mobula::Result<u64> {
        context.monitor(&other).await
    }

    pub(crate) fn trap(&self, context: &ActorContext) {
        context.trap_exits(true);
    }

    pub(crate) fn tick(&self, context: &ActorContext) {
        let me: TallyHandle = context.me();
        context.send_after(Duration::from_millis(1), me.add(1_u64));
    }

    fn on_down(&mut self, down: Down) {
        self.total += 1000 * down.number;
    }
}

pub(crate) fn incarnation(number: u64) -> Incarnation {
    Incarnation { actor: ActorId(TaskId { high: 9, low: number }), epoch: Epoch(2) }
}

fn options(target: Target, num_returns: u32) -> TaskOptions {
    TaskOptions { target, num_returns, ..TaskOptions::default() }
}

/// The template of one of `Tally`'s functions, or of another class's that is named with its path.
fn template(node: &mut Node, function: &str, target: Target) -> TemplateId {
    let info = match function.contains("::") {
        true => node.info(function).clone(),
        false => node.info(&format!("actors::Tally::{function}")).clone(),
    };
    node.template(info.id, Some(info.signature), options(target, 1))
}

pub(crate) fn host(node: &mut Node, key: u32, constructor: &str, start: u64) {
    let template = template(node, constructor, Target::Constructor(Arc::new(ActorOptions::default())));
    node.send(Frame::HostActor(Box::new(HostActor {
        key,
        incarnation: incarnation(u64::from(key)),
        job: JobId(5),
        template,
        arguments: encoded(start),
        inputs: Vec::new(),
    })));
}

async fn hosted(node: &mut Node, key: u32, start: u64) {
    host(node, key, "new", start);
    assert_eq!(node.next().await, Frame::ActorStarted { key });
}

pub(crate) fn turn(node: &mut Node, key: u32, number: u64, method: &str, arguments: Payload) -> u64 {
    let caller = Caller::Driver(JobId(5));
    turn_by(node, key, number, method, arguments, caller, MethodOptions::default())
}

fn turn_by(
    node: &mut Node,
    key: u32,
    number: u64,
    method: &str,
    arguments: Payload,
    caller: Caller,
    options: MethodOptions,
) -> u64 {
    let template = template(node, method, Target::Method(options));
    let handle = TURNS | number;
    node.send(Frame::Turn(Box::new(Turn {
        handle,
        key,
        caller,
        task: TaskId { high: 8, low: number },
        attempt: Attempt::default(),
        template,
        arguments,
        inputs: Vec::new(),
        deadline: None,
    })));
    handle
}

pub(crate) async fn exited(node: &mut Node, key: u32) -> Option<ExitReason> {
    match node.next().await {
        Frame::ActorExited { key: of, reason } if of == key => reason,
        frame => panic!("{frame:?} instead of the exit of {key}"),
    }
}

pub(crate) async fn called(node: &mut Node) -> Call {
    loop {
        match node.next().await {
            Frame::Template { .. } => {}
            Frame::Call(call) => return *call,
            frame => panic!("{frame:?} instead of a call"),
        }
    }
}

/// A handle of the actor, as it travels.
async fn handle_of(node: &mut Node, key: u32) -> Payload {
    let handle = turn(node, key, 999, "me", Payload::EMPTY);
    match node.done(handle).await.0 {
        Outcome::Value(ResultValue { value: mobula_types::StoredValue::Inline(payload), .. }) => payload,
        outcome => panic!("{outcome:?}"),
    }
}

#[tokio::test]
async fn an_actor_starts_takes_calls_in_order_and_stops() {
    let mut node = Node::start().await;
    host(&mut node, 1, "new", 7);
    let calls: Vec<u64> = (1..=20).map(|number| turn(&mut node, 1, number, "add", encoded(1_u64))).collect();
    assert_eq!(node.next().await, Frame::ActorStarted { key: 1 });
    for (place, handle) in calls.into_iter().enumerate() {
        assert_eq!(value::<u64>(&node.done(handle).await.0, 0), 8 + place as u64);
    }
    let handle = turn(&mut node, 1, 21, "read", Payload::EMPTY);
    assert_eq!(value::<u64>(&node.done(handle).await.0, 0), 27);
    let reason = ExitReason::of(ExitKind::Shutdown);
    node.send(Frame::StopActor { key: 1, grace: Some(Duration::from_secs(5)), reason: reason.clone() });
    assert_eq!(exited(&mut node, 1).await, Some(reason));
}

#[tokio::test]
async fn a_constructor_may_refuse_or_fail() {
    let mut node = Node::start().await;
    host(&mut node, 1, "checked", 0);
    assert_eq!(exited(&mut node, 1).await, None);
    host(&mut node, 1, "checked", 13);
    let reason = exited(&mut node, 1).await.unwrap();
    assert_eq!(reason.kind(), ExitKind::ConstructorFailed);
    assert_eq!(reason.failure().unwrap().message(), "an unlucky number");
    host(&mut node, 1, "read", 0);
    assert_eq!(exited(&mut node, 1).await.unwrap().kind(), ExitKind::ConstructorFailed);
    host(&mut node, 1, "checked", 5);
    assert_eq!(node.next().await, Frame::ActorStarted { key: 1 });
}

#[tokio::test]
async fn calls_out_of_a_turn_are_the_actors() {
    let mut node = Node::start().await;
    hosted(&mut node, 1, 1).await;
    hosted(&mut node, 2, 10).await;
    let other = handle_of(&mut node, 2).await;
    let mut tasks = Vec::new();
    for number in 1..=2 {
        let handle = turn(&mut node, 1, number, "add_other", other.clone());
        let call = called(&mut node).await;
        assert_eq!((call.actor, call.sequence), (incarnation(2).actor, number), "one caller for all turns");
        assert_eq!((call.parent, call.answered_below), (Some(handle), number));
        tasks.push(call.task);
        let outcome = Outcome::Value(ResultValue::inline(encoded(5_u64)));
        node.send(Frame::Completed { task: call.task, outcome });
        assert_eq!(value::<u64>(&node.done(handle).await.0, 0), 1 + 5 * number);
    }
    assert_ne!(tasks[0], tasks[1]);
}

pub(crate) fn failure_of(outcome: &Outcome) -> FailureKind {
    match outcome {
        Outcome::Failed(failure) => failure.root_cause().kind(),
        outcome => panic!("{outcome:?}"),
    }
}

#[tokio::test]
async fn a_turn_that_has_its_actor_for_itself_waits_for_no_call_of_it() {
    let mut node = Node::start().await;
    hosted(&mut node, 1, 1).await;
    let me = handle_of(&mut node, 1).await;
    let awaited = turn(&mut node, 1, 1, "add_other", me.clone());
    assert_eq!(failure_of(&node.done(awaited).await.0), FailureKind::WouldDeadlock, "and nothing was sent");
    for (number, method) in [(2, "add_later"), (3, "add_blocking")] {
        let submitted = turn(&mut node, 1, number, method, me.clone());
        called(&mut node).await;
        while !matches!(node.next().await, Frame::Cancel { .. }) {}
        assert_eq!(failure_of(&node.done(submitted).await.0), FailureKind::WouldDeadlock);
    }
    // What it starts apart may wait, and so may a turn that shares its actor.
    let apart = turn(&mut node, 1, 4, "add_apart", me.clone());
    let mut seen = (false, false);
    while seen != (true, true) {
        match node.next().await {
            Frame::Template { .. } => {}
            Frame::Call(_) => seen.0 = true,
            Frame::Done { handle, .. } if handle == apart => seen.1 = true,
            frame => panic!("{frame:?} instead of the call or the end of its turn"),
        }
    }
    turn(&mut node, 1, 5, "read_other", me);
    called(&mut node).await;
}

#[tokio::test]
async fn who_waits_with_its_actor_for_itself_is_not_called_back() {
    let mut node = Node::start().await;
    hosted(&mut node, 1, 1).await;
    hosted(&mut node, 2, 2).await;
    let (first, second) = (handle_of(&mut node, 1).await, handle_of(&mut node, 2).await);
    // Its calls say so where it waits for them at once.
    turn(&mut node, 1, 1, "add_other", second.clone());
    let Frame::Template { template, .. } = node.next().await else { panic!("no template") };
    let Target::Method(options) = template.options.target else { panic!("{template:?}") };
    assert!(options.caller_waits);
    let caller = Caller::Actor(incarnation(1));
    let back = turn_by(&mut node, 2, 2, "read_other", first.clone(), caller, options);
    called(&mut node).await;
    assert_eq!(failure_of(&node.done(back).await.0), FailureKind::WouldDeadlock);
    // One that does not wait is called back as anybody else.
    turn_by(&mut node, 2, 3, "read_other", first, caller, MethodOptions::default());
    called(&mut node).await;
}

#[tokio::test]
async fn what_the_actor_ends_by_itself_is_told() {
    let mut node = Node::start().await;
    hosted(&mut node, 1, 1).await;
    let handle = turn(&mut node, 1, 1, "leave", Payload::EMPTY);
    node.done(handle).await;
    assert_eq!(exited(&mut node, 1).await, Some(ExitReason::of(ExitKind::Normal)));
    hosted(&mut node, 1, 1).await;
    let handle = turn(&mut node, 1, 2, "break_down", Payload::EMPTY);
    assert_eq!(node.failure(handle).await.0.kind(), FailureKind::TaskPanicked);
    assert_eq!(exited(&mut node, 1).await.unwrap().kind(), ExitKind::Panicked);
    let handle = turn(&mut node, 1, 3, "read", Payload::EMPTY);
    assert_eq!(node.next().await, Frame::Returned { handles: vec![handle] });
}

#[tokio::test]
async fn running_and_queued_calls_are_cancelled() {
    let mut node = Node::start().await;
    hosted(&mut node, 1, 1).await;
    let running = turn(&mut node, 1, 1, "forever", Payload::EMPTY);
    let queued = turn(&mut node, 1, 2, "add", encoded(1_u64));
    for handle in [queued, running] {
        let failure = Failure::new(FailureKind::Cancelled, "enough");
        node.send(Frame::CancelRun { handle, failure });
        node.cancelled(handle).await;
    }
}

#[tokio::test]
async fn a_large_result_is_told_before_the_exit() {
    let mut node = Node::start().await;
    hosted(&mut node, 1, 1).await;
    let handle = turn(&mut node, 1, 1, "zeros", encoded(2 * INLINE_LIMIT));
    let reason = ExitReason::of(ExitKind::Shutdown);
    node.send(Frame::StopActor { key: 1, grace: None, reason: reason.clone() });
    assert!(matches!(node.done(handle).await.0, Outcome::Value(_)));
    assert_eq!(exited(&mut node, 1).await, Some(reason));
}

#[tokio::test]
async fn watched_exits_come_to_the_hook_and_linked_ones_end_the_actor() {
    let mut node = Node::start().await;
    hosted(&mut node, 1, 1).await;
    hosted(&mut node, 2, 1).await;
    let other = handle_of(&mut node, 2).await;
    let handle = turn(&mut node, 1, 1, "watch", other);
    let Frame::Ask { number, parent, ask } = node.next().await else { panic!("no question") };
    assert_eq!(parent, Some(actor_as_parent(1)));
    assert_eq!(*ask, Ask::Watch { target: incarnation(2).actor, kind: WatchKind::Monitor, epoch: None });
    let answer = Box::new(Answer::Watching { number: 3, epoch: incarnation(2).epoch });
    node.send(Frame::Answered { number, answer });
    assert_eq!(value::<u64>(&node.done(handle).await.0, 0), 3);
    let reason = ExitReason::of(ExitKind::NodeLost);
    let down = Box::new(Down { number: 3, incarnation: incarnation(2), reason });
    node.send(Frame::Down { key: Some(1), down: down.clone(), kind: WatchKind::Monitor });
    let handle = turn(&mut node, 1, 2, "trap", Payload::EMPTY);
    node.done(handle).await;
    node.send(Frame::Down { key: Some(1), down: down.clone(), kind: WatchKind::Link });
    let handle = turn(&mut node, 1, 3, "read", Payload::EMPTY);
    assert_eq!(value::<u64>(&node.done(handle).await.0, 0), 6001);
    node.send(Frame::Down { key: Some(2), down, kind: WatchKind::Link });
    let reason = exited(&mut node, 2).await.unwrap();
    assert_eq!((reason.kind(), reason.root_cause().kind()), (ExitKind::Linked, ExitKind::NodeLost));
}

#[tokio::test]
async fn a_timer_casts_as_the_actor() {
    let mut node = Node::start().await;
    hosted(&mut node, 1, 1).await;
    let handle = turn(&mut node, 1, 1, "tick", Payload::EMPTY);
    node.done(handle).await;
    let call = called(&mut node).await;
    assert_eq!((call.actor, call.parent), (incarnation(1).actor, Some(actor_as_parent(1))));
    assert_eq!(TallyHandle::class(), "embedded_worker::actors::Tally");
}
