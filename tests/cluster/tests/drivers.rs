//! What becomes of a driver that goes without a word, or that never reads, and of the cluster beside it.

use anyhow::{Context, Result};
use mobula_cluster_tests::{ClusterOptions, TestCluster, children, eventually};
use serde_json::Value;

fn cluster(head_flags: &[&str], node_flags: &[&str], etcd: bool) -> Result<TestCluster> {
    let owned = |flags: &[&str]| flags.iter().map(|flag| (*flag).to_owned()).collect();
    let (head_flags, node_flags) = (owned(head_flags), owned(node_flags));
    TestCluster::start(&ClusterOptions { head_flags, node_flags, etcd, ..ClusterOptions::default() })
}

fn running(cluster: &TestCluster) -> Result<usize> {
    Ok(cluster.json(&["list", "tasks", "--state", "running"])?.as_array().context("tasks")?.len())
}

fn stored_bytes(cluster: &TestCluster) -> Result<u64> {
    cluster.json(&["list", "nodes"])?[0]["object_store_used_bytes"].as_u64().context("bytes")
}

#[test]
fn a_killed_driver_leaves_nothing_behind() -> Result<()> {
    let cluster = cluster(&["--job-grace", "300ms"], &["--num-cpus", "4"], false)?;
    let mut driver = cluster.misfits(0, "for ever")?;
    let node = cluster.nodes[0].server.pid();
    eventually("its batch runs", || Ok(running(&cluster)? >= 4 && stored_bytes(&cluster)? >= 1 << 20))?;
    assert!(children(node)? > 0);
    driver.kill()?;
    eventually("its job ends", || Ok(cluster.json(&["list", "jobs"])?[0]["state"] == "ended"))?;
    for state in ["waiting", "queued", "running"] {
        let tasks = || cluster.json(&["list", "tasks", "--state", state]);
        eventually("its tasks go", || Ok(tasks()? == Value::Array(Vec::new())))?;
    }
    eventually("its values go", || Ok(stored_bytes(&cluster)? == 0))?;
    eventually("its workers go", || Ok(children(node)? == 0))?;
    let job = &cluster.json(&["list", "jobs"])?[0];
    assert_eq!(
        (&job["running"], &job["queued"], &job["drivers"]),
        (&0.into(), &0.into(), &0.into()),
        "{job}"
    );
    Ok(())
}

#[test]
fn a_driver_that_does_not_read_disturbs_nobody() -> Result<()> {
    let cluster = cluster(&[], &[], false)?;
    let stopped = cluster.misfits(0, "many")?;
    eventually("it works", || {
        let jobs = cluster.json(&["list", "jobs"])?;
        Ok(jobs[0]["succeeded"].as_u64().is_some_and(|count| count > 0))
    })?;
    stopped.signal("STOP")?;
    let sum: u64 = (1..=20_000).sum();
    let other = cluster.misfits(0, "many")?.finish()?;
    assert_eq!(serde_json::from_str::<Value>(&other.stdout)?["value"], sum, "{}", other.stderr);
    stopped.signal("CONT")?;
    let output = stopped.finish()?;
    assert_eq!(serde_json::from_str::<Value>(&output.stdout)?["value"], sum, "{}", output.stderr);
    Ok(())
}

#[test]
fn the_loss_of_etcd_is_not_noticed() -> Result<()> {
    let mut cluster = cluster(&["--job-grace", "300ms"], &["--num-cpus", "4"], true)?;
    let before = cluster.misfits(0, "many")?;
    let through =
        cluster.misfits_with(0, &[&cluster.folder().join("stop").display().to_string(), "stays"])?;
    eventually("both work", || {
        let jobs = cluster.json(&["list", "jobs"])?;
        // One that has ended by now has its last counts on record.
        Ok([0, 1].iter().all(|job| jobs[*job]["succeeded"].as_u64() > Some(0)))
    })?;
    cluster.etcd.as_mut().context("etcd")?.kill()?;
    let output = before.finish()?;
    let sum: u64 = (1..=20_000).sum();
    assert_eq!(serde_json::from_str::<Value>(&output.stdout)?["value"], sum, "{}", output.stderr);
    let opened_meanwhile = cluster.misfits(0, "well")?;
    cluster.etcd.as_mut().context("etcd")?.restart()?;
    let output = opened_meanwhile.finish()?;
    assert_eq!(serde_json::from_str::<Value>(&output.stdout)?["value"], 4, "{}", output.stderr);
    std::fs::write(cluster.folder().join("stop"), "")?;
    let output = through.finish()?;
    assert_eq!(serde_json::from_str::<Value>(&output.stdout)?["value"], 3, "{}", output.stderr);
    Ok(())
}
