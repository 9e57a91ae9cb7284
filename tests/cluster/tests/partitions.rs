//! What is promised of actors when the network between a node and the head loses everything, in both directions or in one.
//! They are hosts of their own, as far as the machine permits that.

use anyhow::{Context, Result, ensure};
use mobula_cluster_tests::{ClusterOptions, Network, TestCluster, eventually_within, runs};
use serde_json::{Value, json};
use std::time::Duration;

const HEAD: usize = 0;
const NODE: usize = 1;

/// A head and `node-1` on hosts of their own, and two nodes on the machine, of which the first hosts nothing.
fn cluster(network: &Network) -> Result<TestCluster> {
    let mut cluster =
        TestCluster::start(&ClusterOptions { nodes: 0, heads: 0, ..ClusterOptions::default() })?;
    cluster.add_head_at(Some(network.host(HEAD)), &["--node-lease", "3s"].map(str::to_owned))?;
    let listen = ["--listen".to_owned(), format!("{}:0", network.machine())];
    cluster.add_node(&[&listen[..], &["--num-cpus", "0"].map(str::to_owned)].concat())?;
    cluster.add_node_at(Some(network.host(NODE)), &[])?;
    cluster.add_node(&listen)?;
    Ok(cluster)
}

/// Cuts what is between node and head while somebody calls an actor on that node: its worker ends by itself, another node
/// has the next incarnation, no earlier one answers after that, and the node comes back as a new generation.
fn cut(cuts: &[(usize, usize)]) -> Result<()> {
    let Some(network) = Network::new(2)? else { return Ok(()) };
    let cluster = cluster(&network)?;
    let marks = cluster.folder().join("marks");
    let driver = cluster.performers(0, &["epochs", "node-1", &marks.display().to_string()])?;
    let answered = || Ok::<_, anyhow::Error>(std::fs::read_to_string(&marks).unwrap_or_default());
    let is_at = |epoch: &str| Ok(answered()?.split_once(' ').is_some_and(|(at, _)| at == epoch));
    eventually_within("the actor answers", Duration::from_secs(20), || is_at("1"))?;
    let first = answered()?.split_once(' ').context("a process")?.1.parse()?;
    for (from, to) in cuts {
        network.cut(*from, *to)?;
    }
    eventually_within("the next incarnation answers", Duration::from_secs(20), || is_at("2"))?;
    ensure!(!runs(first), "the worker of the first incarnation has ended by itself");
    for (from, to) in cuts {
        network.heal(*from, *to)?;
    }
    eventually_within("the node is back", Duration::from_secs(20), || {
        let nodes = cluster.json(&["list", "nodes"])?;
        let of_node =
            |node: &Value| node["name"] == "node-1" && node["generation"] == 2 && node["state"] == "alive";
        Ok(nodes.as_array().is_some_and(|nodes| nodes.iter().any(of_node)))
    })?;
    std::fs::write(cluster.folder().join("marks.stop"), "")?;
    assert_eq!(driver.value()?, json!([1, 2]));
    Ok(())
}

#[test]
fn a_network_that_loses_everything_between_a_node_and_the_head() -> Result<()> {
    cut(&[(NODE, HEAD), (HEAD, NODE)])
}

#[test]
fn a_network_that_loses_what_a_node_says_to_the_head() -> Result<()> {
    cut(&[(NODE, HEAD)])
}

#[test]
fn a_network_that_loses_what_the_head_says_to_a_node() -> Result<()> {
    cut(&[(HEAD, NODE)])
}
