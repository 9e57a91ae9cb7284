//! The window of an intensity: the times of a supervisor's restarts, and whether too many of them lie together.

use mobula_types::Time;
use mobula_types::actor::Intensity;
use std::collections::VecDeque;
use std::time::Duration;

/// How long restarts are kept beyond the time of the intensity: while a head is away, exits wait at their nodes, and what one
/// node tells last may have happened first.
const LATE: Duration = Duration::from_secs(600);

/// How many restarts are kept beyond those that an intensity allows.
const MOST_EARLIER: usize = 64;

/// When the restarts that may still count happened, in order.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Window {
    times: VecDeque<Time>,
}

impl Window {
    /// Counts a restart, in whatever order they become known. Whether there are then more than allowed within the time of
    /// the intensity.
    pub(super) fn count(&mut self, at: Time, intensity: &Intensity) -> bool {
        if intensity.max_restarts > Intensity::MOST_COUNTED {
            self.clear();
            return false;
        }
        let most = intensity.max_restarts as usize;
        let place = self.times.partition_point(|time| *time <= at);
        self.times.insert(place, at);
        // Only what reaches over its place is new. The last one of the usual case has one such reach.
        let first = place.saturating_sub(most);
        let reach = |from: usize| Some(self.times.get(from.saturating_add(most))?.since(self.times[from]));
        let is_over = (first..=place).map_while(reach).any(|time| time <= intensity.within);
        self.forget(most, intensity.within);
        is_over
    }

    fn forget(&mut self, most: usize, within: Duration) {
        let since = self.times.back().map_or(Time::ZERO, |last| last.before(within.saturating_add(LATE)));
        let is_past = |times: &VecDeque<Time>| times.front().is_some_and(|time| *time < since);
        while is_past(&self.times) || self.times.len() > most.saturating_add(MOST_EARLIER) {
            self.times.pop_front();
        }
    }

    pub(super) fn clear(&mut self) {
        self.times.clear();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Time> {
        self.times.iter().copied()
    }
}

impl FromIterator<Time> for Window {
    fn from_iter<T: IntoIterator<Item = Time>>(times: T) -> Self {
        let mut times: Vec<Time> = times.into_iter().collect();
        times.sort_unstable();
        Window { times: times.into() }
    }
}
