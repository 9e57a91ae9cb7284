//! Observers: streams of how actors, supervision trees and nodes stand, with the reason and the time of each change.
//!
//! - [`ActorHandle::watch`](crate::ActorHandle::watch): an actor, through all its incarnations.
//! - [`SupervisorHandle::watch`](crate::SupervisorHandle::watch): a tree, with everything below it.
//! - [`Cluster::watch_nodes`](crate::Cluster::watch_nodes): the nodes.
//!
//! Each tells first how things stand, then every change. A monitor, by contrast, names one incarnation and tells its exit.
//!
//! ```no_run
//! # async fn example(tree: mobula::SupervisorHandle) -> mobula::Result<()> {
//! let mut changes = tree.watch().await?;
//! while let Some(change) = changes.next().await {
//!     let why = change.reason.map(|reason| reason.to_string()).unwrap_or_default();
//!     println!("{} {:?} on {:?}, epoch {}: {why}", change.child, change.state, change.node, change.epoch);
//! }
//! # Ok(()) }
//! ```

mod changes;
mod nodes;

pub use changes::StateChanges;
pub(crate) use changes::{ChangeReceiver, ChangeSender, change_queue};
pub use nodes::{NodeChange, NodeChanges, NodeReason};
