//! Programs that nodes run as jobs: `mobula job submit`, `logs`, `list` and `stop`.

use anyhow::{Context, Result};
use mobula_cluster_tests::{ClusterOptions, TestCluster, children, eventually, misfits_program};
use serde_json::Value;

fn cluster(nodes: usize) -> Result<TestCluster> {
    let head_flags = vec!["--job-grace".to_owned(), "500ms".to_owned()];
    TestCluster::start(&ClusterOptions { nodes, head_flags, ..ClusterOptions::default() })
}

/// Submits a case of the misfits, and says which job it is.
fn submit(cluster: &TestCluster, case: &str) -> Result<String> {
    let misfits = misfits_program()?;
    let misfits = misfits.to_str().context("a path in UTF-8")?;
    let submitted = cluster.json(&["job", "submit", "--no-follow", misfits, "--", case])?;
    Ok(submitted["job"].as_str().context("a job")?.to_owned())
}

fn job(cluster: &TestCluster, url: &str) -> Result<Value> {
    let jobs: Value = serde_json::from_str(&cluster.mobula_at(url, &["job", "list", "-o", "json"])?)?;
    Ok(jobs[0].clone())
}

#[test]
fn a_submitted_program_runs_to_its_end_and_its_output_is_kept() -> Result<()> {
    let cluster = cluster(1)?;
    let misfits = misfits_program()?;
    let misfits = misfits.to_str().context("a path in UTF-8")?;
    let output = cluster.mobula(&["job", "submit", "--name", "sum", misfits, "--", "many"])?;
    let sum: u64 = (1..=20_000).sum();
    assert_eq!(serde_json::from_str::<Value>(output.trim())?["value"], sum, "{output}");
    let ended = job(&cluster, cluster.url(0))?;
    assert_eq!((&ended["state"], &ended["name"]), (&"ended".into(), &"sum".into()), "{ended}");
    let id = ended["job"].as_str().context("an id")?;
    let direct = cluster.misfits(0, "many")?.finish()?;
    assert_eq!(serde_json::from_str::<Value>(&direct.stdout)?["value"], sum, "{}", direct.stderr);
    let last = || job(&cluster, cluster.url(0));
    eventually("the driver's own job ends", || Ok(last()?["state"] == "ended" && last()?["job"] != id))?;
    let (done, cancelled) = (last()?["succeeded"].as_u64(), last()?["cancelled"].as_u64());
    // With the neighbour that each case has beside it.
    assert!(done >= Some(20_000), "its counts are those of its end: {:?}", (done, cancelled));
    assert_eq!(cancelled, Some(0));
    assert_eq!(cluster.mobula(&["job", "logs", id])?, output);
    Ok(())
}

#[test]
fn a_stopped_job_takes_its_program_with_it() -> Result<()> {
    let cluster = cluster(1)?;
    let node = cluster.nodes[0].server.pid();
    let id = submit(&cluster, "for ever")?;
    eventually("its tasks run", || {
        let running = cluster.json(&["list", "tasks", "--state", "running"])?;
        Ok(running.as_array().is_some_and(|tasks| !tasks.is_empty()))
    })?;
    assert!(children(node)? >= 2, "the program and a worker");
    cluster.mobula(&["job", "stop", &id])?;
    eventually("its processes end", || Ok(children(node)? == 0))?;
    assert_eq!(job(&cluster, cluster.url(0))?["state"], "stopped");
    Ok(())
}

#[test]
fn a_job_whose_node_is_lost_has_failed() -> Result<()> {
    let mut cluster = cluster(2)?;
    let id = submit(&cluster, "for ever")?;
    let driver = || Ok(cluster.json(&["job", "list"])?[0]["drivers"].as_u64() == Some(1));
    eventually("its driver is connected", driver)?;
    cluster.nodes[0].server.kill()?;
    let left = cluster.url(1).to_owned();
    eventually("its job has failed", || Ok(job(&cluster, &left)?["state"] == "failed"))?;
    let reason = job(&cluster, &left)?["reason"].to_string();
    assert!(reason.contains("the node that ran its driver was lost"), "{reason}");
    let gone = cluster.mobula_at(&left, &["job", "logs", &id]).unwrap_err().to_string();
    assert!(gone.contains("printed is gone: the node that ran its driver was lost"), "{gone}");
    Ok(())
}

#[test]
fn the_logs_of_a_job_are_shown_by_every_node() -> Result<()> {
    let cluster = cluster(2)?;
    let id = submit(&cluster, "many")?;
    let other = cluster.url(1).to_owned();
    eventually("its program has ended", || Ok(job(&cluster, &other)?["state"] == "ended"))?;
    let here = cluster.mobula(&["job", "logs", &id])?;
    assert!(here.contains("value"), "{here}");
    assert_eq!(cluster.mobula_at(&other, &["job", "logs", &id])?, here);
    Ok(())
}
