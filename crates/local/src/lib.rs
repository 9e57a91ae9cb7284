//! A whole cluster in one process: a head with its registry in memory, and nodes that run functions linked into the
//! program. Real servers over loopback, for tests and for `Cluster::local()`.
//!
//! ```no_run
//! # fn main() -> Result<(), mobula_local::LocalError> {
//! let cluster = mobula_local::LocalCluster::start(mobula_local::LocalOptions::default())?;
//! println!("{}", cluster.url());
//! # Ok(())
//! # }
//! ```

mod cluster;
mod options;

pub use cluster::{LocalCluster, LocalError};
pub use options::LocalOptions;
