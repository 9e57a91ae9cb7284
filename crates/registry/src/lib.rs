//! The durable facts of a cluster, behind one trait: [`Registry`].
//!
//! Three backends keep the same promises, and one conformance suite (`tests/conformance`) holds all of them to it:
//!
//! | backend | for | made by |
//! |---|---|---|
//! | etcd (feature `etcd`, on by default) | clusters | [`EtcdRegistry::connect`] |
//! | a redb file | one machine | [`EmbeddedRegistry::open`] |
//! | memory | tests | [`EmbeddedRegistry::in_memory`] |
//!
//! What they promise:
//!
//! - Every change has a [`Revision`]; a transaction takes effect whole or not at all, under one revision.
//! - An acknowledged write is durable and is seen by every later read through any handle.
//! - A failure says whether the write may have happened: only [`RegistryError::OutcomeUnknown`] leaves it open.
//! - A lease that ends takes its keys with it, in one revision that watches see.
//! - A [`Watch`] delivers each revision whole, in order, and carries on by itself after lost connections, restarts
//!   and compactions.
//! - Every wait has a deadline; every buffer has a bound.
//!
//! Nothing of a backend's own types leaves this crate.

mod clock;
mod entry;
mod error;
mod list;
mod registry;
mod term;
mod transaction;
mod watch;

#[cfg(feature = "etcd")]
mod etcd;
mod redb;
mod store;

pub use clock::{BootClock, Clock, ManualClock, Waker};
pub use entry::{Entry, Lease, LeaseId, Revision};
pub use error::RegistryError;
pub use list::{List, ListPage, Listing, MAX_PAGE, list_all};
pub use registry::{Registry, RegistryStatus};
pub use term::{head_term, incarnation, raise_incarnation};
pub use transaction::{
    Committed, Condition, EntryRevisions, MAX_KEY_BYTES, MAX_OPERATIONS, MAX_TRANSACTION_BYTES, Operation,
    Transaction,
};
pub use watch::{Watch, WatchBatch, WatchEvent, WatchStart};

#[cfg(feature = "etcd")]
pub use etcd::{EtcdOptions, EtcdRegistry};
pub use redb::FileOptions;
pub use store::{EmbeddedRegistry, MemoryOptions};
