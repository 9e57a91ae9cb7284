//! A cluster inside this program.

use super::Cluster;
use crate::{Error, ErrorKind, Result, worker};
use mobula_local::{LocalCluster, LocalOptions};
use mobula_types::Quantity;

/// Settings of a cluster inside this program; see [`Cluster::local_builder`].
///
/// ```no_run
/// # async fn example() -> mobula::Result<()> {
/// let cluster = mobula::Cluster::local_builder().nodes(2).cpus(4.0).start().await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is started before `start`"]
pub struct LocalBuilder {
    nodes: Option<usize>,
    cpus: Option<f64>,
    object_store_memory: Option<u64>,
}

impl LocalBuilder {
    /// How many nodes (1).
    pub fn nodes(mut self, count: usize) -> Self {
        self.nodes = Some(count);
        self
    }

    /// How many logical CPUs each node has (the machine's).
    pub fn cpus(mut self, count: f64) -> Self {
        self.cpus = Some(count);
        self
    }

    /// How many bytes each node's object store may hold (30 % of the machine's memory).
    pub fn object_store_memory(mut self, bytes: u64) -> Self {
        self.object_store_memory = Some(bytes);
        self
    }

    /// Starts the cluster and connects to it. It ends when the connection is closed or its last clone dropped.
    ///
    /// # Errors
    /// Where a listener or a thread cannot be made, or two remote functions have the same name.
    pub async fn start(self) -> Result<Cluster> {
        let mut options = LocalOptions::default();
        if let Some(nodes) = self.nodes {
            options.nodes = nodes;
        }
        if let Some(cpus) = self.cpus {
            let message = || Error::new(ErrorKind::InvalidArgument, format!("{cpus} is no number of CPUs"));
            options.cpus = Some(Quantity::from_f64(cpus).ok_or_else(message)?);
        }
        options.object_store_memory = self.object_store_memory;
        options.embedded = Some(worker::embedded()?);
        let start = tokio::task::spawn_blocking(|| LocalCluster::start(options));
        let failed = |error: &dyn std::fmt::Display| {
            Error::new(
                ErrorKind::Unavailable,
                format!("a cluster inside this program cannot be started: {error}"),
            )
        };
        let local = start.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        let connected = Cluster::builder()
            .token(local.token().clone())
            .no_executable()
            .connect(local.url().to_string())
            .await;
        let cluster = connected?;
        cluster.keep_local(local);
        Ok(cluster)
    }
}
