//! Drivers whose home node leaves, is killed, or stands still for a while: they go on through another node.

use anyhow::{Context, Result};
use mobula_cluster_tests::{ClusterOptions, Driver, TestCluster, eventually, eventually_within};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// A home node that runs nothing itself, and nodes that do.
fn gateway(head_flags: &[&str], nodes: usize) -> Result<TestCluster> {
    let owned = |flags: &[&str]| flags.iter().map(|flag| (*flag).to_owned()).collect::<Vec<_>>();
    let options = ClusterOptions { nodes: 0, head_flags: owned(head_flags), ..ClusterOptions::default() };
    let mut cluster = TestCluster::start(&options)?;
    cluster.add_node(&owned(&["--num-cpus", "0"]))?;
    for _ in 0..nodes {
        cluster.add_node(&owned(&["--num-cpus", "2"]))?;
    }
    Ok(cluster)
}

fn through(cluster: &TestCluster, node: usize, arguments: &[&str]) -> Result<Value> {
    let url = cluster.url(node).to_owned();
    let text = cluster.mobula_at(&url, &[arguments, &["-o", "json"]].concat())?;
    serde_json::from_str(&text).context(text)
}

fn wait_for_work(cluster: &TestCluster, node: usize) -> Result<()> {
    eventually("a task runs", || {
        Ok(through(cluster, node, &["list", "tasks"])?.to_string().contains("running"))
    })
}

fn is_over(task: &Value) -> bool {
    ["succeeded", "failed", "cancelled"].iter().any(|state| task["state"] == *state)
}

/// No node has anything of a job any more.
fn nothing_is_left(cluster: &TestCluster, nodes: &[usize]) -> Result<()> {
    for node in nodes.iter().copied() {
        eventually("no task is left", || {
            let tasks = through(cluster, node, &["list", "tasks"])?;
            Ok(tasks.as_array().context("tasks")?.iter().all(is_over))
        })?;
    }
    eventually("no value is left", || {
        let listed = through(cluster, nodes[0], &["list", "nodes"])?;
        let nodes = listed.as_array().context("nodes")?;
        Ok(nodes.iter().all(|node| node["object_store_used_bytes"].as_u64().unwrap_or(0) == 0))
    })
}

const PI: &[&str] = &["--samples", "40000000", "--per-task", "1000000", "-o", "json"];

/// What the tasks count is the same wherever they run.
fn check_pi(driver: Driver) -> Result<()> {
    assert_eq!(driver.json()?["inside"], 31_420_441);
    Ok(())
}

#[test]
fn pi_goes_on_when_its_home_leaves() -> Result<()> {
    let mut cluster = gateway(&[], 1)?;
    let driver = cluster.driver("pi", 0, PI)?;
    wait_for_work(&cluster, 1)?;
    cluster.nodes[0].server.signal("TERM")?;
    assert_eq!(cluster.nodes[0].server.wait_for_end()?, Some(0));
    check_pi(driver)?;
    nothing_is_left(&cluster, &[1])
}

#[test]
fn pi_goes_on_when_its_home_is_killed() -> Result<()> {
    let mut cluster = gateway(&[], 1)?;
    let driver = cluster.driver("pi", 0, PI)?;
    wait_for_work(&cluster, 1)?;
    cluster.nodes[0].server.kill()?;
    check_pi(driver)?;
    nothing_is_left(&cluster, &[1])
}

#[test]
fn wordcount_goes_on_when_its_home_leaves() -> Result<()> {
    // A gateway, and a node that has work and values of its own.
    for home in [0, 1] {
        let mut cluster = gateway(&[], 2)?;
        let driver = cluster.driver("wordcount", home, &["-o", "json"])?;
        wait_for_work(&cluster, home)?;
        cluster.nodes[home].server.signal("TERM")?;
        cluster.nodes[home].server.wait_for_end()?;
        let counted = driver.json()?;
        assert_eq!((&counted["total"], &counted["distinct"]), (&json!(791_450), &json!(12_544)));
        nothing_is_left(&cluster, &[2])?;
    }
    Ok(())
}

/// A driver with a task that may run at most once and has begun to.
fn begin_once(cluster: &TestCluster, marks: &Path) -> Result<Driver> {
    let driver = cluster.misfits_with(0, &[&marks.display().to_string(), "marks"])?;
    eventually("it runs", || Ok(marks.exists() && !std::fs::read_to_string(marks)?.is_empty()))?;
    Ok(driver)
}

#[test]
fn what_may_run_at_most_once_is_run_once() -> Result<()> {
    // It runs on, is found, and ends.
    let mut cluster = gateway(&[], 1)?;
    let marks = cluster.folder().join("marks");
    let driver = begin_once(&cluster, &marks)?;
    cluster.nodes[0].server.kill()?;
    eventually("its new home has it", || {
        Ok(through(&cluster, 1, &["list", "tasks"])?.to_string().contains("running"))
    })?;
    std::fs::write(cluster.folder().join("marks.stop"), "")?;
    assert_eq!(driver.json()?["value"], 1);
    // It is lost with its home, and may have run: it is not run again.
    let mut cluster = TestCluster::start(&ClusterOptions::default())?;
    let marks = cluster.folder().join("marks");
    let driver = begin_once(&cluster, &marks)?;
    cluster.add_node(&[])?;
    cluster.nodes[0].server.kill()?;
    let failed = driver.json()?;
    assert_eq!(failed["kind"], "NodeLost", "{failed}");
    assert!(failed["text"].as_str().is_some_and(|text| text.contains("may have run")), "{failed}");
    assert_eq!(std::fs::read_to_string(&marks)?.lines().count(), 1);
    Ok(())
}

#[test]
fn a_home_that_stood_still_disturbs_nobody() -> Result<()> {
    let cluster = gateway(&["--node-lease", "2s"], 1)?;
    let stop = cluster.folder().join("stop");
    let driver = cluster.misfits_with(0, &[&stop.display().to_string(), "stays"])?;
    let succeeded = || through(&cluster, 1, &["list", "jobs"])?[0]["succeeded"].as_u64().context("a count");
    eventually("it works", || Ok(succeeded()? > 0))?;
    cluster.nodes[0].server.signal("STOP")?;
    // The driver notices by a stream that is silent for a quarter of a minute.
    eventually_within("it goes on through the other node", Duration::from_secs(40), || {
        let tasks = through(&cluster, 1, &["list", "tasks"])?;
        Ok(tasks.as_array().context("tasks")?.iter().any(|task| task["owner"] == "node-1#1"))
    })?;
    cluster.nodes[0].server.signal("CONT")?;
    eventually("the home is back as another generation", || {
        let nodes = through(&cluster, 1, &["list", "nodes"])?;
        let is_back = |node: &Value| node["name"] == "node-0" && node["state"] == "alive";
        Ok(nodes.as_array().context("nodes")?.iter().any(is_back))
    })?;
    let before = succeeded()?;
    eventually("it still works", || Ok(succeeded()? > before))?;
    std::fs::write(&stop, "")?;
    assert_eq!(driver.json()?["value"], 3);
    nothing_is_left(&cluster, &[0, 1])
}
