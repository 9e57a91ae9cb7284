//! Unary calls of thin clients: tasks and objects without a session.

use crate::requests::{Method, Requests};
use crate::service::Service;
use crate::shard::Call;
use bytes::Bytes;
use mobula_rpc::head::CallGuard;
use mobula_rpc::node::{
    Arguments, GetObject, JobAccess, ObjectValue, PutObject, SubmitTask, SubmittedTask, ValueBytes,
};
use mobula_runtime::clock;
use mobula_types::outcome::StoredCopy;
use mobula_types::{
    ArgumentRef, ArgumentShape, Failure, FailureKind, FunctionId, INLINE_LIMIT, JobId, ObjectAddress,
    ObjectId, ObjectIndex, Outcome, Payload, ResultValue, StoredValue, TaskId, TaskTemplate,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The largest value that a unary call carries.
const VALUE_LIMIT: u64 = 4 << 20;
/// How long a `GetObject` waits unless it says otherwise, and at most.
const GET_PATIENCE: Duration = Duration::from_secs(30);

/// What thin calls share: answers by request id, and the numbers of what they make.
#[derive(Clone, Debug)]
pub(crate) struct ThinCalls {
    pub(crate) requests: Requests,
    next: Arc<AtomicU64>,
}

impl ThinCalls {
    pub(crate) fn new(requests: Requests) -> Self {
        // Sequence numbers of thin clients start high, apart from those of drivers of the same job.
        let first = TaskId::FIRST_OF_THIN_CLIENTS | u64::from(rand::random::<u32>()) << 24;
        ThinCalls { requests, next: Arc::new(AtomicU64::new(first)) }
    }

    pub(crate) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

impl Service {
    /// Begins a call of a job: the job lives for as long as the guard, and for another grace.
    pub(crate) async fn begin(&self, access: &JobAccess) -> Result<CallGuard, Failure> {
        self.verify(access.job, &access.secret).await?;
        Ok(self.head.call(access.job))
    }

    pub(crate) async fn submit_thin(&self, request: SubmitTask) -> Result<SubmittedTask, Failure> {
        let _call = self.begin(&request.access).await?;
        let (job, id) = (request.access.job, request.request_id.clone());
        let service = self.clone();
        let submit = async move { service.submit_new(request).await };
        self.thin.requests.once(Some(job), Method::SubmitTask, &id, submit).await
    }

    async fn submit_new(&self, request: SubmitTask) -> Result<SubmittedTask, Failure> {
        request.options.validate()?;
        let job = request.access.job;
        let task = TaskId::of_driver(job, self.thin.number());
        let returns = u64::from(request.options.num_returns);
        let template = Arc::new(TaskTemplate {
            function: FunctionId::new(&request.function, &request.version),
            signature: None,
            options: request.options,
        });
        let arguments = encode_arguments(&request.arguments)?;
        let references = request.references.into_iter().map(|(parameter, object)| ArgumentRef {
            parameter,
            shape: ArgumentShape::Whole,
            address: ObjectAddress::at_home(object),
        });
        let references = references.collect();
        let deadline = request.deadline.map(|left| clock::now() + left);
        let submit = |reply| Call::Submit { job, task, template, arguments, references, deadline, reply };
        if let Some(refused) = self.call(submit).await? {
            return Err(refused);
        }
        Ok(SubmittedTask { task, objects: (0..returns).map(|index| ObjectId::result(task, index)).collect() })
    }

    pub(crate) async fn get_thin(&self, request: GetObject) -> Result<ObjectValue, Failure> {
        let GetObject { access, object, timeout, json } = request;
        let _call = self.begin(&access).await?;
        let patience = timeout.unwrap_or(GET_PATIENCE).min(GET_PATIENCE);
        let address = ObjectAddress::at_home(object);
        let until = clock::now() + patience;
        let outcome = self.call(|reply| Call::Get { address, job: access.job, until, reply }).await?;
        let value = match outcome {
            Outcome::Value(value) => self.bytes_of(access.job, object, value).await?,
            Outcome::Failed(failure) => return Err(failure),
            Outcome::Values(_) => {
                return Err(
                    Failure::new(FailureKind::Internal, "several values for one object").of_object(object)
                );
            }
        };
        let json = if json { to_json(&value) } else { None };
        Ok(ObjectValue { value, json })
    }

    async fn bytes_of(&self, job: JobId, object: ObjectId, value: ResultValue) -> Result<Bytes, Failure> {
        let length = value.value.len();
        if length > VALUE_LIMIT {
            let message = format!(
                "the value has {length} bytes, and a unary call carries {VALUE_LIMIT}: use a session, or return less"
            );
            return Err(Failure::new(FailureKind::TooLarge, message).of_object(object));
        }
        match value.value {
            StoredValue::Inline(payload) => Ok(payload.into_bytes()),
            StoredValue::Stored(copy) => {
                let _stays = self.bring_copy(job, object, copy).await?;
                self.transfer.read(object)
            }
        }
    }

    pub(crate) async fn put_thin(&self, request: PutObject) -> Result<ObjectId, Failure> {
        let _call = self.begin(&request.access).await?;
        let (job, id) = (request.access.job, request.request_id.clone());
        let service = self.clone();
        let put = async move { service.put_new(request).await };
        self.thin.requests.once(Some(job), Method::PutObject, &id, put).await
    }

    async fn put_new(&self, request: PutObject) -> Result<ObjectId, Failure> {
        let job = request.access.job;
        let index = ObjectIndex::driver_put(self.thin.number());
        let object = ObjectId { task: TaskId::of_driver(job, 0), index };
        let bytes = match request.value {
            ValueBytes::Json(text) => Bytes::from(json_to_messagepack(&parse_json(&text)?)?),
            ValueBytes::MessagePack(bytes) => bytes,
        };
        let value = if bytes.len() <= INLINE_LIMIT {
            StoredValue::Inline(Payload::from(bytes))
        } else {
            let copy: StoredCopy = self.transfer.write(job, object, bytes).await?;
            StoredValue::Stored(Arc::new(copy))
        };
        let value = ResultValue { value, contained: None };
        let refused = self.call(|reply| Call::Put { job, object, value, reply }).await?;
        refused.map_or(Ok(object), Err)
    }
}

pub(crate) fn encode_arguments(arguments: &Arguments) -> Result<Payload, Failure> {
    match arguments {
        Arguments::MessagePack(bytes) => Ok(Payload::from(bytes.clone())),
        Arguments::Json(text) if text.is_empty() => Ok(Payload::EMPTY),
        Arguments::Json(text) => {
            let serde_json::Value::Array(values) = parse_json(text)? else {
                let message = "the arguments are not a JSON array, such as [1, \"two\"]";
                return Err(Failure::new(FailureKind::BadArguments, message));
            };
            let mut encoded = Vec::new();
            for value in &values {
                encoded.extend(json_to_messagepack(value)?);
            }
            Ok(Payload::from(encoded))
        }
    }
}

fn parse_json(text: &str) -> Result<serde_json::Value, Failure> {
    serde_json::from_str(text)
        .map_err(|error| Failure::new(FailureKind::BadArguments, format!("this is not JSON: {error}")))
}

fn json_to_messagepack(value: &serde_json::Value) -> Result<Vec<u8>, Failure> {
    rmp_serde::to_vec_named(value).map_err(|error| {
        Failure::new(FailureKind::BadArguments, format!("JSON that cannot be encoded: {error}"))
    })
}

/// A value as JSON, where it can be shown so.
pub(crate) fn to_json(value: &[u8]) -> Option<String> {
    let value: serde_json::Value = rmp_serde::from_slice(value).ok()?;
    serde_json::to_string(&value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_encoded_one_behind_the_other() {
        let encoded = encode_arguments(&Arguments::Json("[1, \"a\"]".into())).unwrap();
        assert_eq!(encoded.as_slice(), [1, 0xa1, b'a']);
        assert!(encode_arguments(&Arguments::Json("{}".into())).is_err());
        assert!(encode_arguments(&Arguments::Json("[1,".into())).is_err());
        assert_eq!(to_json(&[0x92, 1, 0xa1, b'a']).as_deref(), Some("[1,\"a\"]"));
    }
}
