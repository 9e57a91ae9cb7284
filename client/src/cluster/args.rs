//! Command-line arguments of programs that use a cluster.

use super::Cluster;
use crate::Result;
use std::path::PathBuf;

/// The arguments that say which cluster to use, to be flattened into a program's own.
///
/// ```no_run
/// use clap::Parser;
///
/// #[derive(Parser)]
/// struct Arguments {
///     #[command(flatten)]
///     cluster: mobula::ClusterArgs,
///     #[arg(long, default_value_t = 1000)]
///     samples: u64,
/// }
///
/// # async fn example() -> mobula::Result<()> {
/// let arguments = Arguments::parse();
/// let cluster = arguments.cluster.connect().await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ClusterArgs {
    /// The cluster: addresses of nodes or heads, separated by commas. Without it the program starts one of its own.
    #[arg(long = "cluster", value_name = "URL", env = super::CLUSTER_VARIABLE)]
    pub cluster: Option<String>,
    /// The file that holds the cluster's token; otherwise the one that `mobula up` has stored for the address.
    #[arg(long = "token-file", value_name = "FILE", env = "MOBULA_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
}

impl ClusterArgs {
    /// Connects to the cluster that was named; without one, starts one inside this program (feature `local`).
    ///
    /// # Errors
    /// As [`Cluster::connect`] and [`Cluster::local`].
    pub async fn connect(&self) -> Result<Cluster> {
        let mut builder = Cluster::builder();
        if let Some(file) = &self.token_file {
            builder = builder.token_file(file);
        }
        match &self.cluster {
            Some(addresses) => builder.connect(addresses).await,
            None => super::process::local().await,
        }
    }
}
