//! A driver whose actors are in groups and talk over topics. `talkers --cluster URL CASE [ARGUMENT…]` prints how the case
//! ended as one line of JSON: the value, or the kind of the error and its text. What a case does to the cluster meanwhile, it
//! is given as a line for the shell.

mod groups;
mod lasting;
mod talker;
mod topics;

use serde_json::Value;
use tokio::runtime::Builder;

fn main() {
    let mut runtime = Builder::new_multi_thread();
    runtime.worker_threads(2);
    mobula_cluster_tests::perform(runtime, perform);
}

async fn perform(words: &[&str]) -> mobula::Result<Value> {
    match words {
        ["groups"] => groups::groups().await,
        ["incarnation"] => groups::ends_with_the_incarnation().await,
        ["node", victim, act] => groups::ends_with_the_node(victim, act).await,
        ["broadcast", count] => groups::broadcast(number(count)).await,
        ["many", groups, members] => groups::many(number(groups), number(members)).await,
        ["topics"] => topics::topics().await,
        ["wildcards"] => topics::wildcards().await,
        ["order", count] => topics::order(number(count)).await,
        ["subscriptions-end"] => topics::subscriptions_end().await,
        ["refused"] => topics::refused().await,
        ["new-leader", act] => lasting::new_leader(act).await,
        ["new-home", act] => lasting::new_home(act).await,
        ["standing-node", victim, act] => lasting::standing_node(victim, act).await,
        other => Ok(Value::String(format!("there is no case {other:?}"))),
    }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or(100)
}
