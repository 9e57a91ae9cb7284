//! Bytes on one node.
//!
//! - [`ObjectStore`]: the node's shard of the cluster's objects, in memory, with a strict limit.
//! - [`ValueBuffer`]: memory for one large value.
//! - [`CrashPage`] and [`CrashPageWriter`]: the shared page on which a worker notes what it runs, and which survives it.
//! - [`executable`]: what an executable needs of the machine that is to run it.
//! - [`files`]: a job's folder of files, packed into one piece.
//!
//! This is the only crate that maps memory.

mod buffer;
mod checksum;
mod crash_page;
pub mod executable;
pub mod files;
mod gather;
mod pin;
mod pool;
mod reservation;
mod secondary;
mod store;
mod table;

pub use buffer::ValueBuffer;
pub use checksum::{checksum, checksum_of_more};
pub use crash_page::{CrashPage, CrashPageWriter, NotedRun, PanicNote};
pub use gather::Gathered;
pub use pin::Pin;
pub use reservation::Reservation;
pub use secondary::{CopyOf, Dropped};
pub use store::{ObjectStore, StoreFull, StoreUsage, StoredObject};
