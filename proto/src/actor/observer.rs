//! Observers of actors and supervisors, and what they are told.

use super::enums::{actor_state_from_wire, actor_state_to_wire};
use crate::error::ConvertError;
use crate::identity::actor;
use crate::wire;
use mobula_types::NodeId;
use mobula_types::actor::{Epoch, ExitReason, Observation, StateChange};

impl From<&Observation> for wire::Observation {
    fn from(observation: &Observation) -> Self {
        let Observation { number, target, below } = *observation;
        wire::Observation { number, target: Some(target.into()), below }
    }
}

impl TryFrom<wire::Observation> for Observation {
    type Error = ConvertError;
    fn try_from(observation: wire::Observation) -> Result<Self, ConvertError> {
        Ok(Observation {
            number: observation.number,
            target: actor(observation.target, "observation.target")?,
            below: observation.below,
        })
    }
}

impl From<&StateChange> for wire::StateChange {
    fn from(change: &StateChange) -> Self {
        wire::StateChange {
            actor: Some(change.actor.into()),
            is_supervisor: change.is_supervisor,
            name: change.name.as_ref().into(),
            supervisor: change.supervisor.map(Into::into),
            child: change.child.as_ref().into(),
            state: actor_state_to_wire(change.state),
            epoch: change.epoch.0,
            node: change.node.as_ref().map(Into::into),
            reason: change.reason.as_ref().map(Into::into),
            restarts: change.restarts,
            at_millis: change.at_millis,
            is_final: change.is_final,
            missed: change.missed,
            below: change
                .below
                .as_ref()
                .map(|below| wire::ActorIds { actors: below.iter().map(|id| (*id).into()).collect() }),
        }
    }
}

impl TryFrom<wire::StateChange> for StateChange {
    type Error = ConvertError;
    fn try_from(change: wire::StateChange) -> Result<Self, ConvertError> {
        Ok(StateChange {
            actor: actor(change.actor, "state_change.actor")?,
            is_supervisor: change.is_supervisor,
            name: change.name.into(),
            supervisor: change.supervisor.map(Into::into),
            child: change.child.into(),
            state: actor_state_from_wire(change.state, "state_change.state")?,
            epoch: Epoch(change.epoch),
            node: change.node.map(NodeId::try_from).transpose()?,
            reason: change.reason.map(ExitReason::try_from).transpose()?,
            restarts: change.restarts,
            at_millis: change.at_millis,
            is_final: change.is_final,
            missed: change.missed,
            below: change.below.map(|below| below.actors.into_iter().map(Into::into).collect()),
        })
    }
}

pub(crate) fn changes_to_wire(number: u64, changes: &[StateChange]) -> wire::StateChanges {
    wire::StateChanges { number, changes: changes.iter().map(Into::into).collect() }
}

pub(crate) fn changes_from_wire(list: wire::StateChanges) -> Result<(u64, Vec<StateChange>), ConvertError> {
    let changes = list.changes.into_iter().map(StateChange::try_from).collect::<Result<_, _>>()?;
    Ok((list.number, changes))
}
