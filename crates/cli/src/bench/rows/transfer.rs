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

/// Objects that cross for each trial of the plan, one after the other.
const CROSSINGS: usize = 3;

/// Makes objects on the second node and has each brought to the first, in GB/s. A node gives out a value that lies elsewhere
/// when it has brought it into its own store whole, and checked it: the first node is asked for each, and the answer's
/// beginning is the end of the crossing. A task on the first node then takes it, which finds it there.
pub(super) async fn rate(mode: Mode, plan: TrialPlan) -> anyhow::Result<f64> {
    let bench = BenchCluster::start(mode, 2).await?;
    let mut rates = Vec::new();
    for crossing in 0..=plan.trials.max(1) * CROSSINGS {
        let object = make_bytes::remote(SIZE).strategy(on_node(2)).on(bench.driver()).submit();
        mobula::wait([object.clone()], 1, None).await;
        let seconds = cross(&bench, &object).await?.as_secs_f64();
        take(&bench, &object).await?;
        // The first one makes connections and memory.
        if crossing > 0 {
            rates.push(SIZE as f64 / seconds / 1e9);
        }
    }
    bench.stop().await?;
    Ok(median(&mut rates))
}

/// How long it takes from asking the first node until it has the object.
async fn cross(bench: &BenchCluster, object: &ObjectRef<Bytes>) -> anyhow::Result<Duration> {
    let started = clock::now();
    let download = bench.first_node().fetch(object.id()).await?;
    let duration = clock::now().since(started);
    anyhow::ensure!(download.length == SIZE, "the first node has {} of {SIZE} bytes", download.length);
    Ok(duration)
}

/// A task on the first node reads all of it.
async fn take(bench: &BenchCluster, object: &ObjectRef<Bytes>) -> anyhow::Result<()> {
    let taken = take_bytes::remote(object).strategy(on_node(1)).on(bench.driver()).submit().await?;
    anyhow::ensure!(taken == SIZE, "{taken} of {SIZE} bytes have arrived");
    Ok(())
}
