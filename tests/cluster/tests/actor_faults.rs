//! What is promised of actors when the processes around them are killed, stand still or are sent home.

use anyhow::{Context, Result, ensure};
use mobula_cluster_tests::{ClusterOptions, Driver, TestCluster, eventually_within};
use serde_json::{Value, json};
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

fn finish(driver: Driver) -> Result<Value> {
    let output = driver.finish()?;
    ensure!(output.status.success(), "{}", output.stderr);
    let answer: Value = serde_json::from_str(&output.stdout).context(output.stdout)?;
    answer.get("value").cloned().with_context(|| format!("{answer}: {}", output.stderr))
}

/// Waits until a case has marked at least that much progress.
fn wait_for(marks: &Path, progress: u64) -> Result<()> {
    eventually_within("it goes on", Duration::from_secs(40), || {
        let text = std::fs::read_to_string(marks).unwrap_or_default();
        Ok(text.parse::<u64>().is_ok_and(|done| done >= progress))
    })
}

fn progress(marks: &Path) -> Result<u64> {
    eventually_within("it marks its progress", Duration::from_secs(9), || {
        Ok(std::fs::read_to_string(marks)?.parse::<u64>().is_ok())
    })?;
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
    let seen = finish(driver)?;
    assert_eq!((&seen["ran once, in order"], &seen["answers"]), (&json!(true), &json!(true)), "{seen}");
    Ok(())
}
