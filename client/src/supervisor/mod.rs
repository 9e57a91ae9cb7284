//! Supervision: trees of actors that are kept running, over all nodes of a cluster.
//!
//! - [`Supervisor`]: a tree that is to be started, with its children.
//! - [`SupervisorHandle`]: one that runs: its children are found, added, stopped and listed by it.
//!
//! What is started is kept by the cluster's heads: no process of this program has to live for a child to be started again,
//! except that the tree ends with its job unless it is [detached](Supervisor::detached).

mod ask;
mod builder;
mod child;
mod handle;
mod seconds;

pub use builder::Supervisor;
pub use handle::{ChildCounts, SupervisorHandle, Tree};
pub use seconds::Seconds;
