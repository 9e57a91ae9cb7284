//! Thin calls.

use super::{access, id, ids, secret, secret_to_text};
use crate::node::request::{
    Arguments, CancelTask, GetObject, LogChunk, LogSource, ObjectValue, OpenedJob, PutObject, RequestId,
    SubmitJob, SubmitTask, SubmittedTask, ValueBytes,
};
use bytes::Bytes;
use mobula_proto::error::Required;
use mobula_proto::{ConvertError, wire};
use std::time::Duration;

pub(super) fn request_id(text: String) -> Result<RequestId, ConvertError> {
    if text.len() > RequestId::LIMIT {
        return Err(ConvertError::new(
            "request.request_id",
            format!("is longer than {} bytes", RequestId::LIMIT),
        ));
    }
    Ok(RequestId(text))
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl From<OpenedJob> for wire::OpenedJob {
    fn from(opened: OpenedJob) -> Self {
        wire::OpenedJob {
            job: opened.job.to_string(),
            secret: secret_to_text(&opened.secret),
            node: Some(opened.node.into()),
        }
    }
}

impl TryFrom<wire::OpenedJob> for OpenedJob {
    type Error = ConvertError;
    fn try_from(opened: wire::OpenedJob) -> Result<Self, ConvertError> {
        Ok(OpenedJob {
            job: id(&opened.job, "opened_job.job")?,
            secret: secret(&opened.secret, "opened_job.secret")?,
            node: opened.node.required("opened_job.node")?.try_into()?,
        })
    }
}

impl From<SubmitTask> for wire::SubmitTaskRequest {
    fn from(request: SubmitTask) -> Self {
        use wire::submit_task_request::Arguments as Wire;
        let reference = |(parameter, object): (u32, mobula_types::ObjectId)| wire::ThinReference {
            parameter,
            object: object.to_string(),
        };
        wire::SubmitTaskRequest {
            request_id: request.request_id.0,
            job: request.access.job.to_string(),
            secret: secret_to_text(&request.access.secret),
            function: request.function,
            version: request.version,
            references: request.references.into_iter().map(reference).collect(),
            options: Some(request.options.into()),
            deadline_millis: request.deadline.map(millis),
            arguments: Some(match request.arguments {
                Arguments::Json(text) => Wire::Json(text),
                Arguments::MessagePack(bytes) => Wire::Messagepack(bytes),
            }),
        }
    }
}

impl TryFrom<wire::SubmitTaskRequest> for SubmitTask {
    type Error = ConvertError;
    fn try_from(request: wire::SubmitTaskRequest) -> Result<Self, ConvertError> {
        use wire::submit_task_request::Arguments as Wire;
        if request.function.is_empty() {
            return Err(ConvertError::missing("submit_task_request.function"));
        }
        let reference = |reference: wire::ThinReference| {
            Ok((reference.parameter, id(&reference.object, "thin_reference.object")?))
        };
        Ok(SubmitTask {
            request_id: request_id(request.request_id)?,
            access: access(&request.job, &request.secret)?,
            function: request.function,
            version: request.version,
            arguments: match request.arguments {
                None => Arguments::MessagePack(Bytes::new()),
                Some(Wire::Json(text)) => Arguments::Json(text),
                Some(Wire::Messagepack(bytes)) => Arguments::MessagePack(bytes),
            },
            references: request.references.into_iter().map(reference).collect::<Result<_, ConvertError>>()?,
            options: request.options.unwrap_or_default().try_into()?,
            deadline: request.deadline_millis.map(Duration::from_millis),
        })
    }
}

impl From<SubmittedTask> for wire::SubmittedTask {
    fn from(submitted: SubmittedTask) -> Self {
        let objects = submitted.objects.iter().map(ToString::to_string).collect();
        wire::SubmittedTask { task: submitted.task.to_string(), objects }
    }
}

impl TryFrom<wire::SubmittedTask> for SubmittedTask {
    type Error = ConvertError;
    fn try_from(submitted: wire::SubmittedTask) -> Result<Self, ConvertError> {
        Ok(SubmittedTask {
            task: id(&submitted.task, "submitted_task.task")?,
            objects: ids(&submitted.objects, "submitted_task.objects")?,
        })
    }
}

impl From<GetObject> for wire::GetObjectRequest {
    fn from(request: GetObject) -> Self {
        wire::GetObjectRequest {
            job: request.access.job.to_string(),
            secret: secret_to_text(&request.access.secret),
            object: request.object.to_string(),
            timeout_millis: request.timeout.map(millis),
            json: request.json,
        }
    }
}

impl TryFrom<wire::GetObjectRequest> for GetObject {
    type Error = ConvertError;
    fn try_from(request: wire::GetObjectRequest) -> Result<Self, ConvertError> {
        Ok(GetObject {
            access: access(&request.job, &request.secret)?,
            object: id(&request.object, "get_object_request.object")?,
            timeout: request.timeout_millis.map(Duration::from_millis),
            json: request.json,
        })
    }
}

impl From<ObjectValue> for wire::ObjectValue {
    fn from(value: ObjectValue) -> Self {
        wire::ObjectValue { value: value.value, json: value.json }
    }
}

impl From<wire::ObjectValue> for ObjectValue {
    fn from(value: wire::ObjectValue) -> Self {
        ObjectValue { value: value.value, json: value.json }
    }
}

impl From<PutObject> for wire::PutObjectRequest {
    fn from(request: PutObject) -> Self {
        use wire::put_object_request::Value;
        wire::PutObjectRequest {
            request_id: request.request_id.0,
            job: request.access.job.to_string(),
            secret: secret_to_text(&request.access.secret),
            value: Some(match request.value {
                ValueBytes::Json(text) => Value::Json(text),
                ValueBytes::MessagePack(bytes) => Value::Messagepack(bytes),
            }),
        }
    }
}

impl TryFrom<wire::PutObjectRequest> for PutObject {
    type Error = ConvertError;
    fn try_from(request: wire::PutObjectRequest) -> Result<Self, ConvertError> {
        use wire::put_object_request::Value;
        Ok(PutObject {
            request_id: request_id(request.request_id)?,
            access: access(&request.job, &request.secret)?,
            value: match request.value.required("put_object_request.value")? {
                Value::Json(text) => ValueBytes::Json(text),
                Value::Messagepack(bytes) => ValueBytes::MessagePack(bytes),
            },
        })
    }
}

impl From<CancelTask> for wire::CancelTaskRequest {
    fn from(request: CancelTask) -> Self {
        wire::CancelTaskRequest {
            job: request.access.job.to_string(),
            secret: secret_to_text(&request.access.secret),
            task: request.task.to_string(),
            force: request.force,
            recursive: request.recursive,
        }
    }
}

impl TryFrom<wire::CancelTaskRequest> for CancelTask {
    type Error = ConvertError;
    fn try_from(request: wire::CancelTaskRequest) -> Result<Self, ConvertError> {
        Ok(CancelTask {
            access: access(&request.job, &request.secret)?,
            task: id(&request.task, "cancel_task_request.task")?,
            force: request.force,
            recursive: request.recursive,
        })
    }
}

impl From<SubmitJob> for wire::SubmitJobRequest {
    fn from(request: SubmitJob) -> Self {
        wire::SubmitJobRequest {
            request_id: request.request_id.0,
            spec: Some(request.spec.into()),
            arguments: request.arguments,
        }
    }
}

impl TryFrom<wire::SubmitJobRequest> for SubmitJob {
    type Error = ConvertError;
    fn try_from(request: wire::SubmitJobRequest) -> Result<Self, ConvertError> {
        Ok(SubmitJob {
            request_id: request_id(request.request_id)?,
            spec: request.spec.required("submit_job_request.spec")?.try_into()?,
            arguments: request.arguments,
        })
    }
}

/// The request's id and what is opened.
pub(in crate::node) fn open_job(
    request: wire::OpenJobRequest,
) -> Result<(RequestId, mobula_types::JobSpec), ConvertError> {
    Ok((request_id(request.request_id)?, request.spec.unwrap_or_default().try_into()?))
}

impl From<LogChunk> for wire::LogChunk {
    fn from(chunk: LogChunk) -> Self {
        let source = match chunk.source {
            LogSource::Stdout => wire::LogSource::Stdout,
            LogSource::Stderr => wire::LogSource::Stderr,
        };
        wire::LogChunk { source: source.into(), origin: chunk.origin, text: chunk.text }
    }
}

impl TryFrom<wire::LogChunk> for LogChunk {
    type Error = ConvertError;
    fn try_from(chunk: wire::LogChunk) -> Result<Self, ConvertError> {
        let source = match wire::LogSource::try_from(chunk.source) {
            Ok(wire::LogSource::Stdout) => LogSource::Stdout,
            Ok(wire::LogSource::Stderr) => LogSource::Stderr,
            _ => return Err(ConvertError::unknown("log_chunk.source", chunk.source)),
        };
        Ok(LogChunk { source, origin: chunk.origin, text: chunk.text })
    }
}
