//! Workers: when they are asked for, what they announce, and when they go.

use super::assign::failed;
use super::job::{Runner, Target};
use super::pool::{PoolId, SlotRef};
use super::run::Phase;
use super::worker::{Worker, WorkerState, slow_to_end};
use super::{Effect, Executor, RunKey};
use mobula_types::frame::AssignmentEnd;
use mobula_types::{Failure, FailureKind, FunctionInfo, JobId, Time, WorkerId};
use std::sync::Arc;

impl Executor {
    pub(super) fn embedded_started(&mut self, id: WorkerId, functions: Arc<[FunctionInfo]>, slots: u32) {
        if self.workers.find(id).is_some() || !self.embedded.workers.is_empty() {
            return;
        }
        let mut worker = Worker::new(id, None, Some(PoolId::Embedded), slots.max(1));
        worker.state = WorkerState::Ready;
        let index = self.workers.insert(worker);
        self.next_worker = self.next_worker.max(id.0.saturating_add(1));
        self.embedded.workers.push(index);
        self.embedded.idle.extend((0..slots.max(1)).rev().map(|slot| SlotRef { worker: index, slot }));
        self.embedded_functions = functions;
        let jobs: Vec<usize> = self.jobs.indexes().collect();
        jobs.into_iter().for_each(|job| self.jobs.at_mut(job).forget_idle_kinds());
    }

    fn new_worker(&mut self, job: usize, isolated: bool, effects: &mut Vec<Effect>) -> usize {
        let id = WorkerId(self.next_worker);
        self.next_worker += 1;
        let entry = self.jobs.at_mut(job);
        entry.workers += 1;
        effects.push(Effect::StartWorker { worker: id, job: entry.id, slots: 1, isolated });
        let pool = (!isolated).then_some(PoolId::Job(job));
        self.workers.insert(Worker::new(id, Some(job), pool, 1))
    }

    /// Asks for another worker of a job's pool.
    pub(super) fn start_worker(&mut self, job: usize, effects: &mut Vec<Effect>) {
        let index = self.new_worker(job, false, effects);
        let pool = &mut self.jobs.at_mut(job).pool;
        pool.workers.push(index);
        pool.starting += 1;
    }

    /// Asks for a worker for one run, which holds what it needs from now on.
    pub(super) fn start_own_worker(&mut self, job: usize, key: RunKey, effects: &mut Vec<Effect>) {
        let index = self.new_worker(job, true, effects);
        self.workers.at_mut(index).awaited_by = Some(key);
        let Some(run) = self.runs.get_mut(key) else { return };
        run.phase = Phase::Starting;
        run.worker = index;
        run.slot = 0;
        let need = Arc::new(run.assignment.template.options.resources.clone());
        self.occupy(None, SlotRef { worker: index, slot: 0 }, &need);
    }

    /// The run that a worker is being started for has ended.
    pub(super) fn call_off_start(&mut self, key: RunKey, worker: usize, effects: &mut Vec<Effect>) {
        let entry = self.workers.at_mut(worker);
        if entry.awaited_by != Some(key) {
            return;
        }
        entry.awaited_by = None;
        entry.state = WorkerState::Killed;
        let id = entry.id;
        let failure = Failure::new(FailureKind::Cancelled, "the task that it was started for has ended");
        effects.push(Effect::Kill { worker: id, failure });
        self.vacate(SlotRef { worker, slot: 0 });
    }

    pub(super) fn worker_started(
        &mut self,
        id: WorkerId,
        functions: Arc<[FunctionInfo]>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(index) = self.workers.find(id) else { return };
        let now = self.now;
        let worker = self.workers.at_mut(index);
        let (WorkerState::Starting, Some(job)) = (worker.state, worker.job) else { return };
        worker.state = WorkerState::Ready;
        worker.idle_since = now;
        let (pool, own_slots, awaited_by) = (worker.pool, worker.own_slots, worker.awaited_by.take());
        if let Some(pool) = pool {
            let pool = self.pool_mut(pool);
            pool.starting -= 1;
            pool.idle.extend((0..own_slots).rev().map(|slot| SlotRef { worker: index, slot }));
            let at = self.now + self.options.idle_worker;
            self.timers.workers_by(at);
        }
        let entry = self.jobs.at_mut(job);
        entry.broken = None;
        if entry.functions.is_none() {
            entry.functions = Some(functions);
            self.decide_kinds(job, effects);
        }
        match awaited_by {
            Some(key) => self.send(key, SlotRef { worker: index, slot: 0 }, effects),
            None => self.retire_if_spent(index, effects),
        }
    }

    /// The executable's functions are known: what waited for that goes to its lane, or fails.
    fn decide_kinds(&mut self, job: usize, effects: &mut Vec<Effect>) {
        for kind in self.jobs.at(job).undecided_kinds() {
            let template = self.jobs.at(job).kind(kind).template.clone();
            let target = self.target_of(job, &template);
            self.jobs.at_mut(job).retarget(kind, target);
        }
        let refused = self.runs.keys_where(|run| {
            run.job == job
                && run.phase != Phase::Sent
                && matches!(self.jobs.at(job).kind(run.kind).target, Target::Refused(_))
        });
        for key in refused {
            self.fail_refused(key, effects);
        }
        let mut waiting = Vec::new();
        for (_, lane) in &mut self.jobs.at_mut(job).lanes {
            if lane.key.runner == Runner::Undecided {
                waiting.extend(lane.clear());
            }
        }
        let runs = &self.runs;
        waiting.retain(|key| runs.get(*key).is_some());
        waiting.sort_by_key(|key| runs.get(*key).map_or(0, |run| run.arrived));
        let moved = waiting.len();
        self.jobs.at_mut(job).in_lanes -= moved;
        for key in waiting {
            self.enqueue(key, false);
        }
    }

    fn fail_refused(&mut self, key: RunKey, effects: &mut Vec<Effect>) {
        let Some(run) = self.runs.get_mut(key) else { return };
        let Target::Refused(failure) = &self.jobs.at(run.job).kind(run.kind).target else { return };
        let failure = failure.clone().of_task(run.assignment.task, run.assignment.template.display_name());
        self.end_unsent(key, Some(failed(failure)), effects);
    }

    pub(super) fn worker_start_failed(&mut self, id: WorkerId, failure: Failure, effects: &mut Vec<Effect>) {
        let Some(index) = self.workers.find(id) else { return };
        let worker = self.workers.at_mut(index);
        let (state, job, awaited_by) = (worker.state, worker.job, worker.awaited_by.take());
        let (WorkerState::Starting | WorkerState::Killed, Some(job)) = (state, job) else { return };
        self.leave_pool(index);
        if let Some(key) = awaited_by {
            self.vacate(SlotRef { worker: index, slot: 0 });
            self.wait_again(key);
        }
        self.dismiss(index);
        if state == WorkerState::Killed {
            return;
        }
        self.count_start_failure(job, failure, effects);
    }

    /// One more worker of this job that did not get as far as running something.
    pub(super) fn count_start_failure(&mut self, job: usize, failure: Failure, effects: &mut Vec<Effect>) {
        let entry = self.jobs.at_mut(job);
        entry.start_failures += 1;
        let hopeless = failure.kind() == FailureKind::ExecutableRefused;
        if hopeless || entry.start_failures >= self.options.max_start_failures {
            self.give_up_starting(job, failure, effects);
        }
    }

    /// Workers of this job do not start here: what waits for one goes back to its owner, which has it tried elsewhere, unless
    /// others of its workers run.
    fn give_up_starting(&mut self, job: usize, failure: Failure, effects: &mut Vec<Effect>) {
        let failure = if failure.kind() == FailureKind::ExecutableRefused {
            failure
        } else {
            let count = self.options.max_start_failures;
            let text = format!("its worker did not start, {count} times in a row: {}", failure.message());
            Failure::new(FailureKind::WorkerStartFailed, text)
                .on_node(self.options.node.clone())
                .caused_by(failure)
        };
        let until = self.now + self.options.start_failure_memory;
        let entry = self.jobs.at_mut(job);
        entry.start_failures = 0;
        entry.broken = Some((failure.clone(), until));
        self.timers.workers_by(until);
        if self.jobs.at(job).pool.has_ready_worker() {
            return;
        }
        let waiting = self.runs.keys_where(|run| {
            run.job == job && run.phase != Phase::Sent && self.needs_executable(job, run.kind)
        });
        for key in waiting {
            let Some(run) = self.runs.get(key) else { continue };
            let failure =
                failure.clone().of_task(run.assignment.task, run.assignment.template.display_name());
            self.end_unsent(key, Some(AssignmentEnd::CannotRun { failure }), effects);
        }
    }

    /// Whether tasks of a kind run, or may run, on workers of the job's executable.
    fn needs_executable(&self, job: usize, kind: usize) -> bool {
        let job = self.jobs.at(job);
        job.lane_of(kind).is_some_and(|lane| job.lanes[lane].key.runner != Runner::Embedded)
    }

    /// Why tasks of a kind cannot run now because workers do not start.
    pub(super) fn start_failure(&self, job: usize, kind: usize) -> Option<Failure> {
        let entry = self.jobs.at(job);
        let (failure, until) = entry.broken.as_ref()?;
        let stuck = *until > self.now && !entry.pool.has_ready_worker() && self.needs_executable(job, kind);
        stuck.then(|| failure.clone())
    }

    /// Lets a worker end when nothing runs on it any more.
    fn retire(&mut self, index: usize, kill_at: Time, effects: &mut Vec<Effect>) {
        self.leave_pool(index);
        let worker = self.workers.at_mut(index);
        worker.state = WorkerState::Retiring;
        worker.kill_at = kill_at;
        effects.push(Effect::Retire { worker: worker.id });
        self.timers.workers_by(kill_at);
    }

    /// A worker that was for one run retires after it.
    pub(super) fn retire_if_spent(&mut self, index: usize, effects: &mut Vec<Effect>) {
        let worker = self.workers.at(index);
        let spent = worker.pool.is_none()
            && !worker.is_embedded()
            && worker.state == WorkerState::Ready
            && worker.runs == 0;
        if spent {
            let kill_at = self.now + self.options.retire_grace;
            self.retire(index, kill_at, effects);
        }
    }

    /// Takes a worker that has ended out of the books.
    pub(super) fn dismiss(&mut self, index: usize) {
        if let Some(worker) = self.workers.remove(index)
            && let Some(job) = worker.job
        {
            self.jobs.at_mut(job).workers -= 1;
        }
    }

    /// Retires the idle, kills those that should have ended, and says when to look again.
    pub(super) fn look_over_workers(&mut self, effects: &mut Vec<Effect>) {
        let now = self.now;
        let mut next = Time::NEVER;
        let workers: Vec<usize> = self.workers.iter().map(|(index, _)| index).collect();
        for index in workers {
            let worker = self.workers.at(index);
            match worker.state {
                WorkerState::Ready if worker.runs == 0 && !worker.is_embedded() => {
                    let until = worker.idle_since + self.options.idle_worker;
                    if until > now {
                        next = next.min(until);
                    } else {
                        let kill_at = now + self.options.retire_grace;
                        self.retire(index, kill_at, effects);
                    }
                }
                WorkerState::Retiring if worker.kill_at <= now => {
                    let id = worker.id;
                    self.workers.at_mut(index).state = WorkerState::Killed;
                    effects.push(Effect::Kill { worker: id, failure: slow_to_end(id) });
                }
                WorkerState::Retiring => next = next.min(worker.kill_at),
                _ => {}
            }
        }
        self.timers.workers_by(next);
    }

    pub(super) fn job_ended(&mut self, job: JobId, effects: &mut Vec<Effect>) {
        self.homes.forget(job);
        let Some(index) = self.jobs.find(job).filter(|index| !self.jobs.at(*index).ended) else { return };
        self.jobs.at_mut(index).ended = true;
        self.ending.push(index);
        for key in self.runs.keys_where(|run| run.job == index) {
            let Some(run) = self.runs.get(key) else { continue };
            let failure = self.failure(&run.assignment.clone(), FailureKind::JobEnded, "the job has ended");
            self.cancel_run(key, failure, true, effects);
        }
        let workers: Vec<usize> = self
            .workers
            .iter()
            .filter(|(_, worker)| worker.job == Some(index))
            .map(|(index, _)| index)
            .collect();
        let kill_at = self.now + self.options.kill_grace;
        for worker in workers {
            match self.workers.at(worker).state {
                WorkerState::Ready => self.retire(worker, kill_at, effects),
                WorkerState::Retiring => {
                    self.workers.at_mut(worker).kill_at = kill_at;
                    self.timers.workers_by(kill_at);
                }
                WorkerState::Starting => {
                    self.leave_pool(worker);
                    let entry = self.workers.at_mut(worker);
                    entry.state = WorkerState::Killed;
                    let failure = Failure::new(FailureKind::JobEnded, "the job has ended");
                    effects.push(Effect::Kill { worker: entry.id, failure });
                }
                WorkerState::Killed => {}
            }
        }
    }

    /// Forgets the jobs that have ended and have nothing here any more.
    pub(super) fn forget_ended_jobs(&mut self) {
        let mut position = 0;
        while let Some(job) = self.ending.get(position).copied() {
            let entry = self.jobs.at(job);
            if entry.runs == 0 && entry.workers == 0 {
                self.round.retain(|queued| *queued != job);
                self.jobs.remove(job);
                self.ending.swap_remove(position);
            } else {
                position += 1;
            }
        }
    }
}
