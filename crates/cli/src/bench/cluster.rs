//! The cluster that is measured: processes of its own, over real sockets.

use super::etcd::Etcd;
use super::row::Mode;
use crate::commands::up::{LocalPlan, Supervisor};
use crate::credentials;
use crate::process::usage;
use anyhow::Context;
use mobula::Cluster;
use mobula_rpc::node::NodeClientOptions;
use mobula_rpc::{Bearer, NodeClient};

fn folder() -> anyhow::Result<tempfile::TempDir> {
    let data = tempfile::Builder::new().prefix("mobula-bench-").tempdir();
    data.context("making a folder for the data")
}

/// A cluster on this machine with this process as its driver.
pub(super) struct BenchCluster {
    supervisor: Supervisor,
    driver: Cluster,
    _etcd: Option<Etcd>,
    first_node: NodeClient,
    /// Goes last: the processes write into it.
    _data: tempfile::TempDir,
}

impl BenchCluster {
    /// Starts a head and `nodes` nodes, without a driver; what it takes is a part of the start's measurement.
    async fn start_processes(mode: Mode, nodes: u32) -> anyhow::Result<(Supervisor, tempfile::TempDir)> {
        let data = folder()?;
        let supervisor = Self::start_over(mode, nodes, &data, None).await?;
        Ok((supervisor, data))
    }

    async fn start_over(
        mode: Mode,
        nodes: u32,
        data: &tempfile::TempDir,
        etcd: Option<&str>,
    ) -> anyhow::Result<Supervisor> {
        let token_file = data.path().join("token");
        credentials::make_token(&token_file)?;
        let plan = LocalPlan {
            nodes,
            port: 0,
            // Each node has a CPU for each of the machine: the other node's are not used at the same time.
            num_cpus: Some(std::thread::available_parallelism().map_or(1, usize::from) as f64),
            embed: mode == Mode::Embedded,
            etcd,
            data: data.path(),
            token_file: &token_file,
        };
        Ok(Supervisor::start(plan).await?)
    }

    /// Starts a cluster and connects to it.
    pub(super) async fn start(mode: Mode, nodes: u32) -> anyhow::Result<Self> {
        let (supervisor, data) = Self::start_processes(mode, nodes).await?;
        Self::connected(mode, supervisor, data, None).await
    }

    /// As [`start`](Self::start), one node, with the registry in an etcd where that is installed; else in a file.
    pub(super) async fn start_durable(mode: Mode) -> anyhow::Result<Self> {
        let data = folder()?;
        let etcd = Etcd::start(data.path()).await?;
        if etcd.is_none() {
            eprintln!("mobula: etcd is not installed (Debian: etcd-server): the registry is a file");
        }
        let url = etcd.as_ref().map(|etcd| etcd.url.as_str());
        let supervisor = Self::start_over(mode, 1, &data, url).await?;
        Self::connected(mode, supervisor, data, etcd).await
    }

    async fn connected(
        mode: Mode,
        supervisor: Supervisor,
        data: tempfile::TempDir,
        etcd: Option<Etcd>,
    ) -> anyhow::Result<Self> {
        let driver = Self::connect(&supervisor, data.path(), mode).await?;
        let token = credentials::load_token(&data.path().join("token"))?;
        let url = supervisor.addresses().first().context("the cluster has no node")?;
        let first_node = NodeClient::at(url.as_str(), NodeClientOptions::new(Bearer::cluster(&token)))?;
        Ok(BenchCluster { supervisor, driver, first_node, _etcd: etcd, _data: data })
    }

    async fn connect(supervisor: &Supervisor, data: &std::path::Path, mode: Mode) -> anyhow::Result<Cluster> {
        let url = supervisor.addresses().first().context("the cluster has no node")?;
        let mut builder = Cluster::builder().token_file(data.join("token")).job_name("bench");
        if mode == Mode::Embedded {
            builder = builder.no_executable();
        }
        builder.connect(url.as_str()).await.context("connecting to the cluster of the benchmark")
    }

    /// Kills the last of the nodes.
    pub(super) async fn kill_last_node(&mut self) -> anyhow::Result<()> {
        self.supervisor.kill_last_node().await.context("killing a node")
    }

    /// The driver's end.
    pub(super) fn driver(&self) -> &Cluster {
        &self.driver
    }

    /// The node that the driver is connected to, as others call it.
    pub(super) fn first_node(&self) -> &NodeClient {
        &self.first_node
    }

    /// The resident memory of a fresh cluster's processes together, in MiB: nobody has connected yet.
    pub(super) async fn idle_mebibytes(mode: Mode) -> anyhow::Result<f64> {
        let (supervisor, _data) = Self::start_processes(mode, 1).await?;
        let pids = usage::with_descendants(&supervisor.pids());
        let bytes: u64 = pids.into_iter().map(usage::resident_bytes).sum();
        supervisor.stop().await;
        Ok(bytes as f64 / f64::from(1 << 20))
    }

    /// The resident memory of the cluster's processes together, workers included, in bytes.
    pub(super) fn resident_bytes(&self) -> u64 {
        usage::with_descendants(&self.supervisor.pids()).into_iter().map(usage::resident_bytes).sum()
    }

    /// The CPU time that the driver, the cluster and its workers have used, in seconds.
    pub(super) fn cpu_seconds(&self) -> f64 {
        let mut roots = self.supervisor.pids();
        roots.push(std::process::id());
        usage::cpu_seconds(&usage::with_descendants(&roots))
    }

    /// Disconnects, and ends the cluster.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.driver.close().await;
        self.supervisor.stop().await;
        Ok(())
    }
}
