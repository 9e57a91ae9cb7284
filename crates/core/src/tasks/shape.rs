//! Tasks of one job that are alike: one template, one queue, one estimate of how long they run.

use crate::tasks::keys::{JobKey, TaskKey};
use mobula_types::TaskTemplate;
use mobula_types::actor::Target;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// A task in a queue, as of that ticket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) task: TaskKey,
    pub(super) ticket: u64,
}

/// A first-in-first-out queue from which entries may be withdrawn: they become stale where they stand.
#[derive(Default, Debug)]
pub(super) struct Line {
    entries: VecDeque<Entry>,
    live: u32,
}

impl Line {
    pub(super) fn push(&mut self, entry: Entry, front: bool, is_live: impl Fn(&Entry) -> bool) {
        if self.entries.len() >= 64 && self.entries.len() / 2 > self.live as usize {
            self.entries.retain(is_live);
        }
        if front {
            self.entries.push_front(entry);
        } else {
            self.entries.push_back(entry);
        }
        self.live += 1;
    }

    /// One of its entries has become stale.
    pub(super) fn withdraw(&mut self) {
        self.live = self.live.saturating_sub(1);
    }

    pub(super) fn live(&self) -> u32 {
        self.live
    }

    /// The ticket of the first live entry.
    pub(super) fn front(&mut self, is_live: impl Fn(&Entry) -> bool) -> Option<Entry> {
        while let Some(entry) = self.entries.front() {
            if is_live(entry) {
                return Some(*entry);
            }
            self.entries.pop_front();
        }
        None
    }

    /// Takes the first live entry.
    pub(super) fn pop(&mut self, is_live: impl Fn(&Entry) -> bool) -> Option<Entry> {
        let entry = self.front(is_live)?;
        self.entries.pop_front();
        self.live -= 1;
        Some(entry)
    }

    /// The live entries.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }
}

/// Tasks of one job and one template.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) job: JobKey,
    pub(super) template: Arc<TaskTemplate>,
    pub(super) name: Arc<str>,
    /// Whether no executor runs its tasks: they are calls or creations of actors.
    pub(super) is_routed: bool,
    /// Other allocations of the same template, kept so that their addresses stay theirs.
    pub(super) aliases: Vec<Arc<TaskTemplate>>,
    /// Tasks that any node will do for as well as another.
    pub(super) plain: Line,
    /// Tasks with large arguments somewhere, or with nodes to avoid: each is placed by itself.
    pub(super) single: Line,
    /// Tasks on record.
    pub(super) tasks: u32,
    /// Of those, handed to executors.
    pub(super) assigned: u32,
    /// Of those, ended.
    pub(super) ended: u32,
    /// Whether it is among its job's ready shapes.
    pub(super) is_ready: bool,
    /// The state of the capacity in which it last found no place.
    pub(super) blocked_at: u64,
    /// Why it can never run as things are.
    pub(super) infeasible: Option<Arc<str>>,
    pub(super) estimate: Estimate,
    /// Where its job counts its ended tasks.
    pub(super) summary: Option<usize>,
}

impl Shape {
    pub(super) fn new(job: JobKey, template: Arc<TaskTemplate>) -> Self {
        Shape {
            job,
            name: template.display_name(),
            is_routed: template.options.target != Target::Function,
            template,
            aliases: Vec::new(),
            plain: Line::default(),
            single: Line::default(),
            tasks: 0,
            assigned: 0,
            ended: 0,
            is_ready: false,
            blocked_at: 0,
            infeasible: None,
            estimate: Estimate::default(),
            summary: None,
        }
    }

    /// Tasks that wait for a place.
    pub(super) fn queued(&self) -> u32 {
        self.plain.live() + self.single.live()
    }
}

/// A moving average of how long a function runs, and how many of its tasks a slot may be given.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Estimate {
    /// Sixteenths of a microsecond.
    average: u64,
    seen: u32,
}

impl Estimate {
    const WEIGHT: u64 = 8;

    /// A run took so many microseconds.
    pub(super) fn add(&mut self, micros: u32) {
        let sample = u64::from(micros) * 16;
        self.average = match self.seen {
            0 => sample,
            _ => (self.average * (Self::WEIGHT - 1) + sample) / Self::WEIGHT,
        };
        self.seen = self.seen.saturating_add(1);
    }

    /// How many tasks may queue behind a running one: none of an unknown function, then twice as many with each run that
    /// ended, as long as they are worth no more than `work`.
    pub(super) fn ahead(&self, work: Duration, at_most: u32) -> u32 {
        if self.seen == 0 {
            return 0;
        }
        let known = 1_u64 << self.seen.min(20);
        let work = u64::try_from(work.as_micros()).unwrap_or(u64::MAX).saturating_mul(16);
        let fitting = work / self.average.max(1);
        u32::try_from(known.min(fitting).saturating_sub(1)).unwrap_or(u32::MAX).min(at_most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORK: Duration = Duration::from_millis(1);

    #[test]
    fn an_unknown_function_starts_with_one_and_doubles() {
        let mut estimate = Estimate::default();
        assert_eq!(estimate.ahead(WORK, 127), 0);
        let depths: Vec<u32> = (0..9)
            .map(|_| {
                estimate.add(1);
                estimate.ahead(WORK, 127)
            })
            .collect();
        assert_eq!(depths, [1, 3, 7, 15, 31, 63, 127, 127, 127]);
    }

    #[test]
    fn a_long_function_never_queues_ahead() {
        let mut estimate = Estimate::default();
        (0..20).for_each(|_| estimate.add(2_000));
        assert_eq!(estimate.ahead(WORK, 127), 0);
        (0..60).for_each(|_| estimate.add(100));
        assert!((7..=9).contains(&estimate.ahead(WORK, 127)));
    }

    #[test]
    fn withdrawn_entries_do_not_pile_up() {
        let mut line = Line::default();
        for ticket in 0..10_000 {
            line.push(Entry { task: TaskKey::new(0), ticket }, false, |entry| entry.ticket == ticket);
            line.withdraw();
        }
        assert!(line.entries.len() < 200);
        assert_eq!(line.live(), 0);
    }
}
