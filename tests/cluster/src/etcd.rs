//! A real etcd.

use anyhow::{Context, Result, ensure};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// An etcd of one member on free ports; killed when it is dropped.
#[derive(Debug)]
pub struct Etcd {
    process: Option<Child>,
    data: PathBuf,
    client_port: u16,
    peer_port: u16,
}

impl Etcd {
    /// Starts etcd with its data below `folder`.
    ///
    /// # Errors
    /// Where the program is missing (Debian package `etcd-server`, which `make test` installs), or does not serve.
    pub fn start(folder: &Path) -> Result<Self> {
        let mut etcd = Etcd::prepare(folder)?;
        etcd.restart()?;
        Ok(etcd)
    }

    /// An etcd that does not run yet, but whose URL is known.
    ///
    /// # Errors
    /// Where there are no free ports.
    pub fn prepare(folder: &Path) -> Result<Self> {
        let (client_port, peer_port) = (free_port()?, free_port()?);
        Ok(Etcd { process: None, data: folder.join("etcd"), client_port, peer_port })
    }

    /// Its client URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.client_port)
    }

    /// Ends it at once.
    ///
    /// # Errors
    /// The system's.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill()?;
            process.wait()?;
        }
        Ok(())
    }

    /// Starts it, with the data that it had, on the same ports.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn restart(&mut self) -> Result<()> {
        self.process = Some(spawn(&self.data, self.client_port, self.peer_port)?);
        self.wait()
    }

    fn wait(&self) -> Result<()> {
        let address = ("127.0.0.1", self.client_port);
        crate::eventually("etcd listens", || Ok(TcpStream::connect(address).is_ok()))
    }
}

fn spawn(data: &Path, client_port: u16, peer_port: u16) -> Result<Child> {
    let client = format!("http://127.0.0.1:{client_port}");
    let peer = format!("http://127.0.0.1:{peer_port}");
    let mut command = Command::new("etcd");
    command.arg("--data-dir").arg(data);
    command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
    command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
    command.args(["--initial-cluster", &format!("default={peer}"), "--log-level", "error"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().context("starting etcd; `make test` installs it (Debian package etcd-server)")
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("a free port")?;
    let port = listener.local_addr()?.port();
    ensure!(port != 0, "the system gave no port");
    Ok(port)
}

impl Drop for Etcd {
    fn drop(&mut self) {
        let _gone_already = self.kill();
    }
}
