//! Keeps the registry small, and makes room in it when it is full: what is compacted, when it is defragmented, and when
//! somebody has to be told.
//!
//! What it promises, as long as the driver does one thing at a time and says what became of it:
//!
//! - The history of the last while stays: watches that were away that long resume without a fresh list. Before that, and
//!   past a number of revisions, it goes.
//! - The registry is defragmented when at least half of it is free, at most once an hour: it holds requests up.
//! - A registry that is full is compacted whole and defragmented at once, and again ever less often while that does not
//!   help. That it is full, and that there is room again, is told once each.
//! - What fails is tried again at the next look, and harms nobody.

mod options;
#[cfg(test)]
mod tests;

pub use options::UpkeepOptions;

use mobula_types::Time;
use std::collections::VecDeque;
use std::time::Duration;

/// The registry as it was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Look {
    /// The latest revision.
    pub revision: u64,
    /// What it takes on disk, in bytes.
    pub size_bytes: u64,
    /// How much of that is in use.
    pub used_bytes: u64,
    /// Whether writes are refused for want of room.
    pub is_full: bool,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Answer to [`Effect::Look`].
    Seen(Look),
    /// [`Effect::Compact`] is done.
    Compacted,
    /// [`Effect::Defragment`] is done.
    Defragmented,
    /// What was to be done has failed.
    Failed,
    /// A write was refused for want of room.
    Refused,
    /// The upkeep is taken up after others may have had it.
    Begun,
    /// Time has passed.
    Tick,
}

/// What is to be done; of the first three one at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Look how the registry stands, then say [`Event::Seen`].
    Look,
    /// Forget the history up to that revision, then say [`Event::Compacted`].
    Compact {
        /// The revision.
        revision: u64,
    },
    /// Give unused space back, and lift the alarm of a quota, then say [`Event::Defragmented`].
    Defragment,
    /// Tell people that the registry is full and takes no writes.
    Full(Look),
    /// Tell people that it takes writes again.
    RoomAgain(Look),
}

/// What is being done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Rests {
        until: Time,
    },
    Looks,
    Compacts,
    /// Looks what the compaction has freed.
    LooksAgain,
    Defragments,
    /// Looks what the defragmentation has changed.
    LooksAtLast,
}

/// The upkeep of one registry. See the [module](self).
#[derive(Clone, Debug)]
pub struct Upkeep {
    options: UpkeepOptions,
    step: Step,
    /// Revisions as they were found, oldest first; the first one is the latest that is old enough to be forgotten.
    seen: VecDeque<(Time, u64)>,
    compacted: u64,
    defragmented: Option<Time>,
    /// The revision at that time.
    defragmented_revision: u64,
    /// How often in a row that made no room.
    vain_tries: u32,
    is_full: bool,
}

impl Upkeep {
    /// The upkeep of a registry at which nobody has looked yet; the first [`Event::Tick`] does.
    pub fn new(options: UpkeepOptions) -> Self {
        Upkeep {
            options,
            step: Step::Rests { until: Time::ZERO },
            seen: VecDeque::new(),
            compacted: 0,
            defragmented: None,
            defragmented_revision: 0,
            vain_tries: 0,
            is_full: false,
        }
    }

    /// When it wants the next [`Event::Tick`].
    pub fn next_deadline(&self) -> Time {
        match self.step {
            Step::Rests { until } => until,
            _ => Time::NEVER,
        }
    }

    /// Whether nothing is being done.
    pub fn is_resting(&self) -> bool {
        matches!(self.step, Step::Rests { .. })
    }

    /// Takes what happened; says what is to be done.
    pub fn on_event(&mut self, now: Time, event: Event, effects: &mut Vec<Effect>) {
        match (event, self.step) {
            (Event::Tick, Step::Rests { until }) if until <= now => self.look(Step::Looks, effects),
            // Once it is known to be full, it is looked at in its own time.
            (Event::Refused, Step::Rests { .. }) if !self.is_full => self.look(Step::Looks, effects),
            (Event::Begun, Step::Rests { .. }) => self.look(Step::Looks, effects),
            (Event::Seen(look), Step::Looks) => {
                self.seen(now, look, effects);
                match self.to_be_compacted(look) {
                    Some(revision) => {
                        self.compacted = revision;
                        self.step = Step::Compacts;
                        effects.push(Effect::Compact { revision });
                    }
                    None => self.defragment(now, look, effects),
                }
            }
            (Event::Compacted, Step::Compacts) => self.look(Step::LooksAgain, effects),
            (Event::Seen(look), Step::LooksAgain) => {
                self.seen(now, look, effects);
                self.defragment(now, look, effects);
            }
            (Event::Defragmented, Step::Defragments) => self.look(Step::LooksAtLast, effects),
            (Event::Seen(look), Step::LooksAtLast) => {
                self.seen(now, look, effects);
                self.rest(now);
            }
            (Event::Failed, Step::Rests { .. }) => {}
            (Event::Failed, step) => {
                if step == Step::Compacts {
                    self.compacted = 0;
                }
                self.rest(now);
            }
            _ => {}
        }
    }

    fn look(&mut self, step: Step, effects: &mut Vec<Effect>) {
        self.step = step;
        effects.push(Effect::Look);
    }

    fn rest(&mut self, now: Time) {
        let pause = if self.is_full { self.options.interval_full } else { self.options.interval };
        self.step = Step::Rests { until: now + pause };
    }

    fn seen(&mut self, now: Time, look: Look, effects: &mut Vec<Effect>) {
        self.seen.push_back((now, look.revision));
        let old =
            |seen: Option<&(Time, u64)>| seen.is_some_and(|(at, _)| *at + self.options.keep_history <= now);
        while old(self.seen.get(1)) {
            self.seen.pop_front();
        }
        if look.is_full != self.is_full {
            self.is_full = look.is_full;
            effects.push(if look.is_full { Effect::Full(look) } else { Effect::RoomAgain(look) });
        }
        if !look.is_full {
            self.vain_tries = 0;
        }
    }

    /// Up to which revision the history is to be forgotten, where it is worth it.
    fn to_be_compacted(&self, look: Look) -> Option<u64> {
        let by_age = match self.seen.front() {
            Some((at, revision))
                if self.seen.back().is_some_and(|(now, _)| *at + self.options.keep_history <= *now) =>
            {
                *revision
            }
            _ => 0,
        };
        let by_count = look.revision.saturating_sub(self.options.most_history);
        let wanted = if look.is_full { look.revision } else { by_age.max(by_count) };
        let gained = wanted.saturating_sub(self.compacted);
        let least = if look.is_full { 1 } else { self.options.least_compacted };
        (gained >= least).then_some(wanted)
    }

    /// How long a full registry is let be after it was defragmented. What a delete has freed shows in its sizes only after
    /// another write.
    fn patience(&self, look: Look) -> Duration {
        let has_changed = look.revision > self.defragmented_revision;
        let options = &self.options;
        let first = if has_changed { options.first_patience_changed } else { options.first_patience };
        let doubled = 2_u32.saturating_pow(self.vain_tries);
        first.saturating_mul(doubled).min(options.longest_patience)
    }

    fn defragment(&mut self, now: Time, look: Look, effects: &mut Vec<Effect>) {
        let free = look.size_bytes.saturating_sub(look.used_bytes);
        let is_worth_it = free >= self.options.least_free_bytes && free >= look.size_bytes / 2;
        let pause = if look.is_full { self.patience(look) } else { self.options.defragment_interval };
        // Where that frees a lot, as after something was deleted, nothing is gained by waiting.
        let frees_a_lot = look.is_full && free >= look.size_bytes / 8;
        let is_due = frees_a_lot || self.defragmented.is_none_or(|at| at + pause <= now);
        if !(look.is_full || is_worth_it) || !is_due {
            return self.rest(now);
        }
        if look.is_full && self.defragmented.is_some() {
            self.vain_tries += 1;
        }
        self.defragmented = Some(now);
        self.defragmented_revision = look.revision;
        self.step = Step::Defragments;
        effects.push(Effect::Defragment);
    }
}
