//! When something is due.

use super::{ActorHost, Effect};
use mobula_types::{JobId, Time};
use std::collections::{BTreeSet, VecDeque};

/// The times at which the machine has to look at something again.
#[derive(Debug)]
pub(super) struct Timers {
    /// When actors that were told to stop are dead, by their numbers.
    pub(super) deaths: BTreeSet<(Time, u64)>,
    /// When actors have taken too long to start, by their numbers.
    pub(super) starts: BTreeSet<(Time, u64)>,
    /// When what is left of jobs that have ended is stopped, in order.
    pub(super) jobs: VecDeque<(Time, JobId)>,
    /// When what is known of callers without lanes goes, by their numbers, in order.
    pub(super) orphans: VecDeque<(Time, u64)>,
    workers_at: Time,
    exits_at: Time,
}

impl Timers {
    pub(super) fn new() -> Self {
        Timers {
            deaths: BTreeSet::new(),
            starts: BTreeSet::new(),
            jobs: VecDeque::new(),
            orphans: VecDeque::new(),
            workers_at: Time::NEVER,
            exits_at: Time::NEVER,
        }
    }

    pub(super) fn next(&self) -> Time {
        let death = self.deaths.first().map_or(Time::NEVER, |(at, _)| *at);
        let orphan = self.orphans.front().map_or(Time::NEVER, |(at, _)| *at);
        let start = self.starts.first().map_or(Time::NEVER, |(at, _)| *at);
        let job = self.jobs.front().map_or(Time::NEVER, |(at, _)| *at);
        death.min(start).min(job).min(orphan).min(self.workers_at).min(self.exits_at)
    }

    /// Looks at the workers at `at` at the latest.
    pub(super) fn workers_by(&mut self, at: Time) {
        self.workers_at = self.workers_at.min(at);
    }

    /// Looks at the exits that are not recorded at `at` at the latest.
    pub(super) fn exits_by(&mut self, at: Time) {
        self.exits_at = self.exits_at.min(at);
    }
}

impl ActorHost {
    pub(super) fn tick(&mut self, effects: &mut Vec<Effect>) {
        let now = self.now;
        while let Some((_, number)) = self.timers.deaths.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.deaths.pop_first();
            if let Some(actor) = self.actors.place_of(number) {
                self.overdue(actor, effects);
            }
        }
        while let Some((_, number)) = self.timers.starts.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.starts.pop_first();
            if let Some(actor) = self.actors.place_of(number) {
                self.start_overdue(actor, effects);
            }
        }
        while let Some((_, job)) = self.timers.jobs.pop_front_if(|(at, _)| *at <= now) {
            self.end_job(job, effects);
        }
        while let Some((_, number)) = self.timers.orphans.pop_front_if(|(at, _)| *at <= now) {
            self.forget_orphan(number);
        }
        if self.timers.workers_at <= now {
            self.timers.workers_at = Time::NEVER;
            self.look_over_workers(effects);
        }
        if self.timers.exits_at <= now {
            self.timers.exits_at = Time::NEVER;
            self.say_exits_again(effects);
        }
    }
}
