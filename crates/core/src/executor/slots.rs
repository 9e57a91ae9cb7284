//! What happens on slots: runs come, get to the head, and leave.

use super::pool::{Pool, PoolId, SlotRef};
use super::run::{Phase, Wait};
use super::worker::WorkerState;
use super::{Effect, Executor, RunKey, RunOrder};
use mobula_types::{Time, WorkerId};
use std::sync::Arc;

impl Executor {
    pub(super) fn pool_mut(&mut self, pool: PoolId) -> &mut Pool {
        match pool {
            PoolId::Job(job) => &mut self.jobs.at_mut(job).pool,
            PoolId::Embedded => &mut self.embedded,
        }
    }

    pub(super) fn pool(&self, pool: PoolId) -> &Pool {
        match pool {
            PoolId::Job(job) => &self.jobs.at(job).pool,
            PoolId::Embedded => &self.embedded,
        }
    }

    /// The run of that handle, if that worker has it.
    pub(super) fn sent_to(&self, worker: WorkerId, key: RunKey) -> Option<&super::run::Run> {
        let run = self.runs.get(key).filter(|run| run.phase == Phase::Sent)?;
        (self.workers.at(run.worker).id == worker).then_some(run)
    }

    /// Whether a run is the one that its slot runs.
    pub(super) fn is_head(&self, key: RunKey) -> bool {
        self.runs.get(key).is_some_and(|run| {
            run.phase == Phase::Sent
                && self.workers.at(run.worker).slots[run.slot as usize].queue.front() == Some(&key)
        })
    }

    /// Puts a run at the end of a slot's queue and hands it to the worker. What a first run needs is held by the slot.
    pub(super) fn send(&mut self, key: RunKey, at: SlotRef, effects: &mut Vec<Effect>) {
        let Some(run) = self.runs.get_mut(key) else { return };
        let expected = match self.jobs.at(run.job).kind(run.kind).target {
            super::job::Target::Lane { estimate, .. } => self.jobs.at(run.job).estimate(estimate).nanos(),
            _ => 0,
        };
        run.phase = Phase::Sent;
        run.worker = at.worker;
        run.slot = at.slot;
        run.expected = expected;
        run.recalled = false;
        let bytes = run.bytes;
        let assignment = &run.assignment;
        let worker = self.workers.at_mut(at.worker);
        effects.push(Effect::Run(RunOrder {
            worker: worker.id,
            handle: key.0,
            slot: at.slot,
            job: assignment.job,
            task: assignment.task,
            attempt: assignment.attempt,
            template: assignment.template.clone(),
            arguments: assignment.arguments.clone(),
            inputs: assignment.inputs.clone(),
            deadline: assignment.deadline,
        }));
        worker.runs += 1;
        let slot = &mut worker.slots[at.slot as usize];
        slot.work = slot.work.saturating_add(expected);
        slot.bytes += bytes;
        slot.given = slot.given.saturating_add(expected);
        slot.queue.push_back(key);
        if slot.queue.len() == 1 {
            self.start_head(at);
            return;
        }
        self.ahead += 1;
        if let Some(pool) = self.workers.at(at.worker).pool {
            self.pool_mut(pool).ahead += 1;
        }
        let scan = self.now + self.options.long_run;
        self.timers.slots_by(scan);
    }

    /// The first run of a slot starts: the worker works a slot off in order.
    fn start_head(&mut self, at: SlotRef) {
        let now = self.now;
        let slot = self.workers.slot(at.worker, at.slot);
        slot.head_since = now;
        let Some(key) = slot.queue.front().copied() else { return };
        if slot.cpu_released {
            // The head before it ended while it waited, and the worker went on before it saw what was recalled: its
            // CPUs are used again, whether they are free or not.
            slot.cpu_released = false;
            let cpu = slot.held.as_ref().map_or_else(Default::default, |held| held.cpu);
            self.ledger.take_cpu(cpu);
        }
        self.running += 1;
        let Some(run) = self.runs.get_mut(key) else { return };
        run.started = now;
        let zero_cpu = run.assignment.template.options.resources.cpu == Default::default();
        let timed = run.assignment.template.options.timeout.is_some();
        let (job, waits) = (run.job, run.wait != Wait::No);
        if zero_cpu {
            self.jobs.at_mut(job).zero_cpu += 1;
        }
        if timed {
            self.arm(key);
        }
        if waits {
            self.release_cpu(key);
        }
    }

    /// Takes a run off its slot. The next one gets to the head, or the slot gives back what it held and is idle.
    pub(super) fn leave_slot(&mut self, key: RunKey) {
        let Some(run) = self.runs.get_mut(key) else { return };
        let at = SlotRef { worker: run.worker, slot: run.slot };
        let (wait, expected, bytes, recalled, job) =
            (run.wait, run.expected, run.bytes, run.recalled, run.job);
        let zero_cpu = run.assignment.template.options.resources.cpu == Default::default();
        let cancelled = run.cancelled.is_some();
        run.worker = usize::MAX;
        run.wait = Wait::No;
        run.recalled = false;
        run.started = Time::NEVER;
        let worker = self.workers.at_mut(at.worker);
        worker.runs -= 1;
        if worker.runs == 0 {
            worker.idle_since = self.now;
        }
        let pool = worker.pool;
        let slot = &mut worker.slots[at.slot as usize];
        slot.work = slot.work.saturating_sub(expected);
        slot.bytes = slot.bytes.saturating_sub(bytes);
        slot.recalling -= u32::from(recalled);
        slot.cancelled -= u32::from(cancelled);
        let Some(position) = slot.queue.iter().position(|queued| *queued == key) else { return };
        slot.queue.remove(position);
        let left = slot.queue.len();
        if position > 0 || left > 0 {
            // Either it waited behind another, or the next one does not any more.
            self.ahead -= 1;
            if let Some(pool) = pool {
                self.pool_mut(pool).ahead -= 1;
            }
        }
        if position > 0 {
            return;
        }
        self.running -= 1;
        if zero_cpu && wait == Wait::No {
            self.jobs.at_mut(job).zero_cpu -= 1;
        }
        if left > 0 {
            self.start_head(at);
        } else {
            self.vacate(at);
        }
    }

    /// Gives back what an empty slot held, and lists it as idle where its worker takes more.
    pub(super) fn vacate(&mut self, at: SlotRef) {
        let worker = self.workers.at_mut(at.worker);
        let (pool, ready, own) = (worker.pool, worker.state == WorkerState::Ready, worker.own_slots);
        let is_empty = worker.runs == 0;
        let slot = &mut worker.slots[at.slot as usize];
        let busy_at = slot.busy_at;
        slot.work = 0;
        let released = std::mem::take(&mut slot.cpu_released);
        if let Some(held) = slot.held.take() {
            if released { self.ledger.give_besides_cpu(&held) } else { self.ledger.give(&held) }
        }
        if at.slot >= own {
            worker.free_extra.push(at.slot);
        }
        let Some(pool) = pool.filter(|_| ready) else { return };
        self.leave_busy(pool, busy_at);
        if at.slot < own {
            self.pool_mut(pool).idle.push(at);
        }
        if is_empty {
            let at = self.now + self.options.idle_worker;
            self.timers.workers_by(at);
        }
    }

    /// Lists a slot that has been given its first run as busy, with what is charged for it.
    pub(super) fn occupy(&mut self, pool: Option<PoolId>, at: SlotRef, held: &Arc<mobula_types::Resources>) {
        self.ledger.take(held);
        let busy_at = pool.map_or(0, |pool| {
            let busy = &mut self.pool_mut(pool).busy;
            busy.push(at);
            busy.len() - 1
        });
        let now = self.now;
        let slot = self.workers.slot(at.worker, at.slot);
        slot.held = Some(held.clone());
        slot.held_since = now;
        slot.given = 0;
        slot.cpu_released = false;
        slot.busy_at = busy_at;
    }

    fn leave_busy(&mut self, pool: PoolId, busy_at: usize) {
        let busy = &mut self.pool_mut(pool).busy;
        busy.swap_remove(busy_at);
        let moved = busy.get(busy_at).copied();
        if let Some(moved) = moved {
            self.workers.slot(moved.worker, moved.slot).busy_at = busy_at;
        }
    }

    /// Takes a worker out of its pool: nothing is handed to it any more. What it has stays.
    pub(super) fn leave_pool(&mut self, worker: usize) {
        let entry = self.workers.at_mut(worker);
        let Some(pool) = entry.pool.take() else { return };
        let starting = entry.state == WorkerState::Starting;
        let ahead: usize = entry.slots.iter().map(|slot| slot.queue.len().saturating_sub(1)).sum();
        let members = self.pool_mut(pool);
        members.workers.retain(|member| *member != worker);
        members.idle.retain(|at| at.worker != worker);
        members.busy.retain(|at| at.worker != worker);
        members.ahead -= ahead;
        members.starting -= usize::from(starting);
        let busy = members.busy.clone();
        for (busy_at, at) in busy.into_iter().enumerate() {
            self.workers.slot(at.worker, at.slot).busy_at = busy_at;
        }
    }
}
