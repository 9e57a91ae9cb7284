//! Observers of an actor, of a tree and of the nodes.

use crate::member::{MemberHandle, WatcherHandle, act};
use mobula::prelude::*;
use mobula::{ActorState, Cluster, Error, ErrorKind, NodeState, StateChange, StateChanges};
use serde_json::{Value, json};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(45);

/// What is told up to the first change that is meant.
async fn until(
    changes: &mut StateChanges,
    is_meant: impl Fn(&StateChange) -> bool,
) -> mobula::Result<Vec<StateChange>> {
    let mut told = Vec::new();
    loop {
        match tokio::time::timeout(PATIENCE, changes.next()).await {
            Ok(Some(change)) => told.push(change),
            end => {
                let message = format!("{end:?}, after {told:?}");
                return Err(Error::new(ErrorKind::TimedOut, message));
            }
        }
        if told.last().is_some_and(&is_meant) {
            return Ok(told);
        }
    }
}

fn is_running(change: &StateChange, child: &str, epoch: u64) -> bool {
    &*change.child == child && change.state == ActorState::Running && change.epoch.0 == epoch
}

fn reason_of(change: &StateChange) -> String {
    change.reason.as_ref().map(|reason| format!("{:?}", reason.root_cause().kind())).unwrap_or_default()
}

/// A node is lost while an actor that it hosts, the tree above that and the nodes are observed.
pub(crate) async fn observers(cluster: &Cluster, victim: &str, line: &str) -> mobula::Result<Value> {
    let tree = Supervisor::one_for_one("tree")
        .child("0", MemberHandle::quiet(0_u32).on_node("node-0", true))
        .child("1", MemberHandle::quiet(1_u32).on_node(victim, true))
        .start()
        .await?;
    let child: MemberHandle = tree.child("1").await?;
    let (mut of_child, mut of_tree) = (ActorHandle::watch(&child).await?, tree.watch().await?);
    let mut of_nodes = cluster.watch_nodes();
    let present = until(&mut of_child, |_first| true).await?;
    let whole = until(&mut of_tree, |change| is_running(change, "1", 1)).await?;
    act(line).wait().expect("a shell");

    let again = until(&mut of_child, |change| is_running(change, "1", 2)).await?;
    let below = until(&mut of_tree, |change| is_running(change, "1", 2)).await?;
    let lost = loop {
        let change = of_nodes.next().await.expect("an open connection");
        if change.state == NodeState::Dead {
            break change;
        }
    };

    tree.stop().await?;
    let end_of_child = until(&mut of_child, |change| change.is_final).await?;
    let end_of_tree = until(&mut of_tree, |change| change.is_final && change.actor == tree.id()).await?;
    let ended = of_child.next().await.is_none() && of_tree.next().await.is_none();
    let unknown = until(&mut tree.watch().await?, |_first| true).await?;
    Ok(json!({
        "present": present.iter().all(|change| is_running(change, "1", 1)),
        "first": whole[0].is_supervisor && whole.len() == 3,
        "reasons": again.iter().map(reason_of).collect::<Vec<_>>(),
        "moved": again.last().and_then(|change| change.node.as_ref()).is_some_and(|node| node.name.0.as_ref() != victim),
        "others": below.iter().filter(|change| &*change.child == "0").count(),
        "node": [lost.node.name.to_string(), format!("{:?}", lost.reason)],
        "ends": [end_of_child.last().map(reason_of), end_of_tree.last().map(reason_of)],
        "ended": ended,
        "unknown": unknown[0].is_final,
    }))
}

/// Observers go on when the leading head is lost, and what they observe changes while none leads; and when the driver's home
/// is, with a child on it. The lines have them go away; the home is `node-1`.
pub(crate) async fn go_on(head: &str, home: &str) -> mobula::Result<Value> {
    let tree = Supervisor::one_for_one("tree")
        .child("0", MemberHandle::quiet(0_u32).on_node("node-0", true))
        .child("1", MemberHandle::quiet(1_u32).on_node("node-1", true))
        .start()
        .await?;
    let (first, second): (MemberHandle, MemberHandle) = (tree.child("0").await?, tree.child("1").await?);
    let watcher = WatcherHandle::new().on_node("node-2", false).spawn().await?;
    let seen_by_actor = watcher.observe(second, 2).submit();
    let (mut of_first, mut of_tree) = (ActorHandle::watch(&first).await?, tree.watch().await?);
    until(&mut of_tree, |change| is_running(change, "1", 1)).await?;
    until(&mut of_first, |change| is_running(change, "0", 1)).await?;

    act(head).wait().expect("a shell");
    let _died = first.panic().await;
    let by_leader = until(&mut of_first, |change| is_running(change, "0", 2)).await?;
    until(&mut of_tree, |change| is_running(change, "0", 2)).await?;

    act(home).wait().expect("a shell");
    let by_home = until(&mut of_tree, |change| is_running(change, "1", 2)).await?;
    let _died = first.panic().await;
    let later = until(&mut of_first, |change| is_running(change, "0", 3)).await?;
    tree.terminate_child("0").await?;
    tree.delete_child("0").await?;
    let deleted = until(&mut of_first, |change| change.is_final).await?;
    until(&mut of_tree, |change| change.is_final && &*change.child == "0").await?;
    let reasons = [by_leader, by_home, later, deleted].map(|told| told.last().map(reason_of));
    Ok(json!({
        "reasons": reasons,
        "actor": seen_by_actor.await?.last(),
        "ended": of_first.next().await.is_none(),
    }))
}
