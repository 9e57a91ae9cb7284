//! How the node's lease stands, for the actors that may only run under it.

use super::super::Shard;
use mobula_core::hosting::{Event, Isolation};
use mobula_types::Time;

impl Shard {
    /// Tells the host how far the lease has run.
    pub(super) fn look_at_lease(&mut self) {
        let (stage, _next) = self.isolation_stage();
        if stage != self.actors.isolation {
            if stage != Isolation::None {
                tracing::warn!(?stage, "no head has renewed the lease of this node for long");
            }
            self.actors.isolation = stage;
            self.tell_host(Event::Isolation(stage));
        }
    }

    /// When the lease enters its next stage, unless it is renewed.
    pub(in super::super) fn next_isolation(&self) -> Time {
        self.isolation_stage().1
    }

    fn isolation_stage(&self) -> (Isolation, Time) {
        let Some((_, lease)) = self.parts.head.lease() else { return (self.actors.isolation, Time::NEVER) };
        let (length, end) = (lease.length(), lease.end());
        let suspected = end.before(length / 4);
        let stopping = end.before(length / 6);
        match self.now {
            now if now < suspected => (Isolation::None, suspected),
            now if now < stopping => (Isolation::Suspected, stopping),
            now if now < end => (Isolation::Stopping, end),
            _ => (Isolation::Over, Time::NEVER),
        }
    }
}
