//! What becomes of actors and calls when processes are killed or stand still. The cases mark their progress in a file, for
//! whoever breaks something meanwhile.

use crate::probes::{GateHandle, ProbeHandle, until_came};
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

/// Calls of an actor on that node, the first of which lasts until `FILE.open` is there. `FILE` is there once all have been
/// made, and `FILE.open` is to be there once they are to be answered.
pub(crate) async fn resent(node: &str, file: &str) -> Result<Value> {
    let gate = GateHandle::new().on_node(node, false).spawn().await?;
    let tally = TallyHandle::new(0).on_node(node, false).spawn().await?;
    let first = tally.pass_alone(gate.clone()).submit();
    let calls: Vec<_> = (0..100).map(|number| tally.add_one(number).submit()).collect();
    until_came(&gate, 1).await?;
    mark(file, "0");
    until(&format!("{file}.open")).await;
    // By whatever way there is now.
    gate.open().await?;
    first.await?;
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await?);
    }
    let in_order = tally.seen().await? == (0..100).collect::<Vec<u64>>();
    Ok(json!([gate.came().await?, answers == (1..=100).collect::<Vec<u64>>(), in_order]))
}

/// Calls under way to a child on a node that is killed once `FILE` is there: one that runs, and one that waits behind it.
pub(crate) async fn lost(node: &str, file: &str) -> Result<Value> {
    let gate = GateHandle::new().named("gate").on_node("node-2", false).spawn().await?;
    let ledger = TallyHandle::new(0).named("ledger").on_node("node-2", false).spawn().await?;
    let probe = ProbeHandle::new(TallyHandle::get("ledger").await?).on_node(node, true);
    let tree = Supervisor::one_for_one("tree").child("probe", probe).start().await?;
    let probe: ProbeHandle = tree.child("probe").await?;
    let runs = probe.hold(gate.clone()).submit();
    let waits = probe.tick("once".to_owned()).submit();
    let again = probe.tick("again".to_owned()).max_task_retries(1).submit();
    until_came(&gate, 1).await?;
    mark(file, "0");
    let mut ends = Vec::new();
    for call in [runs, waits] {
        let error = call.await.unwrap_err();
        ends.push(json!([format!("{:?}", error.kind()), error.may_have_run()]));
    }
    again.await?;
    Ok(json!([ends, ledger.downs().await?, probe.epoch().await?]))
}

/// A supervised actor on that node and a lone one beside it, in one worker. `FILE` has the worker's process while a call of
/// each runs; the case goes on once that is gone.
pub(crate) async fn worker_killed(node: &str, file: &str) -> Result<Value> {
    let gate = GateHandle::new().on_node("node-2", false).spawn().await?;
    let lone = TallyHandle::new(0).on_node(node, false).spawn().await?;
    let tree =
        Supervisor::one_for_one("tree").child("a", TallyHandle::new(0).on_node(node, false)).start().await?;
    let supervised: TallyHandle = tree.child("a").await?;
    let monitors = [lone.monitor().await?, supervised.monitor().await?];
    let process = supervised.process().await?;
    let shared = process == lone.process().await?;
    let running = [&lone, &supervised].map(|tally| tally.pass_alone(gate.clone()).submit());
    until_came(&gate, 2).await?;
    mark(file, &process.to_string());
    let mut ends = Vec::new();
    for call in running {
        let error = call.await.unwrap_err();
        ends.push(json!([format!("{:?}", error.kind()), error.may_have_run()]));
    }
    let mut reasons = Vec::new();
    for monitor in monitors {
        reasons.push(format!("{:?}", monitor.await?.reason.kind()));
    }
    let dead = lone.read().await.unwrap_err();
    Ok(json!([shared, ends, reasons, supervised.epoch().await?, format!("{:?}", dead.kind())]))
}

/// Waits until whoever runs the case says that it may go on.
async fn until(file: &str) {
    while !Path::new(file).exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn mark(file: &str, text: &str) {
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
    let monitor = stops.monitor().await?;
    let child = TallyHandle::new(0).on_node(node, true);
    let tree = Supervisor::one_for_one("tree").child("a", child).start().await?;
    let supervised: TallyHandle = tree.child("a").await?;
    keeps.add(1).await?;
    mark(file, &format!("{} {}", stops.process().await?, keeps.process().await?));
    until(&format!("{file}.away")).await;
    let kept = keeps.add(1).await?;
    let refused = stops.read().deadline(Duration::from_secs(1)).await.is_err();
    mark(&format!("{file}.seen"), "");
    until(&format!("{file}.back")).await;
    let epoch = supervised.epoch().deadline(Duration::from_secs(20)).await?;
    let dead = stops.read().deadline(Duration::from_secs(20)).await.unwrap_err();
    let after = keeps.add(1).deadline(Duration::from_secs(20)).await.map_or(0, |total| total);
    Ok(
        json!({ "kept": kept, "refused": refused, "epoch": epoch, "dead": format!("{:?}", dead.kind()), "after": after,
            "reason": format!("{:?}", monitor.await?.reason.kind()) }),
    )
}

/// A supervised actor that begins on that node is called until `FILE.stop` is there. `FILE` has the epoch and the process that
/// answered last. Gives the epochs that answered, in their order.
pub(crate) async fn epochs(node: &str, file: &str) -> Result<Value> {
    let child = TallyHandle::new(0).on_node(node, true);
    let tree = Supervisor::one_for_one("tree").child("a", child).start().await?;
    let called: TallyHandle = tree.child("a").await?;
    let (stop, limit) = (format!("{file}.stop"), Duration::from_millis(500));
    let mut epochs = Vec::new();
    while !Path::new(&stop).exists() {
        // What fails meanwhile has not been answered by anybody.
        let Ok(epoch) = called.epoch().deadline(limit).await else { continue };
        if epochs.last() != Some(&epoch) {
            let Ok(process) = called.process().deadline(limit).await else { continue };
            epochs.push(epoch);
            mark(file, &format!("{epoch} {process}"));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(json!(epochs))
}

/// Actors on a node that drains: a supervised one, and one of which the head has the arguments no more. `FILE` is there once
/// they run; once `FILE.drained` is there, they are looked at.
pub(crate) async fn drained(node: &str, file: &str) -> Result<Value> {
    let tree = Supervisor::one_for_one("tree")
        .intensity(0, Duration::from_secs(60))
        .child("a", TallyHandle::new(5).on_node(node, true))
        .start()
        .await?;
    let supervised: TallyHandle = tree.child("a").await?;
    let small = TallyHandle::new(7).on_node(node, true).spawn().await?;
    // More than a head keeps for an actor that has started.
    let large = TallyHandle::summing(vec![1; 8_000]).on_node(node, true).spawn().await?;
    let monitor = large.monitor().await?;
    small.read().await?;
    mark(file, "");
    until(&format!("{file}.drained")).await;
    let limit = Duration::from_secs(20);
    let moved = [supervised.epoch().deadline(limit).await?, small.epoch().deadline(limit).await?];
    let totals = [supervised.read().await?, small.read().await?];
    Ok(json!([moved, totals, format!("{:?}", monitor.await?.reason.kind())]))
}

/// An actor on another node whose constructor is given that many numbers.
pub(crate) async fn large(node: &str, count: u64) -> Result<Value> {
    let numbers: Vec<u64> = (0..count).map(|number| number << 20).collect();
    let sum: u64 = numbers.iter().sum();
    let inline = TallyHandle::summing(numbers.clone()).on_node(node, false).spawn().await?;
    let put = mobula::put(numbers).await?;
    let referred = TallyHandle::summing(&put).on_node(node, false).spawn().await?;
    Ok(json!([inline.read().await? == sum, referred.read().await? == sum]))
}
