//! What the command line says of tasks, whichever node it asks.

use anyhow::{Context, Result};
use mobula_cluster_tests::{ClusterOptions, TestCluster, eventually};
use serde_json::Value;

fn tasks(cluster: &TestCluster, node: usize, flags: &[&str]) -> Result<Vec<Value>> {
    let arguments = [&["-o", "json", "list", "tasks"], flags].concat();
    let text = cluster.mobula_at(cluster.url(node), &arguments)?;
    serde_json::from_str::<Value>(&text)?.as_array().cloned().context("a list")
}

#[test]
fn every_node_shows_the_tasks_of_all() -> Result<()> {
    let node_flags = vec!["--num-cpus".to_owned(), "1".to_owned()];
    let cluster = TestCluster::start(&ClusterOptions { nodes: 2, node_flags, ..ClusterOptions::default() })?;
    let _driver = cluster.misfits(0, "for ever")?;
    eventually("its tasks are seen through the other node", || {
        Ok(!tasks(&cluster, 1, &["--state", "running"])?.is_empty())
    })?;
    let running = tasks(&cluster, 1, &["--state", "running"])?;
    let id = running[0]["task"].as_str().context("an id")?;
    let text = cluster.mobula_at(cluster.url(1), &["-o", "json", "get", "task", id])?;
    let task: Value = serde_json::from_str(&text)?;
    assert_eq!((&task["task"], &task["state"]), (&id.into(), &"running".into()), "{task}");
    let here = tasks(&cluster, 0, &[])?.len();
    assert_eq!(tasks(&cluster, 1, &[])?.len(), here);
    for node in [0, 1] {
        let running = tasks(&cluster, node, &["--state", "running"])?;
        for name in ["node-0", "node-1"] {
            let there = |task: &&Value| task["node"].as_str().is_some_and(|node| node.starts_with(name));
            let count = running.iter().filter(there).count();
            assert!(count <= 1, "one CPU runs one task, and the others wait: {running:?}");
        }
    }
    Ok(())
}

#[test]
fn a_task_that_its_owner_has_forgotten_is_shown_as_the_head_has_heard_of_it() -> Result<()> {
    let cluster = TestCluster::start(&ClusterOptions { nodes: 2, ..ClusterOptions::default() })?;
    cluster.misfits(0, "error")?.finish()?;
    let mut failed = Vec::new();
    eventually("its end has reached the head", || {
        failed = tasks(&cluster, 1, &["--state", "failed"])?;
        Ok(!failed.is_empty())
    })?;
    let id = failed[0]["task"].as_str().context("an id")?;
    let text = cluster.mobula_at(cluster.url(1), &["-o", "json", "get", "task", id])?;
    let task: Value = serde_json::from_str(&text)?;
    assert_eq!(task["state"], "failed", "{task}");
    assert!(task["owner"].as_str().is_some_and(|owner| owner.starts_with("node-0")), "{task}");
    Ok(())
}

#[test]
fn a_task_that_nobody_knows_is_not_found() -> Result<()> {
    let cluster = TestCluster::start(&ClusterOptions { nodes: 2, ..ClusterOptions::default() })?;
    let unknown = cluster.mobula(&["get", "task", "00000000000000010000000000000001"]).unwrap_err();
    assert!(unknown.to_string().contains("exit status: 4"), "{unknown}");
    assert!(unknown.to_string().contains("list tasks"), "{unknown}");
    Ok(())
}
