//! How long it takes from nothing to the first result.

use crate::bench::cluster::BenchCluster;
use crate::bench::functions::ok;
use crate::bench::row::Mode;
use crate::bench::trial::{TrialPlan, median};
use mobula_runtime::clock;

/// Seconds from starting the processes of a cluster until a task of a driver that has just connected has returned.
pub(super) async fn first_task_seconds(mode: Mode, plan: TrialPlan) -> anyhow::Result<f64> {
    let mut seconds = Vec::new();
    for _ in 0..plan.trials.max(1) {
        let started = clock::now();
        let bench = BenchCluster::start(mode, 1).await?;
        ok::remote().on(bench.driver()).submit().await?;
        seconds.push(clock::now().since(started).as_secs_f64());
        bench.stop().await?;
    }
    Ok(median(&mut seconds))
}
