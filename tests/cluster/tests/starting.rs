//! Starts that cannot succeed, or not yet: each says why, and goes on where waiting helps.

use anyhow::{Context, Result};
use mobula_cluster_tests::{ClusterOptions, Etcd, Head, Node, TestCluster, eventually};
use std::net::TcpListener;

/// The exit code of a server that cannot serve.
const CANNOT_SERVE: Option<i32> = Some(8);

#[test]
fn a_port_in_use_is_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let registry = folder.path().join("registry.redb").display().to_string();
    let flags = ["--listen", &address, "--registry-file", &registry].map(str::to_owned);
    let mut head = Head::launch(None, &folder.path().join("token"), &flags)?;
    assert_eq!(head.server.wait_for_end()?, CANNOT_SERVE);
    eventually("it says what and why", || {
        let said = head.server.errors();
        Ok(said.contains(&format!("the head cannot serve on {address}")) && said.contains("in use"))
    })
}

#[test]
fn a_name_that_is_taken_is_asked_for_until_it_is_free() -> Result<()> {
    let mut cluster = TestCluster::start(&ClusterOptions::default())?;
    let heads = [cluster.heads[0].server.url().to_owned()];
    let mut second = Node::launch(None, &cluster.token_file(), &heads, "node-0", &[])?;
    eventually("it says that its name is taken", || Ok(second.server.errors().contains("NodeNameTaken")))?;
    assert_eq!(cluster.json(&["list", "nodes"])?.as_array().context("nodes")?.len(), 1);
    cluster.nodes[0].server.kill()?;
    second.server.wait_until_ready()?;
    cluster.nodes = vec![second];
    let nodes = cluster.json(&["list", "nodes"])?;
    let alive = nodes.as_array().context("nodes")?.iter().filter(|node| node["state"] == "alive");
    let generations: Vec<_> = alive.map(|node| node["generation"].as_u64()).collect();
    assert_eq!(generations.len(), 1);
    assert!(generations[0] > Some(1), "it is another generation: {nodes}");
    Ok(())
}

#[test]
fn a_head_waits_for_its_etcd_and_says_so() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let token = folder.path().join("token");
    let mut etcd = Etcd::prepare(folder.path())?;
    let mut head = Head::launch(None, &token, &["--etcd".to_owned(), etcd.url()])?;
    eventually("it says what it waits for", || {
        Ok(head.server.errors().contains("head waits for its registry"))
    })?;
    etcd.restart()?;
    head.server.wait_until_ready()?;
    let node = Node::start(None, &token, &[head.server.url().to_owned()], "node-0", &[])?;
    assert!(!node.server.url().is_empty());
    Ok(())
}
