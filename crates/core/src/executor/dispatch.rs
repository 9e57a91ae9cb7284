//! The pass over the lanes that hands runs to workers, and what follows from what is left.

use super::job::{LaneKey, Runner};
use super::pool::{Lacking, PoolId, SlotRef};
use super::run::Phase;
use super::spot::Spot;
use super::{Effect, Executor, RunKey};
use mobula_types::{Quantity, Time};

impl Executor {
    /// Hands out what can run. Jobs take turns; a turn that was cut short goes on in the next pass.
    pub(super) fn dispatch(&mut self, effects: &mut Vec<Effect>) {
        self.serve_resuming(effects);
        self.start_fetches(effects);
        self.pass += 1;
        self.timers.starving_at = Time::NEVER;
        self.check_starving();
        self.lacking_now = Lacking::default();
        while let Some(job) = self.round.pop_front() {
            let more = self.take_turn(job, effects);
            let entry = self.jobs.at_mut(job);
            if entry.in_lanes == 0 {
                entry.in_round = false;
            } else if more {
                self.round.push_back(job);
            } else {
                self.parked.push_back(job);
            }
        }
        std::mem::swap(&mut self.round, &mut self.parked);
        self.lacking = self.lacking_now;
        self.start_workers(effects);
        self.recall_for_idle_slots(effects);
    }

    /// A job's turn. `true` where it was used up, `false` where nothing more of it can be handed out in this pass.
    fn take_turn(&mut self, job: usize, effects: &mut Vec<Effect>) -> bool {
        while self.jobs.at(job).turn_left > 0 {
            let Some(spot) = self.dispatch_one(job, effects) else { return false };
            // What goes behind a run of the job's own worker belongs to the turn in which that slot got its CPUs.
            let is_free = matches!(spot, Spot::Behind(at) if !self.workers.at(at.worker).is_embedded());
            self.jobs.at_mut(job).turn_left -= u32::from(!is_free);
        }
        let entry = self.jobs.at_mut(job);
        entry.turn_left = entry.weight;
        true
    }

    /// Hands out one run of a job: of the lanes from which one can go, the one whose first run has waited longest.
    fn dispatch_one(&mut self, job: usize, effects: &mut Vec<Effect>) -> Option<Spot> {
        while let Some((lane, head)) = self.oldest_lane(job) {
            match self.find_spot(job, lane, head) {
                Some(spot) => {
                    self.leave_lane(job, lane, head);
                    match spot {
                        Spot::Slot(at) | Spot::Behind(at) => self.send(head, at, effects),
                        Spot::OwnWorker => self.start_own_worker(job, head, effects),
                    }
                    return Some(spot);
                }
                None => {
                    self.jobs.at_mut(job).lanes[lane].skipped_in = self.pass;
                    self.note_blocked(job, lane, head);
                }
            }
        }
        None
    }

    fn oldest_lane(&mut self, job: usize) -> Option<(usize, RunKey)> {
        let (pass, runs) = (self.pass, &self.runs);
        let lanes = self.jobs.at_mut(job).lanes.iter_mut().filter(|(_, lane)| lane.skipped_in != pass);
        let heads = lanes.filter_map(|(index, lane)| lane.front(runs).map(|head| (index, head)));
        heads.min_by_key(|(_, head)| runs.get(*head).map_or(u64::MAX, |run| run.arrived))
    }

    fn leave_lane(&mut self, job: usize, lane: usize, head: RunKey) {
        if self.starving_lane() == Some((job, lane)) {
            self.starving = None;
        }
        let entry = self.jobs.at_mut(job);
        entry.in_lanes -= 1;
        entry.waiting -= 1;
        let lane = &mut entry.lanes[lane];
        lane.blocked_since = Time::NEVER;
        if lane.queue.front() == Some(&head) {
            lane.queue.pop_front();
        }
    }

    /// The lane of the run for which CPUs are saved up.
    pub(super) fn starving_lane(&self) -> Option<(usize, usize)> {
        let run = self.runs.get(self.starving?)?;
        Some((run.job, self.jobs.at(run.job).lane_of(run.kind)?))
    }

    /// CPUs are saved up only for a run that lacks nothing else: what it lacks besides might be held by one that waits
    /// for CPUs itself.
    fn check_starving(&mut self) {
        let Some(key) = self.starving else { return };
        let lacks_only_cpus = self.runs.get(key).is_some_and(|run| {
            run.phase == Phase::Waiting
                && self.ledger.fits_besides_cpu(&run.assignment.template.options.resources)
        });
        if !lacks_only_cpus {
            self.starving = None;
        }
    }

    /// Notes since when a lane lacks nothing but CPUs. Past the limit, where smaller runs hold them, they are saved up.
    fn note_blocked(&mut self, job: usize, lane: usize, head: RunKey) {
        let (now, limit, pass) = (self.now, self.options.starvation, self.pass);
        let entry = &mut self.jobs.at_mut(job).lanes[lane];
        let need = entry.key.resources.clone();
        if self.ledger.fits_cpu(need.cpu) || !self.ledger.fits_besides_cpu(&need) {
            self.jobs.at_mut(job).lanes[lane].blocked_since = Time::NEVER;
            return;
        }
        let entry = self.jobs.at_mut(job);
        match entry.lanes[lane].key.runner {
            Runner::Undecided => {}
            Runner::Executable => {
                entry.lacks_cpus_in = pass;
                self.lacking_now.note(PoolId::Job(job));
            }
            Runner::Embedded => self.lacking_now.note(PoolId::Embedded),
        }
        let entry = &mut self.jobs.at_mut(job).lanes[lane];
        entry.blocked_since = entry.blocked_since.min(now);
        let due = entry.blocked_since + limit;
        if now < due {
            self.timers.starving_by(due);
        } else if self.starving.is_none() && self.smaller_run_holds_cpus(need.cpu) {
            self.starving = Some(head);
        }
    }

    fn smaller_run_holds_cpus(&self, cpu: Quantity) -> bool {
        self.workers.iter().flat_map(|(_, worker)| &worker.slots).any(|slot| {
            let held = slot.held.as_ref().map_or(Quantity::ZERO, |held| held.cpu);
            held > Quantity::ZERO && held < cpu && !slot.cpu_released
        })
    }

    /// Asks for the workers that could run what is left, each of which would find its resources free.
    fn start_workers(&mut self, effects: &mut Vec<Effect>) {
        // Of the jobs that have something here; only looked at where they share.
        let shares = if self.lacking.is_empty() { 0 } else { self.weights() };
        for position in 0..self.round.len() {
            let job = self.round[position];
            for _ in 0..self.workers_wanted(job, shares) {
                self.start_worker(job, effects);
            }
        }
    }

    fn weights(&self) -> usize {
        let jobs = self.jobs.indexes().map(|job| self.jobs.at(job));
        jobs.filter(|job| job.runs > 0).map(|job| job.weight as usize).sum()
    }

    fn workers_wanted(&self, job: usize, shares: usize) -> usize {
        if !self.can_grow(PoolId::Job(job)) {
            return 0;
        }
        let entry = self.jobs.at(job);
        let pool = &entry.pool;
        let limit = self.pool_limit();
        let mut wanted = 0;
        for (_, lane) in &entry.lanes {
            let LaneKey { runner, isolated, resources } = &lane.key;
            let live = lane.live();
            if live == 0 || *runner == Runner::Embedded || (*isolated && *runner == Runner::Executable) {
                continue;
            }
            let one_will_do = *isolated || lane.key.is_zero_cpu();
            if one_will_do {
                wanted += usize::from(pool.workers.is_empty());
            } else {
                let runnable = self.ledger.fit_count(resources, live.min(limit));
                wanted += runnable.max(usize::from(pool.workers.is_empty()));
            }
        }
        if shares > 0 && entry.lacks_cpus_in == self.pass {
            // CPUs that others hold become free by turns: it needs workers for its share of them, and one for the turn that
            // comes while the others are still busy.
            let share = ((limit * entry.weight as usize).div_ceil(shares) + 1).min(entry.in_lanes);
            wanted = wanted.max(share.saturating_sub(pool.workers.len() - pool.starting));
        }
        wanted.saturating_sub(pool.starting).min(limit - pool.workers.len())
    }

    /// Idle slots get half of what waits behind the busiest one, where it is worth the way.
    fn recall_for_idle_slots(&mut self, effects: &mut Vec<Effect>) {
        if self.ahead == 0 || !self.resuming.is_empty() || self.starving.is_some() {
            return;
        }
        self.recall_in_pool(PoolId::Embedded, effects);
        for position in 0..self.jobs.len() {
            if let Some(job) = self.jobs.nth(position) {
                self.recall_in_pool(PoolId::Job(job), effects);
            }
        }
    }

    fn recall_in_pool(&mut self, pool: PoolId, effects: &mut Vec<Effect>) {
        if self.pool(pool).ahead == 0 {
            return;
        }
        for _ in 0..self.pool(pool).idle.len() {
            let worth = u64::try_from(self.options.recall_worth.as_nanos()).unwrap_or(u64::MAX);
            let busiest = self.pool(pool).busy.iter().copied().filter_map(|at| {
                let slot = &self.workers.at(at.worker).slots[at.slot as usize];
                let behind = slot.queue.len() - 1;
                let fits = slot.held.as_ref().is_some_and(|held| self.ledger.fits(held));
                let eligible = behind > 0 && slot.recalling == 0 && slot.work >= worth && fits;
                eligible.then_some((slot.work, at, behind))
            });
            let Some((_, at, behind)) = busiest.max_by_key(|(work, at, _)| (*work, at.worker, at.slot))
            else {
                return;
            };
            self.recall_tail(at, behind.div_ceil(2), effects);
        }
    }

    /// Recalls the last `count` runs of a slot, its head never.
    pub(super) fn recall_tail(&mut self, at: SlotRef, count: usize, effects: &mut Vec<Effect>) {
        let worker = self.workers.at_mut(at.worker);
        let id = worker.id;
        let slot = &mut worker.slots[at.slot as usize];
        let first = slot.queue.len().saturating_sub(count).max(1);
        let mut handles = Vec::new();
        for key in slot.queue.iter().skip(first) {
            if let Some(run) = self.runs.get_mut(*key).filter(|run| !run.recalled) {
                run.recalled = true;
                slot.recalling += 1;
                handles.push(key.0);
            }
        }
        if !handles.is_empty() {
            effects.push(Effect::RecallRuns { worker: id, handles });
        }
    }

    /// Recalls what is held up: behind a run that takes long where another slot might be quicker, where a slot has had its
    /// turn while another pool lacks CPUs, and everywhere while a run that waited, or one that needs many CPUs, is to have
    /// them.
    pub(super) fn recall_held_up(&mut self, effects: &mut Vec<Effect>) {
        let saving_cpus = !self.resuming.is_empty() || self.starving.is_some();
        let mut busy = self.embedded.busy.clone();
        let mut pools = vec![(PoolId::Embedded, busy.len())];
        for job in self.jobs.indexes() {
            busy.extend(&self.jobs.at(job).pool.busy);
            pools.push((PoolId::Job(job), self.jobs.at(job).pool.busy.len()));
        }
        let mut slots = busy.into_iter();
        for (pool, count) in pools {
            let others = count + self.pool(pool).idle.len() > 1 || self.can_grow(pool);
            let shared = self.lacking.besides(pool);
            for at in slots.by_ref().take(count) {
                let slot = &self.workers.at(at.worker).slots[at.slot as usize];
                let long = self.now.since(slot.head_since) >= self.options.long_run;
                let had_turn = shared && self.now.since(slot.held_since) >= self.options.long_run;
                if slot.queue.len() > 1 && (saving_cpus || (long && others) || had_turn) {
                    self.recall_tail(at, usize::MAX, effects);
                }
            }
        }
        if self.ahead > 0 {
            let next = self.now + self.options.long_run;
            self.timers.slots_by(next);
        }
    }
}
