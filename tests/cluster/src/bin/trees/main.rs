//! A driver whose actors are supervised. `trees --cluster URL CASE [ARGUMENT…]` prints how the case ended as one line of
//! JSON: the value, or the kind of the error and its text. What a case does to the cluster meanwhile, it is given as a line
//! for the shell.

mod away;
mod children;
mod losses;
mod member;
mod observing;
mod placing;
mod rules;
mod watching;
mod whole;

use mobula::Cluster;
use serde_json::Value;
use tokio::runtime::Builder;

fn main() {
    let mut runtime = Builder::new_multi_thread();
    runtime.worker_threads(2);
    mobula_cluster_tests::perform_on(runtime, perform);
}

async fn perform(cluster: &Cluster, words: &[&str]) -> mobula::Result<Value> {
    match words {
        ["whole", count, victim, act, then @ ..] => {
            let (count, then) = (count.parse().unwrap_or(100), then.first().copied());
            whole::whole(count, victim, act, then).await
        }
        ["strategies"] => rules::strategies().await,
        ["leaves-trees"] => rules::leaves_trees().await,
        ["order"] => rules::order().await,
        ["intensity"] => rules::intensity().await,
        ["failed-start"] => rules::failed_start().await,
        ["children"] => children::at_run_time().await,
        ["simple", count] => children::simple(count.parse().unwrap_or(100)).await,
        ["refused"] => children::refused().await,
        ["below"] => children::below().await,
        ["spread"] => placing::spread().await,
        ["same-node"] => placing::same_node().await,
        ["anti-affinity", victim, act] => placing::anti_affinity(victim, act).await,
        ["restart-types", victim, act] => losses::restart_types(victim, act).await,
        ["node-loss", victim, act] => losses::node_loss(victim, act).await,
        ["quarantine", nodes @ ..] => losses::quarantine(nodes).await,
        ["drain", victim, act] => losses::drain(victim, act).await,
        ["links", victim, act] => watching::links(victim, act).await,
        ["linker-lost", victim, act] => watching::linker_lost(victim, act).await,
        ["monitors", victim, act] => watching::monitors(victim, act).await,
        ["observers", victim, act] => observing::observers(cluster, victim, act).await,
        ["observers-go-on", head, home] => observing::go_on(head, home).await,
        ["root-cause", victim, act] => watching::root_cause(victim, act).await,
        ["head-away", leave, come_back] => away::head_away(leave, come_back).await,
        other => Ok(Value::String(format!("there is no case {other:?}"))),
    }
}
