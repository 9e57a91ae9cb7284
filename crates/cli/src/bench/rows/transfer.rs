//! How fast a large object moves from one node to another.

use crate::bench::cluster::BenchCluster;
use crate::bench::functions::{make_bytes, take_bytes};
use crate::bench::row::Mode;
use crate::bench::trial::{TrialPlan, median};
use bytes::Bytes;
use mobula::{ObjectRef, Strategy};
use mobula_runtime::clock;
use std::time::Duration;

/// The size of the object, in bytes.
const SIZE: u64 = 256 << 20;

fn on_node(number: u32) -> Strategy {
    Strategy::NodeAffinity { node: format!("node-{number}").as_str().into(), soft: false }
}

/// Makes an object on the second node and takes it on the first, in GB/s. A task on the first node takes it twice: the first
/// time it has to cross, the second time it is there. The difference is what crossing costs.
pub(super) async fn rate(mode: Mode, plan: TrialPlan) -> anyhow::Result<f64> {
    let bench = BenchCluster::start(mode, 2).await?;
    let mut rates = Vec::new();
    for trial in 0..=plan.trials.max(1) {
        let object = make_bytes::remote(SIZE).strategy(on_node(2)).on(bench.driver()).submit();
        mobula::wait([object.clone()], 1, None).await;
        let crossing = take(&bench, &object).await?;
        let there = take(&bench, &object).await?;
        // The first one starts the workers.
        if trial > 0 {
            let seconds = crossing.saturating_sub(there).as_secs_f64().max(f64::MIN_POSITIVE);
            rates.push(SIZE as f64 / seconds / 1e9);
        }
    }
    bench.stop().await?;
    Ok(median(&mut rates))
}

/// How long a task on the first node takes from its submission to its answer.
async fn take(bench: &BenchCluster, object: &ObjectRef<Bytes>) -> anyhow::Result<Duration> {
    let started = clock::now();
    let taken = take_bytes::remote(object).strategy(on_node(1)).on(bench.driver()).submit().await?;
    let duration = clock::now().since(started);
    anyhow::ensure!(taken == SIZE, "{taken} of {SIZE} bytes have arrived");
    Ok(duration)
}
