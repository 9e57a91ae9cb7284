//! One turn after the other, or together.

use crate::probes::{GateHandle, RoomHandle, until_came};
use crate::tally::TallyHandle;
use mobula::{Cluster, ErrorKind, Result};
use serde_json::{Value, json};
use std::time::Duration;

/// `&self` methods run together; a `&mut self` one runs alone.
pub(crate) async fn turn() -> Result<Value> {
    let tally = TallyHandle::new(0).spawn().await?;
    // None of them ends before all are inside.
    let meeting: Vec<_> = (0..5).map(|_| tally.meet(5).submit()).collect();
    for met in meeting {
        met.await?;
    }
    let slow: Vec<_> = (0..5).map(|_| tally.add_slowly(1, 5).submit()).collect();
    for call in slow {
        call.await?;
    }
    Ok(tally.read().await?.into())
}

/// Many callers of both kinds: `&self` methods run together as far as the class allows, and a `&mut self` one with nobody.
pub(crate) async fn together() -> Result<Value> {
    let room = RoomHandle::new().spawn().await?;
    let mut calls: Vec<_> = (0..120)
        .map(|number| match number % 3 {
            0 => room.be_alone().submit(),
            1 => room.visit().submit(),
            _ => room.meet(1).submit(),
        })
        .collect();
    // Nobody is to be alone between these: they meet.
    calls.extend((0..12).map(|_| room.meet(3).submit()));
    for call in calls {
        call.await?;
    }
    let (most, beside_one_alone) = room.seen().await?;
    Ok(json!([most, beside_one_alone]))
}

/// A group that is full keeps nobody else waiting.
pub(crate) async fn other_groups() -> Result<Value> {
    let tally = TallyHandle::new(0).spawn().await?;
    let gate = GateHandle::new().spawn().await?;
    let waiting: Vec<_> = (0..8).map(|_| tally.pass(gate.clone()).submit()).collect();
    until_came(&gate, 2).await?;
    // Not by the driver, whose calls keep their order.
    let read = TallyHandle::new(0).spawn().await?.ask(tally.clone()).await?;
    let came = gate.came().await?;
    gate.open().await?;
    for call in waiting {
        call.await?;
    }
    Ok(json!([read, came, gate.came().await?]))
}

/// The actor is not entered again while a `&mut self` method awaits.
pub(crate) async fn async_methods() -> Result<Value> {
    let tally = TallyHandle::new(0).spawn().await?;
    let first = tally.add_slowly(1, 50).submit();
    let second = tally.add_slowly(2, 1).submit();
    let read = tally.read().submit();
    Ok(json!([first.await?, second.await?, read.await?, tally.seen().await?]))
}

pub(crate) async fn concurrency_groups() -> Result<Value> {
    let tally = TallyHandle::new(0).spawn().await?;
    let stays: Vec<_> = (0..8).map(|_| tally.stay(20).submit()).collect();
    let mut most = 0;
    for stay in stays {
        most = most.max(stay.await?);
    }
    Ok(most.into())
}

pub(crate) async fn timeout_and_cancel() -> Result<Value> {
    let tally = TallyHandle::new(0).spawn().await?;
    let running = tally.add_slowly(1, 300).submit();
    let queued = tally.add(10).submit();
    let late = tally.add(100).deadline(Duration::from_millis(50)).submit();
    queued.cancel();
    let queued = queued.await.unwrap_err().kind();
    let late = late.await.unwrap_err().kind();
    running.cancel();
    let discarded = running.await.unwrap_err().kind();
    // The turn that ran has finished all the same.
    let total = tally.read().await?;
    let dropped = tally.wait_for_ever().submit();
    let behind = tally.add(1).submit();
    dropped.cancel();
    assert_eq!(dropped.await.unwrap_err().kind(), ErrorKind::Cancelled);
    Ok(json!([format!("{queued:?}"), format!("{late:?}"), format!("{discarded:?}"), total, behind.await?]))
}

/// A call's time counts from the start of its turn.
pub(crate) async fn timeout() -> Result<Value> {
    let tally = TallyHandle::new(0).spawn().await?;
    let short = Duration::from_millis(40);
    // An exclusive turn finishes, and its reply is discarded.
    let discarded = tally.add_slowly(1, 120).timeout(short).submit();
    // This one waits longer than it may run, which counts for nothing.
    let patient = tally.add(10).timeout(Duration::from_secs(20)).submit();
    let shared = tally.meet(100).timeout(short).submit();
    let dropped = tally.wait_for_ever().timeout(short).submit();
    let total = tally.add(100).submit();
    let mut kinds = Vec::new();
    for late in [discarded.await, shared.await, dropped.await.map(|()| 0)] {
        kinds.push(late.map_or_else(|error| error.kind(), |_| ErrorKind::Internal));
    }
    assert!(kinds.iter().all(|kind| *kind == ErrorKind::DeadlineExceeded), "{kinds:?}");
    Ok(json!([patient.await?, total.await?]))
}

/// What an actor sees of the cluster, twice, and what its driver does.
pub(crate) async fn cluster(cluster: &Cluster) -> Result<Value> {
    let tally = TallyHandle::new(0).spawn().await?;
    let cpus = cluster.total_resources().cpu.as_f64();
    let nodes = cluster.view().nodes.len();
    let own = (cluster.job().to_string(), cpus, nodes);
    Ok(json!([tally.sees(nodes).await? == own, tally.sees(nodes).await? == own, nodes]))
}

pub(crate) async fn timers() -> Result<Value> {
    let tally = TallyHandle::new(0).spawn().await?;
    tally.tick_later().await?;
    while tally.read().await? == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(tally.read().await?.into())
}
