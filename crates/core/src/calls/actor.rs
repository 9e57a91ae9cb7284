//! Actors that are called, and where they are as far as is known.

use crate::tasks::Place;
use mobula_types::actor::{Epoch, ExitReason, Incarnation};
use mobula_types::{ActorId, Time};

/// An actor that somebody here calls.
#[derive(Debug)]
pub(super) struct Actor {
    pub(super) id: ActorId,
    pub(super) whereabouts: Whereabouts,
    /// The highest epoch that is known to be over: none up to it is called any more.
    pub(super) over: Epoch,
    /// The node denied the actor, or could not be reached: nothing is sent until the head says again where it is.
    pub(super) doubted: bool,
    /// Its lanes.
    pub(super) lanes: Vec<usize>,
    /// Since when it has none.
    pub(super) idle_since: Time,
    /// Whether it is looked at for being idle.
    pub(super) is_listed: bool,
}

/// What the head said last.
#[derive(Debug)]
pub(super) enum Whereabouts {
    /// Nothing, or that it is nowhere now.
    Pending,
    At {
        place: Place,
        epoch: Epoch,
    },
    Dead {
        incarnation: Incarnation,
        reason: ExitReason,
    },
}

impl Actor {
    pub(super) fn new(id: ActorId) -> Self {
        Actor {
            id,
            whereabouts: Whereabouts::Pending,
            over: Epoch(0),
            doubted: false,
            lanes: Vec::new(),
            idle_since: Time::ZERO,
            is_listed: false,
        }
    }

    /// An incarnation is over.
    pub(super) fn is_over(&mut self, epoch: Epoch) {
        self.over = self.over.max(epoch);
        if matches!(self.whereabouts, Whereabouts::At { epoch, .. } if epoch <= self.over) {
            self.whereabouts = Whereabouts::Pending;
        }
    }
}
