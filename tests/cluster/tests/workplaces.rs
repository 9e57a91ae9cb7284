//! What a job's processes find where they run: what the job declared, and nothing else.

use anyhow::{Context, Result, ensure};
use mobula_cluster_tests::{ClusterOptions, TestCluster, workplace};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn two_nodes() -> Result<TestCluster> {
    TestCluster::start(&ClusterOptions { nodes: 2, ..ClusterOptions::default() })
}

/// A folder with a file in a folder, and a link to it.
fn assets(cluster: &TestCluster, text: &str) -> Result<PathBuf> {
    let folder = cluster.folder().join("assets");
    std::fs::create_dir_all(folder.join("deep"))?;
    std::fs::write(folder.join("deep/word"), text)?;
    std::os::unix::fs::symlink("deep/word", folder.join("word"))?;
    Ok(folder)
}

fn looks(cluster: &TestCluster, arguments: &[&str]) -> Result<Vec<Value>> {
    let output = cluster.workplace(0, arguments)?.finish()?;
    ensure!(output.status.success(), "{}", output.stderr);
    Ok(serde_json::from_str(&output.stdout)?)
}

fn fails(cluster: &TestCluster, arguments: &[&str], kind: &str, part: &str) -> Result<()> {
    let output = cluster.workplace(0, arguments)?.finish()?;
    assert_eq!(serde_json::from_str::<Value>(&output.stdout)?["kind"], kind, "{}", output.stderr);
    assert!(output.stderr.contains(part), "{}", output.stderr);
    Ok(())
}

fn path_text(path: &Path) -> Result<&str> {
    path.to_str().context("a path of a test")
}

#[test]
fn workers_of_every_node_find_the_jobs_files() -> Result<()> {
    let cluster = two_nodes()?;
    let folder = assets(&cluster, "hello")?;
    for path in ["deep/word", "word"] {
        let seen = looks(&cluster, &["--files", path_text(&folder)?, "--path", path])?;
        assert_eq!(seen.len(), 3, "{seen:?}");
        for worker in &seen[1..] {
            assert_eq!(worker["text"], "hello", "{path}: {worker}");
        }
    }
    // Another content is another packed folder.
    std::fs::write(folder.join("deep/word"), "bye")?;
    let seen = looks(&cluster, &["--files", path_text(&folder)?, "--path", "word"])?;
    assert!(seen[1..].iter().all(|worker| worker["text"] == "bye"), "{seen:?}");
    // Without them, there is nothing.
    let seen = looks(&cluster, &["--path", "word"])?;
    assert!(seen[1..].iter().all(|worker| worker["text"].is_null()), "{seen:?}");
    Ok(())
}

#[test]
fn a_submitted_program_finds_its_files_and_so_do_its_workers() -> Result<()> {
    let cluster = two_nodes()?;
    let folder = assets(&cluster, "hello")?;
    let program = workplace()?;
    let arguments = ["job", "submit", "--files", path_text(&folder)?, path_text(&program)?];
    let output = cluster.mobula(&[&arguments[..], &["--", "--path", "word"]].concat())?;
    let seen: Vec<Value> = serde_json::from_str(&output)?;
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert!(seen.iter().all(|process| process["text"] == "hello"), "{seen:?}");
    Ok(())
}

#[test]
fn a_link_that_leaves_the_folder_is_refused_by_name() -> Result<()> {
    let cluster = two_nodes()?;
    let folder = assets(&cluster, "hello")?;
    std::os::unix::fs::symlink("/etc/hostname", folder.join("outside"))?;
    fails(&cluster, &["--files", path_text(&folder)?], "InvalidArgument", "assets/outside")
}

#[test]
fn a_workers_environment_is_what_the_job_declares() -> Result<()> {
    let cluster = two_nodes()?;
    let seen = looks(&cluster, &["--forward", "PATH"])?;
    let own = &seen[0]["environment"];
    for worker in &seen[1..] {
        let environment = worker["environment"].as_object().context("an environment")?;
        let names: Vec<&str> = environment.keys().map(String::as_str).collect();
        let own_ones = ["MOBULA_JOB", "MOBULA_WORKER", "MOBULA_WORKER_ID"];
        assert_eq!(names, [own_ones.as_slice(), &["PATH", "WORKPLACE"]].concat(), "{worker}");
        assert_eq!(environment["PATH"], own["PATH"]);
        assert_eq!(environment["WORKPLACE"], "declared");
    }
    fails(&cluster, &["--forward", "NOBODY_HAS_SET_THIS"], "InvalidArgument", "NOBODY_HAS_SET_THIS")
}

#[test]
fn workers_run_the_binary_that_was_named() -> Result<()> {
    let cluster = two_nodes()?;
    let copy = cluster.folder().join("copy");
    std::fs::copy(workplace()?, &copy)?;
    let seen = looks(&cluster, &["--worker-binary", path_text(&copy)?])?;
    assert_eq!(seen.len(), 3, "{seen:?}");
    fails(&cluster, &["--worker-binary", "/bin/sh"], "ExecutableRefused", "no worker entry")
}
