//! The arithmetic of a node's own lease.

use mobula_types::Time;
use std::time::Duration;

/// A node's lease by the node's own clock, which counts suspended time. It runs from the *sending* of the request that
/// granted or renewed it, so that it never outlasts what the registry counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LeaseClock {
    /// When the last request that was granted was sent.
    counted_from: Time,
    /// How long the lease lasts.
    length: Duration,
}

impl LeaseClock {
    /// The longest wait between two renewals.
    const BEAT: Duration = Duration::from_secs(2);

    /// A lease that was asked for at `sent`.
    pub const fn new(sent: Time, length: Duration) -> Self {
        LeaseClock { counted_from: sent, length }
    }

    /// A renewal that was sent at `sent` succeeded. An earlier one than the last changes nothing.
    pub fn renewed(&mut self, sent: Time) {
        self.counted_from = self.counted_from.max(sent);
    }

    /// Between two renewals: a sixth of the lease, at most 2 s.
    pub fn beat(&self) -> Duration {
        (self.length / 6).clamp(Duration::from_millis(1), Self::BEAT)
    }

    /// Its end.
    pub fn end(&self) -> Time {
        self.counted_from + self.length
    }

    /// How long it lasts.
    pub const fn length(&self) -> Duration {
        self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_from_sending_and_never_back() {
        let second = |seconds| Time::ZERO + Duration::from_secs(seconds);
        let mut lease = LeaseClock::new(second(10), Duration::from_secs(12));
        assert_eq!(lease.beat(), Duration::from_secs(2));
        assert_eq!(lease.end(), second(22));
        lease.renewed(second(12));
        lease.renewed(second(11));
        assert_eq!(lease.end(), second(24));
        assert_eq!(LeaseClock::new(second(0), Duration::from_secs(60)).beat(), Duration::from_secs(2));
    }
}
