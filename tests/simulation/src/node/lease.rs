//! A node's lease by its own clock, and what its actors are told of it.

use super::Node;
use crate::context::Context;
use crate::mutation::Mutation;
use mobula_core::hosting::Event;
use mobula_types::{NodeId, Time};
use std::time::Duration;

/// A lease, counted from the sending of what was granted or renewed last.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeaseClock {
    counted_from: Time,
    pub(super) length: Duration,
}

impl LeaseClock {
    pub(super) fn new(sent: Time, length: Duration) -> Self {
        LeaseClock { counted_from: sent, length }
    }

    fn renewed(&mut self, sent: Time) {
        self.counted_from = self.counted_from.max(sent);
    }

    pub(super) fn end(&self) -> Time {
        self.counted_from + self.length
    }

    pub(super) fn beat(&self) -> Duration {
        (self.length / 6).clamp(Duration::from_millis(1), Duration::from_secs(2))
    }
}

/// A lease that is renewed beside the node's own.
#[derive(Clone, Debug)]
pub(super) struct OfferedLease {
    pub(super) id: u64,
    pub(super) length: Duration,
    /// `None` until it was renewed once.
    pub(super) clock: Option<LeaseClock>,
}

/// The lease as it was granted last, and one of another length that is to replace it.
#[derive(Clone, Debug)]
pub(super) struct HeldLease {
    pub(super) node: NodeId,
    pub(super) id: u64,
    clock: LeaseClock,
    pub(super) offered: Option<OfferedLease>,
}

impl HeldLease {
    pub(super) fn new(node: NodeId, id: u64, clock: LeaseClock) -> Self {
        HeldLease { node, id, clock, offered: None }
    }

    /// What the node counts by: whichever ends first.
    pub(super) fn counted(&self) -> LeaseClock {
        let offered = self.offered.as_ref().and_then(|offered| offered.clock);
        offered.filter(|offered| offered.end() < self.clock.end()).unwrap_or(self.clock)
    }

    /// The offered lease is the only one from now on.
    pub(super) fn in_force(&mut self, id: u64) {
        let offered = self.offered.take_if(|offered| offered.id == id);
        if let Some(OfferedLease { clock: Some(clock), .. }) = offered {
            self.id = id;
            self.clock = clock;
        }
    }

    /// A renewal succeeded. `true` where it was the first one of a lease that was offered.
    pub(super) fn renewed(&mut self, id: u64, sent: Time) -> bool {
        if self.id == id {
            self.clock.renewed(sent);
            return false;
        }
        match self.offered.as_mut().filter(|offered| offered.id == id) {
            Some(OfferedLease { clock: Some(clock), .. }) => {
                clock.renewed(sent);
                false
            }
            Some(offered) => {
                offered.clock = Some(LeaseClock::new(sent, offered.length));
                true
            }
            None => false,
        }
    }
}

impl Node {
    /// Tells the host how far the lease has run.
    pub(super) fn look_at_lease(&mut self, context: &mut Context) {
        if context.mutated(Mutation::Lease) {
            return;
        }
        let (stage, _) = self.link.isolation(context.local(self.id));
        if stage != self.link.stage {
            let slot = self.slot;
            context.note(|| format!("the lease of n{slot} is in stage {stage:?}"));
            self.link.stage = stage;
            self.tell_host(context, Event::Isolation(stage));
        }
    }
}
