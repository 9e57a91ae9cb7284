//! Values that lie on another node than whoever wants them.

use anyhow::{Context, Result};
use mobula_cluster_tests::{ClusterOptions, TestCluster};
use serde_json::Value;

/// Two nodes with a CPU each, and a gateway.
fn with_a_gateway() -> Result<TestCluster> {
    let flags = |cpus: &str| ["--num-cpus", cpus].map(str::to_owned).to_vec();
    let options = ClusterOptions { nodes: 2, node_flags: flags("1"), ..ClusterOptions::default() };
    let mut cluster = TestCluster::start(&options)?;
    cluster.add_node(&flags("0"))?;
    Ok(cluster)
}

fn run(cluster: &TestCluster, home: usize, case: &str) -> Result<Value> {
    let output = cluster.misfits_with(home, &["node-1", case])?.finish()?;
    anyhow::ensure!(output.status.success(), "{case}: {}", output.stderr);
    serde_json::from_str(&output.stdout).context(output.stdout)
}

#[test]
fn a_large_value_reaches_its_driver_from_wherever_it_lies() -> Result<()> {
    let cluster = with_a_gateway()?;
    for (home, name) in ["another node", "the node that has it", "a gateway"].iter().enumerate() {
        let result = run(&cluster, home, "far")?;
        assert_eq!(result["value"], 7 * (4 << 20) / 8, "through {name}: {result}");
    }
    Ok(())
}

#[test]
fn a_large_value_reaches_a_task_from_wherever_it_lies() -> Result<()> {
    let cluster = with_a_gateway()?;
    let result = run(&cluster, 2, "far for a task")?;
    assert_eq!(result["value"], 7 * (4 << 20) / 8, "{result}");
    Ok(())
}

/// Copies that the owner's node keeps make room for others; a node without the room for a value leaves its tasks to others,
/// and costs nobody the value.
#[test]
fn more_than_the_stores_hold_passes_through_them_and_nothing_is_lost() -> Result<()> {
    let flags = |flags: &[&str]| flags.iter().map(|flag| (*flag).to_owned()).collect::<Vec<_>>();
    let options = ClusterOptions { nodes: 0, ..ClusterOptions::default() };
    let mut cluster = TestCluster::start(&options)?;
    cluster.add_node(&flags(&["--num-cpus", "0"]))?;
    for memory in ["1MiB", "10MiB"] {
        cluster.add_node(&flags(&[
            "--num-cpus",
            "1",
            "--object-store-memory",
            memory,
            "--store-patience",
            "100ms",
        ]))?;
    }
    let result = run(&cluster, 0, "crowded")?;
    let once: u64 = (0..6_u64).map(|number| ((1 << 35) + number) << 19).sum();
    assert_eq!(result["value"], 4 * once, "{result}");
    Ok(())
}
