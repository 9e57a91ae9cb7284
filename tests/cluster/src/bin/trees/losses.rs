//! Children whose nodes are lost, or leave.

use crate::member::{MemberHandle, act, node_of, run_as, until, until_state};
use mobula::prelude::*;
use mobula::{ActorInfo, ActorState, Creation};
use serde_json::{Value, json};

/// Two children on the node that is lost, and two elsewhere.
fn four(supervisor: Supervisor, victim: &str) -> Supervisor {
    let at = |number: u32, node: &str| MemberHandle::quiet(number).on_node(node, true);
    supervisor
        .child("0", at(0, "node-0"))
        .child("1", at(1, victim))
        .child("2", at(2, "node-0"))
        .child("3", at(3, victim))
}

/// What starts again after the loss of a node, by its kind of restart.
pub(crate) async fn restart_types(victim: &str, line: &str) -> mobula::Result<Value> {
    let at = |restart: RestartType| -> Creation<MemberHandle> {
        MemberHandle::quiet(0_u32).on_node(victim, true).restart(restart)
    };
    let tree = Supervisor::one_for_one("tree")
        .child("permanent", at(RestartType::Permanent))
        .child("transient", at(RestartType::Transient))
        .child("temporary", at(RestartType::Temporary))
        .start()
        .await?;
    act(line).wait().expect("a shell");
    let after = until(&tree, "two were started again", run_as(&[2, 2])).await?;
    let moved = after.iter().all(|actor| node_of(actor) != victim);
    let left: Vec<String> = tree.children().await?.iter().map(|child| child.id.to_string()).collect();
    Ok(json!([moved, left]))
}

/// The strategy is applied once to all that a node takes with it, and not counted.
pub(crate) async fn node_loss(victim: &str, line: &str) -> mobula::Result<Value> {
    let one = four(Supervisor::one_for_one("one").intensity(0, 60.secs()), victim).start().await?;
    let all = four(Supervisor::one_for_all("all").intensity(0, 60.secs()), victim).start().await?;
    let rest = four(Supervisor::rest_for_one("rest").intensity(0, 60.secs()), victim).start().await?;
    act(line).wait().expect("a shell");
    let mut seen = Vec::new();
    for (tree, epochs) in [(one, [1, 2, 1, 2]), (all, [2, 2, 2, 2]), (rest, [1, 2, 2, 2])] {
        let after = until(&tree, "they were started again", run_as(&epochs)).await?;
        seen.push(after.iter().all(|actor| node_of(actor) != victim));
    }
    Ok(json!(seen))
}

/// What three nodes were lost with is not started a fourth time. The nodes are given as `NAME=PROCESS`.
pub(crate) async fn quarantine(nodes: &[&str]) -> mobula::Result<Value> {
    let tree = Supervisor::one_for_one("tree")
        .child("poison", MemberHandle::quiet(0_u32))
        .child("well", MemberHandle::quiet(1_u32).on_node("node-1", true))
        .start()
        .await?;
    let member: MemberHandle = tree.child("poison").await?;
    for _ in 0..2 {
        let info = until_state(&member, ActorState::Running).await?;
        kill(nodes, &info);
        until(&tree, "it was started again", |actors| {
            actors.iter().all(|actor| actor.state == ActorState::Running)
                && actors.iter().any(|actor| actor.actor == info.actor && actor.epoch > info.epoch)
        })
        .await?;
    }
    kill(nodes, &until_state(&member, ActorState::Running).await?);
    let dead = until_state(&member, ActorState::Dead).await?;
    Ok(json!([dead.epoch.0, dead.last_exit.contains("ran on 3 nodes"), dead.last_exit]))
}

fn kill(nodes: &[&str], actor: &ActorInfo) {
    let name = node_of(actor);
    let node = nodes.iter().find_map(|node| node.split_once('=').filter(|(node, _)| *node == name));
    let (_, process) = node.expect("a node that is known");
    act(&format!("kill -KILL {process}")).wait().expect("a shell");
}

/// Children of a node that drains start elsewhere, which is not counted.
pub(crate) async fn drain(victim: &str, line: &str) -> mobula::Result<Value> {
    let tree = four(Supervisor::one_for_one("tree").intensity(0, 60.secs()), victim).start().await?;
    let lone = MemberHandle::quiet(9_u32).on_node(victim, true).spawn().await?;
    act(line).wait().expect("a shell");
    let after = until(&tree, "they were started elsewhere", run_as(&[1, 2, 1, 2])).await?;
    let moved = after.iter().all(|actor| node_of(actor) != victim);
    let info = tree.info().await?;
    let alone = until_state(&lone, ActorState::Running).await?;
    Ok(json!([moved, info.restarts, lone.number().await?, node_of(&alone) != victim]))
}
