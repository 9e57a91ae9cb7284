//! A driver whose actors do what is promised of actors. `performers --cluster URL CASE [ARGUMENT…]` prints how the case
//! ended as one line of JSON: the value, or the kind of the error and its text.

mod delivery;
mod ends;
mod exits;
mod faults;
mod flooding;
mod lives;
mod probes;
mod retries;
mod tally;
mod turns;
mod urgent;

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
        "started" => lives::started().await,
        "never-starts" => lives::never_starts().await,
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
        "retries-at-the-next" => retries::max_task_retries().await,
        "casts-once" => retries::call_and_cast().await,
        "next-incarnation" => retries::next_incarnation().await,
        "constructor-again" => retries::constructor_again().await,
        "names-of-children" => retries::names().await,
        "stop-within" => retries::stop_within_the_shutdown().await,
        "timers-end" => retries::timers_end().await,
        "full-mailbox" => flooding::mailbox(arguments[0]).await,
        "mailbox" => delivery::mailbox().await,
        "flood" => delivery::flood(arguments[0], arguments[1]).await,
        "call-flooded" => delivery::call_flooded(arguments[0], number(&arguments[1..])).await,
        "dead" => delivery::long_dead().await,
        "turn" => turns::turn().await,
        "together" => turns::together().await,
        "other-groups" => turns::other_groups().await,
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
        "kill-before-stop" => urgent::kill_before_stop().await,
        "down-before-calls" => urgent::down_before_calls().await,
        "all-hooks" => urgent::hooks().await,
        "kill-alone" => urgent::kill_alone().await,
        "kill-among-others" => urgent::kill_among_others(arguments[0]).await,
        "more-reasons" => exits::reasons(arguments[0], arguments[1], arguments[2]).await,
        "reasons" => ends::exit_reasons().await,
        "links" => ends::links().await,
        "monitors" => ends::monitors().await,
        "isolated" => faults::isolated(arguments[0], arguments[1]).await,
        "epochs" => faults::epochs(arguments[0], arguments[1]).await,
        "drained" => faults::drained(arguments[0], arguments[1]).await,
        "large" => faults::large(arguments[0], number(&arguments[1..])).await,
        "resent" => faults::resent(arguments[0], arguments[1]).await,
        "lost" => faults::lost(arguments[0], arguments[1]).await,
        "worker-killed" => faults::worker_killed(arguments[0], arguments[1]).await,
        "loops" => faults::loops(arguments[0], arguments[1]).await,
        other => Ok(Value::String(format!("there is no case {other}"))),
    }
}

fn number(arguments: &[&str]) -> u64 {
    arguments.first().and_then(|text| text.parse().ok()).unwrap_or(1000)
}
