//! What nodes register, what heads tell of jobs and tasks.

use crate::error::{ConvertError, Required};
use crate::identity::nanos;
use crate::template::functions;
use crate::view::job_state;
use crate::wire;
use mobula_types::session::JobSecret;
use mobula_types::{
    ExecutableHash, FailedTask, JobId, JobInfo, JobStatus, JobSummary, NodeId, NodeName, NodeRegistration,
    SessionId, StateCounts, TaskEvent, TaskState,
};
use std::time::Duration;

/// Exactly `N` bytes, as the field must hold.
///
/// # Errors
/// Names the field where there are more or fewer.
pub fn fixed<const N: usize>(bytes: &[u8], field: &'static str) -> Result<[u8; N], ConvertError> {
    bytes.try_into().map_err(|_| ConvertError::new(field, format!("is {} bytes instead of {N}", bytes.len())))
}

/// The hash of an executable.
///
/// # Errors
/// Where it is not 32 bytes.
pub fn executable_hash(bytes: &[u8], field: &'static str) -> Result<ExecutableHash, ConvertError> {
    fixed(bytes, field).map(ExecutableHash)
}

/// A job's secret.
///
/// # Errors
/// Where it is not 32 bytes.
pub fn job_secret(bytes: &[u8], field: &'static str) -> Result<JobSecret, ConvertError> {
    fixed(bytes, field).map(JobSecret)
}

/// A duration of whole nanoseconds.
pub fn duration(nanos: u64) -> Duration {
    Duration::from_nanos(nanos)
}

/// The nanoseconds of a duration, at most 584 years.
pub fn duration_nanos(duration: Duration) -> u64 {
    nanos(duration)
}

impl From<&NodeRegistration> for wire::NodeRegistration {
    fn from(node: &NodeRegistration) -> Self {
        let labels = node.labels.iter().map(|(key, value)| (key.as_ref().into(), value.as_ref().into()));
        let data_folder = node.data_folder.map(|id| id.to_be_bytes().to_vec());
        wire::NodeRegistration {
            name: node.name.as_str().to_owned(),
            address: node.address.as_ref().into(),
            own_address: node.own_address.as_ref().into(),
            resources: Some((&node.resources).into()),
            labels: labels.collect(),
            functions: node.functions.iter().cloned().map(Into::into).collect(),
            object_store_memory: node.object_store_memory,
            version: node.version.as_ref().into(),
            data_folder: data_folder.unwrap_or_default().into(),
        }
    }
}

impl TryFrom<wire::NodeRegistration> for NodeRegistration {
    type Error = ConvertError;
    fn try_from(node: wire::NodeRegistration) -> Result<Self, ConvertError> {
        if node.name.is_empty() {
            return Err(ConvertError::missing("node_registration.name"));
        }
        let labels = node.labels.into_iter().map(|(key, value)| (key.into(), value.into()));
        let data_folder = match &node.data_folder[..] {
            [] => None,
            id => Some(u128::from_be_bytes(fixed(id, "node_registration.data_folder")?)),
        };
        Ok(NodeRegistration {
            name: NodeName(node.name.into()),
            address: node.address.into(),
            own_address: node.own_address.into(),
            resources: node.resources.unwrap_or_default().into(),
            labels: labels.collect(),
            functions: functions(node.functions)?,
            object_store_memory: node.object_store_memory,
            version: node.version.into(),
            data_folder,
        })
    }
}

impl From<(JobId, SessionId)> for wire::DriverStream {
    fn from((job, session): (JobId, SessionId)) -> Self {
        wire::DriverStream { job: job.0, session: session.0.to_be_bytes().to_vec().into() }
    }
}

impl TryFrom<wire::DriverStream> for (JobId, SessionId) {
    type Error = ConvertError;
    fn try_from(driver: wire::DriverStream) -> Result<Self, ConvertError> {
        let session = u128::from_be_bytes(fixed(&driver.session, "driver_stream.session")?);
        Ok((JobId(driver.job), SessionId(session)))
    }
}

impl From<&StateCounts> for wire::StateCounts {
    fn from(counts: &StateCounts) -> Self {
        let StateCounts { waiting, queued, running, succeeded, failed, cancelled } = *counts;
        wire::StateCounts { waiting, queued, running, succeeded, failed, cancelled }
    }
}

impl From<wire::StateCounts> for StateCounts {
    fn from(counts: wire::StateCounts) -> Self {
        let wire::StateCounts { waiting, queued, running, succeeded, failed, cancelled } = counts;
        StateCounts { waiting, queued, running, succeeded, failed, cancelled }
    }
}

impl From<&JobSummary> for wire::JobSummary {
    fn from(summary: &JobSummary) -> Self {
        let failure = |failure: &FailedTask| wire::FailedTask {
            task: Some(failure.task.into()),
            name: failure.name.as_ref().into(),
            error: cut(&failure.error, JobSummary::TEXT_LIMIT).into(),
            at_millis: failure.at_millis,
        };
        wire::JobSummary {
            functions: summary
                .functions
                .iter()
                .map(|(name, counts)| (name.as_ref().into(), counts.into()))
                .collect(),
            failures: summary.failures.iter().map(failure).collect(),
        }
    }
}

impl TryFrom<wire::JobSummary> for JobSummary {
    type Error = ConvertError;
    fn try_from(summary: wire::JobSummary) -> Result<Self, ConvertError> {
        let failure = |failure: wire::FailedTask| {
            Ok(FailedTask {
                task: failure.task.required("failed_task.task")?.into(),
                name: failure.name.into(),
                error: cut(&failure.error, JobSummary::TEXT_LIMIT).into(),
                at_millis: failure.at_millis,
            })
        };
        let failures: Vec<_> =
            summary.failures.into_iter().map(failure).collect::<Result<_, ConvertError>>()?;
        let functions =
            summary.functions.into_iter().map(|(name, counts)| (name.into(), counts.into())).collect();
        // A merge with nothing brings a sender's summary within the bounds.
        let mut bounded = JobSummary::default();
        bounded.merge(&JobSummary { functions, failures });
        Ok(bounded)
    }
}

impl From<TaskState> for wire::TaskState {
    fn from(state: TaskState) -> Self {
        match state {
            TaskState::Waiting => wire::TaskState::Waiting,
            TaskState::Queued => wire::TaskState::Queued,
            TaskState::Running => wire::TaskState::Running,
            TaskState::Succeeded => wire::TaskState::Succeeded,
            TaskState::Failed => wire::TaskState::Failed,
            TaskState::Cancelled => wire::TaskState::Cancelled,
        }
    }
}

/// The state that a number stands for; `None` for the one that stands for any.
///
/// # Errors
/// Where it stands for nothing.
pub fn task_state(number: i32, field: &'static str) -> Result<Option<TaskState>, ConvertError> {
    Ok(Some(match wire::TaskState::try_from(number) {
        Ok(wire::TaskState::Unspecified) => return Ok(None),
        Ok(wire::TaskState::Waiting) => TaskState::Waiting,
        Ok(wire::TaskState::Queued) => TaskState::Queued,
        Ok(wire::TaskState::Running) => TaskState::Running,
        Ok(wire::TaskState::Succeeded) => TaskState::Succeeded,
        Ok(wire::TaskState::Failed) => TaskState::Failed,
        Ok(wire::TaskState::Cancelled) => TaskState::Cancelled,
        Err(_) => return Err(ConvertError::unknown(field, number)),
    }))
}

/// How many bytes of a task event's detail travel.
const DETAIL_LIMIT: usize = 512;

impl From<&TaskEvent> for wire::TaskEvent {
    fn from(event: &TaskEvent) -> Self {
        wire::TaskEvent {
            task: Some(event.task.into()),
            job: event.job.0,
            name: event.name.as_ref().into(),
            state: wire::TaskState::from(event.state).into(),
            attempt: Some(event.attempt.into()),
            node: event.node.as_ref().map(Into::into),
            at_millis: event.at_millis,
            detail: event
                .detail
                .as_deref()
                .map(|detail| cut(detail, DETAIL_LIMIT).to_owned())
                .unwrap_or_default(),
            owner: event.owner.as_ref().map(Into::into),
        }
    }
}

impl TryFrom<wire::TaskEvent> for TaskEvent {
    type Error = ConvertError;
    fn try_from(event: wire::TaskEvent) -> Result<Self, ConvertError> {
        let state = task_state(event.state, "task_event.state")?;
        let detail = cut(&event.detail, DETAIL_LIMIT);
        Ok(TaskEvent {
            task: event.task.required("task_event.task")?.into(),
            job: JobId(event.job),
            name: event.name.into(),
            state: state.required("task_event.state")?,
            attempt: event.attempt.unwrap_or_default().into(),
            node: event.node.map(NodeId::try_from).transpose()?,
            owner: event.owner.map(NodeId::try_from).transpose()?,
            at_millis: event.at_millis,
            detail: (!detail.is_empty()).then(|| detail.into()),
        })
    }
}

impl From<&JobInfo> for wire::JobInfo {
    fn from(info: &JobInfo) -> Self {
        wire::JobInfo {
            job: info.job.0,
            spec: Some(info.spec.clone().into()),
            state: wire::JobState::from(info.state).into(),
            reason: info.reason.clone(),
            opened_millis: info.opened_millis,
            ended_millis: info.ended_millis,
        }
    }
}

impl TryFrom<wire::JobInfo> for JobInfo {
    type Error = ConvertError;
    fn try_from(info: wire::JobInfo) -> Result<Self, ConvertError> {
        Ok(JobInfo {
            job: JobId(info.job),
            spec: info.spec.unwrap_or_default().try_into()?,
            state: job_state(info.state, "job_info.state")?,
            reason: info.reason,
            opened_millis: info.opened_millis,
            ended_millis: info.ended_millis,
        })
    }
}

impl From<&JobStatus> for wire::HeadJobStatus {
    fn from(status: &JobStatus) -> Self {
        wire::HeadJobStatus {
            info: Some((&status.info).into()),
            summary: Some((&status.summary).into()),
            driver_streams: status.driver_streams,
        }
    }
}

impl TryFrom<wire::HeadJobStatus> for JobStatus {
    type Error = ConvertError;
    fn try_from(status: wire::HeadJobStatus) -> Result<Self, ConvertError> {
        Ok(JobStatus {
            info: status.info.required("head_job_status.info")?.try_into()?,
            summary: status.summary.unwrap_or_default().try_into()?,
            driver_streams: status.driver_streams,
        })
    }
}

/// The text, cut at a character's border to at most `limit` bytes.
fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}
