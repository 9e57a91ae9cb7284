//! A driver whose actors are in groups and talk over topics. `talkers --cluster URL CASE [ARGUMENT…]` prints how the case
//! ended as one line of JSON: the value, or the kind of the error and its text. What a case does to the cluster meanwhile, it
//! is given as a line for the shell.

mod groups;
mod lasting;
mod talker;
mod topics;

use mobula::Cluster;
use serde_json::Value;

fn main() {
    mobula::worker_entry();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let line = match runtime.expect("a runtime").block_on(run()) {
        Ok(value) => serde_json::json!({ "value": value }),
        Err(error) => {
            serde_json::json!({ "kind": format!("{:?}", error.kind()), "text": format!("{error:?}") })
        }
    };
    println!("{line}");
}

async fn run() -> mobula::Result<Value> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let url = arguments.iter().skip_while(|argument| *argument != "--cluster").nth(1).cloned();
    let words: Vec<&str> = arguments.iter().skip(2).map(String::as_str).collect();
    let cluster = Cluster::connect(url.unwrap_or_default().as_str()).await?;
    let result = cluster.scope(perform(&words)).await;
    cluster.close().await;
    result
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
