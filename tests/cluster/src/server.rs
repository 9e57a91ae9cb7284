//! Heads and nodes as processes.

use crate::mobula;
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// A server process; killed when it is dropped.
#[derive(Debug)]
pub struct Server {
    process: Child,
    url: String,
    errors: Arc<Mutex<String>>,
    /// It ends when this closes.
    _lifeline: Option<ChildStdin>,
}

/// A head.
#[derive(Debug)]
pub struct Head {
    /// Its process.
    pub server: Server,
}

/// A node.
#[derive(Debug)]
pub struct Node {
    /// Its process.
    pub server: Server,
    /// Its name.
    pub name: String,
}

impl Server {
    fn start(arguments: &[String]) -> Result<Self> {
        let mut process = Command::new(mobula()?)
            .args(arguments)
            .arg("--as-child")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting a server")?;
        let lifeline = process.stdin.take();
        let errors = Arc::new(Mutex::new(String::new()));
        if let Some(stderr) = process.stderr.take() {
            let kept = errors.clone();
            std::thread::spawn(move || keep_lines(stderr, &kept));
        }
        let mut line = String::new();
        if let Some(stdout) = process.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).context("reading what a server says")?;
        }
        let mut server = Server { process, url: String::new(), errors, _lifeline: lifeline };
        let Ok(ready) = serde_json::from_str::<serde_json::Value>(&line) else {
            let _status = server.process.wait();
            bail!("mobula {} did not start: {}", arguments.join(" "), server.errors());
        };
        server.url = ready["address"].as_str().context("a server without an address")?.to_owned();
        Ok(server)
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// What it has printed on standard error so far.
    pub fn errors(&self) -> String {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends it at once, and waits until it is gone.
    ///
    /// # Errors
    /// The system's.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill().context("killing a server")?;
        self.process.wait().context("waiting for a killed server")?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone_already = self.process.kill();
        let _status = self.process.wait();
        if std::thread::panicking() {
            eprintln!("--- {} said:\n{}", self.url, self.errors());
        }
    }
}

fn keep_lines(output: impl Read, kept: &Mutex<String>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < 1 << 20 {
            kept.push_str(&line);
            kept.push('\n');
        }
    }
}

impl Head {
    /// Starts a head on a free port.
    ///
    /// # Errors
    /// Where it does not come up: with what it said.
    pub fn start(token_file: &Path, flags: &[String]) -> Result<Self> {
        let token = token_file.display().to_string();
        let common = ["head", "--listen", "127.0.0.1:0", "--token-file", &token].map(str::to_owned);
        Ok(Head { server: Server::start(&[&common[..], flags].concat())? })
    }
}

impl Node {
    /// Starts a node on a free port; it has joined when this returns.
    ///
    /// # Errors
    /// Where it does not come up: with what it said.
    pub fn start(token_file: &Path, heads: &[String], name: &str, flags: &[String]) -> Result<Self> {
        let token = token_file.display().to_string();
        let heads = heads.join(",");
        let common =
            ["node", "--listen", "127.0.0.1:0", "--token-file", &token, "--head", &heads, "--name", name];
        let common = common.map(str::to_owned);
        Ok(Node { server: Server::start(&[&common[..], flags].concat())?, name: name.to_owned() })
    }
}
