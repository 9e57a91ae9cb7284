//! Links and monitors over nodes, and what is said of the causes of exits.

use crate::member::{MemberHandle, WatcherHandle, act, run_as, until};
use mobula::ExitKind;
use mobula::prelude::*;
use serde_json::{Value, json};
use std::time::Duration;

async fn member_on(node: &str) -> mobula::Result<MemberHandle> {
    MemberHandle::quiet(0_u32).on_node(node, false).spawn().await
}

async fn watcher() -> mobula::Result<WatcherHandle> {
    WatcherHandle::new().on_node("node-0", false).spawn().await
}

/// What an actor was told, once it was told anything, and a while after that.
async fn downs(watcher: &WatcherHandle) -> mobula::Result<Vec<String>> {
    for _ in 0..2000 {
        if !watcher.downs().await?.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    watcher.downs().await
}

/// One that is linked to an actor on a lost node ends; one that traps exits is told.
pub(crate) async fn links(victim: &str, line: &str) -> mobula::Result<Value> {
    let member = member_on(victim).await?;
    let (ends, traps) = (watcher().await?, watcher().await?);
    traps.trap_exits().await?;
    for watcher in [&ends, &traps] {
        watcher.link(&member).await?;
    }
    let monitor = ActorHandle::monitor(&ends).await?;
    act(line).wait().expect("a shell");
    let down = monitor.await?;
    let kinds = [down.reason.kind(), down.reason.root_cause().kind()].map(|kind| format!("{kind:?}"));
    Ok(json!([kinds, downs(&traps).await?]))
}

/// As [`links`], where the lost actor is the one that has linked itself to the others.
pub(crate) async fn linker_lost(victim: &str, line: &str) -> mobula::Result<Value> {
    let linker: WatcherHandle = WatcherHandle::new().on_node(victim, false).spawn().await?;
    let (ends, traps) = (member_on("node-0").await?, watcher().await?);
    traps.trap_exits().await?;
    linker.link(&ends).await?;
    linker.link_watcher(traps.clone()).await?;
    let monitor = ActorHandle::monitor(&ends).await?;
    act(line).wait().expect("a shell");
    let down = monitor.await?;
    let kinds = [down.reason.kind(), down.reason.root_cause().kind()].map(|kind| format!("{kind:?}"));
    Ok(json!([kinds, downs(&traps).await?]))
}

/// Each watch of an incarnation is told of its exit once, whether it is started again or not.
pub(crate) async fn monitors(victim: &str, line: &str) -> mobula::Result<Value> {
    let tree = Supervisor::one_for_one("tree")
        .child("0", MemberHandle::quiet(0_u32).on_node(victim, true))
        .start()
        .await?;
    let child: MemberHandle = tree.child("0").await?;
    let lone = member_on(victim).await?;
    let watcher = watcher().await?;
    watcher.monitor(&child).await?;
    let (of_child, of_lone) = (ActorHandle::monitor(&child).await?, ActorHandle::monitor(&lone).await?);
    act(line).wait().expect("a shell");
    let (child_down, lone_down) = (of_child.await?, of_lone.await?);
    let heard = downs(&watcher).await?;
    until(&tree, "it was started again", run_as(&[2])).await?;
    // Of one that is dead already, its last reason at once.
    let late = ActorHandle::monitor(&lone).await?.await?;
    let kinds =
        [child_down.reason, lone_down.reason, late.reason].map(|reason| format!("{:?}", reason.kind()));
    Ok(json!([kinds, child_down.incarnation.epoch.0, heard, downs(&watcher).await?.len()]))
}

/// What is said of a sibling that was stopped for the sake of one that its node took with it.
pub(crate) async fn root_cause(victim: &str, line: &str) -> mobula::Result<Value> {
    let tree = Supervisor::one_for_all("tree")
        .child("0", MemberHandle::quiet(0_u32).on_node("node-0", true))
        .child("1", MemberHandle::quiet(1_u32).on_node(victim, true))
        .start()
        .await?;
    let sibling: MemberHandle = tree.child("0").await?;
    let monitor = ActorHandle::monitor(&sibling).await?;
    act(line).wait().expect("a shell");
    let down = monitor.await?;
    let after = until(&tree, "both were started again", run_as(&[2, 2])).await?;
    let said = [down.reason.to_string(), after[0].last_exit.clone(), tree.info().await?.last_exit];
    let first = format!("{:?}", ExitKind::NodeLost);
    Ok(json!([
        format!("{:?}", down.reason.kind()),
        said.each_ref().map(|text| text.starts_with(&first)),
        said
    ]))
}
