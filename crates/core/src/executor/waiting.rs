//! Runs that wait for others: they give their CPUs back, and get them again before any new run does.

use super::pool::SlotRef;
use super::run::Wait;
use super::{Effect, Executor, RunKey};
use mobula_types::{Quantity, WorkerId};

impl Executor {
    pub(super) fn blocked(&mut self, worker: WorkerId, key: RunKey, effects: &mut Vec<Effect>) {
        let Some(run) = self.sent_to(worker, key) else { return };
        let at = SlotRef { worker: run.worker, slot: run.slot };
        let was = run.wait;
        if let Some(run) = self.runs.get_mut(key) {
            run.wait = Wait::Blocked;
        }
        if was == Wait::No {
            self.release_cpu(key);
        }
        // Those behind it would wait as long as it does.
        if self.is_head(key) {
            self.recall_tail(at, usize::MAX, effects);
        }
    }

    pub(super) fn unblocked(&mut self, worker: WorkerId, key: RunKey, effects: &mut Vec<Effect>) {
        let Some(run) = self.sent_to(worker, key).filter(|run| run.wait == Wait::Blocked) else { return };
        let cpu = self.cpu_to_resume(run.worker, run.slot, key);
        if cpu == Quantity::ZERO || (self.resuming.is_empty() && self.ledger.fits_cpu(cpu)) {
            self.resume(key, effects);
            return;
        }
        if let Some(run) = self.runs.get_mut(key) {
            run.wait = Wait::Resuming;
        }
        self.resuming.push_back(key);
        if self.ahead > 0 {
            let at = self.now + self.options.long_run;
            self.timers.slots_by(at);
        }
    }

    /// Gives the runs that waited their CPUs again, in order, as far as they are free.
    pub(super) fn serve_resuming(&mut self, effects: &mut Vec<Effect>) {
        while let Some(key) = self.resuming.front().copied() {
            if let Some(run) = self.runs.get(key).filter(|run| run.wait == Wait::Resuming) {
                let cpu = self.cpu_to_resume(run.worker, run.slot, key);
                if !self.ledger.fits_cpu(cpu) {
                    return;
                }
                self.resume(key, effects);
            }
            self.resuming.pop_front();
        }
    }

    /// The CPUs that a run has to get again before it goes on.
    fn cpu_to_resume(&self, worker: usize, slot: u32, key: RunKey) -> Quantity {
        let slot = &self.workers.at(worker).slots[slot as usize];
        if slot.queue.front() != Some(&key) || !slot.cpu_released {
            return Quantity::ZERO;
        }
        slot.held.as_ref().map_or(Quantity::ZERO, |held| held.cpu)
    }

    fn resume(&mut self, key: RunKey, effects: &mut Vec<Effect>) {
        let Some(run) = self.runs.get_mut(key) else { return };
        run.wait = Wait::No;
        let (worker, slot, job) = (run.worker, run.slot, run.job);
        let zero_cpu = run.assignment.template.options.resources.cpu == Quantity::ZERO;
        let cpu = self.cpu_to_resume(worker, slot, key);
        let entry = self.workers.at_mut(worker);
        let id = entry.id;
        let slot = &mut entry.slots[slot as usize];
        if slot.queue.front() == Some(&key) && slot.cpu_released {
            slot.cpu_released = false;
            self.ledger.take_cpu(cpu);
            // It may be one more than run at once otherwise: what has begun is not held up by what has not.
            self.jobs.at_mut(job).zero_cpu += u32::from(zero_cpu);
        }
        effects.push(Effect::Resume { worker: id, handle: key.0 });
    }

    /// Gives back the CPUs of the run that a slot runs.
    pub(super) fn release_cpu(&mut self, key: RunKey) {
        let Some(run) = self.runs.get(key) else { return };
        let zero_cpu = run.assignment.template.options.resources.cpu == Quantity::ZERO;
        let job = run.job;
        let slot = self.workers.slot(run.worker, run.slot);
        if slot.queue.front() != Some(&key) || slot.cpu_released {
            return;
        }
        slot.cpu_released = true;
        let cpu = slot.held.as_ref().map_or(Quantity::ZERO, |held| held.cpu);
        self.ledger.give_cpu(cpu);
        self.jobs.at_mut(job).zero_cpu -= u32::from(zero_cpu);
    }
}
