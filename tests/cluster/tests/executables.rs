//! Executables that jobs bring: who has them, and which are refused.

use anyhow::{Context, Result};
use mobula_cluster_tests::{ClusterOptions, TestCluster, eventually, misfits_program};
use std::path::PathBuf;

/// A cluster without nodes yet.
fn empty() -> Result<TestCluster> {
    TestCluster::start(&ClusterOptions { nodes: 0, ..ClusterOptions::default() })
}

/// Adds a node that keeps its executables in the folder that is the answer.
fn add_node(cluster: &mut TestCluster, cpus: &str) -> Result<PathBuf> {
    let data = cluster.folder().join(format!("data-{}", cluster.nodes.len()));
    cluster.add_node(&["--num-cpus", cpus, "--data", &data.display().to_string()].map(str::to_owned))?;
    Ok(data.join("executables"))
}

/// Whether an executable lies there, whole.
fn has_one(folder: &PathBuf) -> Result<bool> {
    let mut found = false;
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        found |= entry?.path().extension().is_none();
    }
    Ok(found)
}

#[test]
fn an_open_jobs_executable_is_on_two_nodes_whoever_comes_and_goes() -> Result<()> {
    let mut cluster = empty()?;
    let first = add_node(&mut cluster, "1")?;
    let file = cluster.folder().join("enough");
    let driver = cluster.misfits_with(0, &[&file.display().to_string(), "stays"])?;
    eventually("the only node has it", || has_one(&first))?;
    // Gateways run nothing: what they have they were given.
    let second = add_node(&mut cluster, "0")?;
    eventually("the second node is given it", || has_one(&second))?;
    let third = add_node(&mut cluster, "0")?;
    cluster.nodes[1].server.kill()?;
    eventually("the third one takes the place of the second", || has_one(&third))?;
    std::fs::write(file, "")?;
    let output = driver.finish()?;
    assert!(output.status.success(), "{}", output.stderr);
    Ok(())
}

#[test]
fn an_executable_that_the_node_has_already_is_copied_for_the_next_job() -> Result<()> {
    let mut cluster = empty()?;
    let first = add_node(&mut cluster, "1")?;
    assert!(cluster.misfits(0, "well")?.finish()?.status.success());
    let second = add_node(&mut cluster, "0")?;
    assert!(has_one(&first)? && !has_one(&second)?, "no job is open");
    let file = cluster.folder().join("enough");
    let _driver = cluster.misfits_with(0, &[&file.display().to_string(), "stays"])?;
    eventually("the second node is given it", || has_one(&second))
}

#[test]
fn an_executable_that_the_cache_has_no_room_for_is_refused() -> Result<()> {
    let mut cluster = empty()?;
    cluster.add_node(&["--executable-cache", "64KiB"].map(str::to_owned))?;
    let output = cluster.misfits(0, "well")?.finish()?;
    let result: serde_json::Value = serde_json::from_str(&output.stdout).context(output.stderr)?;
    assert_eq!(result["kind"], "ResourceExhausted", "{result}");
    assert!(result["text"].as_str().is_some_and(|text| text.contains("--executable-cache")), "{result}");
    Ok(())
}

#[test]
fn a_program_for_another_machine_is_refused_and_named() -> Result<()> {
    let mut cluster = empty()?;
    let executables = add_node(&mut cluster, "1")?;
    let mut program = std::fs::read(misfits_program()?)?;
    let (other, number) = if cfg!(target_arch = "x86_64") { ("aarch64", 183_u16) } else { ("x86_64", 62) };
    // The machine's number in the header of an ELF file.
    program[18..20].copy_from_slice(&number.to_le_bytes());
    let path = cluster.folder().join("foreign");
    std::fs::write(&path, program)?;
    let error = cluster.mobula(&["job", "submit", &path.display().to_string()]).err();
    let error = error.context("it was taken")?.to_string();
    assert!(error.contains(&format!("is built for {other}")), "{error}");
    assert!(!has_one(&executables)?, "nothing of it stays");
    // Nobody else is disturbed.
    let output = cluster.misfits(0, "well")?.finish()?;
    assert!(output.status.success(), "{}", output.stderr);
    Ok(())
}
