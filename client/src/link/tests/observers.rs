//! Observers, as a driver sees them.

use super::usual;
use crate::SupervisorHandle;
use crate::link::testing::{FakeBulk, FakeNode};
use mobula_types::actor::{ActorState, Epoch, StateChange};
use mobula_types::frame::{Answer, Ask};
use mobula_types::{ActorId, ExitKind, ExitReason, Frame, TaskId};

const TREE: ActorId = ActorId(TaskId { high: 1, low: 1 });

fn change(low: u64, state: ActorState, epoch: u64) -> StateChange {
    StateChange {
        actor: ActorId(TaskId { high: 1, low }),
        is_supervisor: low == 1,
        name: "".into(),
        supervisor: (low > 1).then_some(TREE),
        child: "".into(),
        state,
        epoch: Epoch(epoch),
        node: None,
        reason: None,
        restarts: epoch - 1,
        at_millis: 5,
        is_final: state == ActorState::Dead,
        missed: 0,
        below: None,
    }
}

/// Answers the question that begins an observation.
async fn begin(node: &mut FakeNode, observation: u64) {
    let Frame::Ask { number, ask, .. } = node.next().await else { panic!("no ask") };
    assert_eq!(*ask, Ask::Observe { target: TREE, below: true });
    let answer = Box::new(Answer::Observing { number: observation });
    node.sender.send(Frame::Answered { number, answer });
}

fn tell(node: &FakeNode, number: u64, changes: Vec<StateChange>) {
    node.sender.send(Frame::Observed { number, changes });
}

#[tokio::test]
async fn an_observer_goes_on_through_whoever_is_the_home_and_ends_with_its_target() {
    use ActorState::{Dead, Running, Starting};
    let mut driver = usual().await;
    let context = driver.cluster.context_here();
    let tree = SupervisorHandle::of(TREE);
    let (changes, ()) = tokio::join!(context.scope(tree.watch()), begin(&mut driver.node, 70));
    let mut changes = changes.unwrap();
    let all = [1, 2, 3].map(|low| change(low, Running, 1));
    tell(&driver.node, 70, all.to_vec());
    for expected in all {
        assert_eq!(changes.next().await, Some(expected));
    }
    let mut heir = driver.connector.add("heir", 1000, FakeBulk::default());
    drop(driver.node);
    begin(&mut heir, 3).await;
    // It begins anew: what was told already is not told again, and what is gone meanwhile is dead.
    let whole = StateChange { below: Some([change(2, Running, 1).actor].into()), ..change(1, Running, 1) };
    tell(&heir, 3, vec![whole, change(2, Starting, 2)]);
    let gone = changes.next().await.unwrap();
    assert_eq!((gone.actor, gone.state, gone.is_final), (change(3, Dead, 1).actor, Dead, true));
    assert_eq!(gone.reason, Some(ExitReason::of(ExitKind::Lost)));
    assert_eq!(changes.next().await, Some(change(2, Starting, 2)));
    tell(&heir, 3, vec![change(2, Dead, 2), change(1, Dead, 1)]);
    assert_eq!(changes.next().await, Some(change(2, Dead, 2)));
    assert_eq!(changes.next().await, Some(change(1, Dead, 1)));
    assert_eq!(changes.next().await, None);
}

#[tokio::test]
async fn a_slow_observer_loses_the_oldest_and_one_that_is_dropped_ends_its_observation() {
    let mut driver = usual().await;
    let context = driver.cluster.context_here();
    let tree = SupervisorHandle::of(TREE);
    let (changes, ()) = tokio::join!(context.scope(tree.watch()), begin(&mut driver.node, 70));
    let mut changes = changes.unwrap();
    let many = |from: u64| (from..from + 1_000).map(|epoch| change(1, ActorState::Running, epoch)).collect();
    for part in 0..11 {
        tell(&driver.node, 70, many(1 + part * 1_000));
    }
    // The question behind them is asked once they have come.
    let (second, ()) = tokio::join!(context.scope(tree.watch()), begin(&mut driver.node, 71));
    let first = changes.next().await.unwrap();
    assert_eq!((first.epoch, first.missed), (Epoch(1_001), 1_000));
    drop(changes);
    let Frame::Ask { ask, .. } = driver.node.next().await else { panic!("no ask") };
    assert_eq!(*ask, Ask::Unobserve { number: 70 });
    drop(second);
    let Frame::Ask { ask, .. } = driver.node.next().await else { panic!("no ask") };
    assert_eq!(*ask, Ask::Unobserve { number: 71 });
}
