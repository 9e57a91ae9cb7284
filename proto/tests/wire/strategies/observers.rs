//! Arbitrary observers, and what they are told.

use super::actors::{actor_state, exit_reason};
use super::parts::{actor_id, node_id, text};
use mobula_types::Frame;
use mobula_types::actor::{Epoch, Observation, StateChange};
use mobula_types::frame::Ask;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

pub(crate) fn observation() -> impl Strategy<Value = Observation> {
    (any::<u64>(), actor_id(), any::<bool>()).prop_map(|(number, target, below)| Observation {
        number,
        target,
        below,
    })
}

pub(crate) fn change() -> impl Strategy<Value = StateChange> {
    let who = (actor_id(), any::<bool>(), text(), option::of(actor_id()), text());
    let how = (actor_state(), any::<u64>(), option::of(node_id()), option::of(exit_reason()));
    let numbers = any::<(u64, u64, bool, u64)>();
    let below = option::of(vec(actor_id(), 0..3).prop_map(Into::into));
    (who, how, numbers, below).prop_map(|(who, how, (restarts, at_millis, is_final, missed), below)| {
        let (actor, is_supervisor, name, supervisor, child) = who;
        let (state, epoch, node, reason) = how;
        StateChange {
            actor,
            is_supervisor,
            name,
            supervisor,
            child,
            state,
            epoch: Epoch(epoch),
            node,
            reason,
            restarts,
            at_millis,
            is_final,
            missed,
            below,
        }
    })
}

pub(crate) fn ask() -> impl Strategy<Value = Ask> {
    prop_oneof![
        (actor_id(), any::<bool>()).prop_map(|(target, below)| Ask::Observe { target, below }),
        any::<u64>().prop_map(|number| Ask::Unobserve { number }),
    ]
}

pub(crate) fn frame() -> impl Strategy<Value = Frame> {
    (any::<u64>(), vec(change(), 0..3)).prop_map(|(number, changes)| Frame::Observed { number, changes })
}
