//! Cancels, deadlines, timeouts, and what is done about runs that do not heed them.

use super::assign::failed;
use super::ends::report;
use super::job::same_owner;
use super::run::Phase;
use super::worker::WorkerState;
use super::{Effect, Executor, Owner, RunKey};
use mobula_types::{Attempt, Failure, FailureKind, TaskId, Time};

impl Executor {
    pub(super) fn cancel(
        &mut self,
        owner: &Owner,
        task: TaskId,
        attempt: Attempt,
        failure: Failure,
        force: bool,
        effects: &mut Vec<Effect>,
    ) {
        let Some(key) = self.runs.find(task, attempt) else { return };
        if self.runs.get(key).is_some_and(|run| same_owner(&run.owner, owner)) {
            self.cancel_run(key, failure, force, effects);
        }
    }

    /// Ends a run that waits, and tells the worker of one that does not. With `force`, the worker is killed if that does
    /// not help in time.
    pub(super) fn cancel_run(
        &mut self,
        key: RunKey,
        failure: Failure,
        force: bool,
        effects: &mut Vec<Effect>,
    ) {
        let kill_at = if force { self.now + self.options.kill_grace } else { Time::NEVER };
        let Some(run) = self.runs.get_mut(key) else { return };
        if run.reported {
            return;
        }
        if run.phase != Phase::Sent {
            self.end_unsent(key, Some(failed(failure)), effects);
            return;
        }
        run.kill_at = run.kill_at.min(kill_at);
        if run.cancelled.is_none() {
            run.cancelled = Some(failure.clone());
            let worker = self.workers.at_mut(run.worker);
            worker.slots[run.slot as usize].cancelled += 1;
            let worker = worker.id;
            effects.push(Effect::CancelRun { worker, handle: key.0, failure });
        }
        self.arm(key);
    }

    /// Sets a run's timer to the next thing that may be due for it.
    pub(super) fn arm(&mut self, key: RunKey) {
        let Some(run) = self.runs.get_mut(key) else { return };
        let mut at = run.kill_at;
        if run.cancelled.is_none() {
            at = at.min(run.orphan_until).min(run.assignment.deadline.unwrap_or(Time::NEVER));
            if let Some(timeout) = run.assignment.template.options.timeout
                && run.started != Time::NEVER
            {
                at = at.min(run.started + timeout);
            }
        }
        if at == run.timer {
            return;
        }
        let old = std::mem::replace(&mut run.timer, at);
        if old != Time::NEVER {
            self.timers.remove(old, key);
        }
        if at != Time::NEVER {
            self.timers.insert(at, key);
        }
    }

    pub(super) fn tick(&mut self, effects: &mut Vec<Effect>) {
        while let Some(key) = self.timers.due(self.now) {
            self.run_is_due(key, effects);
        }
        if self.timers.slots_at <= self.now {
            self.timers.slots_at = Time::NEVER;
            self.recall_held_up(effects);
        }
        if self.timers.workers_at <= self.now {
            self.timers.workers_at = Time::NEVER;
            self.look_over_workers(effects);
        }
    }

    fn run_is_due(&mut self, key: RunKey, effects: &mut Vec<Effect>) {
        let now = self.now;
        let Some(run) = self.runs.get_mut(key) else { return };
        run.timer = Time::NEVER;
        let template = &run.assignment.template;
        let timed_out = |timeout| run.started != Time::NEVER && run.started + timeout <= now;
        let failure = if run.cancelled.is_some() {
            if run.kill_at <= now {
                self.kill_run(key, effects);
            }
            None
        } else if run.orphan_until <= now {
            let assignment = run.assignment.clone();
            let text = "the node that owned it was lost, and nobody took it over";
            Some(self.failure(&assignment, FailureKind::NodeLost, text))
        } else if run.assignment.deadline.is_some_and(|deadline| deadline <= now) {
            let assignment = run.assignment.clone();
            Some(self.deadline_failure(&assignment))
        } else if template.options.timeout.is_some_and(timed_out) {
            let assignment = run.assignment.clone();
            Some(self.timeout_failure(&assignment, &assignment.template))
        } else {
            None
        };
        if let Some(failure) = failure {
            self.cancel_run(key, failure, true, effects);
        }
        self.arm(key);
    }

    /// A cancelled run has not ended in time: its worker is killed. A thread of the node itself cannot be: its owner is
    /// told, and what it holds stays held until it ends.
    fn kill_run(&mut self, key: RunKey, effects: &mut Vec<Effect>) {
        let next = self.now + self.options.kill_grace;
        let is_head = self.is_head(key);
        let Some(run) = self.runs.get_mut(key) else { return };
        if !is_head {
            // It has not started, and the worker is about to say so.
            run.kill_at = next;
            return;
        }
        run.kill_at = Time::NEVER;
        let Some(failure) = run.cancelled.clone() else { return };
        let (index, job) = (run.worker, run.assignment.job);
        let worker = self.workers.at_mut(index);
        if !worker.is_embedded() {
            if worker.state != WorkerState::Killed {
                let id = worker.id;
                self.leave_pool(index);
                self.workers.at_mut(index).state = WorkerState::Killed;
                effects.push(Effect::Kill { worker: id, failure });
            }
            return;
        }
        let silent = run.is_orphan() || run.reported;
        run.reported = true;
        if !silent {
            let name = run.assignment.template.display_name();
            let text = format!(
                "{name} was cancelled and still runs in the node's own process, which cannot end it; its CPUs stay taken"
            );
            effects.push(report(run.owner.clone(), &run.assignment, failed(failure)));
            effects.push(Effect::Warn { job, text });
        }
    }
}
