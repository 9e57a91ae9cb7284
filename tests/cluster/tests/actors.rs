//! What is promised of actors, row by row, on two nodes with worker processes.

use anyhow::{Context, Result};
use mobula_cluster_tests::{ClusterOptions, Driver, TestCluster, eventually};
use serde_json::{Value, json};

fn cluster() -> Result<TestCluster> {
    TestCluster::start(&ClusterOptions { nodes: 2, ..ClusterOptions::default() })
}

fn finish(driver: Driver) -> Result<Value> {
    let output = driver.finish()?;
    anyhow::ensure!(output.status.success(), "{}", output.stderr);
    serde_json::from_str(&output.stdout).context(output.stdout)
}

fn run(cluster: &TestCluster, case: &[&str]) -> Result<Value> {
    let answer = finish(cluster.performers(0, case)?)?;
    answer.get("value").cloned().with_context(|| format!("{case:?}: {answer}"))
}

/// A test for a row: the case of that name gives the value.
macro_rules! rows {
    ($($(#[$about:meta])* $row:ident: $case:expr => $value:expr;)*) => {$(
        $(#[$about])*
        #[test]
        fn $row() -> Result<()> {
            let cluster = cluster()?;
            assert_eq!(run(&cluster, &$case)?, json!($value));
            Ok(())
        }
    )*};
}

rows! {
    order: ["order", "999"] => true;
    turn: ["turn"] => 5;
    async_methods: ["async-methods"] => [json!(1), json!(3), json!(3), json!([1, 2])];
    concurrency_groups: ["groups"] => 2;
    timeout_and_cancel_of_a_call: ["cancel"] => ["Cancelled", "DeadlineExceeded", "Cancelled"]
        .map(Value::from).into_iter().chain([json!(1), json!(2)]).collect::<Vec<_>>();
    timeout_and_cancel_of_a_call_past_its_timeout: ["timeout"] => [11, 111];
    call_and_cast: ["call-and-cast"] =>
        json!({ "refused": "TaskFailed in performers::tally::Tally::refuse: no call", "total": 3 });
    mailbox: ["mailbox"] => json!({ "some were full": true, "the rest ran": true });
    priorities: ["priorities"] => true;
    names: ["names"] => 5;
    handle: ["handle"] => [11, 11];
    default_delivery: ["default-delivery"] =>
        json!({ "first": ["ActorDied", true], "late": ["ActorDied", false] });
    max_task_retries_end_with_the_actor: ["retries"] => "ActorDied";
    stop: ["stop"] => json!([[1, 2], ["ActorDied", "Shutdown"], "stopped: Shutdown"]);
    kill: ["kill"] => ["(ActorDied, ActorDied)", "Killed", "ActorDied"];
    hooks: ["hooks"] => "stopped: Normal";
    cluster_as_an_actor_sees_it: ["cluster"] => [json!(true), json!(true), json!(2)];
    timers: ["timers"] => 7;
    exit_reasons: ["reasons"] => ["Normal", "Error", "Panicked", "Killed", "Shutdown", "WorkerDied"];
    batch_creation: ["batch", "3000"] => 4_498_500;
    links: ["links"] => ["Linked", "Panicked", "Panicked"];
    monitors: ["monitors"] => json!([["Panicked", "Panicked"], "Panicked"]);
}

#[test]
fn constructor() -> Result<()> {
    let cluster = cluster()?;
    let failures = run(&cluster, &["constructor"])?;
    let text = |at: usize| failures[at].as_str().unwrap_or_default().to_owned();
    assert!(text(0).starts_with("ConstructorFailed in performers::tally::Tally::failing"), "{failures}");
    assert!(text(0).contains("it cannot be"), "{failures}");
    assert!(text(1).contains("TaskPanicked: no start at "), "{failures}");
    Ok(())
}

#[test]
fn lifetime() -> Result<()> {
    let cluster = cluster()?;
    let lives = run(&cluster, &["lifetime"])?;
    assert_eq!(lives, json!({ "mortal": "Shutdown", "named": 6, "held": 7 }));
    // What is detached outlives its driver, and nothing else does.
    assert_eq!(run(&cluster, &["leaves"])?, json!([8, 9]));
    eventually("the actors of the jobs have ended", || {
        let actors = cluster.json(&["list", "actors", "--state", "running"])?;
        let names: Vec<&str> =
            actors.as_array().context("actors")?.iter().filter_map(|actor| actor["name"].as_str()).collect();
        Ok(names == ["detached"])
    })
}

#[test]
fn actors_are_called_on_other_nodes() -> Result<()> {
    let cluster = cluster()?;
    for node in ["node-0", "node-1"] {
        assert_eq!(run(&cluster, &["counts", node])?, 42, "on {node}");
    }
    Ok(())
}

#[test]
fn a_handle_to_an_actor_long_dead() -> Result<()> {
    let cluster = cluster()?;
    let text = run(&cluster, &["dead"])?;
    assert!(
        text.as_str().is_some_and(|text| text.contains("is dead (Killed); the call did not run")),
        "{text}"
    );
    Ok(())
}

/// One driver floods an actor; another one's calls of it are answered meanwhile.
#[test]
fn a_flood_slows_its_caller_alone() -> Result<()> {
    let cluster = cluster()?;
    let flooding = cluster.performers(0, &["flood", "shared", "50000"])?;
    let other = finish(cluster.performers(1, &["flood", "shared", "10"])?)?;
    assert!(other["value"].as_u64().is_some_and(|total| total >= 10), "{other}");
    let flooded = finish(flooding)?;
    assert!(flooded["value"].as_u64().is_some_and(|total| total >= 50_000), "{flooded}");
    Ok(())
}
