//! How the node's lease stands, for the actors that may only run under it.

use super::super::Shard;
use mobula_core::hosting::{Event, Isolation};
use mobula_types::{Frame, Time, WorkerId};

impl Shard {
    /// Tells the host how far the lease has run, and the workers that end with it until when it lasts.
    pub(in super::super) fn look_at_lease(&mut self) {
        self.tell_of_renewal();
        let (stage, _next) = self.isolation_stage();
        if stage != self.actors.isolation {
            if stage != Isolation::None {
                tracing::warn!(?stage, "no head has renewed the lease of this node for long");
            }
            self.actors.isolation = stage;
            self.tell_host(Event::Isolation(stage));
        }
    }

    fn tell_of_renewal(&mut self) {
        let Some(until) = self.lease_end().filter(|until| *until != self.actors.lease_end) else { return };
        self.actors.lease_end = until;
        let workers: Vec<WorkerId> = self.actors.host.workers_under_lease().collect();
        for worker in workers {
            self.send_to_worker(worker, Frame::Lease { until });
        }
    }

    /// When the node's lease ends, unless it is renewed; none before it has one.
    pub(super) fn lease_end(&self) -> Option<Time> {
        self.parts.head.lease().map(|(_, lease)| lease.end())
    }

    /// When the lease enters its next stage, unless it is renewed.
    pub(in super::super) fn next_isolation(&self) -> Time {
        self.isolation_stage().1
    }

    fn isolation_stage(&self) -> (Isolation, Time) {
        let Some((_, lease)) = self.parts.head.lease() else { return (self.actors.isolation, Time::NEVER) };
        Isolation::of(lease.end(), lease.length(), self.now)
    }
}
