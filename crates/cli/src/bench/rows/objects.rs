//! Objects: small values that are put and got.

use crate::bench::floors::ROUND;
use crate::bench::functions::put_many;
use crate::bench::trial::{TrialPlan, median_rate};
use anyhow::Context;
use mobula::{Cluster, ObjectRef};

/// References in the object that is full of them.
const MANY: usize = 10_000;
/// Values that another process puts at a time.
const OTHER_VALUES: u64 = 1_000;

/// Puts a second, each acknowledged before the next.
pub(super) async fn put_rate(cluster: &Cluster, plan: TrialPlan) -> anyhow::Result<f64> {
    median_rate(plan, async || {
        let _reference = cluster.put(0_u64).await?;
        Ok(1)
    })
    .await
}

/// Puts a second, a thousand at a time.
pub(super) async fn pipelined_put_rate(cluster: &Cluster, plan: TrialPlan) -> anyhow::Result<f64> {
    median_rate(plan, async || {
        let puts = (0..ROUND as u64).map(|number| cluster.put(number).into_future());
        let references = futures::future::try_join_all(puts).await?;
        Ok(references.len() as u64)
    })
    .await
}

/// Gets a second of a value that this process has put.
pub(super) async fn own_get_rate(cluster: &Cluster, plan: TrialPlan) -> anyhow::Result<f64> {
    let reference = cluster.put(0_u64).await?;
    median_rate(plan, async || {
        // Many at once, so that the clock is not what is measured.
        for _ in 0..ROUND {
            (&reference).await?;
        }
        Ok(ROUND as u64)
    })
    .await
}

/// Gets a second of values that another process has put and that are read here for the first time, one by one.
pub(super) async fn other_get_rate(cluster: &Cluster, plan: TrialPlan) -> anyhow::Result<f64> {
    let mut values: Vec<ObjectRef<u64>> = Vec::new();
    let mut rates = Vec::new();
    for trial in 0..=plan.trials.max(1) {
        let (mut gets, mut seconds) = (0_u64, 0.0);
        let length = if trial == 0 { plan.warm_up } else { plan.trial };
        while seconds < length.as_secs_f64() {
            // The other process puts outside the measured time.
            values.clear();
            values.extend(put_many::remote(OTHER_VALUES).on(cluster).submit().await?);
            let started = mobula_runtime::clock::now();
            for value in &values {
                value.await?;
            }
            seconds += mobula_runtime::clock::now().since(started).as_secs_f64();
            gets += values.len() as u64;
        }
        if trial > 0 {
            rates.push(gets as f64 / seconds);
        }
    }
    Ok(crate::bench::trial::median(&mut rates))
}

/// Gets a second of an object that contains ten thousand references.
pub(super) async fn many_references_rate(cluster: &Cluster, plan: TrialPlan) -> anyhow::Result<f64> {
    let mut references = Vec::with_capacity(MANY);
    while references.len() < MANY {
        let puts = (0..ROUND as u64).map(|number| cluster.put(number).into_future());
        references.extend(futures::future::try_join_all(puts).await?);
    }
    let full: ObjectRef<Vec<ObjectRef<u64>>> =
        cluster.put(references).await.context("putting ten thousand references")?;
    median_rate(plan, async || {
        let references = (&full).await?;
        anyhow::ensure!(references.len() == MANY, "references are missing");
        Ok(1)
    })
    .await
}
