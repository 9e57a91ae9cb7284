//! What comes before calls: kills, stops, what is told of others, and checks.

use crate::probes::{GateHandle, PatientHandle, ProbeHandle, until_came};
use crate::tally::TallyHandle;
use mobula::prelude::*;
use mobula::{ActorState, Result};
use mobula_cluster_tests::runs;
use serde_json::{Value, json};
use std::time::Duration;

/// Waits for a note.
async fn until_noted(ledger: &TallyHandle, what: &str) -> Result<Vec<String>> {
    loop {
        let notes = ledger.downs().await?;
        if notes.iter().any(|note| note.starts_with(what)) {
            return Ok(notes);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// An actor that was told to stop, and has a grace for what is queued, is killed all the same.
pub(crate) async fn kill_before_stop() -> Result<Value> {
    let ledger = TallyHandle::new(0).spawn().await?;
    let probe = ProbeHandle::new(ledger.clone()).spawn().await?;
    let gate = GateHandle::new().spawn().await?;
    let held = probe.hold(gate.clone()).submit();
    let queued: Vec<_> = (0..20).map(|_| probe.tick("ran".to_owned()).submit()).collect();
    until_came(&gate, 1).await?;
    let monitor = probe.monitor().await?;
    let kill = async {
        while probe.info().await?.state != ActorState::Stopping {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        probe.kill().await
    };
    tokio::try_join!(probe.stop_within(Duration::from_secs(60)), kill)?;
    let held = held.await.unwrap_err().kind();
    let mut ran = 0;
    for call in queued {
        ran += u64::from(call.await.is_ok());
    }
    let reason = monitor.await?.reason.kind();
    Ok(json!([format!("{held:?}"), ran, ledger.downs().await?.len(), format!("{reason:?}")]))
}

/// What an actor watches exits while three seconds of calls are queued: it hears of it before most of them run.
pub(crate) async fn down_before_calls() -> Result<Value> {
    let ledger = TallyHandle::new(0).spawn().await?;
    let (watched, gate) = (TallyHandle::new(0).spawn().await?, GateHandle::new().spawn().await?);
    let patient = PatientHandle::new(ledger.clone(), Vec::<bool>::new()).spawn().await?;
    patient.watch(watched.clone()).await?;
    drop(patient.hold(gate.clone()).submit());
    let queued: Vec<_> = (0..300).map(|_| patient.treat(10).submit()).collect();
    until_came(&gate, 1).await?;
    watched.kill().await?;
    gate.open().await?;
    let notes = until_noted(&ledger, "on_down").await?;
    let told = notes.iter().find_map(|note| note.strip_prefix("on_down Killed after ")).unwrap_or_default();
    patient.kill().await?;
    drop(queued);
    Ok(told.parse::<u64>().is_ok_and(|before| before < 150).into())
}

/// The hooks of one that is unwell, and of one that is stopped.
pub(crate) async fn hooks() -> Result<Value> {
    let ledger = TallyHandle::new(0).spawn().await?;
    let watched = TallyHandle::new(0).spawn().await?;
    let checks = [false, false, true, false, false, false];
    let patient = PatientHandle::new(ledger.clone(), checks.to_vec()).spawn().await?;
    patient.treat(1).await?;
    let monitor = patient.monitor().await?;
    patient.watch(watched.clone()).await?;
    watched.kill().await?;
    let down = monitor.await?;
    let notes = until_noted(&ledger, "on_down").await?;
    let of_checks: Vec<bool> =
        notes.iter().filter_map(|note| note.strip_prefix("check ")).map(|well| well == "true").collect();
    let place = |what: &str| notes.iter().position(|note| note == what);
    let well = PatientHandle::new(ledger.clone(), vec![false, false]).spawn().await?;
    while well.checked().await? < 4 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    well.stop().await?;
    let after = until_noted(&ledger, "on_stop").await?;
    let stops: Vec<&String> = after.iter().filter(|note| note.starts_with("on_stop")).collect();
    Ok(json!({
        "on_start": place("on_start") == Some(0) && place("on_start") < place("first call"),
        "on_down": place("on_down Killed after 1").is_some(),
        "checks": of_checks == checks,
        "reason": [format!("{:?}", down.reason.kind()), down.reason.to_string()],
        "on_stop": stops,
    }))
}

/// A turn that blocks, of an actor with a worker of its own: after 2 s that is ended.
pub(crate) async fn kill_alone() -> Result<Value> {
    let tally = TallyHandle::new(0).isolated(true).spawn().await?;
    let process = tally.process().await?;
    let ledger = TallyHandle::new(0).spawn().await?;
    let blocking = tally.block_noted(600_000, ledger.clone()).submit();
    until_noted(&ledger, "begun").await?;
    let begun = tokio::time::Instant::now();
    let monitor = tally.monitor().await?;
    tokio::time::timeout(Duration::from_secs(6), tally.kill()).await.expect("it is dead after 2 s")?;
    let reason = monitor.await?.reason.kind();
    while runs(process) && begun.elapsed() < Duration::from_secs(8) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let error = blocking.await.unwrap_err();
    Ok(json!([runs(process), format!("{:?}", error.kind()), error.may_have_run(), format!("{reason:?}")]))
}

/// A turn that blocks, of an actor that shares its worker: that is replaced once the others in it have gone.
pub(crate) async fn kill_among_others(node: &str) -> Result<Value> {
    let spawn = |start: u64| TallyHandle::new(start).on_node(node, false).spawn();
    let (blocked, neighbour) = (spawn(0).await?, spawn(1).await?);
    let process = blocked.process().await?;
    let shared = neighbour.process().await? == process;
    let ledger = TallyHandle::new(0).on_node("node-0", false).spawn().await?;
    let blocking = blocked.block_noted(600_000, ledger.clone()).submit();
    until_noted(&ledger, "begun").await?;
    tokio::time::timeout(Duration::from_secs(6), blocked.kill()).await.expect("it is dead after 2 s")?;
    let dead = format!("{:?}", blocking.await.unwrap_err().kind());
    // The neighbour goes on, and newcomers are elsewhere.
    let (total, newcomer) = (neighbour.add(1).await?, spawn(2).await?);
    let apart = newcomer.process().await? != process && runs(process);
    let end = tokio::time::Instant::now() + Duration::from_secs(5);
    neighbour.stop().await?;
    while runs(process) && tokio::time::Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(json!([shared, dead, total, apart, runs(process), newcomer.read().await?]))
}
