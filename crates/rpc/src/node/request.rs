//! What nodes are asked for outside sessions.

use bytes::Bytes;
use mobula_types::actor::{ActorTarget, MethodOptions};
use mobula_types::session::JobSecret;
use mobula_types::{ExecutableHash, JobId, JobSpec, NodeId, ObjectId, TaskId, TaskOptions};
use std::sync::Arc;
use std::time::Duration;

/// Names a request, so that a repeat is answered and not run again. Chosen by the caller; empty where repeats are to be
/// run. At most [`RequestId::LIMIT`] bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct RequestId(pub String);

impl RequestId {
    /// The most bytes of an id.
    pub const LIMIT: usize = 128;

    /// A random one.
    pub fn random() -> Self {
        RequestId(format!("{:032x}", rand::random::<u128>()))
    }
}

/// A job and the proof that it is the caller's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JobAccess {
    /// The job.
    pub job: JobId,
    /// Its secret.
    pub secret: JobSecret,
}

/// A job that was opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenedJob {
    /// The job.
    pub job: JobId,
    /// What proves that it is the caller's.
    pub secret: JobSecret,
    /// The node that opened it.
    pub node: NodeId,
}

impl OpenedJob {
    /// What later calls show.
    pub fn access(&self) -> JobAccess {
        JobAccess { job: self.job, secret: self.secret.clone() }
    }
}

/// A task's arguments, as a thin client gives them. Those given by reference are left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Arguments {
    /// A JSON array.
    Json(String),
    /// MessagePack values, one behind the other.
    MessagePack(Bytes),
}

/// A task, as a thin client submits it.
#[derive(Clone, PartialEq, Debug)]
pub struct SubmitTask {
    /// Names the request.
    pub request_id: RequestId,
    /// The job.
    pub access: JobAccess,
    /// The function's name.
    pub function: String,
    /// Its version; empty where any will do.
    pub version: String,
    /// The arguments that are given by value.
    pub arguments: Arguments,
    /// The others: which parameter, and the object whose value it is.
    pub references: Vec<(u32, ObjectId)>,
    /// How it is to be run.
    pub options: TaskOptions,
    /// From now; without an end unless set.
    pub deadline: Option<Duration>,
}

/// A task that was submitted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubmittedTask {
    /// The task.
    pub task: TaskId,
    /// What it will return. The job holds them until they are released or it ends.
    pub objects: Vec<ObjectId>,
}

/// Asks for a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetObject {
    /// The job.
    pub access: JobAccess,
    /// The object.
    pub object: ObjectId,
    /// How long to wait for it; the node's bound (30 s) unless set.
    pub timeout: Option<Duration>,
    /// Whether JSON is wanted.
    pub json: bool,
}

/// A value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectValue {
    /// MessagePack.
    pub value: Bytes,
    /// JSON, where it was asked for and the value can be shown so.
    pub json: Option<String>,
}

/// A value as a thin client gives it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ValueBytes {
    /// One JSON value.
    Json(String),
    /// One MessagePack value.
    MessagePack(Bytes),
}

/// Stores a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PutObject {
    /// Names the request.
    pub request_id: RequestId,
    /// The job.
    pub access: JobAccess,
    /// The value.
    pub value: ValueBytes,
}

/// Cancels a task. What has finished is left alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CancelTask {
    /// The job.
    pub access: JobAccess,
    /// The task.
    pub task: TaskId,
    /// End its worker 2 s later if it still runs.
    pub force: bool,
    /// Its children too.
    pub recursive: bool,
}

/// Calls an actor and waits for the value.
#[derive(Clone, PartialEq, Debug)]
pub struct CallActor {
    /// Names the request.
    pub request_id: RequestId,
    /// The job that calls.
    pub access: JobAccess,
    /// The actor.
    pub target: ActorTarget,
    /// The method's name in the actor's class.
    pub method: String,
    /// The arguments that are given by value.
    pub arguments: Arguments,
    /// The others: which parameter, and the object whose value it is.
    pub references: Vec<(u32, ObjectId)>,
    /// How it is called. Nobody waits for the value of a cast: it is answered with no bytes once it is on its way.
    pub options: MethodOptions,
    /// How long it may wait and run; the node's bound (30 s) unless set.
    pub timeout: Option<Duration>,
    /// Whether JSON is wanted.
    pub json: bool,
}

/// What is said before an object's bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectUpload {
    /// The job.
    pub access: JobAccess,
    /// The object.
    pub object: ObjectId,
    /// Bytes.
    pub length: u64,
    /// CRC-32C of the bytes.
    pub checksum: u32,
}

/// How an executable's chunks are encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChunkEncoding {
    /// As they are.
    Plain,
    /// One zstd stream over all chunks.
    Zstd,
}

/// What is said before an executable's bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExecutableUpload {
    /// Its hash; the node checks it.
    pub hash: ExecutableHash,
    /// Bytes of the executable itself, whatever the encoding.
    pub length: u64,
    /// The machine and system that it was built for, such as `x86_64-linux-gnu`.
    pub target: String,
    /// How the chunks are encoded.
    pub encoding: ChunkEncoding,
}

/// Whether a node has an executable, and how else than by an upload it may get it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeldExecutable {
    /// Whether the node has it, or knows where it is.
    pub present: bool,
    /// The name of the [`HandoverSocket`](super::HandoverSocket) on which it takes one as a file descriptor.
    pub handover: Option<Arc<str>>,
}

/// Runs a program as a job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubmitJob {
    /// Names the request.
    pub request_id: RequestId,
    /// The job; its executable, uploaded before, is the program.
    pub spec: JobSpec,
    /// The program's arguments.
    pub arguments: Vec<String>,
}

/// Which output of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogSource {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Some output of a job's processes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogChunk {
    /// Which output.
    pub source: LogSource,
    /// Which process, for people.
    pub origin: String,
    /// What it wrote.
    pub text: Bytes,
}
