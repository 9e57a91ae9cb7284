//! How long a supervised actor does not answer: from its exit to the first call that is answered again.

use crate::bench::actors::EchoHandle;
use crate::bench::cluster::BenchCluster;
use crate::bench::row::{Measured, Mode};
use crate::bench::trial::TrialPlan;
use mobula::{ActorHandle, Cluster, Supervisor};
use mobula_runtime::clock;
use std::time::Duration;

/// Children that each panic once: the first restart of a child has no pause.
const PANICS: usize = 200;
/// Clusters that lose a node.
const KILLS: usize = 5;
/// The name of the node that is lost.
const LOST: &str = "node-3";
/// How long one restart may take.
const LIMIT: Duration = Duration::from_secs(30);

fn of_millis(mut millis: Vec<f64>) -> Measured {
    millis.sort_by(f64::total_cmp);
    let at = |part: f64| millis.get(((millis.len() as f64 - 1.0) * part).round() as usize).copied();
    Measured { value: at(0.5).unwrap_or(0.0), p99: at(0.99) }
}

async fn tree(
    cluster: &Cluster,
    children: Vec<mobula::Creation<EchoHandle>>,
) -> anyhow::Result<Vec<EchoHandle>> {
    let count = children.len();
    let children = children.into_iter().enumerate().map(|(number, child)| (number.to_string(), child));
    let supervisor = Supervisor::one_for_one("restarts").intensity(u32::MAX, Duration::from_secs(5));
    let supervisor = cluster.scope(supervisor.children(children).start()).await?;
    let mut handles = Vec::with_capacity(count);
    for number in 0..count {
        handles.push(cluster.scope(supervisor.child::<EchoHandle>(number.to_string())).await?);
    }
    Ok(handles)
}

/// Milliseconds from a panic of an actor to its first answer.
pub(super) async fn after_panic(cluster: &Cluster, plan: TrialPlan) -> anyhow::Result<Measured> {
    let panics = if plan.trials == 1 { PANICS / 10 } else { PANICS };
    let actors = tree(cluster, (0..panics).map(|_| EchoHandle::new()).collect()).await?;
    let mut millis = Vec::with_capacity(panics);
    for actor in &actors {
        cluster.scope(async { actor.ok().await }).await?;
        let panicked = clock::now();
        let ended = cluster.scope(async { actor.panic().await }).await;
        anyhow::ensure!(ended.is_err(), "an actor that panics answers with an error");
        cluster.scope(answered(actor)).await?;
        millis.push(clock::now().since(panicked).as_secs_f64() * 1e3);
    }
    Ok(of_millis(millis))
}

/// Milliseconds from the SIGKILL of a node to the first answer of an actor that was there.
pub(super) async fn after_node_kill(mode: Mode, plan: TrialPlan) -> anyhow::Result<Measured> {
    let mut millis = Vec::new();
    for _ in 0..if plan.trials == 1 { 1 } else { KILLS } {
        let mut bench = BenchCluster::start(mode, 3).await?;
        let child = EchoHandle::new().on_node(LOST, true);
        let actors = tree(bench.driver(), vec![child]).await?;
        bench.driver().scope(async { actors[0].ok().await }).await?;
        bench.kill_last_node().await?;
        let killed = clock::now();
        bench.driver().scope(answered(&actors[0])).await?;
        millis.push(clock::now().since(killed).as_secs_f64() * 1e3);
        bench.stop().await?;
    }
    Ok(of_millis(millis))
}

/// Calls until the actor answers: what was on its way to the incarnation that is gone fails.
async fn answered(actor: &EchoHandle) -> anyhow::Result<()> {
    let until = clock::now() + LIMIT;
    loop {
        match tokio::time::timeout(LIMIT, actor.ok()).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) if clock::now() < until => {
                tracing::debug!(%error, id = %actor.id(), "not yet");
            }
            Ok(Err(error)) => return Err(error.into()),
            Err(late) => return Err(late.into()),
        }
    }
}
