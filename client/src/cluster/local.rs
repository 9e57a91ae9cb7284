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
    worker_processes: bool,
    worker_arguments: Vec<String>,
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

    /// Runs functions in worker processes, which the nodes start from this program's executable as they would on any
    /// cluster, in place of this process: a task that aborts ends its worker, and results are encoded. The program must
    /// have a worker's entry, `#[mobula::main]` or [`worker_entry`](crate::worker_entry).
    ///
    /// ```no_run
    /// # async fn example() -> mobula::Result<()> {
    /// let cluster = mobula::Cluster::local_builder().worker_processes().start().await?;
    /// # Ok(()) }
    /// ```
    pub fn worker_processes(mut self) -> Self {
        self.worker_processes = true;
        self
    }

    /// The arguments of the worker processes.
    pub(crate) fn worker_arguments(mut self, arguments: impl Into<Vec<String>>) -> Self {
        self.worker_arguments = arguments.into();
        self
    }

    /// Starts the cluster and connects to it. It ends when the connection is closed or its last clone dropped.
    ///
    /// # Errors
    /// Where a listener or a thread cannot be made, two remote functions have the same name, or the program cannot be its
    /// own worker.
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
        if !self.worker_processes {
            options.embedded = Some(worker::embedded()?);
        }
        let start = tokio::task::spawn_blocking(|| LocalCluster::start(options));
        let failed = |error: &dyn std::fmt::Display| {
            Error::new(
                ErrorKind::Unavailable,
                format!("a cluster inside this program cannot be started: {error}"),
            )
        };
        let local = start.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        let mut builder = Cluster::builder().token(local.token().clone());
        builder.worker_arguments = self.worker_arguments;
        builder.no_executable = !self.worker_processes;
        let cluster = builder.connect(local.url().to_string()).await?;
        cluster.keep_local(local);
        Ok(cluster)
    }
}
