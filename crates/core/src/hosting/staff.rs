//! Workers: when they are asked for, and when they go.

use super::worker::{Occupant, Worker, WorkerKind, WorkerState};
use super::{ActorHost, Effect, Isolation};
use mobula_types::actor::ExitKind;
use mobula_types::{ExitReason, Failure, FailureKind, JobId, Time, WorkerId};
use slab::Slab;
use std::time::Duration;

impl ActorHost {
    pub(super) fn new_worker(&mut self, job: JobId, kind: WorkerKind, effects: &mut Vec<Effect>) -> usize {
        let id = WorkerId(self.next_worker);
        self.next_worker += 1;
        effects.push(Effect::StartWorker { worker: id, job, isolated: kind == WorkerKind::Isolated });
        let worker = self.add_worker(id, Some(job), kind, WorkerState::Starting);
        if kind != WorkerKind::Isolated {
            self.shared.insert((job, kind), worker);
        }
        worker
    }

    fn add_worker(
        &mut self,
        id: WorkerId,
        job: Option<JobId>,
        kind: WorkerKind,
        state: WorkerState,
    ) -> usize {
        let worker = self.workers.insert(Worker {
            id,
            job,
            kind,
            state,
            seats: Slab::new(),
            live: 0,
            idle_since: self.now,
            kill_at: Time::NEVER,
        });
        self.workers_by_id.insert(id, worker);
        worker
    }

    pub(super) fn embedded_started(&mut self, id: WorkerId, effects: &mut Vec<Effect>) {
        if self.embedded.is_some() || self.workers_by_id.contains_key(&id) {
            return;
        }
        self.embedded = Some(self.add_worker(id, None, WorkerKind::Embedded, WorkerState::Ready));
        self.place_waiting(effects);
    }

    pub(super) fn worker_started(&mut self, id: WorkerId, effects: &mut Vec<Effect>) {
        let Some(index) = self.workers_by_id.get(&id).copied() else { return };
        let worker = &mut self.workers[index];
        if worker.state != WorkerState::Starting {
            return;
        }
        worker.state = WorkerState::Ready;
        worker.idle_since = self.now;
        if self.isolation == Isolation::None {
            self.host_all(index, effects);
        }
        self.note_vacancy(index, effects);
    }

    /// Tells a worker, which is there, of all its actors of which it was not told.
    pub(super) fn host_all(&mut self, worker: usize, effects: &mut Vec<Effect>) {
        for place in self.hosted(worker) {
            if self.actors[place].seat.is_some_and(|seat| !seat.is_told) {
                self.host(place, effects);
            }
        }
    }

    /// The actors of a worker, by their numbers there.
    pub(super) fn hosted(&self, worker: usize) -> Vec<usize> {
        let seats = self.workers[worker].seats.iter();
        seats
            .filter_map(|(_, seat)| match seat {
                Occupant::Actor(place) => Some(*place),
                Occupant::Abandoned => None,
            })
            .collect()
    }

    /// A worker is no more, or never was: its actors are dead.
    pub(super) fn worker_lost(&mut self, id: WorkerId, failure: Failure, effects: &mut Vec<Effect>) {
        let Some(index) = self.workers_by_id.get(&id).copied() else { return };
        self.workers[index].state = WorkerState::Killed;
        self.leave_shared(index);
        for place in self.hosted(index) {
            let isolated = self.isolation >= Isolation::Stopping && !self.actors[place].keeps;
            // Such a worker ends by itself at the end of the lease.
            let reason = match isolated {
                true => ExitReason::of(ExitKind::Isolated),
                false => ExitReason::failed(ExitKind::WorkerDied, failure.clone()),
            };
            self.exit(place, reason, effects);
        }
        self.workers_by_id.remove(&id);
        self.workers.remove(index);
        if self.embedded == Some(index) {
            self.embedded = None;
        }
    }

    /// A worker takes no further actors.
    fn leave_shared(&mut self, index: usize) {
        let worker = &self.workers[index];
        if let Some(job) = worker.job
            && self.shared.get(&(job, worker.kind)) == Some(&index)
        {
            let name = (job, worker.kind);
            self.shared.remove(&name);
        }
    }

    pub(super) fn kill(&mut self, index: usize, failure: Failure, effects: &mut Vec<Effect>) {
        self.leave_shared(index);
        let worker = &mut self.workers[index];
        if worker.state != WorkerState::Killed && worker.kind != WorkerKind::Embedded {
            worker.state = WorkerState::Killed;
            effects.push(Effect::Kill { worker: worker.id, failure });
        }
    }

    /// A worker has an actor less.
    pub(super) fn note_vacancy(&mut self, index: usize, effects: &mut Vec<Effect>) {
        let worker = &mut self.workers[index];
        if worker.kind == WorkerKind::Embedded {
            return;
        }
        let (is_spoiled, is_empty) = (worker.is_spoiled(), worker.live == 0);
        if is_empty {
            worker.idle_since = self.now;
            let is_over = worker.job.is_some_and(|job| !self.jobs.contains_key(&job));
            let idle = if is_over { Duration::ZERO } else { self.options.idle_worker };
            self.timers.workers_by(self.now + idle);
        }
        if is_spoiled {
            // Another one takes its place, and when its last actor has left, the threads that are held there go with it.
            self.leave_shared(index);
            if is_empty {
                let text = "an actor in it that did not end held a thread of it";
                self.kill(index, Failure::new(FailureKind::WorkerDied, text), effects);
            }
        }
    }

    /// Retires the idle, kills those that should have ended, and says when to look again.
    pub(super) fn look_over_workers(&mut self, effects: &mut Vec<Effect>) {
        let now = self.now;
        let mut next = Time::NEVER;
        for index in self.workers_by_id.values().copied().collect::<Vec<_>>() {
            let worker = &self.workers[index];
            let is_over = worker.job.is_some_and(|job| !self.jobs.contains_key(&job));
            let is_idle = worker.live == 0 && worker.kind != WorkerKind::Embedded;
            let until =
                if is_over { worker.idle_since } else { worker.idle_since + self.options.idle_worker };
            match worker.state {
                WorkerState::Starting if is_idle && until <= now => {
                    let text = "nothing waits for it any more";
                    self.kill(index, Failure::new(FailureKind::Cancelled, text), effects);
                }
                WorkerState::Ready if is_idle && until <= now => {
                    self.leave_shared(index);
                    let worker = &mut self.workers[index];
                    worker.state = WorkerState::Retiring;
                    worker.kill_at = now + self.options.retire_grace;
                    next = next.min(worker.kill_at);
                    effects.push(Effect::Retire { worker: worker.id });
                }
                WorkerState::Starting | WorkerState::Ready if is_idle => next = next.min(until),
                WorkerState::Retiring if worker.kill_at <= now => {
                    let text = format!("worker {} was told to end and did not", worker.id);
                    self.kill(index, Failure::new(FailureKind::WorkerDied, text), effects);
                }
                WorkerState::Retiring => next = next.min(worker.kill_at),
                _ => {}
            }
        }
        self.timers.workers_by(next);
    }
}
