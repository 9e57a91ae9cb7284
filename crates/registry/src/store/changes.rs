//! What a round of requests changes: made by a stage, kept by a storage, applied by the machine.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::entry::{Entry, LeaseId, Revision};
use crate::watch::WatchBatch;

/// The difference between two states of a store, as absolute values: keeping it twice is harmless.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Changes {
    /// Grows by one with each round that changes anything; tells whether a round whose keeping failed was kept.
    pub(crate) sequence: u64,
    /// The revision after the round.
    pub(crate) revision: Revision,
    /// The number of the next lease.
    pub(crate) next_lease: u64,
    /// The highest term given out.
    pub(crate) term: u64,
    /// New entries; `None` deletes the key.
    pub(crate) entries: BTreeMap<String, Option<Entry>>,
    /// New leases and their lengths; `None` ends the lease.
    pub(crate) leases: BTreeMap<LeaseId, Option<Duration>>,
    /// What watchers see: one batch for each revision.
    pub(crate) batches: Vec<WatchBatch>,
}
