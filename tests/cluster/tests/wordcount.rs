//! The example `wordcount` on clusters whose nodes were never built with its code, and what it survives.

use anyhow::{Context, Result};
use mobula_cluster_tests::{ClusterOptions, Driver, TestCluster, eventually};
use serde_json::Value;

fn three_nodes() -> ClusterOptions {
    ClusterOptions {
        nodes: 3,
        node_flags: ["--num-cpus", "1"].map(str::to_owned).to_vec(),
        ..ClusterOptions::default()
    }
}

fn check(driver: Driver) -> Result<()> {
    let output = driver.finish()?;
    assert!(output.status.success(), "{}", output.stderr);
    let counted: Value = serde_json::from_str(&output.stdout).context("what wordcount printed")?;
    assert_eq!(counted["total"], 791_450);
    assert_eq!(counted["distinct"], 12_544);
    assert_eq!(counted["top"][0], serde_json::json!(["the", 63_919]));
    Ok(())
}

/// Waits until a task of the cluster runs.
fn wait_for_work(cluster: &TestCluster, through: usize) -> Result<()> {
    let url = cluster.url(through).to_owned();
    eventually("a task runs", || {
        let jobs: Value = serde_json::from_str(&cluster.mobula_at(&url, &["list", "tasks", "-o", "json"])?)?;
        Ok(jobs.to_string().contains("running"))
    })
}

#[test]
fn a_stock_cluster_counts_the_words() -> Result<()> {
    let cluster = TestCluster::start(&three_nodes())?;
    check(cluster.driver("wordcount", 0, &["-o", "json"])?)
}

#[test]
fn through_a_gateway_that_runs_nothing_itself() -> Result<()> {
    let mut cluster = TestCluster::start(&three_nodes())?;
    cluster.add_node(&["--num-cpus", "0"].map(str::to_owned))?;
    check(cluster.driver("wordcount", 3, &["-o", "json"])?)
}

#[test]
fn with_etcd_as_the_registry() -> Result<()> {
    let cluster = TestCluster::start(&ClusterOptions { etcd: true, ..three_nodes() })?;
    check(cluster.driver("wordcount", 0, &["-o", "json"])?)
}

#[test]
fn the_loss_of_a_node_changes_nothing() -> Result<()> {
    let mut cluster = TestCluster::start(&three_nodes())?;
    let driver = cluster.driver("wordcount", 0, &["-o", "json"])?;
    wait_for_work(&cluster, 0)?;
    cluster.nodes[1].server.kill()?;
    check(driver)
}

#[test]
fn the_loss_of_the_home_node_changes_nothing() -> Result<()> {
    let mut cluster = TestCluster::start(&three_nodes())?;
    let driver = cluster.driver("wordcount", 0, &["-o", "json"])?;
    wait_for_work(&cluster, 0)?;
    cluster.nodes[0].server.kill()?;
    check(driver)
}

#[test]
fn the_loss_of_the_head_is_not_noticed() -> Result<()> {
    let mut cluster = TestCluster::start(&three_nodes())?;
    let driver = cluster.driver("wordcount", 0, &["-o", "json"])?;
    wait_for_work(&cluster, 0)?;
    cluster.heads[0].server.kill()?;
    check(driver)
}
