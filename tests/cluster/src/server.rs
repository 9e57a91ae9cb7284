//! Heads and nodes as processes.

use crate::mobula;
use crate::network::Host;
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

/// A server process; killed when it is dropped.
#[derive(Debug)]
pub struct Server {
    process: Child,
    url: String,
    arguments: String,
    errors: Arc<Mutex<String>>,
    /// Gives what it says on standard output once it serves; closed where it ends without.
    ready: mpsc::Receiver<String>,
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
    /// What it leaves behind when it is killed goes with the token's folder.
    fn launch(host: Option<&Host>, arguments: &[String], token_file: &Path) -> Result<Self> {
        let mut process = program_at(host)?
            .args(arguments)
            .arg("--as-child")
            .env("MOBULA_LOG", "warn")
            .env("TMPDIR", token_file.parent().unwrap_or(token_file))
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
        let (says, ready) = mpsc::channel();
        if let Some(stdout) = process.stdout.take() {
            std::thread::spawn(move || {
                let mut line = String::new();
                if BufReader::new(stdout).read_line(&mut line).is_ok_and(|read| read > 0) {
                    let _test_is_over = says.send(line);
                }
            });
        }
        let (url, arguments) = (String::new(), arguments.join(" "));
        Ok(Server { process, url, arguments, errors, ready, _lifeline: lifeline })
    }

    /// Waits until it serves, for up to 9 s.
    ///
    /// # Errors
    /// Where it does not: with what it said.
    pub fn wait_until_ready(&mut self) -> Result<()> {
        let Ok(line) = self.ready.recv_timeout(Duration::from_secs(9)) else {
            let _gone_already = self.process.kill();
            let status = self.process.wait()?;
            bail!("mobula {} did not start, {status}: {}", self.arguments, self.errors());
        };
        let ready: serde_json::Value = serde_json::from_str(&line).context("what a server said")?;
        self.url = ready["address"].as_str().context("a server without an address")?.to_owned();
        Ok(())
    }

    /// Waits for its end, and gives its exit code.
    ///
    /// # Errors
    /// Where it goes on for 9 s.
    pub fn wait_for_end(&mut self) -> Result<Option<i32>> {
        let mut status = None;
        crate::eventually("a server ends", || {
            status = self.process.try_wait()?;
            Ok(status.is_some())
        })?;
        Ok(status.and_then(|status| status.code()))
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

    /// Sends it a signal, such as `TERM`.
    ///
    /// # Errors
    /// Where it is gone.
    pub fn signal(&self, name: &str) -> Result<()> {
        crate::processes::signal(self.pid(), name)
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

/// The command line, started on that host.
fn program_at(host: Option<&Host>) -> Result<Command> {
    let Some(host) = host else { return Ok(Command::new(mobula()?)) };
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &host.namespace]).arg(mobula()?);
    Ok(command)
}

/// Where a server listens unless the flags say so: on a free port.
fn listening(host: Option<&Host>, flags: &[String]) -> Vec<String> {
    let is_given = flags.iter().any(|flag| flag == "--listen");
    let address = host.map_or("127.0.0.1", |host| &host.address);
    if is_given { Vec::new() } else { vec!["--listen".to_owned(), format!("{address}:0")] }
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
    /// Starts a head on a free port, of that host where one is given.
    ///
    /// # Errors
    /// Where it does not come up: with what it said.
    pub fn start(host: Option<&Host>, token_file: &Path, flags: &[String]) -> Result<Self> {
        let mut head = Head::launch(host, token_file, flags)?;
        head.server.wait_until_ready()?;
        Ok(head)
    }

    /// Starts a head on a free port, unless the flags name another, and does not wait for it.
    ///
    /// # Errors
    /// Where the program cannot be started.
    pub fn launch(host: Option<&Host>, token_file: &Path, flags: &[String]) -> Result<Self> {
        let token = token_file.display().to_string();
        let common = ["head", "--token-file", &token].map(str::to_owned);
        let arguments = [&common[..], &listening(host, flags), flags].concat();
        Ok(Head { server: Server::launch(host, &arguments, token_file)? })
    }
}

impl Node {
    /// Starts a node on a free port, of that host where one is given; it has joined when this returns.
    ///
    /// # Errors
    /// Where it does not come up: with what it said.
    pub fn start(
        host: Option<&Host>,
        token_file: &Path,
        heads: &[String],
        name: &str,
        flags: &[String],
    ) -> Result<Self> {
        let mut node = Node::launch(host, token_file, heads, name, flags)?;
        node.server.wait_until_ready()?;
        Ok(node)
    }

    /// Starts a node on a free port, and does not wait for it.
    ///
    /// # Errors
    /// Where the program cannot be started.
    pub fn launch(
        host: Option<&Host>,
        token_file: &Path,
        heads: &[String],
        name: &str,
        flags: &[String],
    ) -> Result<Self> {
        let token = token_file.display().to_string();
        let heads = heads.join(",");
        let common = ["node", "--token-file", &token, "--head", &heads, "--name", name].map(str::to_owned);
        let arguments = [&common[..], &listening(host, flags), flags].concat();
        Ok(Node { server: Server::launch(host, &arguments, token_file)?, name: name.to_owned() })
    }
}
