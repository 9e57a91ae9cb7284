//! How long a function runs, and so how many of its runs a slot is given at once.

use super::ExecutorOptions;

/// A moving average of a function's running time, and a window that opens as it becomes known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    /// Nanoseconds; 0 while unknown.
    nanos: u64,
    /// How many runs a slot may have, whatever the average says: starts at 1 and doubles with each run that ends.
    window: u32,
}

impl Estimate {
    pub(super) const UNKNOWN: Estimate = Estimate { nanos: 0, window: 1 };

    /// What a run is expected to take, in nanoseconds.
    pub(super) fn nanos(self) -> u64 {
        self.nanos
    }

    /// A run took this long.
    pub(super) fn observe(&mut self, micros: u32, options: &ExecutorOptions) {
        let sample = (u64::from(micros) * 1000).max(250);
        self.nanos = if self.nanos == 0 { sample } else { self.nanos - self.nanos / 8 + sample / 8 };
        self.window = self.window.saturating_mul(2).min(options.max_ahead.max(1));
    }

    /// Whether a slot that has `queued` runs worth `work` nanoseconds may be given one more.
    pub(super) fn allows(self, queued: usize, work: u64, options: &ExecutorOptions) -> bool {
        let worth = u64::try_from(options.ahead_work.as_nanos()).unwrap_or(u64::MAX);
        queued < self.window as usize && work.saturating_add(self.nanos) <= worth
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::{NodeId, Resources};

    #[test]
    fn the_window_doubles_and_the_work_bounds_it() {
        let options = ExecutorOptions::new(NodeId::new("a", 1), Resources::cpus(1));
        let mut short = Estimate::UNKNOWN;
        assert!(short.allows(0, 0, &options));
        assert!(!short.allows(1, 0, &options), "an unknown function gets one");
        let mut windows = Vec::new();
        for _ in 0..9 {
            short.observe(1, &options);
            windows.push((1..300).find(|queued| !short.allows(*queued, 0, &options)).unwrap());
        }
        assert_eq!(windows, [2, 4, 8, 16, 32, 64, 128, 128, 128]);
        let mut long = Estimate::UNKNOWN;
        (0..9).for_each(|_| long.observe(400, &options));
        assert!(long.allows(1, 400_000, &options));
        assert!(!long.allows(2, 800_000, &options), "about a millisecond of work");
    }
}
