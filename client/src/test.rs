//! What a test can do to the cluster that it has for itself. Feature `test`.
//!
//! `#[mobula::test]` gives a test a cluster inside its own process; [`faults`] is the handle with which the test breaks parts
//! of it.
//!
//! ```
//! use mobula::prelude::*;
//!
//! #[mobula::remote]
//! fn square(x: u64) -> u64 {
//!     x * x
//! }
//!
//! #[mobula::test(nodes = 2)]
//! async fn a_job_survives_its_home_node(cluster: Cluster) -> mobula::Result<()> {
//!     let faults = mobula::test::faults(&cluster)?;
//!     faults.kill_node(&faults.nodes()[0]).await?;
//!     assert_eq!(square::remote(7_u64).submit().await?, 49);
//!     Ok(())
//! }
//! # fn main() {}
//! ```

use crate::{Cluster, Error, ErrorKind, NodeName, Result};
use std::fmt;

/// The faults of a cluster inside this program.
#[derive(Clone)]
pub struct Faults {
    cluster: Cluster,
}

/// The handle on the faults of that cluster.
///
/// # Errors
/// `InvalidArgument` where the cluster is not inside this program, or was closed: a test must not break another one's.
pub fn faults(cluster: &Cluster) -> Result<Faults> {
    let faults = Faults { cluster: cluster.clone() };
    faults.with(|_local| Ok(()))?;
    Ok(faults)
}

impl Faults {
    fn with<T>(&self, work: impl FnOnce(&mut mobula_local::LocalCluster) -> Result<T>) -> Result<T> {
        let message = "only a cluster inside this program can be broken on purpose, as long as it is open";
        let refused = || Error::new(ErrorKind::InvalidArgument, message);
        self.cluster.with_local(work).unwrap_or_else(|| Err(refused()))
    }

    /// The nodes that were not killed, in the order of their start: the first is the test's home node until it is killed.
    pub fn nodes(&self) -> Vec<NodeName> {
        self.with(|local| Ok(local.nodes())).unwrap_or_default()
    }

    /// Ends a node with all its workers as if its process had been killed; it is gone when this returns. The cluster finds
    /// out by itself: tasks that ran there are retried, values that only it had are made again, and a driver whose home it
    /// was goes on through another node.
    ///
    /// ```
    /// use mobula::prelude::*;
    ///
    /// #[mobula::test(nodes = 2)]
    /// async fn loses_a_node(cluster: Cluster) -> mobula::Result<()> {
    ///     let faults = mobula::test::faults(&cluster)?;
    ///     let nodes = faults.nodes();
    ///     faults.kill_node(&nodes[1]).await?;
    ///     assert_eq!(faults.nodes(), nodes[..1]);
    ///     Ok(())
    /// }
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// `NotFound` where no node of that name is left.
    pub async fn kill_node(&self, node: &NodeName) -> Result<()> {
        let killing = self.with(|local| {
            let message = || format!("the cluster inside this program has no node {node}");
            local.kill_node(node).ok_or_else(|| Error::new(ErrorKind::NotFound, message()))
        });
        killing?.await;
        Ok(())
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("nodes", &self.nodes()).finish()
    }
}
