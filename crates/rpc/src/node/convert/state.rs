//! What nodes tell of their state.

use super::{id, nodes};
use crate::head::FunctionStatus;
use crate::node::state::{FailureRecord, NodeStatus, TaskRecord};
use mobula_proto::error::Required;
use mobula_proto::failure::{kind_from_wire, kind_to_wire};
use mobula_proto::head::task_state;
use mobula_proto::{ConvertError, wire};
use mobula_types::{Attempt, ClusterId, NodeId, TaskId};

pub(in crate::node) fn task_to_wire(task: TaskRecord) -> wire::TaskRecord {
    wire::TaskRecord {
        task: task.task.to_string(),
        job: task.job.to_string(),
        name: task.name,
        function: Some(task.function.into()),
        state: wire::TaskState::from(task.state).into(),
        attempt: Some(task.attempt.into()),
        node: task.node.map(Into::into),
        owner: task.owner.map(Into::into),
        parent: task.parent.map(|parent| parent.to_string()).unwrap_or_default(),
        reason: task.reason,
        failure: task.failure.map(|failure| wire::FailureRecord {
            kind: kind_to_wire(failure.kind).into(),
            messages: failure.messages,
        }),
        submitted_at: task.submitted_at,
        started_at: task.started_at,
        ended_at: task.ended_at,
    }
}

pub(in crate::node) fn task_from_wire(task: wire::TaskRecord) -> Result<TaskRecord, ConvertError> {
    let parent = Some(task.parent).filter(|parent| !parent.is_empty());
    Ok(TaskRecord {
        task: id(&task.task, "task_record.task")?,
        job: id(&task.job, "task_record.job")?,
        name: task.name,
        function: task.function.required("task_record.function")?.try_into()?,
        state: task_state(task.state, "task_record.state")?.required("task_record.state")?,
        attempt: task.attempt.unwrap_or_default().into(),
        node: task.node.map(NodeId::try_from).transpose()?,
        owner: task.owner.map(NodeId::try_from).transpose()?,
        parent: parent.map(|parent| id(&parent, "task_record.parent")).transpose()?,
        reason: task.reason,
        failure: task
            .failure
            .map(|failure| FailureRecord { kind: kind_from_wire(failure.kind), messages: failure.messages }),
        submitted_at: task.submitted_at,
        started_at: task.started_at,
        ended_at: task.ended_at,
    })
}

pub(in crate::node) fn started_to_wire((task, attempt): (TaskId, Attempt)) -> wire::StartedAttempt {
    wire::StartedAttempt { task: Some(task.into()), attempt: Some(attempt.into()) }
}

pub(in crate::node) fn started_from_wire(
    started: wire::StartedAttempt,
) -> Result<(TaskId, Attempt), ConvertError> {
    let task = started.task.required("started_attempt.task")?;
    Ok((task.into(), started.attempt.unwrap_or_default().into()))
}

pub(in crate::node) fn status_to_wire(status: NodeStatus) -> wire::NodeStatus {
    wire::NodeStatus {
        info: Some((&status.info).into()),
        cluster: status.cluster.0,
        process: status.process,
        uptime_millis: status.uptime_millis,
        workers: status.workers,
        sessions: status.sessions,
        jobs: status.jobs,
        executables_bytes: status.executables_bytes,
        head_connected: status.head_connected,
        view: Some(status.view.into()),
    }
}

pub(in crate::node) fn status_from_wire(status: wire::NodeStatus) -> Result<NodeStatus, ConvertError> {
    Ok(NodeStatus {
        info: status.info.required("node_status.info")?.try_into()?,
        cluster: ClusterId(status.cluster),
        process: status.process,
        uptime_millis: status.uptime_millis,
        workers: status.workers,
        sessions: status.sessions,
        jobs: status.jobs,
        executables_bytes: status.executables_bytes,
        head_connected: status.head_connected,
        view: status.view.unwrap_or_default().into(),
    })
}

pub(in crate::node) fn function_to_wire(function: FunctionStatus) -> wire::FunctionStatus {
    let nodes = function.nodes.into_iter().map(Into::into).collect();
    wire::FunctionStatus { info: Some(function.info.into()), nodes }
}

pub(in crate::node) fn function_from_wire(
    function: wire::FunctionStatus,
) -> Result<FunctionStatus, ConvertError> {
    let info = function.info.required("function_status.info")?.try_into()?;
    Ok(FunctionStatus { info, nodes: nodes(function.nodes)? })
}
