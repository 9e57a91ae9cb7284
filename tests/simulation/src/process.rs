//! Processes and their clocks, which run at slightly different speeds.

use crate::agenda::Happening;
use mobula_types::Time;

/// A place in the network, at which one process is at a time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Host {
    Registry,
    Head(usize),
    Node(usize),
    Driver(usize),
}

/// One run of a program at a host. Never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct ProcessId(pub(crate) usize);

/// A process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) host: Host,
    pub(crate) alive: bool,
    pub(crate) paused: bool,
    /// What has reached it while it was paused, in order.
    pub(crate) held: Vec<Happening>,
    /// When it is woken next; `NEVER` for not at all.
    pub(crate) wake_at: Time,
    clock: Clock,
}

/// A clock that starts somewhere and drifts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// What it showed at the beginning of the world.
    offset: u64,
    /// How many nanoseconds it counts in a million.
    rate: u64,
}

impl Clock {
    pub(crate) fn new(offset_seconds: u64, rate: u64) -> Self {
        Clock { offset: offset_seconds * 1_000_000_000, rate }
    }

    /// What it shows at a moment of the world.
    pub(crate) fn local(&self, now: Time) -> Time {
        let passed = u128::from(now.as_nanos()) * u128::from(self.rate) / 1_000_000;
        Time::from_nanos(self.offset + passed as u64)
    }

    /// The first moment of the world at which it shows that time.
    pub(crate) fn world(&self, local: Time) -> Time {
        if local == Time::NEVER {
            return Time::NEVER;
        }
        let passed = u128::from(local.as_nanos().saturating_sub(self.offset));
        Time::from_nanos((passed * 1_000_000).div_ceil(u128::from(self.rate)) as u64)
    }
}

impl Process {
    pub(crate) fn new(host: Host, clock: Clock) -> Self {
        Process { host, alive: true, paused: false, held: Vec::new(), wake_at: Time::NEVER, clock }
    }

    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_wake_up_is_never_too_early() {
        for rate in [900_000, 999_999, 1_000_000, 1_100_000] {
            let clock = Clock::new(7, rate);
            for millis in [0, 1, 333, 12_345] {
                let local = clock.local(Time::ZERO) + Duration::from_millis(millis);
                assert!(clock.local(clock.world(local)) >= local);
            }
        }
    }
}
