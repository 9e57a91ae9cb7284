//! When something is due.

use super::RunKey;
use mobula_types::Time;
use std::collections::BTreeSet;

/// The times at which the executor has to look at something again.
#[derive(Debug)]
pub(super) struct Timers {
    /// Deadlines, timeouts and kills of runs. Most runs have none.
    runs: BTreeSet<(Time, RunKey)>,
    /// When slots are looked over for runs that are held up.
    pub(super) slots_at: Time,
    /// When workers are looked over for idle ones, and for those that do not end.
    pub(super) workers_at: Time,
    /// When a lane that lacks CPUs may have waited for too long.
    pub(super) starving_at: Time,
}

impl Timers {
    pub(super) fn new() -> Self {
        Timers {
            runs: BTreeSet::new(),
            slots_at: Time::NEVER,
            workers_at: Time::NEVER,
            starving_at: Time::NEVER,
        }
    }

    pub(super) fn insert(&mut self, at: Time, run: RunKey) {
        self.runs.insert((at, run));
    }

    pub(super) fn remove(&mut self, at: Time, run: RunKey) {
        self.runs.remove(&(at, run));
    }

    /// The next run that is due at `now`, taken out.
    pub(super) fn due(&mut self, now: Time) -> Option<RunKey> {
        let (at, run) = *self.runs.first()?;
        if at > now {
            return None;
        }
        self.runs.pop_first();
        Some(run)
    }

    pub(super) fn next(&self) -> Time {
        let run = self.runs.first().map_or(Time::NEVER, |(at, _)| *at);
        run.min(self.slots_at).min(self.workers_at).min(self.starving_at)
    }

    /// Looks at the slots at `at` at the latest.
    pub(super) fn slots_by(&mut self, at: Time) {
        self.slots_at = self.slots_at.min(at);
    }

    /// Looks at the workers at `at` at the latest.
    pub(super) fn workers_by(&mut self, at: Time) {
        self.workers_at = self.workers_at.min(at);
    }

    /// Looks for starving runs at `at` at the latest.
    pub(super) fn starving_by(&mut self, at: Time) {
        self.starving_at = self.starving_at.min(at);
    }
}
