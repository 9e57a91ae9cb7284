//! References that are kept, handed on, and outlive the nodes that made what they stand for.

use anyhow::{Context, Result};
use mobula_cluster_tests::{ClusterOptions, TestCluster};
use serde_json::Value;

/// Nodes with a CPU each, so that a job has one process on each.
fn cluster(nodes: usize) -> Result<TestCluster> {
    let node_flags = ["--num-cpus", "1"].map(str::to_owned).to_vec();
    TestCluster::start(&ClusterOptions { nodes, node_flags, ..ClusterOptions::default() })
}

fn run(cluster: &TestCluster, node: &str, case: &str) -> Result<Value> {
    let output = cluster.referrers(0, &[node, case])?.finish()?;
    anyhow::ensure!(output.status.success(), "{case}: {}", output.stderr);
    serde_json::from_str(&output.stdout).context(output.stdout)
}

#[test]
fn what_a_function_keeps_beyond_its_run_is_kept_for_it() -> Result<()> {
    let cluster = cluster(2)?;
    for node in ["node-0", "node-1"] {
        let result = run(&cluster, node, "keeps")?;
        assert_eq!(result["value"], 42, "kept on {node}: {result}");
    }
    Ok(())
}
