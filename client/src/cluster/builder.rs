//! Settings of a connection.

use super::{Cluster, IntoAddresses, driver};
use crate::link::LinkOptions;
use crate::{Error, ErrorKind, Result};
use mobula_rpc::ClusterToken;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Settings of a connection; see [`Cluster::builder`].
///
/// ```no_run
/// # async fn example() -> mobula::Result<()> {
/// let cluster = mobula::Cluster::builder()
///     .job_name("nightly report")
///     .env("RUST_LOG", "info")
///     .connect(["http://node-1:7421", "http://node-2:7421"])
///     .await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is connected before `connect`"]
pub struct ClusterBuilder {
    pub(super) token: Option<ClusterToken>,
    pub(super) token_file: Option<PathBuf>,
    pub(super) job_name: Option<String>,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) worker_binary: Option<PathBuf>,
    pub(super) files: Option<PathBuf>,
    pub(super) worker_arguments: Vec<String>,
    pub(super) no_executable: bool,
    pub(super) weight: Option<u32>,
    pub(super) link: LinkOptions,
    pub(super) unset_variable: Option<String>,
}

impl ClusterBuilder {
    /// The cluster's token.
    pub fn token(mut self, token: ClusterToken) -> Self {
        self.token = Some(token);
        self
    }

    /// The file that holds the cluster's token (that of `MOBULA_TOKEN_FILE`, else the one stored for the address).
    pub fn token_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.token_file = Some(path.into());
        self
    }

    /// The job's name for people (the program's).
    pub fn job_name(mut self, name: impl Into<String>) -> Self {
        self.job_name = Some(name.into());
        self
    }

    /// A variable of the job's workers, whose environment is otherwise empty.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Variables of this program that the job's workers get too. One that is not set here is an error of `connect`.
    pub fn forward_env<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        for name in names {
            let name = name.into();
            match std::env::var(&name) {
                Ok(value) => {
                    self.environment.insert(name, value);
                }
                Err(_) => self.unset_variable = Some(name),
            }
        }
        self
    }

    /// The executable that the job's workers run (`MOBULA_WORKER_BINARY`, else this program's own): for a program that
    /// runs on another platform than the cluster. It must have the same functions.
    pub fn worker_binary(mut self, path: impl Into<PathBuf>) -> Self {
        self.worker_binary = Some(path.into());
        self
    }

    /// A folder that the job's workers find, with all that is in it, in their working directory on every node, so that
    /// relative paths lead to the same files as here. It is packed when connecting (up to 512 MiB; a link that leads out
    /// of it is an error of `connect`), brought to the cluster once, and unpacked on a node before the first worker runs
    /// there. What workers write there stays on their node, and goes with the job.
    ///
    /// ```no_run
    /// # async fn example() -> mobula::Result<()> {
    /// // A task reads `dictionary.txt` with `std::fs::read_to_string("dictionary.txt")`.
    /// let cluster = mobula::Cluster::builder().files("./assets").connect("http://127.0.0.1:7421").await?;
    /// # Ok(()) }
    /// ```
    pub fn files(mut self, folder: impl Into<PathBuf>) -> Self {
        self.files = Some(folder.into());
        self
    }

    /// Brings no executable along: the job's tasks run what nodes embed.
    pub fn no_executable(mut self) -> Self {
        self.no_executable = true;
        self
    }

    /// The job's share of a node's queue relative to other jobs' (1).
    pub fn weight(mut self, weight: u32) -> Self {
        self.weight = Some(weight.max(1));
        self
    }

    /// How many requests, and how many bytes of them, may wait to be accepted by the cluster before submitting ends in
    /// `Backpressure` (100,000 and 256 MiB).
    pub fn buffer(mut self, requests: usize, bytes: usize) -> Self {
        self.link.most_requests = requests.max(1);
        self.link.most_bytes = bytes;
        self
    }

    /// How many bytes of arguments and puts are kept in this program, to be offered again if its home node is lost
    /// (1 GiB). What does not fit is lost with that node: `LineageEvicted`.
    pub fn kept_bytes(mut self, bytes: usize) -> Self {
        self.link.most_kept = bytes;
        self
    }

    /// Connects; see [`Cluster::connect`].
    ///
    /// # Errors
    /// As there.
    pub async fn connect(self, addresses: impl IntoAddresses) -> Result<Cluster> {
        if let Some(name) = &self.unset_variable {
            let message =
                format!("forward_env: the variable {name} is not set in this program's environment");
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        let addresses = addresses.into_addresses();
        if addresses.is_empty() {
            let message = "no address of a cluster was given, such as http://127.0.0.1:7421";
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        driver::connect(self, addresses).await
    }
}
