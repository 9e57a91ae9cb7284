//! Nodes, views of the cluster, and jobs.

use crate::error::{ConvertError, Required};
use crate::template::functions;
use crate::wire;
use mobula_types::job::JobState;
use mobula_types::view::NodeLoad;
use mobula_types::{ExecutableHash, JobSpec, NodeInfo, NodeName, NodeState, ViewDelta, ViewVersion};
use std::sync::Arc;

impl From<&NodeLoad> for wire::NodeLoad {
    fn from(load: &NodeLoad) -> Self {
        wire::NodeLoad {
            used: Some((&load.used).into()),
            running: load.running,
            queued: load.queued,
            stored_bytes: load.stored_bytes,
        }
    }
}

impl From<wire::NodeLoad> for NodeLoad {
    fn from(load: wire::NodeLoad) -> Self {
        NodeLoad {
            used: load.used.unwrap_or_default().into(),
            running: load.running,
            queued: load.queued,
            stored_bytes: load.stored_bytes,
        }
    }
}

impl From<NodeState> for wire::NodeState {
    fn from(state: NodeState) -> Self {
        match state {
            NodeState::Alive => wire::NodeState::Alive,
            NodeState::Draining => wire::NodeState::Draining,
            NodeState::Dead => wire::NodeState::Dead,
        }
    }
}

pub(crate) fn node_state(number: i32) -> Result<NodeState, ConvertError> {
    match wire::NodeState::try_from(number) {
        Ok(wire::NodeState::Alive) => Ok(NodeState::Alive),
        Ok(wire::NodeState::Draining) => Ok(NodeState::Draining),
        Ok(wire::NodeState::Dead) => Ok(NodeState::Dead),
        _ => Err(ConvertError::unknown("node_info.state", number)),
    }
}

impl From<&NodeInfo> for wire::NodeInfo {
    fn from(node: &NodeInfo) -> Self {
        let labels = node.labels.iter().map(|(key, value)| (key.as_ref().into(), value.as_ref().into()));
        wire::NodeInfo {
            id: Some((&node.id).into()),
            address: node.address.as_ref().into(),
            resources: Some((&node.resources).into()),
            labels: labels.collect(),
            state: wire::NodeState::from(node.state).into(),
            functions: node.functions.iter().cloned().map(Into::into).collect(),
            object_store_memory: node.object_store_memory,
            version: node.version.as_ref().into(),
            load: Some((&node.load).into()),
        }
    }
}

impl TryFrom<wire::NodeInfo> for NodeInfo {
    type Error = ConvertError;
    fn try_from(node: wire::NodeInfo) -> Result<Self, ConvertError> {
        let labels = node.labels.into_iter().map(|(key, value)| (key.into(), value.into()));
        Ok(NodeInfo {
            id: node.id.required("node_info.id")?.try_into()?,
            address: node.address.into(),
            resources: node.resources.unwrap_or_default().into(),
            labels: labels.collect(),
            state: node_state(node.state)?,
            functions: functions(node.functions)?,
            object_store_memory: node.object_store_memory,
            version: node.version.into(),
            load: node.load.unwrap_or_default().into(),
        })
    }
}

impl From<ViewVersion> for wire::ViewVersion {
    fn from(version: ViewVersion) -> Self {
        wire::ViewVersion { term: Some(version.term.into()), revision: version.revision }
    }
}

impl From<wire::ViewVersion> for ViewVersion {
    fn from(version: wire::ViewVersion) -> Self {
        ViewVersion { term: version.term.unwrap_or_default().into(), revision: version.revision }
    }
}

impl From<&ViewDelta> for wire::ViewDelta {
    fn from(delta: &ViewDelta) -> Self {
        wire::ViewDelta {
            from: delta.from.map(Into::into),
            to: Some(delta.to.into()),
            changed: delta.changed.iter().map(|node| node.as_ref().into()).collect(),
            removed: delta.removed.iter().map(|name| name.as_str().into()).collect(),
        }
    }
}

impl TryFrom<wire::ViewDelta> for ViewDelta {
    type Error = ConvertError;
    fn try_from(delta: wire::ViewDelta) -> Result<Self, ConvertError> {
        let changed = delta.changed.into_iter().map(|node| Ok(Arc::new(node.try_into()?)));
        Ok(ViewDelta {
            from: delta.from.map(Into::into),
            to: delta.to.required("view_delta.to")?.into(),
            changed: changed.collect::<Result<_, ConvertError>>()?,
            removed: delta.removed.into_iter().map(|name| NodeName(name.into())).collect(),
        })
    }
}

fn hash_to_wire(hash: Option<ExecutableHash>) -> bytes::Bytes {
    hash.map_or_else(Default::default, |hash| hash.0.to_vec().into())
}

fn hash_from_wire(hash: &[u8], field: &'static str) -> Result<Option<ExecutableHash>, ConvertError> {
    match hash {
        [] => Ok(None),
        hash => {
            let hash = hash.try_into().map_err(|_| ConvertError::new(field, "is not 32 bytes"))?;
            Ok(Some(ExecutableHash(hash)))
        }
    }
}

impl From<JobSpec> for wire::JobSpec {
    fn from(spec: JobSpec) -> Self {
        wire::JobSpec {
            name: spec.name,
            executable: hash_to_wire(spec.executable),
            environment: spec.environment,
            weight: spec.weight,
            origin: spec.origin,
            files: hash_to_wire(spec.files),
            worker_arguments: spec.worker_arguments,
            driven: spec.driven,
            detached: spec.detached,
        }
    }
}

impl TryFrom<wire::JobSpec> for JobSpec {
    type Error = ConvertError;
    fn try_from(spec: wire::JobSpec) -> Result<Self, ConvertError> {
        Ok(JobSpec {
            name: spec.name,
            executable: hash_from_wire(&spec.executable, "job_spec.executable")?,
            environment: spec.environment,
            weight: spec.weight,
            origin: spec.origin,
            files: hash_from_wire(&spec.files, "job_spec.files")?,
            worker_arguments: spec.worker_arguments,
            driven: spec.driven,
            detached: spec.detached,
        })
    }
}

impl From<JobState> for wire::JobState {
    fn from(state: JobState) -> Self {
        match state {
            JobState::Running => wire::JobState::Running,
            JobState::Ended => wire::JobState::Ended,
            JobState::Failed => wire::JobState::Failed,
            JobState::Stopped => wire::JobState::Stopped,
        }
    }
}

/// The state that a number stands for.
///
/// # Errors
/// Where it stands for none.
pub fn job_state(number: i32, field: &'static str) -> Result<JobState, ConvertError> {
    match wire::JobState::try_from(number) {
        Ok(wire::JobState::Running) => Ok(JobState::Running),
        Ok(wire::JobState::Ended) => Ok(JobState::Ended),
        Ok(wire::JobState::Failed) => Ok(JobState::Failed),
        Ok(wire::JobState::Stopped) => Ok(JobState::Stopped),
        _ => Err(ConvertError::unknown(field, number)),
    }
}
