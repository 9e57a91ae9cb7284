//! What the command line does to actors and supervision trees: a tree from a file, looked at, called, stopped.

use anyhow::{Context, Result, ensure};
use mobula_cluster_tests::{ClusterOptions, TestCluster, eventually, trees_program};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Two nodes, of which the second has a disk that a child wants.
fn cluster() -> Result<TestCluster> {
    let head_flags = ["--job-grace", "500ms"].map(str::to_owned).to_vec();
    let mut cluster = TestCluster::start(&ClusterOptions { head_flags, ..ClusterOptions::default() })?;
    cluster.add_node(&["--label", "disk=ssd"].map(str::to_owned))?;
    Ok(cluster)
}

fn file(cluster: &TestCluster, text: &str) -> Result<PathBuf> {
    let path = cluster.folder().join("tree.yaml");
    std::fs::write(&path, text)?;
    Ok(path)
}

fn supervise(cluster: &TestCluster, text: &str) -> Result<String> {
    let (file, program) = (file(cluster, text)?, trees_program()?);
    let (file, program) = (file.display().to_string(), program.display().to_string());
    cluster.mobula(&["supervise", &file, "--executable", &program, "--wait"])
}

const TREE: &str = "
name: guild
strategy: rest-for-one
children:
  - {id: a, class: 'trees::member::Member::quiet', arguments: [1], name: first}
  - {id: b, class: 'trees::member::Member::quiet', arguments: [2], name: second}
  - id: below
    supervisor:
      children:
        - {id: c, class: 'trees::member::Member::quiet', arguments: [3], name: third, labels: 'disk = ssd'}
";

fn call(cluster: &TestCluster, arguments: &[&str]) -> Result<Value> {
    cluster.json(&[&["actor", "call"], arguments].concat())
}

/// Waits until those three have these epochs.
fn until_epochs(cluster: &TestCluster, epochs: [u64; 3]) -> Result<()> {
    eventually("they run as these incarnations", || {
        for (name, epoch) in ["first", "second", "third"].into_iter().zip(epochs) {
            let actor = cluster.json(&["get", "actor", name])?;
            if actor["epoch"] != json!(epoch) || actor["state"] != "running" {
                return Ok(false);
            }
        }
        Ok(true)
    })
}

#[test]
fn tree_from_a_file_has_a_job_of_its_own_and_lives_until_it_is_stopped() -> Result<()> {
    let cluster = cluster()?;
    supervise(&cluster, TREE)?;
    // The program that started it is gone.
    until_epochs(&cluster, [1, 1, 1])?;
    ensure!(supervise(&cluster, TREE).is_err_and(|error| error.to_string().contains("guild")), "it is there");
    let drawn = cluster.mobula(&["tree", "guild"])?;
    for part in ["guild", "rest-for-one", "first", "second", "below", "one-for-one", "third", "running"] {
        ensure!(drawn.contains(part), "no {part} in {drawn}");
    }
    let supervisors = cluster.json(&["list", "supervisors"])?;
    assert_eq!(supervisors.as_array().map(Vec::len), Some(2), "{supervisors}");
    let third = cluster.json(&["get", "actor", "third"])?;
    assert_eq!(third["node"], "node-1", "{third}");
    let job = third["job"].as_str().context("a job")?.to_owned();
    let jobs = cluster.json(&["job", "list"])?;
    let of_tree = |job_listed: &Value| job_listed["job"] == job.as_str() && job_listed["state"] == "running";
    ensure!(jobs.as_array().is_some_and(|jobs| jobs.iter().any(of_tree)), "{job} in {jobs}");
    cluster.mobula(&["supervise", "stop", "guild"])?;
    assert_eq!(cluster.json(&["tree"])?, json!([]));
    eventually("its job is over", || {
        let jobs = cluster.json(&["job", "list"])?;
        Ok(jobs.as_array().is_some_and(|jobs| !jobs.iter().any(of_tree)))
    })
}

#[test]
fn actors_are_called_restarted_killed_and_stopped() -> Result<()> {
    let cluster = cluster()?;
    supervise(&cluster, TREE)?;
    assert_eq!(call(&cluster, &["second", "number"])?, 2);
    // It is not an exit: nobody else is started again with it.
    cluster.mobula(&["actor", "restart", "first"])?;
    until_epochs(&cluster, [2, 1, 1])?;
    cluster.mobula(&["actor", "kill", "second"])?;
    until_epochs(&cluster, [2, 2, 2])?;
    cluster.mobula(&["actor", "stop", "third"])?;
    until_epochs(&cluster, [2, 2, 3])?;
    assert_eq!(call(&cluster, &["third", "epoch"])?, 3);
    cluster.mobula(&["actor", "call", "--cast", "first", "number"])?;
    let info = cluster.json(&["get", "actor", "second"])?;
    assert_eq!((&info["restarts"], &info["name"]), (&json!(1), &json!("second")), "{info}");
    Ok(())
}

#[test]
fn calls_that_cannot_be_made_say_why() -> Result<()> {
    let cluster = cluster()?;
    supervise(&cluster, TREE)?;
    let said = |arguments: &[&str]| match call(&cluster, arguments) {
        Ok(value) => Ok::<_, anyhow::Error>(format!("answered: {value}")),
        Err(error) => Ok(error.to_string()),
    };
    for (arguments, code, part) in [
        (["first", "nothing"].as_slice(), 4, "nothing"),
        (&["nobody", "number"], 4, "nobody"),
        (&["first", "number", "3"], 2, "takes 0 arguments"),
        (&["first", "panic"], 7, "on purpose"),
    ] {
        let text = said(arguments)?;
        ensure!(text.contains(&format!("exited with exit status: {code}")), "{arguments:?}: {text}");
        ensure!(text.contains(part), "{arguments:?}: {text}");
    }
    Ok(())
}

#[test]
fn constructor_whose_arguments_do_not_decode() -> Result<()> {
    let cluster = cluster()?;
    let tree = "name: t\nchildren: [{id: a, class: 'trees::member::Member::quiet', arguments: ['one']}]\n";
    let text = supervise(&cluster, tree).err().context("it is refused")?.to_string();
    ensure!(text.contains("exit status: 7") && text.contains("argument"), "{text}");
    assert_eq!(cluster.json(&["tree"])?, json!([]));
    Ok(())
}

#[test]
fn lifetime_of_a_detached_tree() -> Result<()> {
    let cluster = cluster()?;
    let output = cluster.trees(0, &["leaves-trees"])?.finish()?;
    ensure!(output.status.success(), "{}", output.stderr);
    // The driver has ended, and its job with it; of its two trees that one goes on.
    eventually("the other tree is gone", || {
        let trees = cluster.json(&["list", "supervisors"])?;
        let names = trees.as_array().context("a list")?.iter().map(|tree| tree["name"].clone());
        Ok(names.collect::<Vec<_>>() == ["kept"])
    })?;
    assert_eq!(call(&cluster, &["of the kept", "number"])?, 1);
    cluster.mobula(&["supervise", "stop", "kept"])?;
    assert_eq!(cluster.json(&["list", "actors", "--state", "running"])?, json!([]));
    Ok(())
}
