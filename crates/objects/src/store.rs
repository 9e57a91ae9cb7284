//! The in-memory shard of one node.

use crate::pin::Pin;
use crate::pool::{BufferPool, Evicted};
use crate::reservation::Reservation;
use crate::secondary::Dropped;
use crate::table::{Entry, Table};
use bytes::Bytes;
use mobula_types::outcome::CopyVersion;
use mobula_types::{JobId, NodeId, ObjectId};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// The values that one node holds, keyed by object; never over its capacity.
///
/// Room is reserved before bytes arrive, so that transfers under way count too. Copies of values that another node keeps
/// make room for what comes, the least recently used first, before a reservation is refused; nothing else does. Memory of large values that are gone is
/// kept for the next ones of their job, as long as there is room for it beside the values. Clones are the same store.
#[derive(Clone)]
pub struct ObjectStore {
    shared: Arc<Shared>,
}

struct Shared {
    capacity: u64,
    inner: Mutex<Inner>,
    freed: Notify,
    pool: BufferPool,
}

#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) objects: Table,
    used: u64,
    by_job: BTreeMap<JobId, u64>,
    /// Raised by each use.
    uses: u64,
    /// Raised when everything is dropped: what was reserved before is stored no more.
    pub(crate) era: u64,
    /// Copies that made room, and whose owners have yet to be told.
    pub(crate) dropped: Vec<Dropped>,
}

/// A value in the store. Cheap to clone; the bytes live as long as anybody reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredObject {
    /// The job that it belongs to.
    pub job: JobId,
    /// The bytes.
    pub bytes: Bytes,
    /// Their CRC-32C.
    pub checksum: u32,
}

impl StoredObject {
    /// Which version of the value it is.
    pub fn version(&self) -> CopyVersion {
        CopyVersion { length: self.bytes.len() as u64, checksum: self.checksum }
    }
}

/// How full a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct StoreUsage {
    /// Bytes stored and reserved.
    pub used: u64,
    /// The most that it may hold.
    pub capacity: u64,
    /// Objects.
    pub objects: u64,
}

/// A value does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{needed} bytes do not fit: {used} of {capacity} bytes are taken{largest}; release references or raise --object-store-memory"
)]
pub struct StoreFull {
    /// Bytes that were asked for.
    pub needed: u64,
    /// Bytes stored and reserved.
    pub used: u64,
    /// The store's limit.
    pub capacity: u64,
    /// Which job holds most, as text that follows the figures.
    pub largest: String,
}

impl ObjectStore {
    /// An empty store of at most `capacity` bytes.
    pub fn new(capacity: u64) -> Self {
        let pool = BufferPool::new(capacity);
        let shared = Shared { capacity, inner: Mutex::default(), freed: Notify::new(), pool };
        ObjectStore { shared: Arc::new(shared) }
    }

    pub(crate) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.shared.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn pool(&self) -> &BufferPool {
        &self.shared.pool
    }

    /// What the values do not need may lie idle.
    pub(crate) fn leave_room(&self, inner: &Inner) -> Evicted {
        self.shared.pool.set_room(self.shared.capacity.saturating_sub(inner.used))
    }

    /// Gives memory that lay idle since the call before last back to the system. To be called at a steady pace.
    pub fn sweep(&self) {
        drop(self.shared.pool.sweep());
    }

    /// Takes room for a value of `length` bytes.
    ///
    /// # Errors
    /// [`StoreFull`] where it does not fit now.
    pub fn reserve(&self, job: JobId, length: u64) -> Result<Reservation, StoreFull> {
        let inner = self.inner();
        let over = self.over(&inner, length);
        self.take_room(inner, job, length, over)
    }

    /// By how much so many bytes more are too many.
    pub(crate) fn over(&self, inner: &Inner, length: u64) -> u64 {
        inner.used.saturating_add(length).saturating_sub(self.shared.capacity)
    }

    /// Takes room, of which `over` bytes are to be made.
    pub(crate) fn take_room(
        &self,
        mut inner: MutexGuard<'_, Inner>,
        job: JobId,
        length: u64,
        over: u64,
    ) -> Result<Reservation, StoreFull> {
        let Some(gone) = inner.make_room(over) else { return Err(self.full(&inner, length)) };
        inner.take(job, length);
        let evicted = self.leave_room(&inner);
        let era = inner.era;
        drop(inner);
        drop((evicted, gone));
        Ok(Reservation::new(self, job, length, era))
    }

    pub(crate) fn full(&self, inner: &Inner, needed: u64) -> StoreFull {
        inner.full(needed, self.shared.capacity)
    }

    /// Takes room as [`reserve`](Self::reserve) does, and waits up to `patience` for others to free some.
    /// A value larger than the whole store fails at once. Cancellation safe.
    ///
    /// # Errors
    /// [`StoreFull`] where it does not fit in time.
    pub async fn reserve_within(
        &self,
        job: JobId,
        length: u64,
        patience: Duration,
    ) -> Result<Reservation, StoreFull> {
        self.try_within(patience, length, || self.reserve(job, length)).await
    }

    /// Tries whenever there may be more room than before, for up to `patience`; once, where the whole of what is wanted
    /// can never fit.
    pub(crate) async fn try_within<T>(
        &self,
        patience: Duration,
        whole: u64,
        mut attempt: impl FnMut() -> Result<T, StoreFull>,
    ) -> Result<T, StoreFull> {
        let waiting = async {
            loop {
                let freed = self.shared.freed.notified();
                match attempt() {
                    Err(_) if whole <= self.shared.capacity => freed.await,
                    result => return result,
                }
            }
        };
        match tokio::time::timeout(patience, waiting).await {
            Ok(result) => result,
            Err(_elapsed) => attempt(),
        }
    }

    /// The value, if it is here.
    pub fn get(&self, object: &ObjectId) -> Option<StoredObject> {
        let mut inner = self.inner();
        let used_at = inner.use_now();
        inner.objects.change(object, |entry| {
            entry.used_at = used_at;
            entry.stored.clone()
        })
    }

    /// Keeps a value from making room for others for as long as the pin lives; `None` where that version is not here.
    pub fn pin(&self, object: &ObjectId, version: CopyVersion) -> Option<Pin> {
        let mut inner = self.inner();
        inner.objects.get(object).filter(|entry| entry.stored.version() == version)?;
        self.pin_in(&mut inner, object)
    }

    /// Pins whichever version is here.
    pub(crate) fn pin_in(&self, inner: &mut Inner, object: &ObjectId) -> Option<Pin> {
        let used_at = inner.use_now();
        inner.objects.change(object, |entry| {
            entry.used_at = used_at;
            Pin::new(self, *object, entry)
        })
    }

    /// Whether that version of the value is here.
    pub fn holds(&self, object: &ObjectId, version: CopyVersion) -> bool {
        self.inner().objects.get(object).is_some_and(|entry| entry.stored.version() == version)
    }

    /// Whether the value is here.
    pub fn contains(&self, object: &ObjectId) -> bool {
        self.inner().objects.get(object).is_some()
    }

    /// Drops a value. `false` where it was not here.
    pub fn remove(&self, object: &ObjectId) -> bool {
        let mut inner = self.inner();
        let removed = self.take_out(&mut inner, object);
        drop(inner);
        let was_here = removed.is_some();
        drop(removed);
        if was_here {
            self.announce_room();
        }
        was_here
    }

    pub(crate) fn take_out(&self, inner: &mut Inner, object: &ObjectId) -> Option<Entry> {
        let removed = inner.objects.remove(object)?;
        inner.give_back(removed.stored.job, removed.length());
        self.leave_room(inner);
        Some(removed)
    }

    /// Whoever waits for room looks again.
    pub(crate) fn announce_room(&self) {
        self.shared.freed.notify_waiters();
    }

    /// Drops every value of a job; says how many there were.
    pub fn remove_job(&self, job: JobId) -> usize {
        let mut inner = self.inner();
        let of_job = inner.objects.those(|entry| entry.stored.job == job);
        let gone: Vec<Entry> = of_job.iter().filter_map(|object| inner.objects.remove(object)).collect();
        inner.give_back(job, gone.iter().map(Entry::length).sum());
        self.leave_room(&inner);
        let removed = gone.len();
        drop(inner);
        drop(gone);
        drop(self.shared.pool.remove_job(job));
        self.announce_room();
        removed
    }

    /// Drops everything, and what is under way: none of it is on any record any more.
    pub fn clear(&self) {
        let mut inner = self.inner();
        inner.era += 1;
        inner.dropped.clear();
        let gone = std::mem::take(&mut inner.objects);
        for (_, entry) in gone.iter() {
            inner.give_back(entry.stored.job, entry.length());
        }
        self.leave_room(&inner);
        drop(inner);
        drop(gone);
        self.announce_room();
    }

    /// A node is dead: copies of what it kept are what is left of it, and make room for nothing any more.
    pub fn node_lost(&self, node: &NodeId) {
        let mut inner = self.inner();
        let kept =
            inner.objects.those(|entry| entry.secondary.as_ref().is_some_and(|copy| copy.is_kept_by(node)));
        for object in kept {
            inner
                .objects
                .change(&object, |entry| entry.secondary.iter_mut().for_each(|copy| copy.lost(node)));
        }
    }

    /// Another node owns the object.
    pub fn set_owner(&self, object: &ObjectId, owner: &NodeId) {
        self.inner().objects.change(object, |entry| entry.owner = Some(owner.clone()));
    }

    /// Drops what a node owned, but for the jobs that `keep` names; says how many values that were.
    pub fn remove_owned_by(&self, owner: &NodeId, keep: impl Fn(JobId) -> bool) -> usize {
        let orphaned = |entry: &Entry| entry.owner.as_ref() == Some(owner) && !keep(entry.stored.job);
        let objects = self.inner().objects.those(orphaned);
        objects.iter().filter(|object| self.remove(object)).count()
    }

    /// Takes what has made room for other values since the last time.
    pub fn take_dropped(&self) -> Vec<Dropped> {
        std::mem::take(&mut self.inner().dropped)
    }

    /// The objects of a job and their lengths and checksums.
    pub fn objects_of(&self, job: JobId) -> Vec<(ObjectId, u64, u32)> {
        let inner = self.inner();
        let of_job = inner.objects.iter().filter(|(_, entry)| entry.stored.job == job);
        let described = of_job.map(|(object, entry)| (*object, entry.stored.version()));
        described.map(|(object, version)| (object, version.length, version.checksum)).collect()
    }

    /// How full it is.
    pub fn usage(&self) -> StoreUsage {
        let inner = self.inner();
        StoreUsage { used: inner.used, capacity: self.shared.capacity, objects: inner.objects.len() as u64 }
    }
}

impl Inner {
    fn take(&mut self, job: JobId, length: u64) {
        self.used += length;
        *self.by_job.entry(job).or_default() += length;
    }

    pub(crate) fn use_now(&mut self) -> u64 {
        self.uses += 1;
        self.uses
    }

    pub(crate) fn give_back(&mut self, job: JobId, length: u64) {
        self.used = self.used.saturating_sub(length);
        if let Some(held) = self.by_job.get_mut(&job) {
            *held = held.saturating_sub(length);
            if *held == 0 {
                self.by_job.remove(&job);
            }
        }
    }

    fn full(&self, needed: u64, capacity: u64) -> StoreFull {
        let largest = self.by_job.iter().max_by_key(|(_, held)| **held);
        let largest = largest.map(|(job, held)| format!(", {held} of them by job {job}")).unwrap_or_default();
        StoreFull { needed, used: self.used, capacity, largest }
    }
}

impl fmt::Debug for ObjectStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectStore({:?})", self.usage())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::TaskId;
    use std::task::{Context, Waker};

    fn object(number: u64) -> ObjectId {
        ObjectId::result(TaskId::of_driver(JobId(1), number), 0)
    }

    fn put(store: &ObjectStore, number: u64, length: usize) -> Result<(), StoreFull> {
        let reservation = store.reserve(JobId(1), length as u64)?;
        assert!(reservation.commit(object(number), Bytes::from(vec![1; length]), 0));
        Ok(())
    }

    #[test]
    fn the_limit_is_strict_and_says_who_fills_it() {
        let store = ObjectStore::new(100);
        put(&store, 1, 60).unwrap();
        let full = put(&store, 2, 41).unwrap_err();
        assert_eq!((full.needed, full.used), (41, 60));
        assert!(full.to_string().contains("60 of them by job 0000000000000001"), "{full}");
        put(&store, 3, 40).unwrap();
        assert!(store.remove(&object(1)));
        assert!(!store.remove(&object(1)));
        assert_eq!(store.usage().used, 40);
    }

    #[test]
    fn an_unused_reservation_gives_its_room_back() {
        let store = ObjectStore::new(100);
        let reservation = store.reserve(JobId(1), 100).unwrap();
        assert!(store.reserve(JobId(1), 1).is_err());
        drop(reservation);
        put(&store, 1, 100).unwrap();
        assert_eq!(store.usage().used, 100);
        assert_eq!(store.remove_job(JobId(1)), 1);
        assert_eq!(store.usage(), StoreUsage { used: 0, capacity: 100, objects: 0 });
    }

    #[test]
    fn a_second_copy_changes_nothing() {
        let store = ObjectStore::new(100);
        put(&store, 1, 10).unwrap();
        put(&store, 1, 10).unwrap();
        assert_eq!(store.usage(), StoreUsage { used: 10, capacity: 100, objects: 1 });
    }

    #[test]
    fn values_take_the_place_of_those_before_them_and_idle_memory_leaves_room() {
        const LARGE: u64 = 8 << 20;
        let store = ObjectStore::new(2 * LARGE);
        let put_large = |number: u64| {
            let reservation = store.reserve(JobId(1), LARGE).unwrap();
            let mut buffer = reservation.buffer().unwrap();
            assert!(buffer.push(&vec![number as u8; LARGE as usize]));
            let bytes = buffer.into_bytes();
            let place = bytes.as_ptr() as usize;
            assert!(reservation.commit(object(number), bytes, 0));
            place
        };
        let first = put_large(1);
        store.remove(&object(1));
        assert_eq!(store.shared.pool.idle_bytes(), LARGE);
        assert_eq!(put_large(2), first);
        let read = store.get(&object(2)).unwrap().bytes;
        store.remove(&object(2));
        assert_ne!(put_large(3), first, "somebody still reads it");
        drop(read);
        assert_eq!(store.shared.pool.idle_bytes(), LARGE);
        let _reserved = store.reserve(JobId(1), 1).unwrap();
        assert_eq!(store.shared.pool.idle_bytes(), 0, "values come first");
        assert_eq!(store.remove_job(JobId(1)), 1);
        assert_eq!(store.shared.pool.idle_bytes(), 0, "nothing of the job stays");
    }

    #[tokio::test]
    async fn a_put_waits_for_room() {
        let store = ObjectStore::new(100);
        put(&store, 1, 100).unwrap();
        let too_large = store.reserve_within(JobId(1), 101, Duration::from_secs(3600)).await;
        assert!(too_large.is_err());
        let waiting = store.reserve_within(JobId(1), 50, Duration::from_secs(3600));
        let freeing = async { store.remove(&object(1)) };
        let (reserved, removed) = tokio::join!(waiting, freeing);
        assert!(removed);
        assert_eq!(reserved.unwrap().length(), 50);
    }

    #[test]
    fn who_waits_for_room_is_not_woken_by_what_makes_none() {
        let store = ObjectStore::new(100);
        put(&store, 1, 100).unwrap();
        let version = CopyVersion { length: 100, checksum: 0 };
        let mut woken = Box::pin(store.shared.freed.notified());
        let mut context = Context::from_waker(Waker::noop());
        drop(store.pin(&object(1), version));
        assert!(woken.as_mut().poll(&mut context).is_pending(), "it has to stay");
        store.remove(&object(1));
        assert!(woken.as_mut().poll(&mut context).is_ready());
    }
}
