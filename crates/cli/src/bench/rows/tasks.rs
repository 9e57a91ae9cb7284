//! Tasks: one at a time, a thousand at a time, from several submitters at once.

use crate::bench::cluster::BenchCluster;
use crate::bench::floors::ROUND;
use crate::bench::functions::{ok, submit_many};
use crate::bench::trial::{TrialPlan, median_rate};
use mobula::{Cluster, ObjectRef};

/// Tasks that submit others at the same time.
const SUBMITTERS: usize = 4;
/// How many tasks each of them submits.
const EACH: u64 = 10_000;

/// One round of the smallest tasks, all submitted before the first is got.
async fn round(cluster: &Cluster, count: usize) -> anyhow::Result<u64> {
    let results: Vec<ObjectRef<bytes::Bytes>> =
        (0..count).map(|_| ok::remote().on(cluster).submit()).collect();
    for result in &results {
        result.await?;
    }
    Ok(count as u64)
}

/// Tasks a second, each got before the next is submitted.
pub(super) async fn sync_rate(cluster: &Cluster, plan: TrialPlan) -> anyhow::Result<f64> {
    median_rate(plan, async || round(cluster, 1).await).await
}

/// Tasks a second, in rounds of a thousand.
pub(super) async fn async_rate(cluster: &Cluster, plan: TrialPlan) -> anyhow::Result<f64> {
    median_rate(plan, async || round(cluster, ROUND).await).await
}

/// Tasks a second that four tasks submit at the same time.
pub(super) async fn multi_client_rate(cluster: &Cluster, plan: TrialPlan) -> anyhow::Result<f64> {
    median_rate(plan, async || {
        let submitters: Vec<ObjectRef<u64>> =
            (0..SUBMITTERS).map(|_| submit_many::remote(EACH).on(cluster).submit()).collect();
        let mut total = 0;
        for submitter in &submitters {
            total += submitter.await?;
        }
        Ok(total)
    })
    .await
}

/// Rounds a second of submitting a thousand tasks and waiting for one at a time until none is left.
pub(super) async fn wait_rate(cluster: &Cluster, plan: TrialPlan) -> anyhow::Result<f64> {
    median_rate(plan, async || {
        let mut pending: Vec<ObjectRef<bytes::Bytes>> =
            (0..ROUND).map(|_| ok::remote().on(cluster).submit()).collect();
        while !pending.is_empty() {
            (_, pending) = mobula::wait(pending, 1, None).await;
        }
        Ok(1)
    })
    .await
}

/// CPU time of all processes for one task, in rounds of a thousand, in microseconds.
pub(super) async fn cpu_micros(bench: &BenchCluster, plan: TrialPlan) -> anyhow::Result<f64> {
    // Workers are there, and the node knows how long a task takes, once some have run.
    round(bench.driver(), ROUND).await?;
    let mut tasks = 0;
    let before = bench.cpu_seconds();
    median_rate(plan, async || {
        tasks += round(bench.driver(), ROUND).await?;
        Ok(ROUND as u64)
    })
    .await?;
    Ok((bench.cpu_seconds() - before) * 1e6 / tasks as f64)
}
