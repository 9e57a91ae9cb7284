//! What is done again: calls, and the start of actors.

use crate::probes::{GateHandle, ProbeHandle, until_came};
use crate::tally::TallyHandle;
use mobula::prelude::*;
use mobula::{ActorState, Creation, Result};
use serde_json::{Value, json};
use std::time::Duration;

/// A ledger that children may be given, and what keeps it.
async fn ledger() -> Result<(TallyHandle, TallyHandle)> {
    let held = TallyHandle::new(0).named("ledger").spawn().await?;
    Ok((TallyHandle::get("ledger").await?, held))
}

/// A child that may fall, in a worker of its own: the ledger lives on.
async fn child(creation: Creation<ProbeHandle>, restarts: u32) -> Result<(SupervisorHandle, ProbeHandle)> {
    let tree = Supervisor::one_for_one("tree")
        .intensity(restarts, 600.secs())
        .child("probe", creation.isolated(true))
        .start()
        .await?;
    let probe = tree.child("probe").await?;
    Ok((tree, probe))
}

fn count(notes: &[String], what: &str) -> usize {
    notes.iter().filter(|note| *note == what).count()
}

/// A cast is not sent again, whatever the method says of its calls; calls of that method are, in the same straits.
pub(crate) async fn call_and_cast() -> Result<Value> {
    let (ledger, _held) = ledger().await?;
    let (_tree, probe) = child(ProbeHandle::new(ledger.clone()), 100).await?;
    probe.refuse("refused cast".to_owned()).cast();
    let refused = probe.refuse("refused call".to_owned()).await.unwrap_err();
    probe.fall("cast".to_owned(), 99).cast();
    let epoch = probe.fall("call".to_owned(), 4).await?;
    let notes = ledger.downs().await?;
    let counts = ["refused cast", "refused call", "cast", "call"].map(|what| count(&notes, what));
    Ok(json!({ "refused": format!("{:?}", refused.kind()), "epoch": epoch, "runs": counts }))
}

/// A call that its worker falls over: sent again as often as was asked for, and not once otherwise.
pub(crate) async fn max_task_retries() -> Result<Value> {
    let (ledger, _held) = ledger().await?;
    let (_tree, probe) = child(ProbeHandle::new(ledger.clone()), 100).await?;
    let answered = probe.fall("enough".to_owned(), 3).max_task_retries(2).await?;
    let mut ends = Vec::new();
    for (what, retries) in [("none", 0), ("too few", 1)] {
        let error = probe.fall(what.to_owned(), 99).max_task_retries(retries).await.unwrap_err();
        ends.push(json!([format!("{:?}", error.kind()), error.may_have_run()]));
    }
    let epoch = probe.epoch().await?;
    let notes = ledger.downs().await?;
    let counts = ["enough", "none", "too few"].map(|what| count(&notes, what));
    Ok(json!({ "answered by": answered, "ends": ends, "epoch": epoch, "runs": counts }))
}

/// The calls behind one that panics provably did not start: the next incarnation has them.
pub(crate) async fn next_incarnation() -> Result<Value> {
    let (ledger, _held) = ledger().await?;
    let (_tree, probe) = child(ProbeHandle::new(ledger.clone()), 100).await?;
    let gate = GateHandle::new().spawn().await?;
    let first = probe.panic_behind(gate.clone()).submit();
    let queued: Vec<_> = (0..20).map(|number| probe.tick(number.to_string()).submit()).collect();
    let epoch = probe.epoch().submit();
    until_came(&gate, 1).await?;
    gate.open().await?;
    let first = first.await.unwrap_err().kind();
    for call in queued {
        call.await?;
    }
    let in_order: Vec<String> = (0..20_u32).map(|number| number.to_string()).collect();
    Ok(json!([format!("{first:?}"), ledger.downs().await? == in_order, epoch.await?]))
}

/// A constructor that fails at a restart is one more restart.
pub(crate) async fn constructor_again() -> Result<Value> {
    let (ledger, _held) = ledger().await?;
    let (tree, probe) = child(ProbeHandle::fickle(ledger.clone()), 2).await?;
    let _panicked = probe.panic().await;
    let epoch = probe.epoch().await?;
    let restarts = tree.info().await?.restarts;
    tree.stop().await?;
    // With room for one restart alone it is the end of the tree.
    let (tree, probe) = child(ProbeHandle::fickle(ledger), 1).await?;
    let mut changes = tree.watch().await?;
    let _panicked = probe.panic().await;
    let mut reasons = Vec::new();
    while let Some(change) = changes.next().await {
        if change.is_supervisor && change.is_final {
            let reason = change.reason.expect("it has exited");
            reasons.extend([format!("{:?}", reason.kind()), format!("{:?}", reason.root_cause().kind())]);
        }
    }
    Ok(json!([epoch, restarts, reasons]))
}

/// The name of a child is taken while it is to be started again, and free once it is dead for good.
pub(crate) async fn names() -> Result<Value> {
    let (ledger, _held) = ledger().await?;
    let creation = ProbeHandle::new(ledger.clone()).named("child");
    let (tree, probe) = child(creation, 100).await?;
    let _panicked = probe.panic().await;
    let taken = TallyHandle::new(0).named("child").spawn().await.unwrap_err().kind();
    let (epoch, same) = (probe.epoch().await?, ProbeHandle::get("child").await? == probe);
    tree.stop().await?;
    let free = TallyHandle::new(3).named("child").spawn().await?.read().await?;
    Ok(json!([format!("{taken:?}"), epoch, same, free]))
}

/// A child has its shutdown, and not the grace of whoever stops it, where that is longer.
pub(crate) async fn stop_within_the_shutdown() -> Result<Value> {
    let (ledger, _held) = ledger().await?;
    let short = ChildShutdown::Within(Duration::from_millis(200));
    let (_tree, probe) = child(ProbeHandle::new(ledger.clone()).shutdown(short), 100).await?;
    let gate = GateHandle::new().spawn().await?;
    let held = probe.hold(gate.clone()).submit();
    let queued = probe.tick("queued".to_owned()).submit();
    until_came(&gate, 1).await?;
    let monitor = probe.monitor().await?;
    let stopped = tokio::time::timeout(Duration::from_secs(9), probe.stop_within(Duration::from_secs(60)));
    stopped.await.expect("its shutdown is shorter than the grace")?;
    let held = held.await.unwrap_err();
    let reason = monitor.await?.reason.kind();
    // As a child that is started again after any exit it has the queued call next.
    let queued = queued.await.map_or_else(|error| format!("{:?}", error.kind()), |()| "ran".to_owned());
    Ok(json!([format!("{:?}", held.kind()), held.may_have_run(), format!("{reason:?}"), queued]))
}

/// Timers end with their incarnation.
pub(crate) async fn timers_end() -> Result<Value> {
    let (ledger, _held) = ledger().await?;
    let (_tree, probe) = child(ProbeHandle::new(ledger.clone()), 100).await?;
    let mut seen = Vec::new();
    for epoch in 1..=2 {
        probe.tick_on().await?;
        let this = epoch.to_string();
        loop {
            let notes = ledger.downs().await?;
            let own = notes.iter().position(|note| *note == this).map(|first| &notes[first..]);
            if let Some(own) = own.filter(|own| own.len() >= 20) {
                seen.push(own.iter().all(|note| *note == this));
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        probe.kill().await?;
        while probe.info().await?.state != ActorState::Running {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    Ok(json!(seen))
}
