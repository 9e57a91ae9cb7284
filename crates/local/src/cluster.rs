//! Starting and ending a local cluster.

use crate::LocalOptions;
use mobula_head::{Head, HeadError, HeadOptions, RegistryChoice};
use mobula_node::{Node, NodeError, NodeHandle, NodeOptions};
use mobula_rpc::ClusterToken;
use mobula_runtime::Shutdown;
use mobula_types::NodeName;
use std::io;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

/// How long running work gets when a local cluster is dropped.
const LEAVE: Duration = Duration::from_millis(200);

/// A running cluster. Dropping it ends it: a program that leaves does not wait for tasks that nobody will ask for.
#[derive(Debug)]
pub struct LocalCluster {
    nodes: Vec<NodeHandle>,
    token: ClusterToken,
    shutdown: Shutdown,
    head: Option<JoinHandle<()>>,
}

/// Why a local cluster could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// The head.
    #[error("the local cluster's head could not start: {0}")]
    Head(#[from] HeadError),
    /// A node.
    #[error("a node of the local cluster could not start: {0}")]
    Node(#[from] NodeError),
    /// A node has not joined.
    #[error("a node of the local cluster did not join within {0:?}")]
    Join(Duration),
    /// No thread or runtime could be made.
    #[error("a thread of the local cluster could not start: {0}")]
    Thread(#[from] io::Error),
}

impl LocalCluster {
    /// Starts a head and its nodes, on threads of their own, and waits until all have joined. Blocks the calling thread
    /// for some tens of milliseconds.
    ///
    /// # Errors
    /// [`LocalError`]; nothing is left running then.
    pub fn start(options: LocalOptions) -> Result<Self, LocalError> {
        let token = ClusterToken::generate();
        let shutdown = Shutdown::new();
        let (head, address) = start_head(token.clone(), shutdown.clone())?;
        let mut cluster = LocalCluster { nodes: Vec::new(), token, shutdown, head: Some(head) };
        for _ in 0..options.nodes.max(1) {
            let node = NodeOptions {
                num_cpus: options.cpus,
                object_store_memory: options.object_store_memory,
                ..NodeOptions::new(vec![address.clone()], Some(cluster.token.clone()))
            };
            cluster.nodes.push(Node::start(node, options.embedded.clone())?);
        }
        cluster.wait_for_nodes(options.join_within)?;
        Ok(cluster)
    }

    /// On a thread of its own: the caller may be inside a runtime, where another cannot be driven.
    fn wait_for_nodes(&self, within: Duration) -> Result<(), LocalError> {
        let waiting = std::thread::scope(|scope| scope.spawn(|| self.wait_here(within)).join());
        waiting.unwrap_or(Err(LocalError::Join(within)))
    }

    fn wait_here(&self, within: Duration) -> Result<(), LocalError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        runtime.block_on(async {
            for node in &self.nodes {
                let joined = tokio::time::timeout(within, node.joined()).await;
                joined.ok().flatten().ok_or(LocalError::Join(within))?;
            }
            Ok(())
        })
    }

    /// The URL of its first node.
    pub fn url(&self) -> &str {
        self.nodes.first().map_or("", NodeHandle::url)
    }

    /// The URLs of its nodes.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(NodeHandle::url)
    }

    /// Ends it, and waits for up to `within` until its nodes have removed what they kept on disk.
    pub async fn stop(mut self, within: Duration) {
        let nodes = std::mem::take(&mut self.nodes);
        nodes.iter().for_each(NodeHandle::end);
        let ending = async {
            for node in &nodes {
                node.ended().await;
            }
        };
        if tokio::time::timeout(within, ending).await.is_err() {
            tracing::warn!("a node of the local cluster goes on for longer than {within:?}");
        }
    }

    /// The names of its nodes that were not killed, in the order of their start.
    pub fn nodes(&self) -> Vec<NodeName> {
        self.nodes.iter().filter_map(NodeHandle::id).map(|node| node.name).collect()
    }

    /// Ends a node as if its process had been killed: the future ends when it is gone. `None` where there is no such node.
    pub fn kill_node(&mut self, name: &NodeName) -> Option<impl Future<Output = ()> + Send + use<>> {
        let is_named = |node: &NodeHandle| node.id().is_some_and(|id| id.name == *name);
        let place = self.nodes.iter().position(is_named)?;
        Some(self.nodes.remove(place).kill())
    }

    /// Its token.
    pub fn token(&self) -> &ClusterToken {
        &self.token
    }
}

/// Starts the head on a thread of its own; answers its URL once it listens.
fn start_head(token: ClusterToken, shutdown: Shutdown) -> Result<(JoinHandle<()>, String), LocalError> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let thread = mobula_runtime::thread::spawn_runtime("mobula-head", move || async move {
        let options = HeadOptions {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            registry: RegistryChoice::Memory,
            token: Some(token),
            drain_within: LEAVE,
            ..HeadOptions::default()
        };
        match Head::start(options).await {
            Ok(head) => {
                let _starter_gone = sender.send(Ok(head.address().to_owned()));
                shutdown.wait().await;
                head.stop().await;
            }
            Err(error) => drop(sender.send(Err(error))),
        }
    })?;
    let gone = || io::Error::other("the head's thread ended at once");
    let address = receiver.recv().map_err(|_| gone())??;
    Ok((thread, address))
}

impl Drop for LocalCluster {
    fn drop(&mut self) {
        self.nodes.clear();
        self.shutdown.trigger();
        // The thread ends by itself within the head's grace; a program that ends does not wait for it.
        drop(self.head.take());
    }
}
