//! The embedded registry: one pure machine ([`machine`]), a driver, and a place to keep its changes (none, or a file).
//!
//! All writes go through one writer: it stages a round of requests on top of the machine's state ([`stage`]), makes the
//! resulting changes durable in one step, applies them, and only then answers. So a crash or a full disk loses nothing
//! that was acknowledged and shows nothing that was not. Reads look at the machine's state directly.

mod changes;
mod embedded;
mod history;
mod inbox;
mod machine;
mod request;
mod stage;
mod storage;
mod watcher;
mod writer;

pub(crate) use changes::Changes;
pub(crate) use embedded::Opening;
#[cfg(feature = "etcd")]
pub(crate) use embedded::check_ttl;
pub use embedded::{EmbeddedRegistry, MemoryOptions};
pub(crate) use machine::StoreMachine;
pub(crate) use storage::{PersistFailure, Storage};
