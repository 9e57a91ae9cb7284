//! Hooks and timers of actors: what they may wait for, and where they run.

use crate::actors::{called, exited, failure_of, host, incarnation, turn};
use crate::node::{Node, value};
use mobula::{ActorContext, ActorHandle, Down};
use mobula_types::actor::{ExitKind, WatchKind};
use mobula_types::{ActorId, ExitReason, FailureKind, Frame, Outcome, Payload};
use std::time::Duration;

/// An actor whose hooks wait for a call of itself.
struct Mirror {
    seen: Option<mobula::ErrorKind>,
}

#[mobula::actor]
impl Mirror {
    pub(crate) fn new(_start: u64) -> Self {
        Mirror { seen: None }
    }

    pub(crate) async fn reflected(_start: u64, context: &ActorContext) -> mobula::Result<Self> {
        context.me::<MirrorHandle>().seen().await?;
        Ok(Mirror { seen: None })
    }

    /// Tells from where a timer rings.
    pub(crate) fn tick(&self, context: &ActorContext) {
        let me: MirrorHandle = context.me();
        let thread = || std::thread::current().name().unwrap_or_default().to_owned();
        context.send_every(Duration::from_millis(1), move || me.told(thread()));
    }

    pub(crate) fn break_timer(&self, context: &ActorContext) {
        let me: MirrorHandle = context.me();
        context.send_every(Duration::from_millis(1), move || match me.id() == ActorId::default() {
            true => me.seen(),
            false => panic!("a broken timer"),
        });
    }

    pub(crate) fn told(&self, _thread: String) {}

    pub(crate) fn seen(&self) -> String {
        self.seen.map_or_else(String::new, |kind| format!("{kind:?}"))
    }

    async fn on_down(&mut self, _down: Down, context: &ActorContext) {
        let me: MirrorHandle = context.me();
        // Casts wait for nobody.
        me.seen().cast();
        self.seen = me.seen().await.err().map(|error| error.kind());
    }

    async fn on_stop(&self, _reason: &ExitReason, context: &ActorContext) -> mobula::Result<()> {
        context.me::<MirrorHandle>().seen().submit().await.map(drop)
    }
}

#[tokio::test]
async fn a_hook_waits_for_no_call_of_its_own_actor() {
    let mut node = Node::start().await;
    host(&mut node, 1, "hooks::Mirror::new", 0);
    assert_eq!(node.next().await, Frame::ActorStarted { key: 1 });
    let down = Down { number: 3, incarnation: incarnation(2), reason: ExitReason::of(ExitKind::NodeLost) };
    node.send(Frame::Down { key: Some(1), down: Box::new(down), kind: WatchKind::Monitor });
    let handle = turn(&mut node, 1, 1, "hooks::Mirror::seen", Payload::EMPTY);
    let mut calls = 0;
    let outcome = loop {
        match node.next().await {
            Frame::Call(_) => calls += 1,
            Frame::Done { handle: of, outcome, .. } if of == handle => break outcome,
            Frame::Template { .. } => {}
            frame => panic!("{frame:?} instead of the end of the turn behind the hook"),
        }
    };
    assert_eq!(
        (value::<String>(&outcome, 0).as_str(), calls),
        ("WouldDeadlock", 1),
        "the cast alone is sent"
    );
}

#[tokio::test]
async fn the_last_hook_does_not_hold_up_the_exit_by_a_call_of_itself() {
    let mut node = Node::start().await;
    host(&mut node, 1, "hooks::Mirror::new", 0);
    assert_eq!(node.next().await, Frame::ActorStarted { key: 1 });
    let reason = ExitReason::of(ExitKind::Shutdown);
    node.send(Frame::StopActor { key: 1, grace: None, reason: reason.clone() });
    let exit = loop {
        match node.next().await {
            Frame::Template { .. } | Frame::Call(_) | Frame::Cancel { .. } => {}
            Frame::ActorExited { reason, .. } => break reason,
            frame => panic!("{frame:?} instead of the exit"),
        }
    };
    assert_eq!(exit, Some(reason));
}

#[tokio::test]
async fn a_constructor_waits_for_no_call_of_its_own_actor() {
    let mut node = Node::start().await;
    host(&mut node, 1, "hooks::Mirror::reflected", 0);
    let reason = exited(&mut node, 1).await.unwrap();
    assert_eq!(reason.kind(), ExitKind::ConstructorFailed);
    let failure = reason.failure().unwrap().clone();
    assert_eq!(failure_of(&Outcome::Failed(failure)), FailureKind::WouldDeadlock);
}

#[tokio::test]
async fn a_timer_calls_on_the_threads_of_the_actors() {
    let mut node = Node::start().await;
    host(&mut node, 1, "hooks::Mirror::new", 0);
    assert_eq!(node.next().await, Frame::ActorStarted { key: 1 });
    let handle = turn(&mut node, 1, 1, "hooks::Mirror::tick", Payload::EMPTY);
    node.done(handle).await;
    let call = called(&mut node).await;
    let thread: String = mobula::codec::decode_value(&call.arguments).unwrap();
    assert!(thread.ends_with("-actor"), "it rang on {thread}");
}

#[tokio::test]
async fn a_timer_that_panics_ends_its_actor() {
    let mut node = Node::start().await;
    host(&mut node, 1, "hooks::Mirror::new", 0);
    assert_eq!(node.next().await, Frame::ActorStarted { key: 1 });
    let handle = turn(&mut node, 1, 1, "hooks::Mirror::break_timer", Payload::EMPTY);
    node.done(handle).await;
    let reason = exited(&mut node, 1).await.unwrap();
    assert_eq!(
        (reason.kind(), reason.failure().unwrap().kind()),
        (ExitKind::Panicked, FailureKind::TaskPanicked)
    );
}
