//! A real cluster for tests: heads, nodes, drivers and etcd as processes of their own, on free ports, each ended by its
//! guard.

mod cases;
mod driver;
mod etcd;
mod network;
mod processes;
mod program;
mod server;

pub use cases::{perform, perform_on, print_end};
pub use driver::{Driver, DriverOutput};
pub use etcd::Etcd;
pub use network::{Host, Network};
pub use processes::{children, runs, signal};
pub use program::{example, misfits as misfits_program, mobula, trees as trees_program, workplace};
pub use server::{Head, Node, Server};

use anyhow::{Context, Result};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A head with a registry in a file, or in etcd, and nodes that joined it.
#[derive(Debug)]
pub struct TestCluster {
    /// The nodes, in the order of their start.
    pub nodes: Vec<Node>,
    /// The heads.
    pub heads: Vec<Head>,
    /// etcd, where it keeps the registry.
    pub etcd: Option<Etcd>,
    folder: tempfile::TempDir,
}

/// What a cluster is made of.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// How many nodes.
    pub nodes: usize,
    /// How many heads.
    pub heads: usize,
    /// Whether etcd keeps the registry; it must where there are several heads.
    pub etcd: bool,
    /// Further flags of each head.
    pub head_flags: Vec<String>,
    /// Further flags of each node.
    pub node_flags: Vec<String>,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        ClusterOptions { nodes: 1, heads: 1, etcd: false, head_flags: Vec::new(), node_flags: Vec::new() }
    }
}

impl TestCluster {
    /// A cluster whose nodes have all joined, and whose first head leads.
    ///
    /// # Errors
    /// Where a process cannot be started, or does not say in time that it serves.
    pub fn start(options: &ClusterOptions) -> Result<Self> {
        let folder = tempfile::tempdir().context("a folder for the cluster")?;
        let etcd = options.etcd.then(|| Etcd::start(folder.path())).transpose()?;
        let mut cluster = TestCluster { nodes: Vec::new(), heads: Vec::new(), etcd, folder };
        for _ in 0..options.heads {
            cluster.add_head(&options.head_flags)?;
            if options.heads > 1 && cluster.heads.len() == 1 {
                cluster.wait_until_the_first_leads()?;
            }
        }
        for _ in 0..options.nodes {
            cluster.add_node(&options.node_flags)?;
        }
        Ok(cluster)
    }

    /// The file that holds the cluster's token.
    pub fn token_file(&self) -> PathBuf {
        self.folder.path().join("token")
    }

    /// The cluster's folder, which goes with it.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Starts another head.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn add_head(&mut self, flags: &[String]) -> Result<()> {
        self.add_head_at(None, flags)
    }

    /// Starts another head, on a host of its own where one is given.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn add_head_at(&mut self, host: Option<&Host>, flags: &[String]) -> Result<()> {
        let registry = match &self.etcd {
            Some(etcd) => vec!["--etcd".into(), etcd.url()],
            None => {
                vec!["--registry-file".into(), self.folder.path().join("registry.redb").display().to_string()]
            }
        };
        let head = Head::start(host, &self.token_file(), &[registry.as_slice(), flags].concat())?;
        self.heads.push(head);
        Ok(())
    }

    /// A head that is ready may not lead yet, and another one might be elected as well.
    fn wait_until_the_first_leads(&self) -> Result<()> {
        let url = self.heads[0].server.url();
        eventually("the first head leads", || match self.mobula_at(url, &["list", "nodes"]) {
            // One that does not lead says that.
            Err(error) if error.to_string().contains("knows no node that is alive") => Ok(true),
            other => other.map(|_nodes| true),
        })
    }

    /// Starts another node.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn add_node(&mut self, flags: &[String]) -> Result<()> {
        self.add_node_at(None, flags)
    }

    /// Starts another node, on a host of its own where one is given.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn add_node_at(&mut self, host: Option<&Host>, flags: &[String]) -> Result<()> {
        let heads: Vec<String> = self.heads.iter().map(|head| head.server.url().to_owned()).collect();
        let name = format!("node-{}", self.nodes.len());
        let node = Node::start(host, &self.token_file(), &heads, &name, flags)?;
        self.nodes.push(node);
        Ok(())
    }

    /// The URL of a node.
    pub fn url(&self, node: usize) -> &str {
        self.nodes[node].server.url()
    }

    /// Runs the command line against the cluster and gives what it printed on standard output.
    ///
    /// # Errors
    /// Where it exits with another code than 0: with what it printed on standard error.
    pub fn mobula(&self, arguments: &[&str]) -> Result<String> {
        let url = self.url(0).to_owned();
        self.mobula_at(&url, arguments)
    }

    /// The same, through the node or head with that URL.
    ///
    /// # Errors
    /// As [`mobula`](Self::mobula).
    pub fn mobula_at(&self, url: &str, arguments: &[&str]) -> Result<String> {
        let output = std::process::Command::new(mobula()?)
            .args(["--cluster", url, "--token-file"])
            .arg(self.token_file())
            .args(arguments)
            .output()
            .context("running the command line")?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        anyhow::ensure!(
            output.status.success(),
            "mobula {} exited with {}: {}",
            arguments.join(" "),
            output.status,
            text(&output.stderr)
        );
        Ok(text(&output.stdout))
    }

    /// What the command line prints as JSON.
    ///
    /// # Errors
    /// As [`mobula`](Self::mobula).
    pub fn json(&self, arguments: &[&str]) -> Result<serde_json::Value> {
        let text = self.mobula(&[&["-o", "json"], arguments].concat())?;
        serde_json::from_str(&text).with_context(|| format!("mobula {}: {text}", arguments.join(" ")))
    }

    /// A driver: an example program, connected to that node.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn driver(&self, program: &str, node: usize, arguments: &[&str]) -> Result<Driver> {
        Driver::start(&example(program)?, self.url(node), &self.token_file(), arguments)
    }

    /// The same, with somebody who [types](Driver::type_line).
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn typing_driver(&self, program: &str, node: usize, arguments: &[&str]) -> Result<Driver> {
        Driver::start_typing(&example(program)?, self.url(node), &self.token_file(), arguments)
    }

    /// The driver whose functions misbehave.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn misfits(&self, node: usize, case: &str) -> Result<Driver> {
        self.misfits_with(node, &[case])
    }

    /// The same, with what the case takes before its name.
    ///
    /// # Errors
    /// As [`misfits`](Self::misfits).
    pub fn misfits_with(&self, node: usize, arguments: &[&str]) -> Result<Driver> {
        Driver::start(&program::misfits()?, self.url(node), &self.token_file(), arguments)
    }

    /// The driver whose functions keep references and hand them on.
    ///
    /// # Errors
    /// As [`misfits`](Self::misfits).
    pub fn referrers(&self, node: usize, arguments: &[&str]) -> Result<Driver> {
        Driver::start(&program::referrers()?, self.url(node), &self.token_file(), arguments)
    }

    /// The driver whose actors do what is promised of actors.
    ///
    /// # Errors
    /// As [`misfits`](Self::misfits).
    pub fn performers(&self, node: usize, arguments: &[&str]) -> Result<Driver> {
        Driver::start(&program::performers()?, self.url(node), &self.token_file(), arguments)
    }

    /// The driver whose actors are supervised.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn trees(&self, node: usize, arguments: &[&str]) -> Result<Driver> {
        Driver::start(&program::trees()?, self.url(node), &self.token_file(), arguments)
    }

    /// The driver whose actors are in groups and talk.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn talkers(&self, node: usize, arguments: &[&str]) -> Result<Driver> {
        Driver::start(&program::talkers()?, self.url(node), &self.token_file(), arguments)
    }

    /// The driver whose tasks look around.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn workplace(&self, node: usize, arguments: &[&str]) -> Result<Driver> {
        Driver::start(&program::workplace()?, self.url(node), &self.token_file(), arguments)
    }
}

/// Asks `check` until it says yes, for up to 9 s.
///
/// # Errors
/// The last answer, when time is up.
pub fn eventually(what: &str, check: impl FnMut() -> Result<bool>) -> Result<()> {
    eventually_within(what, Duration::from_secs(9), check)
}

/// The same, for what takes longer by its nature.
///
/// # Errors
/// As [`eventually`].
pub fn eventually_within(
    what: &str,
    patience: Duration,
    mut check: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let end = now() + patience;
    loop {
        let answer = check();
        if matches!(answer, Ok(true)) {
            return Ok(());
        }
        if now() > end {
            return Err(answer
                .err()
                .unwrap_or_else(|| anyhow::anyhow!("it stayed false"))
                .context(what.to_owned()));
        }
        // A condition of another process: there is nobody to wake this one.
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}
