//! What is promised of actors when the processes around them are killed, stand still or are sent home.

use anyhow::{Context, Result};
use mobula_cluster_tests::{ClusterOptions, Driver, TestCluster, eventually_within, runs, signal};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

fn owned(flags: &[&str]) -> Vec<String> {
    flags.iter().map(|flag| (*flag).to_owned()).collect()
}

/// A home node that hosts nothing, and nodes that do.
fn gateway(head_flags: &[&str], nodes: usize) -> Result<TestCluster> {
    let options = ClusterOptions { nodes: 0, head_flags: owned(head_flags), ..ClusterOptions::default() };
    let mut cluster = TestCluster::start(&options)?;
    cluster.add_node(&owned(&["--num-cpus", "0"]))?;
    for _ in 0..nodes {
        cluster.add_node(&[])?;
    }
    Ok(cluster)
}

/// Waits until a case has marked at least that much progress.
fn wait_for(marks: &Path, progress: u64) -> Result<()> {
    eventually_within("it goes on", Duration::from_secs(40), || {
        Ok(marks.exists() && self::progress(marks)? >= progress)
    })
}

fn progress(marks: &Path) -> Result<u64> {
    Ok(std::fs::read_to_string(marks)?.parse()?)
}

#[test]
fn calls_run_once_and_in_order_when_the_home_of_their_driver_is_killed() -> Result<()> {
    let mut cluster = gateway(&[], 2)?;
    let marks = cluster.folder().join("marks");
    let driver = cluster.performers(0, &["loops", "node-2", &marks.display().to_string()])?;
    wait_for(&marks, 1000)?;
    cluster.nodes[0].server.kill()?;
    wait_for(&marks, progress(&marks)? + 1000)?;
    std::fs::write(cluster.folder().join("marks.stop"), "")?;
    let seen = driver.value()?;
    assert_eq!((&seen["ran once, in order"], &seen["answers"]), (&json!(true), &json!(true)), "{seen}");
    Ok(())
}

#[test]
fn de_duplication() -> Result<()> {
    let mut cluster = gateway(&[], 2)?;
    let marks = cluster.folder().join("marks");
    let driver = cluster.performers(0, &["resent", "node-2", &marks.display().to_string()])?;
    wait_for(&marks, 0)?;
    // All calls are under way: the driver's next home sends them again.
    cluster.nodes[0].server.kill()?;
    std::fs::write(cluster.folder().join("marks.open"), "")?;
    assert_eq!(driver.value()?, json!([1, true, true]));
    Ok(())
}

#[test]
fn default_delivery_where_a_node_is_lost() -> Result<()> {
    let mut cluster = gateway(&[], 2)?;
    let marks = cluster.folder().join("marks");
    let driver = cluster.performers(0, &["lost", "node-1", &marks.display().to_string()])?;
    wait_for(&marks, 0)?;
    cluster.nodes[1].server.kill()?;
    // Whether the one that waited has started nobody can know.
    let seen = driver.value()?;
    assert_eq!(seen, json!([[["ActorDied", true], ["ActorDied", true]], ["again"], 2]));
    Ok(())
}

#[test]
fn exit_reason_of_a_worker_that_is_killed() -> Result<()> {
    let cluster = gateway(&[], 2)?;
    let marks = cluster.folder().join("marks");
    let driver = cluster.performers(0, &["worker-killed", "node-1", &marks.display().to_string()])?;
    eventually_within("the calls run", Duration::from_secs(20), || Ok(marks.exists()))?;
    signal(std::fs::read_to_string(&marks)?.parse()?, "KILL")?;
    let lost = json!(["ActorDied", true]);
    assert_eq!(driver.value()?, json!([true, [lost, lost], ["WorkerDied", "WorkerDied"], 2, "ActorDied"]));
    Ok(())
}

/// Starts the case, and gives the processes of the actor that stops and of the one that keeps on.
fn begin_isolated(cluster: &TestCluster) -> Result<(Driver, u32, u32)> {
    let marks = cluster.folder().join("marks");
    let driver = cluster.performers(0, &["isolated", "node-1", &marks.display().to_string()])?;
    eventually_within("the actors run", Duration::from_secs(20), || Ok(marks.exists()))?;
    let processes = std::fs::read_to_string(marks)?;
    let (stops, keeps) = processes.split_once(' ').context("two processes")?;
    assert_ne!(stops, keeps, "they are in workers apart");
    Ok((driver, stops.parse()?, keeps.parse()?))
}

#[test]
fn workers_end_with_the_lease_of_a_node_that_stands_still() -> Result<()> {
    let cluster = gateway(&["--node-lease", "3s"], 1)?;
    let (_driver, stops, keeps) = begin_isolated(&cluster)?;
    assert!(runs(stops) && runs(keeps));
    // Through some renewals of the lease, of which it is told.
    std::thread::park_timeout(Duration::from_secs(4));
    assert!(runs(stops));
    cluster.nodes[1].server.signal("STOP")?;
    eventually_within("the worker has ended by itself", Duration::from_secs(5), || Ok(!runs(stops)))?;
    assert!(runs(keeps));
    cluster.nodes[1].server.signal("CONT")
}

#[test]
fn on_isolation() -> Result<()> {
    let cluster = gateway(&["--node-lease", "3s"], 2)?;
    let (driver, stops, keeps) = begin_isolated(&cluster)?;
    let file = |end: &str| cluster.folder().join(format!("marks.{end}"));
    cluster.heads[0].server.signal("STOP")?;
    eventually_within("what is to stop has ended", Duration::from_secs(9), || Ok(!runs(stops)))?;
    assert!(runs(keeps));
    std::fs::write(file("away"), "")?;
    eventually_within("calls are made", Duration::from_secs(9), || Ok(file("seen").exists()))?;
    cluster.heads[0].server.signal("CONT")?;
    std::fs::write(file("back"), "")?;
    let seen = driver.value()?;
    assert_eq!((&seen["kept"], &seen["refused"]), (&json!(2), &json!(true)), "{seen}");
    assert_eq!((&seen["epoch"], &seen["dead"]), (&json!(2), &json!("ActorDied")), "{seen}");
    assert_eq!((&seen["after"], &seen["reason"]), (&json!(3), &json!("Isolated")), "{seen}");
    Ok(())
}

#[test]
fn drain() -> Result<()> {
    let mut cluster = gateway(&[], 2)?;
    let marks = cluster.folder().join("marks");
    let driver = cluster.performers(0, &["drained", "node-1", &marks.display().to_string()])?;
    eventually_within("the actors run", Duration::from_secs(20), || Ok(marks.exists()))?;
    cluster.mobula(&["node", "drain", "node-1"])?;
    assert_eq!(cluster.nodes[1].server.wait_for_end()?, Some(0));
    std::fs::write(cluster.folder().join("marks.drained"), "")?;
    assert_eq!(driver.value()?, json!([[2, 2], [5, 7], "Drained"]));
    assert!(cluster.mobula(&["node", "drain", "nobody"]).is_err());
    Ok(())
}

#[test]
fn what_a_constructor_is_given_may_lie_in_another_nodes_store() -> Result<()> {
    let cluster = gateway(&[], 1)?;
    assert_eq!(cluster.performers(0, &["large", "node-1", "100000"])?.value()?, json!([true, true]));
    Ok(())
}
