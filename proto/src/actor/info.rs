//! How actors, supervisors and groups stand.

use super::enums::{
    actor_state_from_wire, actor_state_to_wire, child_state_from_wire, child_state_to_wire,
    restart_from_wire, restart_to_wire, strategy_from_wire, strategy_to_wire,
};
use super::options::shutdown;
use super::tree::intensity;
use crate::error::{ConvertError, Required};
use crate::identity::actor;
use crate::wire;
use mobula_types::actor::{ActorInfo, ChildInfo, Epoch, GroupInfo, SupervisorInfo};
use mobula_types::{JobId, NodeId};

impl From<&ActorInfo> for wire::ActorInfo {
    fn from(info: &ActorInfo) -> Self {
        wire::ActorInfo {
            actor: Some(info.actor.into()),
            namespace: info.namespace.as_ref().into(),
            name: info.name.as_ref().into(),
            class: Some(info.class.clone().into()),
            job: info.job.0,
            state: actor_state_to_wire(info.state),
            epoch: info.epoch.0,
            node: info.node.as_ref().map(Into::into),
            restarts: info.restarts,
            last_exit: info.last_exit.clone(),
            supervisor: info.supervisor.map(Into::into),
            child: info.child.as_ref().into(),
            since_millis: info.since_millis,
        }
    }
}

impl TryFrom<wire::ActorInfo> for ActorInfo {
    type Error = ConvertError;
    fn try_from(info: wire::ActorInfo) -> Result<Self, ConvertError> {
        Ok(ActorInfo {
            actor: actor(info.actor, "actor_info.actor")?,
            namespace: info.namespace.into(),
            name: info.name.into(),
            class: info.class.required("actor_info.class")?.try_into()?,
            job: JobId(info.job),
            state: actor_state_from_wire(info.state, "actor_info.state")?,
            epoch: Epoch(info.epoch),
            node: info.node.map(NodeId::try_from).transpose()?,
            restarts: info.restarts,
            last_exit: info.last_exit,
            supervisor: info.supervisor.map(Into::into),
            child: info.child.into(),
            since_millis: info.since_millis,
        })
    }
}

impl From<&ChildInfo> for wire::ChildInfo {
    fn from(info: &ChildInfo) -> Self {
        wire::ChildInfo {
            id: info.id.as_ref().into(),
            state: child_state_to_wire(info.state),
            actor: Some(info.actor.into()),
            is_supervisor: info.is_supervisor,
            restart: restart_to_wire(info.restart),
            shutdown: Some(info.shutdown.into()),
            significant: info.significant,
        }
    }
}

impl TryFrom<wire::ChildInfo> for ChildInfo {
    type Error = ConvertError;
    fn try_from(info: wire::ChildInfo) -> Result<Self, ConvertError> {
        Ok(ChildInfo {
            id: info.id.into(),
            state: child_state_from_wire(info.state, "child_info.state")?,
            actor: actor(info.actor, "child_info.actor")?,
            is_supervisor: info.is_supervisor,
            restart: restart_from_wire(info.restart, "child_info.restart")?,
            shutdown: shutdown(info.shutdown),
            significant: info.significant,
        })
    }
}

impl From<&SupervisorInfo> for wire::SupervisorInfo {
    fn from(info: &SupervisorInfo) -> Self {
        wire::SupervisorInfo {
            supervisor: Some(info.supervisor.into()),
            namespace: info.namespace.as_ref().into(),
            name: info.name.as_ref().into(),
            job: info.job.0,
            parent: info.parent.map(Into::into),
            strategy: strategy_to_wire(info.strategy),
            intensity: Some(info.intensity.into()),
            state: actor_state_to_wire(info.state),
            restarts: info.restarts,
            last_exit: info.last_exit.clone(),
            children: info.children.iter().map(Into::into).collect(),
            since_millis: info.since_millis,
            more_after: info.more_after,
        }
    }
}

impl TryFrom<wire::SupervisorInfo> for SupervisorInfo {
    type Error = ConvertError;
    fn try_from(info: wire::SupervisorInfo) -> Result<Self, ConvertError> {
        Ok(SupervisorInfo {
            supervisor: actor(info.supervisor, "supervisor_info.supervisor")?,
            namespace: info.namespace.into(),
            name: info.name.into(),
            job: JobId(info.job),
            parent: info.parent.map(Into::into),
            strategy: strategy_from_wire(info.strategy, "supervisor_info.strategy")?,
            intensity: intensity(info.intensity),
            state: actor_state_from_wire(info.state, "supervisor_info.state")?,
            restarts: info.restarts,
            last_exit: info.last_exit,
            children: info.children.into_iter().map(ChildInfo::try_from).collect::<Result<_, _>>()?,
            more_after: info.more_after,
            since_millis: info.since_millis,
        })
    }
}

impl From<&GroupInfo> for wire::GroupInfo {
    fn from(info: &GroupInfo) -> Self {
        wire::GroupInfo {
            namespace: info.namespace.as_ref().into(),
            name: info.name.as_ref().into(),
            members: info.members.iter().copied().map(Into::into).collect(),
        }
    }
}

impl From<wire::GroupInfo> for GroupInfo {
    fn from(info: wire::GroupInfo) -> Self {
        GroupInfo {
            namespace: info.namespace.into(),
            name: info.name.into(),
            members: info.members.into_iter().map(Into::into).collect(),
        }
    }
}
