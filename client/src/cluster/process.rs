//! The cluster of a whole program.

use super::{CLUSTER_VARIABLE, Cluster};
use crate::Result;
use crate::context;

/// For scripts: connects to the cluster that `MOBULA_CLUSTER` names, or starts one inside this program, and makes it the
/// one that calls go to wherever no other context is set. `#[mobula::main]` does the same.
///
/// # Errors
/// As [`Cluster::connect`] and [`Cluster::local`].
pub async fn init() -> Result<Cluster> {
    let cluster = match std::env::var(CLUSTER_VARIABLE) {
        Ok(addresses) if !addresses.trim().is_empty() => Cluster::connect(addresses).await?,
        _ => local().await?,
    };
    context::set_default(cluster.context());
    Ok(cluster)
}

#[cfg(feature = "local")]
pub(super) async fn local() -> Result<Cluster> {
    Cluster::local().await
}

#[cfg(not(feature = "local"))]
pub(super) async fn local() -> Result<Cluster> {
    let message = format!(
        "no cluster was named, by --cluster or {CLUSTER_VARIABLE}, and this program was built without the feature \
         `local` of the crate mobula"
    );
    Err(crate::Error::new(crate::ErrorKind::InvalidArgument, message))
}
