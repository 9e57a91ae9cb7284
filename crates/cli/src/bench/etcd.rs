//! An etcd for rows whose registry is to be durable as in a cluster of several machines.

use anyhow::Context;
use mobula_runtime::clock;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// How long it may take until it answers.
const READY: Duration = Duration::from_secs(20);

/// A running etcd of one member. It is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Etcd {
    pub(super) url: String,
    _process: Child,
}

impl Etcd {
    /// Starts one over a folder; `None` where it is not installed.
    pub(super) async fn start(data: &Path) -> anyhow::Result<Option<Self>> {
        let (client, peer) = (free_address()?, free_address()?);
        let (client_url, peer_url) = (format!("http://{client}"), format!("http://{peer}"));
        let spawned = Command::new("etcd")
            .args(["--name", "bench", "--data-dir"])
            .arg(data.join("etcd"))
            .args(["--listen-client-urls", &client_url, "--advertise-client-urls", &client_url])
            .args(["--listen-peer-urls", &peer_url, "--initial-advertise-peer-urls", &peer_url])
            .args(["--initial-cluster", &format!("bench={peer_url}"), "--log-level", "error"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        let process = match spawned {
            Ok(process) => process,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context("starting etcd"),
        };
        let started = clock::now();
        while TcpStream::connect(&client).await.is_err() {
            anyhow::ensure!(clock::now().since(started) < READY, "etcd does not listen after {READY:?}");
            clock::sleep(Duration::from_millis(50)).await;
        }
        Ok(Some(Etcd { url: client_url, _process: process }))
    }
}

fn free_address() -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").context("looking for a free port")?;
    Ok(listener.local_addr().context("looking for a free port")?.to_string())
}
