//! Starts the processes of a local cluster, watches them, and ends them in order.

use super::state::RunningCluster;
use crate::failure::{CommandFailure, Exit, Outcome};
use crate::process::{Child, ChildError, ProcessIdentity};
use mobula_node::machine;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// How long running work gets to finish when the cluster is ended.
pub(crate) const GRACE: Duration = Duration::from_secs(5);
/// What a node may take beyond the grace, to close what it has open.
const NODE_END: Duration = Duration::from_secs(2);
/// What the head may take to end.
const HEAD_END: Duration = Duration::from_secs(3);
/// How long a process may take until it serves: a slow disk, a busy machine.
const READY: Duration = Duration::from_secs(30);

/// What a local cluster is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalPlan<'a> {
    /// How many nodes.
    pub(crate) nodes: u32,
    /// The port of the first node; 0 takes a free one.
    pub(crate) port: u16,
    /// The CPUs of each node; `None` shares the machine's out among them, one at the least.
    pub(crate) num_cpus: Option<f64>,
    /// Whether the nodes run, in their own process, what this executable has linked in.
    pub(crate) embed: bool,
    /// The URL of the etcd that keeps its registry; else a file does.
    pub(crate) etcd: Option<&'a str>,
    /// Where it keeps its data.
    pub(crate) data: &'a Path,
    /// The file with its token.
    pub(crate) token_file: &'a Path,
}

/// The processes of a local cluster. Dropping it kills them.
#[derive(Debug)]
pub(crate) struct Supervisor {
    head: Child,
    nodes: Vec<Child>,
    /// Where the nodes listen.
    addresses: Vec<String>,
}

/// A child that ended while it should run.
#[derive(Debug)]
pub(super) struct Lost {
    /// Which one.
    pub(super) name: String,
    /// How.
    pub(super) status: String,
    /// Whether it was the head.
    pub(super) head: bool,
}

impl Supervisor {
    /// Starts a head and the nodes, and waits until all of them serve.
    pub(crate) async fn start(plan: LocalPlan<'_>) -> Outcome<Self> {
        let mut head = start_child("head", head_arguments(plan))?;
        let head_url = ready(&mut head, plan).await?;
        let mut nodes = Vec::with_capacity(plan.nodes as usize);
        for number in 1..=plan.nodes {
            nodes.push(start_child(format!("node {number}"), node_arguments(plan, number, &head_url))?);
        }
        let mut addresses = Vec::with_capacity(nodes.len());
        for node in &mut nodes {
            addresses.push(ready(node, plan).await?);
        }
        Ok(Supervisor { head, nodes, addresses })
    }

    /// The numbers of the processes that still run, the head's first.
    pub(crate) fn pids(&self) -> Vec<u32> {
        std::iter::once(&self.head).chain(&self.nodes).filter_map(Child::pid).collect()
    }

    /// The nodes' URLs, the first one's first.
    pub(crate) fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// What is to be remembered of it.
    pub(super) fn describe(
        &self,
        data: PathBuf,
        temporary: bool,
        token_file: PathBuf,
    ) -> Outcome<RunningCluster> {
        let supervisor = ProcessIdentity::of(std::process::id())
            .ok_or_else(|| CommandFailure::new(Exit::Failed, "cannot read /proc of this process"))?;
        let children = std::iter::once(&self.head).chain(&self.nodes);
        let children = children.filter_map(|child| Some((child.name().to_owned(), child.identity()?)));
        Ok(RunningCluster {
            url: self.addresses.first().cloned().unwrap_or_default(),
            supervisor,
            children: children.collect(),
            data,
            temporary,
            token_file,
        })
    }

    /// Waits until one of the processes ends. Cancellation safe.
    pub(super) async fn lost(&mut self) -> Lost {
        let ended = |name: &str, head, status: Result<std::process::ExitStatus, ChildError>| Lost {
            name: name.to_owned(),
            status: status.map_or_else(|error| error.to_string(), |status| status.to_string()),
            head,
        };
        if self.nodes.is_empty() {
            let status = self.head.ended().await;
            return ended("head", true, status);
        }
        let waiting = self.nodes.iter_mut().map(|node| Box::pin(node.ended()));
        let any_node = futures::future::select_all(waiting);
        let (index, status) = tokio::select! {
            status = self.head.ended() => return ended("head", true, status),
            (status, index, _others) = any_node => (index, status),
        };
        let node = self.nodes.remove(index);
        ended(node.name(), false, status)
    }

    /// How many nodes still run.
    pub(super) fn nodes_left(&self) -> usize {
        self.nodes.len()
    }

    /// Kills the last of the nodes, as a crash would.
    pub(crate) async fn kill_last_node(&mut self) -> std::io::Result<()> {
        match self.nodes.pop() {
            Some(mut node) => node.kill().await,
            None => Ok(()),
        }
    }

    /// Ends the nodes, which give their running work [`GRACE`], then the head.
    pub(crate) async fn stop(mut self) {
        // All nodes at once: each has the same time.
        futures::future::join_all(self.nodes.iter_mut().map(|node| node.stop(GRACE + NODE_END))).await;
        self.head.stop(HEAD_END).await;
    }
}

fn start_child(name: impl Into<String>, arguments: Vec<OsString>) -> Outcome<Child> {
    Child::start(name, arguments, Stdio::inherit())
        .map_err(|error| CommandFailure::new(Exit::CannotServe, "the cluster did not start").because(&error))
}

async fn ready(child: &mut Child, plan: LocalPlan<'_>) -> Outcome<String> {
    let ready = child.ready(READY).await.map_err(|error| {
        let failure = CommandFailure::new(Exit::CannotServe, "the cluster did not start").because(&error);
        match error.exit_code() {
            Some(code) if code == Exit::CannotServe as i32 && plan.port != 0 => failure.advise(format!(
                "if port {} is in use: `mobula down` ends a cluster that runs there, `--port 0` takes a free port",
                plan.port
            )),
            _ => failure,
        }
    })?;
    Ok(ready.address)
}

/// What every child is told: to report itself, to end with this process, and whom it may trust.
fn common_arguments(role: &str, listen: String, token_file: &Path) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec![role.into(), "--as-child".into()];
    arguments.extend(["--listen".into(), listen.into(), "--token-file".into(), token_file.into()]);
    arguments
}

fn head_arguments(plan: LocalPlan<'_>) -> Vec<OsString> {
    let mut arguments = common_arguments("head", "127.0.0.1:0".into(), plan.token_file);
    arguments.extend(match plan.etcd {
        Some(url) => ["--etcd".into(), url.into()],
        None => ["--registry-file".into(), plan.data.join("registry.redb").into()],
    });
    arguments
}

fn node_arguments(plan: LocalPlan<'_>, number: u32, head_url: &str) -> Vec<OsString> {
    let port = if number == 1 { plan.port } else { 0 };
    let mut arguments = common_arguments("node", format!("127.0.0.1:{port}"), plan.token_file);
    arguments.extend(["--head".into(), head_url.into()]);
    arguments.extend(["--num-cpus".into(), plan.cpus_per_node().to_string().into()]);
    arguments.extend(["--name".into(), format!("node-{number}").into()]);
    arguments.extend(["--data".into(), plan.data.join(format!("node-{number}")).into()]);
    arguments.extend(["--grace".into(), format!("{}s", GRACE.as_secs()).into()]);
    if plan.nodes > 1 {
        // Each node would take its part of all the memory by itself.
        let shares = u64::from(plan.nodes);
        let memory = machine::memory();
        arguments.extend(["--memory".into(), (memory / 10 * 7 / shares).to_string().into()]);
        arguments.extend(["--object-store-memory".into(), (memory / 10 * 3 / shares).to_string().into()]);
    }
    if plan.embed {
        arguments.push("--embed".into());
    }
    arguments
}

impl LocalPlan<'_> {
    fn cpus_per_node(self) -> f64 {
        self.num_cpus.unwrap_or_else(|| (machine::cpus() / u64::from(self.nodes.max(1))).max(1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(nodes: u32) -> Vec<String> {
        let (data, token_file) = (Path::new("data"), Path::new("token"));
        let plan =
            LocalPlan { nodes, port: 0, num_cpus: Some(1.0), embed: false, etcd: None, data, token_file };
        node_arguments(plan, 1, "http://127.0.0.1:1")
            .into_iter()
            .map(|argument| argument.to_string_lossy().into_owned())
            .collect()
    }

    /// A limit on this process binds its nodes: a node sizes itself by it, and several share it out.
    #[test]
    fn nodes_share_what_one_node_would_take() {
        assert!(!arguments(1).contains(&"--memory".to_owned()), "a lone node measures for itself");
        let arguments = arguments(3);
        let value = |flag: &str| {
            let position = arguments.iter().position(|argument| argument == flag).expect("the flag is there");
            arguments[position + 1].parse::<u64>().expect("it is a number")
        };
        let memory = mobula_node::machine::memory();
        assert_eq!(value("--memory"), memory / 10 * 7 / 3);
        assert_eq!(value("--object-store-memory"), memory / 10 * 3 / 3);
    }
}
