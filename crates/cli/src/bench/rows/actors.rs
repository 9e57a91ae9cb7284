//! Actors: calls of one or several, by one client or several; creations, memory, restarts.

use crate::bench::actors::{EchoHandle, Method, call_many, round};
use crate::bench::cluster::BenchCluster;
use crate::bench::floors::ROUND;
use crate::bench::trial::{TrialPlan, median_rate};
use mobula::{ActorHandle, Cluster, ObjectRef};

/// Actors, and clients, where there are several.
const SEVERAL: usize = 4;
/// Rounds of a thousand calls that each of several clients makes at once.
const ROUNDS: u64 = 10;
/// Actors whose memory is measured.
const IDLE_ACTORS: usize = 100_000;
/// Actors that are created in one round.
const CREATED: usize = 5_000;

/// Who calls whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One client calls one actor, and waits for each answer.
    Sync,
    /// One client calls one actor, a thousand calls at a time.
    OneToOne,
    /// The same, where the actor answers up to sixteen calls at a time.
    Concurrent,
    /// One client calls four actors.
    OneToMany,
    /// Four clients call four actors each.
    ManyToMany,
    /// Four clients call an actor of their own each.
    Pairs,
}

/// Calls that an actor answers at a time, where several.
const CONCURRENT: u32 = 16;

async fn actors(cluster: &Cluster, count: usize) -> anyhow::Result<Vec<EchoHandle>> {
    let creations = (0..count).map(|_| EchoHandle::new().on(cluster));
    Ok(EchoHandle::spawn_many(creations.collect::<Vec<_>>()).await?)
}

/// Calls a second.
pub(super) async fn call_rate(
    cluster: &Cluster,
    plan: TrialPlan,
    shape: Shape,
    method: Method,
) -> anyhow::Result<f64> {
    cluster.scope(rate_in_scope(cluster, plan, shape, method)).await
}

async fn rate_in_scope(
    cluster: &Cluster,
    plan: TrialPlan,
    shape: Shape,
    method: Method,
) -> anyhow::Result<f64> {
    let count =
        if matches!(shape, Shape::OneToMany | Shape::ManyToMany | Shape::Pairs) { SEVERAL } else { 1 };
    let actors = match shape {
        Shape::Concurrent => vec![EchoHandle::new().on(cluster).max_concurrency(CONCURRENT).spawn().await?],
        _ => actors(cluster, count).await?,
    };
    let each = if shape == Shape::Sync { 1 } else { ROUND / count };
    if !matches!(shape, Shape::ManyToMany | Shape::Pairs) {
        return median_rate(plan, async || Ok(round(&actors, method, each).await?)).await;
    }
    let called_by = |client: usize| match shape {
        Shape::Pairs => vec![actors[client].clone()],
        _ => actors.clone(),
    };
    median_rate(plan, async || {
        let clients: Vec<ObjectRef<u64>> = (0..SEVERAL)
            .map(|client| call_many::remote(called_by(client), method, ROUNDS).submit())
            .collect();
        let mut total = 0;
        for client in &clients {
            total += client.await?;
        }
        Ok(total)
    })
    .await
}

/// Actors created a second, each known to have started.
pub(super) async fn creation_rate(cluster: &Cluster, plan: TrialPlan) -> anyhow::Result<f64> {
    actors(cluster, 1).await?;
    let mut made = Vec::new();
    let rate = median_rate(plan, async || {
        made.push(actors(cluster, CREATED).await?);
        Ok(CREATED as u64)
    })
    .await?;
    drop(made);
    Ok(rate)
}

/// Growth of the memory of all processes of the cluster for each of many actors that nobody calls, in bytes.
pub(super) async fn memory_per_actor(bench: &BenchCluster, quick: bool) -> anyhow::Result<f64> {
    let count = if quick { IDLE_ACTORS / 10 } else { IDLE_ACTORS };
    // The worker is there before the first measurement.
    let first = actors(bench.driver(), 1).await?;
    let before = bench.resident_bytes();
    let idle = actors(bench.driver(), count).await?;
    let after = bench.resident_bytes();
    drop((first, idle));
    Ok(after.saturating_sub(before) as f64 / count as f64)
}
