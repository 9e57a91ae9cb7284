//! A driver whose actors do what is promised of actors. `performers --cluster URL CASE [ARGUMENT…]` prints how the case
//! ended as one line of JSON: the value, or the kind of the error and its text.

mod delivery;
mod ends;
mod faults;
mod lives;
mod tally;
mod turns;

use mobula::Cluster;
use serde_json::Value;
use tokio::runtime::Builder;

fn main() {
    mobula_cluster_tests::perform_on(Builder::new_current_thread(), perform);
}

async fn perform(cluster: &Cluster, words: &[&str]) -> mobula::Result<Value> {
    let (case, arguments) = words.split_first().expect("a case");
    match *case {
        "counts" => lives::counts(arguments.first().copied()).await,
        "constructor" => lives::constructor().await,
        "names" => lives::names().await,
        "lifetime" => lives::lifetime().await,
        "leaves" => lives::leaves().await,
        "handle" => lives::handle().await,
        "batch" => lives::batch(number(arguments)).await,
        "order" => delivery::order(number(arguments)).await,
        "call-and-cast" => delivery::call_and_cast().await,
        "default-delivery" => delivery::default_delivery().await,
        "retries" => delivery::retries().await,
        "mailbox" => delivery::mailbox().await,
        "flood" => delivery::flood(arguments[0], number(&arguments[1..])).await,
        "dead" => delivery::long_dead().await,
        "turn" => turns::turn().await,
        "async-methods" => turns::async_methods().await,
        "groups" => turns::concurrency_groups().await,
        "cancel" => turns::timeout_and_cancel().await,
        "timeout" => turns::timeout().await,
        "cluster" => turns::cluster(cluster).await,
        "timers" => turns::timers().await,
        "hooks" => ends::hooks().await,
        "stop" => ends::stop().await,
        "kill" => ends::kill().await,
        "priorities" => ends::priorities().await,
        "reasons" => ends::exit_reasons().await,
        "links" => ends::links().await,
        "monitors" => ends::monitors().await,
        "isolated" => faults::isolated(arguments[0], arguments[1]).await,
        "drained" => faults::drained(arguments[0], arguments[1]).await,
        "large" => faults::large(arguments[0], number(&arguments[1..])).await,
        "loops" => faults::loops(arguments[0], arguments[1]).await,
        other => Ok(Value::String(format!("there is no case {other}"))),
    }
}

fn number(arguments: &[&str]) -> u64 {
    arguments.first().and_then(|text| text.parse().ok()).unwrap_or(1000)
}
