//! What is promised of supervision over nodes, row by row, on nodes with worker processes that are killed, stopped or sent
//! home meanwhile.

use anyhow::{Context, Result};
use mobula_cluster_tests::{ClusterOptions, TestCluster, eventually_within};
use serde_json::{Value, json};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

fn cluster_of(nodes: usize, heads: usize, etcd: bool) -> Result<TestCluster> {
    TestCluster::start(&ClusterOptions { nodes, heads, etcd, ..ClusterOptions::default() })
}

fn cluster() -> Result<TestCluster> {
    cluster_of(3, 1, false)
}

fn run(cluster: &TestCluster, case: &[&str]) -> Result<Value> {
    cluster.trees(0, case)?.value().with_context(|| format!("{case:?}"))
}

/// A line for the shell that sends that node a signal.
fn signal(cluster: &TestCluster, name: &str, node: usize) -> String {
    format!("kill -{name} {}", cluster.nodes[node].server.pid())
}

/// The case, with a node that is killed meanwhile.
fn with_a_node_killed(cluster: &TestCluster, case: &str) -> Result<Value> {
    run(cluster, &[case, "node-1", &signal(cluster, "KILL", 1)])
}

#[test]
fn tree() -> Result<()> {
    let cluster = cluster()?;
    assert_eq!(
        run(&cluster, &["refused"])?,
        json!([
            ["InvalidArgument", "InvalidArgument", "InvalidArgument", "TooLarge", "AlreadyExists"],
            true,
            true
        ])
    );
    assert_eq!(run(&cluster, &["failed-start"])?, json!(["ConstructorFailed", true, true, [1, 0], 3]));
    assert_eq!(run(&cluster, &["below"])?, 3);
    Ok(())
}

#[test]
fn children_at_run_time() -> Result<()> {
    let cluster = cluster()?;
    let seen = run(&cluster, &["children"])?;
    let kinds =
        ["AlreadyExists", "InvalidArgument", "ActorDied", "NotFound", "ConstructorFailed", "TypeMismatch"];
    assert_eq!(seen["kinds"], json!(kinds), "{seen}");
    assert_eq!(seen["children"], json!([["0", false], ["none", true], ["below", false], ["spawned", false]]));
    assert_eq!((&seen["counts"], &seen["back"]), (&json!([4, 3, 1, 3]), &json!(1)));
    assert_eq!(run(&cluster, &["simple", "200"])?, json!([0, 200, 19_900]));
    Ok(())
}

#[test]
fn strategy() -> Result<()> {
    assert_eq!(run(&cluster()?, &["strategies"])?, json!([[1, 2, 1], [2, 2, 2], [1, 2, 2]]));
    Ok(())
}

#[test]
fn restart() -> Result<()> {
    let cluster = cluster()?;
    let seen = with_a_node_killed(&cluster, "restart-types")?;
    assert_eq!(seen, json!([true, ["permanent", "transient"]]));
    Ok(())
}

#[test]
fn intensity() -> Result<()> {
    assert_eq!(run(&cluster()?, &["intensity"])?, json!([true, true, "NotFound"]));
    Ok(())
}

#[test]
fn order() -> Result<()> {
    assert_eq!(run(&cluster()?, &["order"])?, json!([[0, 1, 2, 3, 4], [4, 3, 2, 1, 0]]));
    Ok(())
}

#[test]
fn placement() -> Result<()> {
    let cluster = cluster()?;
    assert_eq!(run(&cluster, &["spread"])?, json!([[2, 2, 2], [6], [1, 1, 1]]));
    assert_eq!(run(&cluster, &["same-node"])?, true);
    assert_eq!(with_a_node_killed(&cluster, "anti-affinity")?, json!(["Pending", 3]));
    Ok(())
}

#[test]
fn node_loss() -> Result<()> {
    let cluster = cluster()?;
    assert_eq!(with_a_node_killed(&cluster, "node-loss")?, json!([true, true, true]));
    Ok(())
}

#[test]
fn node_loss_of_what_three_nodes_were_lost_with() -> Result<()> {
    let mut cluster = TestCluster::start(&ClusterOptions { nodes: 0, ..ClusterOptions::default() })?;
    cluster.add_node(&["--num-cpus".to_owned(), "0".to_owned()])?;
    for _ in 0..4 {
        cluster.add_node(&[])?;
    }
    let nodes: Vec<String> =
        cluster.nodes.iter().map(|node| format!("{}={}", node.name, node.server.pid())).collect();
    let mut case = vec!["quarantine"];
    case.extend(nodes.iter().map(String::as_str));
    let seen = run(&cluster, &case)?;
    assert_eq!((&seen[0], &seen[1]), (&json!(3), &json!(true)), "{seen}");
    Ok(())
}

#[test]
fn drain() -> Result<()> {
    let cluster = cluster()?;
    let leave = signal(&cluster, "TERM", 1);
    assert_eq!(run(&cluster, &["drain", "node-1", &leave])?, json!([true, 0, 9, true]));
    Ok(())
}

#[test]
fn links() -> Result<()> {
    let cluster = cluster()?;
    let seen = with_a_node_killed(&cluster, "links")?;
    assert_eq!(seen, json!([["Linked", "NodeLost"], ["NodeLost of epoch 1"]]));
    Ok(())
}

#[test]
fn links_of_one_that_is_lost_with_its_node() -> Result<()> {
    let cluster = cluster()?;
    let seen = with_a_node_killed(&cluster, "linker-lost")?;
    assert_eq!(seen, json!([["Linked", "NodeLost"], ["NodeLost of epoch 1"]]));
    Ok(())
}

#[test]
fn monitors() -> Result<()> {
    let cluster = cluster()?;
    let seen = with_a_node_killed(&cluster, "monitors")?;
    assert_eq!(seen, json!([["NodeLost", "NodeLost", "NodeLost"], 1, ["NodeLost of epoch 1"], 1]));
    Ok(())
}

#[test]
fn observers() -> Result<()> {
    let cluster = cluster()?;
    let seen = with_a_node_killed(&cluster, "observers")?;
    let reasons = seen["reasons"].as_array().context("reasons")?;
    assert!(!reasons.is_empty() && reasons.iter().all(|reason| reason == "NodeLost"), "{seen}");
    for what in ["present", "first", "moved", "ended", "unknown"] {
        assert_eq!(seen[what], true, "{what}: {seen}");
    }
    assert_eq!((&seen["others"], &seen["node"]), (&json!(0), &json!(["node-1", "Lost"])), "{seen}");
    assert_eq!(seen["ends"], json!(["Shutdown", "Shutdown"]), "{seen}");
    Ok(())
}

#[test]
fn observers_go_on_with_another_head_and_another_home() -> Result<()> {
    let cluster = cluster_of(3, 2, true)?;
    // It leads.
    let head = format!("kill -KILL {}", cluster.heads[0].server.pid());
    let case = ["observers-go-on", &head, &signal(&cluster, "KILL", 1)];
    let seen = cluster.trees(1, &case)?.value()?;
    assert_eq!(seen["reasons"], json!(["Panicked", "NodeLost", "Panicked", "Shutdown"]), "{seen}");
    assert_eq!((&seen["actor"], &seen["ended"]), (&json!("NodeLost"), &json!(true)), "{seen}");
    Ok(())
}

#[test]
fn root_cause() -> Result<()> {
    let cluster = cluster()?;
    let seen = with_a_node_killed(&cluster, "root-cause")?;
    assert_eq!((&seen[0], &seen[1]), (&json!("Shutdown"), &json!([true, true, true])), "{seen}");
    Ok(())
}

#[test]
fn head_away() -> Result<()> {
    let cluster = cluster()?;
    let head = cluster.heads[0].server.pid();
    let line = |signal: &str| format!("kill -{signal} {head}");
    let seen = run(&cluster, &["head-away", &line("STOP"), &line("CONT")])?;
    assert_eq!((&seen["away"], &seen["answered"]), (&json!(true), &json!(20)), "{seen}");
    assert_eq!(seen["waited"], true, "{seen}");
    assert_eq!((&seen["epoch"], &seen["down"]), (&json!(2), &json!("Panicked")), "{seen}");
    Ok(())
}

/// Of a hundred actors in a row that a node takes some of with it, all are back in order, and nobody hears of an older
/// incarnation once a later one has answered. How long it took is printed.
fn is_whole(seen: &Value) {
    println!("{seen}");
    assert_eq!((&seen["answering"], &seen["in_order"]), (&json!(100), &json!(true)), "{seen}");
    assert_eq!((&seen["fallen"], &seen["stale"]), (&json!(0), &json!(0)), "{seen}");
    assert!(seen["lost"].as_u64().is_some_and(|lost| lost >= 30), "{seen}");
}

/// What measures times runs alone among its like.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_tree_of_100_is_whole_after_a_node_is_killed() -> Result<()> {
    let _alone = alone();
    let cluster = cluster_of(3, 1, true)?;
    let seen = run(&cluster, &["whole", "100", "node-1", &signal(&cluster, "KILL", 1)])?;
    is_whole(&seen);
    Ok(())
}

#[test]
fn a_tree_of_100_is_whole_after_a_node_and_the_leading_head_are_killed() -> Result<()> {
    let _alone = alone();
    let cluster = cluster_of(3, 2, true)?;
    // It leads.
    let head = cluster.heads[0].server.pid();
    let (node, head) = (signal(&cluster, "KILL", 1), format!("kill -KILL {head}"));
    let seen = run(&cluster, &["whole", "100", "node-1", &node, &head])?;
    is_whole(&seen);
    assert!(seen["begun"].as_u64() < seen["restarted"].as_u64(), "the head was lost in the middle: {seen}");
    Ok(())
}

#[test]
fn a_tree_of_100_is_whole_after_a_node_stood_still() -> Result<()> {
    let _alone = alone();
    let cluster = cluster_of(3, 2, true)?;
    let (stop, go_on) = (signal(&cluster, "STOP", 1), signal(&cluster, "CONT", 1));
    let seen = run(&cluster, &["whole", "100", "node-1", &format!("{stop}; sleep 30; {go_on}")])?;
    is_whole(&seen);
    // It notices, and comes back as another generation.
    eventually_within("the node is back", Duration::from_secs(20), || {
        let nodes = cluster.json(&["list", "nodes"])?;
        let is_back = |node: &Value| {
            node["name"] == "node-1" && node["state"] == "alive" && node["generation"] != json!(1)
        };
        Ok(nodes.as_array().context("nodes")?.iter().any(is_back))
    })
}
