//! The face of every registry.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::entry::{Entry, Lease, LeaseId, Revision};
use crate::error::RegistryError;
use crate::list::{List, ListPage};
use crate::transaction::{Committed, Transaction};
use crate::watch::{Watch, WatchStart};

/// Durable keys with revisions, compare-and-set, leases and watches; used as `Arc<dyn Registry>`.
///
/// Every call has a deadline, set when the registry is opened. Dropping the future of a read, a renewal or a lease's
/// time does no harm; dropping that of another call leaves open whether it took effect.
#[async_trait]
pub trait Registry: fmt::Debug + Send + Sync + 'static {
    /// Reads one key; never stale.
    ///
    /// # Errors
    /// [`Unavailable`](RegistryError::Unavailable), [`InvalidRequest`](RegistryError::InvalidRequest),
    /// [`TooLarge`](RegistryError::TooLarge), [`Closed`](RegistryError::Closed).
    async fn get(&self, key: &str) -> Result<Option<Entry>, RegistryError>;

    /// Reads one page of the keys that start with `prefix` (which is not empty), in their order; never stale.
    /// [`list_all`](crate::list_all) reads all pages.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    async fn list(&self, prefix: &str, page: ListPage) -> Result<List, RegistryError>;

    /// Applies the transaction if its conditions hold. Once it answers `Ok`, the change is durable.
    ///
    /// # Errors
    /// Nothing was written, except after [`OutcomeUnknown`](RegistryError::OutcomeUnknown).
    /// [`Conflict`](RegistryError::Conflict), [`LeaseNotFound`](RegistryError::LeaseNotFound),
    /// [`TooLarge`](RegistryError::TooLarge), [`NoSpace`](RegistryError::NoSpace) and those of [`get`](Self::get).
    async fn commit(&self, transaction: Transaction) -> Result<Committed, RegistryError>;

    /// Grants a lease of at least `ttl`, at most 24 hours. etcd counts in whole seconds and has a minimum (2 s as it
    /// is delivered); what was granted is in the answer.
    ///
    /// # Errors
    /// As [`commit`](Self::commit); never an unknown outcome: a lease that nobody heard of ends by itself.
    async fn grant_lease(&self, ttl: Duration) -> Result<Lease, RegistryError>;

    /// Gives the lease its full length again, counted from a moment after the call; answers what remains.
    ///
    /// # Errors
    /// [`LeaseNotFound`](RegistryError::LeaseNotFound) and those of [`get`](Self::get).
    async fn renew_lease(&self, lease: LeaseId) -> Result<Duration, RegistryError>;

    /// Ends the lease now and deletes its keys.
    ///
    /// # Errors
    /// [`LeaseNotFound`](RegistryError::LeaseNotFound) (which after a lost answer may mean success),
    /// [`NoSpace`](RegistryError::NoSpace) and those of [`get`](Self::get).
    async fn revoke_lease(&self, lease: LeaseId) -> Result<(), RegistryError>;

    /// How much of the lease remains.
    ///
    /// # Errors
    /// As [`renew_lease`](Self::renew_lease).
    async fn lease_time_left(&self, lease: LeaseId) -> Result<Duration, RegistryError>;

    /// Streams the changes of the keys that start with `prefix`, from `start` on. See [`Watch`].
    /// An invalid prefix is the stream's first and last item.
    fn watch(&self, prefix: &str, start: WatchStart) -> Watch;

    /// The number by which the leadership that created `leader_key` is compared with every other of this registry's
    /// incarnation: greater than that of any earlier leadership. Call it once for each leadership that was won, and
    /// before anything is granted under it; [`head_term`](crate::head_term) does, and adds the incarnation.
    ///
    /// Shared registries (etcd, memory) answer the key's create revision. A file answers a counter that is raised,
    /// durably, whenever the file is opened (under its exclusive lock) and at each call.
    ///
    /// # Errors
    /// As [`commit`](Self::commit); never an unknown outcome: a number that nobody heard of is skipped.
    async fn claim_term(&self, leader_key: &Entry) -> Result<u64, RegistryError>;

    /// Forgets the history up to and including `revision`: watches that have to go back further compare with a fresh
    /// list. Entries are untouched. Compacting what is compacted already is fine. It may take up to a minute: it has a
    /// deadline of its own.
    ///
    /// # Errors
    /// [`InvalidRequest`](RegistryError::InvalidRequest) for a revision that does not exist yet; those of
    /// [`get`](Self::get).
    async fn compact(&self, revision: Revision) -> Result<(), RegistryError>;

    /// Gives the space of deleted and compacted data back to the file system, and then lifts a quota alarm. It may
    /// hold up other requests, for up to a minute: it has a deadline of its own. etcd's members have their turn one after
    /// the other, the leading one last, once another one leads.
    ///
    /// # Errors
    /// Those of [`get`](Self::get). [`Unavailable`](RegistryError::Unavailable) too where a member of etcd does not answer
    /// and it is not full: then the others are needed.
    async fn defragment(&self) -> Result<(), RegistryError>;

    /// Size, revision and alarms.
    ///
    /// # Errors
    /// Those of [`get`](Self::get).
    async fn status(&self) -> Result<RegistryStatus, RegistryError>;

    /// Ends what runs behind this handle, after the writes that were accepted: watches end, later calls fail with
    /// [`Closed`](RegistryError::Closed), a file may be opened by somebody else. Closing twice is fine.
    /// Dropping the registry does the same without waiting for it.
    ///
    /// # Errors
    /// [`Unavailable`](RegistryError::Unavailable) if writes in progress do not end within the deadline.
    async fn close(&self) -> Result<(), RegistryError>;
}

/// How a registry is doing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RegistryStatus {
    /// Where it is: endpoints, a file, or memory.
    pub target: String,
    /// The latest revision.
    pub revision: Revision,
    /// What it takes on disk, in bytes; 0 in memory.
    pub size_bytes: u64,
    /// How much of that is in use, where a registry can say so; else all of it.
    pub used_bytes: u64,
    /// Whether writes are refused for lack of space.
    pub no_space: bool,
}
