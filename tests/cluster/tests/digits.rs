//! The example that learns to read digits, on several nodes of which one is killed meanwhile.

use anyhow::Result;
use mobula_cluster_tests::{ClusterOptions, TestCluster};
use serde_json::Value;

fn learn(cluster: &TestCluster, arguments: &[&str]) -> Result<Value> {
    let output = cluster.driver("digits", 0, &[arguments, &["-o", "json"]].concat())?.finish()?;
    anyhow::ensure!(output.status.success(), "{}", output.stderr);
    let learnt: Value = serde_json::from_str(&output.stdout)?;
    assert!(learnt["accuracy"].as_f64().is_some_and(|accuracy| accuracy > 0.93), "{learnt}");
    Ok(learnt)
}

#[test]
fn digits_are_learnt_on_several_nodes_and_when_one_is_killed() -> Result<()> {
    let cluster = TestCluster::start(&ClusterOptions { nodes: 3, ..ClusterOptions::default() })?;
    let learnt = learn(&cluster, &[])?;
    assert_eq!(
        (&learnt["nodes"], &learnt["restarts"], &learnt["killed"]),
        (&3.into(), &0.into(), &Value::Null)
    );
    let learnt = learn(&cluster, &["--kill-node-after", "2s"])?;
    assert!(learnt["killed"].is_string() && learnt["restarts"].as_u64() > Some(0), "{learnt}");
    assert!(learnt["steps"].as_u64() >= Some(1500), "{learnt}");
    Ok(())
}
