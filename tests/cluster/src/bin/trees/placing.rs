//! On which nodes children are.

use crate::member::{MemberHandle, act, actors, node_of, run_as, until};
use mobula::prelude::*;
use mobula::{ActorInfo, ActorState};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn tree(name: &'static str, placement: Placement, count: u32) -> Supervisor {
    Supervisor::one_for_one(name)
        .placement(placement)
        .children((0..count).map(|number| (format!("{number}"), MemberHandle::quiet(number))))
}

fn by_node(actors: &[ActorInfo]) -> Vec<usize> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    actors.iter().for_each(|actor| *counts.entry(node_of(actor)).or_default() += 1);
    counts.into_values().collect()
}

/// How many children each node has, by placement.
pub(crate) async fn spread() -> mobula::Result<Value> {
    let mut seen = Vec::new();
    for (name, placement) in
        [("spread", Placement::Spread), ("affinity", Placement::Affinity), ("anti", Placement::AntiAffinity)]
    {
        let count = if placement == Placement::AntiAffinity { 3 } else { 6 };
        let tree = tree(name, placement, count).start().await?;
        seen.push(by_node(&actors(&tree).await?));
    }
    Ok(json!(seen))
}

/// A child whose worker has died starts on its node again.
pub(crate) async fn same_node() -> mobula::Result<Value> {
    let tree = tree("same-node", Placement::Spread, 3).start().await?;
    let before: Vec<String> = actors(&tree).await?.iter().map(node_of).collect();
    let _died = tree.child::<MemberHandle>("1").await?.abort().await;
    let after = until(&tree, "it was started again", run_as(&[1, 2, 1])).await?;
    Ok(json!(before == after.iter().map(node_of).collect::<Vec<_>>()))
}

/// A child for which there is no node left waits, and nobody else does.
pub(crate) async fn anti_affinity(victim: &str, line: &str) -> mobula::Result<Value> {
    let tree = tree("apart", Placement::AntiAffinity, 3).start().await?;
    let lost = actors(&tree).await?.iter().position(|actor| node_of(actor) == victim);
    act(line).wait().expect("a shell");
    let after = until(&tree, "one waits", |actors| {
        let waits = |actor: &&ActorInfo| actor.state == ActorState::Pending;
        actors.iter().filter(waits).count() == 1
    })
    .await?;
    let states: Vec<String> = after.iter().map(|actor| format!("{:?}", actor.state)).collect();
    Ok(json!([lost.map(|lost| states[lost].clone()), by_node(&after).len()]))
}
