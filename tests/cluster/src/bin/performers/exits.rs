//! Why actors exit, as those hear it that watch them.

use crate::probes::{PatientHandle, ProbeHandle};
use crate::tally::TallyHandle;
use mobula::prelude::*;
use mobula::{ExitReason, Result};
use serde_json::{Value, json};
use std::process::Command;

fn kind(reason: &ExitReason) -> String {
    format!("{:?}", reason.kind())
}

/// Reasons that take more than one actor: a check, a link, a job that ends, a creation that comes to nothing, a supervisor
/// with too many restarts, and a node that is killed, by its process.
pub(crate) async fn reasons(url: &str, victim: &str, process: &str) -> Result<Value> {
    let ledger = TallyHandle::new(0).named("ledger").on_node("node-0", false).spawn().await?;
    let unwell = PatientHandle::new(ledger.clone(), vec![false; 3]).on_node("node-0", false).spawn().await?;
    let unwell = unwell.monitor().await?;

    let (linked, panics) = (TallyHandle::new(0).spawn().await?, TallyHandle::new(0).spawn().await?);
    linked.link(panics.clone(), false).await?;
    let linked = linked.monitor().await?;
    panics.panic().cast();

    let elsewhere = Cluster::connect(url).await?;
    let of_job = TallyHandle::new(0).on(&elsewhere).named("of another job").spawn().await?;
    let of_job_here = TallyHandle::get("of another job").await?.monitor().await?;
    assert_eq!(of_job.read().await?, 0);
    elsewhere.close().await;

    let nowhere = TallyHandle::new(0).on_node("nowhere", false).fail_if_infeasible(true).start();
    let refused = nowhere.started().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Infeasible, "{refused:?}");
    let nowhere = nowhere.monitor().await?;

    let supervised = of_supervisor().await?;

    let on_node = TallyHandle::new(0).on_node(victim, false).spawn().await?;
    let lost = on_node.monitor().await?;
    Command::new("kill").args(["-KILL", process]).status().expect("a kill");

    let mut kinds = Vec::new();
    for monitor in [unwell, linked, of_job_here, nowhere, lost] {
        kinds.push(kind(&monitor.await?.reason));
    }
    kinds.extend(supervised);
    Ok(json!(kinds))
}

/// A child that does not start again, and what that makes of its supervisor.
async fn of_supervisor() -> Result<Vec<String>> {
    let probe = ProbeHandle::fickle(TallyHandle::get("ledger").await?).on_node("node-0", false);
    let tree = Supervisor::one_for_one("tree").intensity(1, 600.secs()).child("probe", probe).start().await?;
    let probe: ProbeHandle = tree.child("probe").await?;
    let mut changes = tree.watch().await?;
    let _panicked = probe.panic().await;
    let mut last = Vec::new();
    while let Some(change) = changes.next().await {
        if change.is_final {
            let reason = change.reason.expect("it has exited");
            last.extend([kind(&reason), kind(reason.root_cause())]);
        }
    }
    Ok(last)
}
