//! Observers: streams of how actors, supervision trees and nodes stand, with the reason and the time of each change.
//!
//! - [`ActorHandle::watch`](crate::ActorHandle::watch): an actor, through all its incarnations.
//! - [`SupervisorHandle::watch`](crate::SupervisorHandle::watch): a tree, with everything below it.
//! - [`Cluster::watch_nodes`](crate::Cluster::watch_nodes): the nodes.
//!
//! Each tells first how things stand, then every change. A monitor, by contrast, names one incarnation and tells its exit.
//!
//! ```no_run
//! # use mobula::prelude::*;
//! # async fn example(cluster: Cluster) -> mobula::Result<()> {
//! let mut nodes = cluster.watch_nodes();
//! let tree = Supervisor::get_in("prod", "ingest").await?;
//! let mut changes = tree.watch().await?;
//! loop {
//!     tokio::select! {
//!         Some(change) = changes.next() => {
//!             let why = change.reason.map(|reason| reason.to_string()).unwrap_or_default();
//!             println!("{} {} {:?}: {why}", change.at_millis, change.child, change.state);
//!         }
//!         Some(change) = nodes.next() => println!("{} {} {:?}", change.at_millis, change.node, change.reason),
//!         else => return Ok(()),
//!     }
//! }
//! # }
//! ```

mod changes;
mod nodes;

pub use changes::StateChanges;
pub(crate) use changes::{ChangeReceiver, ChangeSender, change_queue};
pub use nodes::{NodeChange, NodeChanges, NodeReason};
