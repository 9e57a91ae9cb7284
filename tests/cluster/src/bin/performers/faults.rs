//! What becomes of actors and calls when processes are killed or stand still. The cases mark their progress in a file, for
//! whoever breaks something meanwhile.

use crate::tally::TallyHandle;
use mobula::prelude::*;
use mobula::{OnIsolation, Result};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// Calls an actor on that node in a loop, ten at a time, until `FILE.stop` is there. `FILE` says how many were answered.
pub(crate) async fn loops(node: &str, file: &str) -> Result<Value> {
    let tally = TallyHandle::new(0).on_node(node, false).spawn().await?;
    let stop = format!("{file}.stop");
    let (mut made, mut answers) = (0_u64, Vec::new());
    while !Path::new(&stop).exists() {
        let calls: Vec<_> = (made..made + 10).map(|number| tally.add_one(number).submit()).collect();
        made += 10;
        for call in calls {
            answers.push(call.await?);
        }
        mark(file, &made.to_string());
    }
    let in_order: Vec<u64> = (0..made).collect();
    Ok(json!({
        "made": made,
        "ran once, in order": tally.seen().await? == in_order,
        "answers": answers == (1..=made).collect::<Vec<_>>(),
    }))
}

/// Waits until whoever runs the case says that it may go on.
async fn until(file: &str) {
    while !Path::new(file).exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn mark(file: &str, text: &str) {
    // Whole or not at all, for whoever reads it meanwhile.
    let written = format!("{file}.new");
    std::fs::write(&written, text).expect("a file to mark the progress in");
    std::fs::rename(&written, file).expect("a file to mark the progress in");
}

/// Actors on a node that loses its head: one that stops and one that keeps on, and a supervised one that stops. `FILE` has
/// the processes of the first two. Once `FILE.away` is there, calls are made, which `FILE.seen` tells of; once `FILE.back`
/// is there, the supervised one is called until it answers.
pub(crate) async fn isolated(node: &str, file: &str) -> Result<Value> {
    let stops = TallyHandle::new(0).on_node(node, false).spawn().await?;
    let keeps = TallyHandle::new(0).on_node(node, false).on_isolation(OnIsolation::Keep).spawn().await?;
    let child = TallyHandle::new(0).on_node(node, true);
    let tree = Supervisor::one_for_one("tree").child("a", child).start().await?;
    let supervised: TallyHandle = tree.child("a").await?;
    keeps.add(1).await?;
    mark(file, &format!("{} {}", stops.process().await?, keeps.process().await?));
    until(&format!("{file}.away")).await;
    let kept = keeps.add(1).await?;
    let refused = stops.read().timeout(Duration::from_secs(1)).await.is_err();
    mark(&format!("{file}.seen"), "");
    until(&format!("{file}.back")).await;
    let epoch = supervised.epoch().timeout(Duration::from_secs(20)).await?;
    let dead = stops.read().timeout(Duration::from_secs(20)).await.unwrap_err();
    let after = keeps.add(1).timeout(Duration::from_secs(20)).await.map_or(0, |total| total);
    Ok(
        json!({ "kept": kept, "refused": refused, "epoch": epoch, "dead": format!("{:?}", dead.kind()), "after": after }),
    )
}
