//! Memory of values that are gone, kept for the next ones.
//!
//! Touching fresh memory costs more than moving bytes into it. What a large value lay in is therefore kept for a while
//! and given to the next value *of the same job*: a job's memory is never seen by another one.

use memmap2::MmapMut;
use mobula_types::JobId;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Lengths are rounded up to this, the size of a huge page, so that values of about a size fit into each other's place.
const GRAIN: usize = 2 << 20;
/// A value is not put into memory that is larger by more than this part of its length.
const WASTE: usize = 8;
/// Memory that was idle during so many sweeps is given back.
const SWEEPS: u64 = 2;
/// The most bytes that are kept idle, whatever room there is (1 GiB).
const MOST_IDLE: u64 = 1 << 30;

/// Idle memory of a store, within the room that its values leave. Clones are the same pool.
#[derive(Clone)]
pub(crate) struct BufferPool {
    shared: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    /// Oldest first.
    idle: VecDeque<Idle>,
    bytes: u64,
    room: u64,
    sweeps: u64,
}

struct Idle {
    job: JobId,
    memory: MmapMut,
    since: u64,
}

/// Memory that is given back to its pool when it is dropped.
pub(crate) struct PooledMemory {
    memory: Option<MmapMut>,
    job: JobId,
    pool: BufferPool,
}

/// Memory that has left the pool; drop it where no lock is held.
pub(crate) type Evicted = Vec<MmapMut>;

impl BufferPool {
    /// An empty pool.
    pub(crate) fn new(room: u64) -> Self {
        BufferPool { shared: Arc::new(Mutex::new(Inner { room, ..Inner::default() })) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Memory for `length` bytes of a job's value: its own idle memory, or fresh.
    ///
    /// # Errors
    /// Where the system has no memory.
    pub(crate) fn take(&self, job: JobId, length: usize) -> io::Result<PooledMemory> {
        let idle = self.inner().take(job, length);
        let memory = match idle {
            Some(memory) => memory,
            None => map(length.next_multiple_of(GRAIN))?,
        };
        Ok(PooledMemory { memory: Some(memory), job, pool: self.clone() })
    }

    /// Idle memory may take so many bytes from now on.
    pub(crate) fn set_room(&self, room: u64) -> Evicted {
        let mut inner = self.inner();
        inner.room = room;
        inner.evict()
    }

    /// Gives back to the system what was idle since the sweep before last. Called at a steady pace.
    pub(crate) fn sweep(&self) -> Evicted {
        let mut inner = self.inner();
        inner.sweeps += 1;
        let due = inner.sweeps;
        let mut evicted = Evicted::new();
        while inner.idle.front().is_some_and(|oldest| oldest.since + SWEEPS <= due) {
            evicted.extend(inner.pop_oldest());
        }
        evicted
    }

    /// Gives a job's idle memory back to the system.
    pub(crate) fn remove_job(&self, job: JobId) -> Evicted {
        let mut inner = self.inner();
        let (of_job, others): (VecDeque<Idle>, VecDeque<Idle>) =
            std::mem::take(&mut inner.idle).into_iter().partition(|idle| idle.job == job);
        inner.idle = others;
        inner.bytes -= of_job.iter().map(|idle| idle.memory.len() as u64).sum::<u64>();
        of_job.into_iter().map(|idle| idle.memory).collect()
    }

    /// Bytes that are idle.
    pub(crate) fn idle_bytes(&self) -> u64 {
        self.inner().bytes
    }
}

impl Inner {
    fn take(&mut self, job: JobId, length: usize) -> Option<MmapMut> {
        let most = length.next_multiple_of(GRAIN).saturating_add(length / WASTE);
        let fits = |idle: &Idle| idle.job == job && (length..=most).contains(&idle.memory.len());
        // The youngest first: what is needed again and again stays the same.
        let place = self.idle.iter().rposition(fits)?;
        let memory = self.idle.remove(place)?.memory;
        self.bytes -= memory.len() as u64;
        Some(memory)
    }

    fn keep(&mut self, job: JobId, memory: MmapMut) -> Evicted {
        self.bytes += memory.len() as u64;
        self.idle.push_back(Idle { job, memory, since: self.sweeps });
        self.evict()
    }

    fn evict(&mut self) -> Evicted {
        let mut evicted = Evicted::new();
        while self.bytes > self.room.min(MOST_IDLE) {
            match self.pop_oldest() {
                Some(memory) => evicted.push(memory),
                None => break,
            }
        }
        evicted
    }

    fn pop_oldest(&mut self) -> Option<MmapMut> {
        let memory = self.idle.pop_front()?.memory;
        self.bytes -= memory.len() as u64;
        Some(memory)
    }
}

impl PooledMemory {
    /// All of it, what was never filled too.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.memory.as_deref_mut().unwrap_or_default()
    }
}

impl AsRef<[u8]> for PooledMemory {
    fn as_ref(&self) -> &[u8] {
        self.memory.as_deref().unwrap_or_default()
    }
}

impl Drop for PooledMemory {
    fn drop(&mut self) {
        if let Some(memory) = self.memory.take() {
            let evicted = self.pool.inner().keep(self.job, memory);
            // After the lock is gone.
            drop(evicted);
        }
    }
}

/// Fresh memory, in huge pages where the system has them.
pub(crate) fn map(length: usize) -> io::Result<MmapMut> {
    let map = MmapMut::map_anon(length)?;
    // A system without huge pages says no, and small ones do.
    let _advice = map.advise(memmap2::Advice::HugePage);
    Ok(map)
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BufferPool({} bytes idle)", self.idle_bytes())
    }
}

impl fmt::Debug for PooledMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PooledMemory({} bytes)", self.as_ref().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: usize = 5 << 20;
    /// What is mapped for it.
    const MAPPED: u64 = 6 << 20;

    fn place(memory: &PooledMemory) -> usize {
        memory.as_ref().as_ptr() as usize
    }

    #[test]
    fn a_jobs_next_value_lies_where_its_last_one_lay() {
        let pool = BufferPool::new(u64::MAX);
        let first = pool.take(JobId(1), LENGTH).unwrap();
        let at = place(&first);
        drop(first);
        assert_eq!(pool.idle_bytes(), MAPPED);
        let others = pool.take(JobId(2), LENGTH).unwrap();
        assert_ne!(place(&others), at, "another job's");
        let larger = pool.take(JobId(1), MAPPED as usize + 1).unwrap();
        assert_ne!(place(&larger), at, "too large a value");
        let smaller = pool.take(JobId(1), 1 << 20).unwrap();
        assert_ne!(place(&smaller), at, "too small a value");
        assert_eq!(place(&pool.take(JobId(1), LENGTH + 1).unwrap()), at);
    }

    #[test]
    fn idle_memory_never_takes_more_than_the_room_there_is() {
        let pool = BufferPool::new(2 * MAPPED);
        let taken: Vec<PooledMemory> = (0..3).map(|_| pool.take(JobId(1), LENGTH).unwrap()).collect();
        drop(taken);
        assert_eq!(pool.idle_bytes(), 2 * MAPPED);
        assert_eq!(pool.set_room(2 * MAPPED - 1).len(), 1);
        assert_eq!(pool.idle_bytes(), MAPPED);
        assert_eq!(pool.set_room(0).len(), 1);
        assert_eq!(pool.idle_bytes(), 0);
    }

    #[test]
    fn idle_memory_is_given_back_after_two_sweeps_and_with_its_job() {
        let pool = BufferPool::new(u64::MAX);
        drop(pool.take(JobId(1), LENGTH).unwrap());
        assert_eq!(pool.sweep().len(), 0);
        drop(pool.take(JobId(2), LENGTH).unwrap());
        assert_eq!(pool.sweep().len(), 1);
        assert_eq!(pool.idle_bytes(), MAPPED);
        assert_eq!(pool.remove_job(JobId(1)).len(), 0);
        assert_eq!(pool.remove_job(JobId(2)).len(), 1);
        assert_eq!(pool.idle_bytes(), 0);
    }
}
