//! Where a run can go: an idle slot, an extra one, or behind another run that needs the same.

use super::job::{LaneKey, Runner};
use super::pool::{PoolId, SlotRef};
use super::worker::WorkerState;
use super::{Executor, RunKey};
use mobula_types::{Quantity, Resources};
use std::sync::Arc;

/// Extra slots of one worker whose runs do not wait for others.
const MAX_EXTRA_SLOTS: usize = 1024;

/// Where the first run of a lane goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Spot {
    /// To that slot, which is empty. What the run needs is taken.
    Slot(SlotRef),
    /// To that slot, behind runs that need the same.
    Behind(SlotRef),
    /// To a worker of its own. Nothing is taken yet.
    OwnWorker,
}

impl Executor {
    /// Where `head`, the first run of a lane, can go now. `None` leaves it where it is, and changes nothing.
    pub(super) fn find_spot(&mut self, job: usize, lane: usize, head: RunKey) -> Option<Spot> {
        let key = self.jobs.at(job).lanes[lane].key.clone();
        let pool = match key.runner {
            Runner::Undecided => return None,
            Runner::Executable => PoolId::Job(job),
            Runner::Embedded => PoolId::Embedded,
        };
        if self.admits(job, lane, &key) {
            if key.isolated {
                return Some(Spot::OwnWorker);
            }
            if let Some(at) = self.free_slot(pool, key.is_zero_cpu()) {
                self.occupy(Some(pool), at, &key.resources);
                return Some(Spot::Slot(at));
            }
        }
        let saving_cpus = self.starving.is_some() || !self.resuming.is_empty();
        if key.isolated || key.is_zero_cpu() || saving_cpus {
            return None;
        }
        self.slot_behind(pool, job, head, &key.resources).map(Spot::Behind)
    }

    /// Whether what a lane's runs need is free for them now.
    fn admits(&self, job: usize, lane: usize, key: &LaneKey) -> bool {
        if key.is_zero_cpu() {
            return self.jobs.at(job).zero_cpu < self.options.max_zero_cpu
                && self.ledger.fits(&key.resources);
        }
        let saved_for_other = self.starving.is_some_and(|_| self.starving_lane() != Some((job, lane)));
        self.resuming.is_empty() && !saved_for_other && self.ledger.fits(&key.resources)
    }

    /// An empty slot: an idle one, or an extra one where no worker is to be expected. A run of no CPUs never takes an
    /// own slot, so that it does not keep one that does from running.
    fn free_slot(&mut self, pool: PoolId, zero_cpu: bool) -> Option<SlotRef> {
        if !zero_cpu {
            if let Some(at) = self.pool_mut(pool).idle.pop() {
                return Some(at);
            }
            if self.can_grow(pool) || self.pool(pool).starting > 0 {
                return None;
            }
        }
        let ready = |worker: &&usize| {
            self.workers.at(**worker).state == WorkerState::Ready && self.has_extra(**worker)
        };
        let members = &self.pool(pool).workers;
        let host = *members
            .iter()
            .filter(ready)
            .min_by_key(|worker| (self.workers.at(**worker).extra_in_use(), self.workers.at(**worker).id))?;
        let slot = self.workers.at_mut(host).extra_slot();
        Some(SlotRef { worker: host, slot })
    }

    /// Whether a worker may open another extra slot.
    fn has_extra(&self, worker: usize) -> bool {
        let worker = self.workers.at(worker);
        let in_use = worker.extra_in_use();
        in_use < MAX_EXTRA_SLOTS
            || in_use < MAX_EXTRA_SLOTS + worker.slots.iter().filter(|slot| slot.cpu_released).count()
    }

    /// Whether the pool may have another worker.
    pub(super) fn can_grow(&self, pool: PoolId) -> bool {
        match pool {
            PoolId::Embedded => false,
            PoolId::Job(job) => {
                let job = self.jobs.at(job);
                let broken = job.broken.as_ref().is_some_and(|(_, until)| *until > self.now);
                !job.ended && !broken && job.pool.workers.len() < self.pool_limit()
            }
        }
    }

    /// The most workers of a pool: one for each CPU, and at least one.
    pub(super) fn pool_limit(&self) -> usize {
        let steps = self.ledger.total().cpu.steps();
        usize::try_from(steps.div_ceil(Quantity::ONE.steps())).unwrap_or(usize::MAX).max(1)
    }

    /// The next slot in turn that works on runs that need the same, and has time for one more. Never behind a cancelled
    /// run: that may end while it waits, without its CPUs, and the next would start. While another pool lacks CPUs, only until
    /// the slot has had its turn.
    fn slot_behind(
        &mut self,
        pool: PoolId,
        job: usize,
        head: RunKey,
        need: &Arc<Resources>,
    ) -> Option<SlotRef> {
        let run = self.runs.get(head)?;
        let (kind, bytes) = (run.kind, run.bytes);
        let super::job::Target::Lane { estimate, .. } = self.jobs.at(job).kind(kind).target else {
            return None;
        };
        let estimate = self.jobs.at(job).estimate(estimate);
        let shared = self.lacking.besides(pool);
        let (count, cursor) = (self.pool(pool).busy.len(), self.pool(pool).cursor);
        for step in 0..count {
            let position = (cursor + step) % count;
            let at = self.pool(pool).busy[position];
            let slot = &self.workers.at(at.worker).slots[at.slot as usize];
            let holds_the_same =
                slot.held.as_ref().is_some_and(|held| Arc::ptr_eq(held, need) || **held == **need);
            let goes_on = !slot.cpu_released
                && slot.recalling == 0
                && slot.cancelled == 0
                && slot.bytes.saturating_add(bytes) <= self.options.ahead_bytes
                && self.now.since(slot.head_since) < self.options.long_run;
            let has_turn = !shared
                || (self.now.since(slot.held_since) < self.options.long_run
                    && estimate.allows(0, slot.given, &self.options));
            if holds_the_same
                && goes_on
                && has_turn
                && estimate.allows(slot.queue.len(), slot.work, &self.options)
            {
                self.pool_mut(pool).cursor = position + 1;
                return Some(at);
            }
        }
        None
    }
}
