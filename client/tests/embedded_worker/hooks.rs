//! Hooks of actors: what they may wait for.

use crate::actors::{exited, failure_of, host, incarnation, turn};
use crate::node::{Node, value};
use mobula::{ActorContext, Down};
use mobula_types::actor::{ExitKind, WatchKind};
use mobula_types::{ExitReason, FailureKind, Frame, Outcome, Payload};

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
