//! Connections that are no Mobula client's: they are refused, and nobody else notices.

use anyhow::{Context, Result};
use mobula_cluster_tests::{ClusterOptions, Driver, Head, TestCluster, example};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Sends bytes to a server and reads whatever it answers, until it closes the connection.
fn send(url: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://"))?;
    stream.set_read_timeout(Some(Duration::from_secs(9)))?;
    stream.write_all(bytes)?;
    let mut answer = Vec::new();
    // A server that resets the connection has closed it too.
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Err(error).context("it stays open"),
        _ => Ok(answer),
    }
}

fn works(cluster: &TestCluster) -> Result<()> {
    let output = cluster.misfits(0, "well")?.finish()?;
    assert_eq!(serde_json::from_str::<Value>(&output.stdout)?["value"], 4, "{}", output.stderr);
    Ok(())
}

#[test]
fn garbage_disturbs_nobody() -> Result<()> {
    let cluster = TestCluster::start(&ClusterOptions::default())?;
    let neighbour = cluster.misfits(0, "many")?;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let huge_frame = [&preface[..], &[0xff; 64]].concat();
    let garbage: Vec<u8> =
        (0..10_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for url in [cluster.url(0), cluster.heads[0].server.url()] {
        for bytes in
            [&b"GET / HTTP/1.1\r\nHost: node\r\n\r\n"[..], &garbage, &huge_frame, b"\x16\x03\x01\x02\x00"]
        {
            send(url, bytes)?;
        }
    }
    let output = neighbour.finish()?;
    let sum: u64 = (1..=20_000).sum();
    assert_eq!(serde_json::from_str::<Value>(&output.stdout)?["value"], sum, "{}", output.stderr);
    works(&cluster)
}

#[test]
fn a_wrong_token_is_refused_everywhere() -> Result<()> {
    let mut cluster = TestCluster::start(&ClusterOptions::default())?;
    // Another cluster's token.
    let folder = tempfile::tempdir()?;
    let wrong = folder.path().join("token");
    let registry = folder.path().join("registry.redb").display().to_string();
    let _makes_it = Head::start(None, &wrong, &["--registry-file".to_owned(), registry])?;

    let output = Driver::start(&example("wordcount")?, cluster.url(0), &wrong, &[])?.finish()?;
    assert!(!output.status.success());
    assert!(output.stderr.contains("Unauthenticated"), "{}", output.stderr);

    let heads = [cluster.heads[0].server.url().to_owned()];
    let mut node = mobula_cluster_tests::Node::launch(None, &wrong, &heads, "stranger", &[])?;
    mobula_cluster_tests::eventually("the node says why", || {
        Ok(node.server.errors().contains("Unauthenticated"))
    })?;
    node.server.kill()?;
    assert_eq!(cluster.json(&["list", "nodes"])?.as_array().context("nodes")?.len(), 1);
    works(&cluster)?;
    cluster.nodes.clear();
    Ok(())
}
