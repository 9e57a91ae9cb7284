//! What is promised of actors, row by row, on two nodes with worker processes.

use anyhow::{Context, Result};
use mobula_cluster_tests::{ClusterOptions, TestCluster, eventually};
use serde_json::{Value, json};

fn cluster() -> Result<TestCluster> {
    TestCluster::start(&ClusterOptions { nodes: 2, ..ClusterOptions::default() })
}

fn run(cluster: &TestCluster, case: &[&str]) -> Result<Value> {
    cluster.performers(0, case)?.value().with_context(|| format!("{case:?}"))
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
    turn_of_both_kinds: ["together"] => [3, 0];
    async_methods: ["async-methods"] => [json!(1), json!(3), json!(3), json!([1, 2])];
    concurrency_groups: ["groups"] => 2;
    concurrency_groups_apart: ["other-groups"] => [0, 2, 8];
    timeout_and_cancel_of_a_call: ["cancel"] => ["Cancelled", "DeadlineExceeded", "Cancelled"]
        .map(Value::from).into_iter().chain([json!(1), json!(2)]).collect::<Vec<_>>();
    timeout_and_cancel_of_a_call_past_its_timeout: ["timeout"] => [11, 111];
    call_and_cast: ["call-and-cast"] =>
        json!({ "refused": "TaskFailed in performers::tally::Tally::refuse: no call", "total": 3 });
    /// A cast is never sent again; a call in the same straits is.
    call_and_cast_where_the_actor_dies: ["casts-once"] =>
        json!({ "refused": "TaskFailed", "epoch": 4, "runs": [1, 3, 1, 3] });
    mailbox_with_a_bound_of_its_own: ["mailbox"] => json!({ "some were full": true, "the rest ran": true });
    priorities: ["priorities"] => true;
    priorities_of_kill_and_stop: ["kill-before-stop"] => json!(["ActorDied", 0, 0, "Killed"]);
    priorities_of_down_and_calls: ["down-before-calls"] => true;
    names: ["names"] => 5;
    names_of_children: ["names-of-children"] => json!(["AlreadyExists", 2, true, 3]);
    handle: ["handle"] => [11, 11];
    default_delivery: ["default-delivery"] =>
        json!({ "first": ["ActorDied", true], "late": ["ActorDied", false] });
    default_delivery_of_what_did_not_start: ["next-incarnation"] => json!(["TaskPanicked", true, 2]);
    max_task_retries: ["retries-at-the-next"] => json!({
        "answered by": 3, "ends": [["ActorDied", true], ["ActorDied", true]], "epoch": 6, "runs": [3, 1, 2],
    });
    max_task_retries_end_with_the_actor: ["retries"] => "ActorDied";
    stop: ["stop"] => json!([[1, 2], ["ActorDied", "Shutdown"], "stopped: Shutdown"]);
    stop_within_the_shutdown: ["stop-within"] => json!(["ActorDied", true, "Shutdown", "ran"]);
    kill_of_one_alone: ["kill-alone"] => json!([false, "ActorDied", true, "Killed"]);
    kill_of_one_among_others: ["kill-among-others", "node-1"] => json!([true, "ActorDied", 2, true, false, 2]);
    kill: ["kill"] => ["(ActorDied, ActorDied)", "Killed", "ActorDied"];
    hooks_of_one_that_leaves: ["hooks"] => "stopped: Normal";
    cluster_as_an_actor_sees_it: ["cluster"] => [json!(true), json!(true), json!(2)];
    timers: ["timers"] => 7;
    timers_end_with_their_incarnation: ["timers-end"] => [true, true];
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
    assert_eq!(
        run(&cluster, &["constructor-again"])?,
        json!([3, 2, ["RestartIntensity", "ConstructorFailed"]])
    );
    Ok(())
}

#[test]
fn constructor_that_never_returns() -> Result<()> {
    let seen = run(&cluster()?, &["never-starts"])?;
    assert_eq!(
        seen,
        json!([["ConstructorFailed: DeadlineExceeded", "ConstructorFailed: DeadlineExceeded"], 4])
    );
    Ok(())
}

/// The bound holds over all callers: those of a full mailbox have one call there each.
#[test]
fn mailbox() -> Result<()> {
    let seen = run(&cluster()?, &["full-mailbox", "node-1"])?;
    let most = seen["were in the mailbox"].as_u64().context("a number")?;
    assert!((20..=40).contains(&most), "{seen}");
    assert_eq!((&seen["answered"], &seen["all others did not run"]), (&json!(true), &json!(true)), "{seen}");
    Ok(())
}

#[test]
fn hooks() -> Result<()> {
    let seen = run(&cluster()?, &["all-hooks"])?;
    for hook in ["on_start", "on_down", "checks"] {
        assert_eq!(seen[hook], true, "{hook}: {seen}");
    }
    assert_eq!(seen["reason"], json!(["Unhealthy", "Unhealthy: it is not well"]), "{seen}");
    // Not of the one that was unwell.
    assert_eq!(seen["on_stop"], json!(["on_stop Shutdown"]), "{seen}");
    Ok(())
}

#[test]
fn exit_reasons_of_other_causes() -> Result<()> {
    let cluster = cluster()?;
    let process = cluster.nodes[1].server.pid().to_string();
    let kinds = run(&cluster, &["more-reasons", cluster.url(0), "node-1", &process])?;
    let alone = ["Unhealthy", "Linked", "JobEnded", "Lost", "NodeLost"];
    // Of the child, and of the supervisor above it, each with its root.
    let supervised = ["RestartIntensity", "ConstructorFailed", "RestartIntensity", "ConstructorFailed"];
    assert_eq!(kinds, json!(alone.into_iter().chain(supervised).collect::<Vec<_>>()));
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
    })?;
    cluster.mobula(&["actor", "kill", "detached"])?;
    eventually("it is dead", || {
        Ok(cluster.json(&["list", "actors", "--state", "running"])?.as_array().is_some_and(Vec::is_empty))
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
fn calls_wait_for_an_actor_that_is_being_created() -> Result<()> {
    let seen = run(&cluster()?, &["started"])?;
    assert_eq!(seen[0], 42, "{seen}");
    assert!(seen[1].as_str().is_some_and(|text| text.contains("it cannot be")), "{seen}");
    assert!(seen[2].as_str().is_some_and(|text| text.contains("no 3 numbers")), "{seen}");
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
    let marks = cluster.folder().join("marks");
    let flooding = cluster.performers(0, &["flood", "shared", &marks.display().to_string()])?;
    eventually("it is flooded", || Ok(marks.exists()))?;
    // The flood goes on until this has its answers.
    assert_eq!(cluster.performers(1, &["call-flooded", "shared", "10"])?.value()?, 10);
    std::fs::write(cluster.folder().join("marks.stop"), "")?;
    assert_eq!(flooding.value()?, true);
    Ok(())
}
