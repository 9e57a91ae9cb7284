//! The worker node, wired up: it owns tasks and objects for its clients, runs tasks in workers, and stores objects.
//!
//! - [`Node::start`] reads [`NodeOptions`] and gives a [`NodeHandle`].
//! - `shard` drives the machines of `mobula_core`; `service` is the face towards `mobula_rpc`.
//! - `workers` starts processes; `executables` keeps what they run; `transfer` moves bytes between nodes, on the
//!   thread of `bulk`; `bring` decides which, from whom, and what its failure means.

mod bring;
mod bulk;
mod data;
mod detached;
mod driver;
mod error;
mod executables;
mod folder;
mod logs;
pub mod machine;
mod node;
mod options;
mod replication;
mod requests;
mod secrets;
mod service;
mod shard;
mod state;
mod task_list;
mod thin;
mod thin_actor;
mod transfer;
mod workers;

pub use error::NodeError;
pub use node::{Embedded, Node, NodeHandle};
pub use options::NodeOptions;
