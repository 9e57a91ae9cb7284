//! Actors: how they are kept, how they end, their trees, and what heads and nodes tell each other of them.

mod answer;
pub(crate) mod enums;
pub(crate) mod exit;
pub(crate) mod group;
mod info;
pub(crate) mod observer;
pub(crate) mod options;
mod order;
mod report;
mod request;
mod spec;
mod tree;

pub(crate) use enums::{watch_kind_from_wire, watch_kind_to_wire};
pub use exit::EXIT_KINDS;
pub(crate) use order::down;

use crate::wire;
use mobula_types::actor::{ActorId, ActorOptions, Incarnation};
use std::sync::Arc;

/// A namespace as it was received.
fn namespace(text: String) -> Arc<str> {
    if text.is_empty() { ActorOptions::DEFAULT_NAMESPACE.into() } else { text.into() }
}

pub(crate) fn incarnations_to_wire(incarnations: &[Incarnation]) -> wire::Incarnations {
    wire::Incarnations { incarnations: incarnations.iter().copied().map(Into::into).collect() }
}

pub(crate) fn incarnations_from_wire(list: wire::Incarnations) -> Vec<Incarnation> {
    list.incarnations.into_iter().map(Into::into).collect()
}

fn actors_to_wire(actors: &[ActorId]) -> wire::ActorIds {
    wire::ActorIds { actors: actors.iter().copied().map(Into::into).collect() }
}

fn actors_from_wire(list: wire::ActorIds) -> Vec<ActorId> {
    list.actors.into_iter().map(Into::into).collect()
}
