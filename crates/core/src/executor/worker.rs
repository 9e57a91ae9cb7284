//! Workers and their slots.

use super::RunKey;
use super::pool::PoolId;
use mobula_types::{Failure, Resources, Time, WorkerId};
use slab::Slab;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// A process that runs tasks, or the threads of the node's own that do.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) id: WorkerId,
    /// The job whose executable it runs; `None` for the embedded worker.
    pub(super) job: Option<usize>,
    /// The pool that hands it runs; `None` for one that is for a single run.
    pub(super) pool: Option<PoolId>,
    /// The run that an isolated worker is started for, until it has started.
    pub(super) awaited_by: Option<RunKey>,
    pub(super) state: WorkerState,
    /// Slots from this number on are extra ones.
    pub(super) own_slots: u32,
    pub(super) slots: Vec<Slot>,
    /// Extra slots that nothing uses now.
    pub(super) free_extra: Vec<u32>,
    /// Runs that it has.
    pub(super) runs: u32,
    /// It has ended a run: what it is made of works.
    pub(super) has_served: bool,
    /// Since when it has none.
    pub(super) idle_since: Time,
    /// When it is killed, if it has not ended by then.
    pub(super) kill_at: Time,
}

/// How a worker stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WorkerState {
    /// It has been asked for.
    Starting,
    /// It takes runs.
    Ready,
    /// It ends when nothing runs on it any more.
    Retiring,
    /// It is being killed.
    Killed,
}

/// One thread of control of a worker, with the runs that it works off in order.
#[derive(Default, Debug)]
pub(super) struct Slot {
    /// The first one runs.
    pub(super) queue: VecDeque<RunKey>,
    /// What is charged for the one that runs; the next one takes it over.
    pub(super) held: Option<Arc<Resources>>,
    /// The one that runs waits for others, and its CPUs are given back.
    pub(super) cpu_released: bool,
    /// When the first one got there.
    pub(super) head_since: Time,
    /// What all of them were expected to take, in nanoseconds.
    pub(super) work: u64,
    /// Bytes of their arguments.
    pub(super) bytes: u64,
    /// Since when it holds that without a break, and what all runs that it was given since were expected to take.
    pub(super) held_since: Time,
    pub(super) given: u64,
    /// How many of them were recalled and not given back yet.
    pub(super) recalling: u32,
    /// How many of them were cancelled.
    pub(super) cancelled: u32,
    /// Where the slot stands among the pool's busy ones.
    pub(super) busy_at: usize,
}

impl Worker {
    pub(super) fn new(id: WorkerId, job: Option<usize>, pool: Option<PoolId>, own_slots: u32) -> Self {
        Worker {
            id,
            job,
            pool,
            awaited_by: None,
            state: WorkerState::Starting,
            own_slots,
            slots: (0..own_slots).map(|_| Slot::default()).collect(),
            free_extra: Vec::new(),
            runs: 0,
            has_served: false,
            idle_since: Time::NEVER,
            kill_at: Time::NEVER,
        }
    }

    pub(super) fn is_embedded(&self) -> bool {
        self.job.is_none()
    }

    /// Extra slots in use.
    pub(super) fn extra_in_use(&self) -> usize {
        self.slots.len() - self.own_slots as usize - self.free_extra.len()
    }

    /// An extra slot that nothing uses.
    pub(super) fn extra_slot(&mut self) -> u32 {
        self.free_extra.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            (self.slots.len() - 1) as u32
        })
    }
}

/// All workers.
#[derive(Debug)]
pub(super) struct WorkerTable {
    workers: Slab<Worker>,
    by_id: BTreeMap<WorkerId, usize>,
}

impl WorkerTable {
    pub(super) fn new() -> Self {
        WorkerTable { workers: Slab::new(), by_id: BTreeMap::new() }
    }

    pub(super) fn insert(&mut self, worker: Worker) -> usize {
        let id = worker.id;
        let index = self.workers.insert(worker);
        self.by_id.insert(id, index);
        index
    }

    pub(super) fn remove(&mut self, index: usize) -> Option<Worker> {
        let worker = self.workers.try_remove(index)?;
        self.by_id.remove(&worker.id);
        Some(worker)
    }

    pub(super) fn find(&self, id: WorkerId) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    pub(super) fn at(&self, index: usize) -> &Worker {
        &self.workers[index]
    }

    pub(super) fn at_mut(&mut self, index: usize) -> &mut Worker {
        &mut self.workers[index]
    }

    pub(super) fn slot(&mut self, worker: usize, slot: u32) -> &mut Slot {
        &mut self.workers[worker].slots[slot as usize]
    }

    /// All of them, by id.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Worker)> {
        self.by_id.values().map(|index| (*index, &self.workers[*index]))
    }
}

/// Why a worker is killed although it did nothing wrong itself.
pub(super) fn slow_to_end(worker: WorkerId) -> Failure {
    Failure::new(
        mobula_types::FailureKind::WorkerDied,
        format!("worker {worker} was told to end and did not"),
    )
}
