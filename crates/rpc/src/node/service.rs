//! The face of a node, in domain types.

use super::bulk::{Chunks, Download};
use super::request::{
    CallActor, CancelTask, ExecutableUpload, GetObject, HeldExecutable, JobAccess, LogChunk, ObjectUpload,
    ObjectValue, OpenedJob, PutObject, RequestId, SubmitJob, SubmitTask, SubmittedTask,
};
use super::state::{LogScope, NodeStatus, TaskList, TaskRecord, TaskScope};
use crate::auth::{Authenticator, Caller};
use crate::head::{FunctionStatus, HeadStatus};
use crate::session::{Session, SessionRequest, Welcome};
use async_trait::async_trait;
use futures::stream::BoxStream;
use mobula_types::actor::{ActorAnswer, ActorRequest};
use mobula_types::outcome::StoredCopy;
use mobula_types::{
    ClusterView, ExecutableHash, Failure, JobId, JobSpec, JobStatus, NodeName, ObjectId, TaskFilter, TaskId,
};
use std::fs::File;

/// A job's output. Dropping it ends the call; an error is its last item.
pub type LogStream = BoxStream<'static, Result<LogChunk, Failure>>;

/// What a node does for whoever calls it. Bearer tokens are checked before: a call that names a job comes from a holder
/// of the cluster's token or of that job's secret, and calls that touch everything from holders of the cluster's token
/// alone. What is left to the node is to check the secret that a request names.
///
/// A call that the caller gives up is dropped at its next await.
#[async_trait]
pub trait NodeService: Authenticator {
    /// A session is opened; resumptions do not come here. Frames sent on it before the answer arrive after the welcome.
    async fn open_session(&self, request: SessionRequest, session: Session) -> Result<Welcome, Failure>;

    /// The bytes of an object in this node's store.
    async fn fetch(&self, caller: Caller, object: ObjectId) -> Result<Download, Failure>;

    /// Stores an object's bytes. Dropped midway, it leaves nothing behind.
    async fn store(&self, upload: ObjectUpload, chunks: Chunks) -> Result<StoredCopy, Failure>;

    /// Whether the node has an executable, or knows where one is.
    async fn has_executable(&self, hash: ExecutableHash) -> Result<HeldExecutable, Failure>;

    /// Takes an executable: refuses what does not have that hash, or cannot run here.
    async fn upload_executable(&self, upload: ExecutableUpload, chunks: Chunks) -> Result<(), Failure>;

    /// Takes an executable from an open file of this host, under the same conditions. The file may change at any time.
    async fn take_executable(&self, hash: ExecutableHash, length: u64, file: File) -> Result<(), Failure>;

    /// The bytes of an executable; the download's checksum is 0.
    async fn fetch_executable(&self, hash: ExecutableHash) -> Result<Download, Failure>;

    /// Opens a job, which ends 30 s after its last call or stream.
    async fn open_job(&self, request_id: RequestId, spec: JobSpec) -> Result<OpenedJob, Failure>;

    /// Counts as a call of that job.
    async fn keep_alive(&self, access: JobAccess) -> Result<(), Failure>;

    /// Ends a job at once.
    async fn close_job(&self, access: JobAccess) -> Result<(), Failure>;

    /// Submits a task.
    async fn submit_task(&self, request: SubmitTask) -> Result<SubmittedTask, Failure>;

    /// Waits for a value.
    async fn get_object(&self, request: GetObject) -> Result<ObjectValue, Failure>;

    /// Stores a value.
    async fn put_object(&self, request: PutObject) -> Result<ObjectId, Failure>;

    /// The job needs these objects no more.
    async fn release(&self, access: JobAccess, objects: Vec<ObjectId>) -> Result<(), Failure>;

    /// Cancels a task.
    async fn cancel_task(&self, request: CancelTask) -> Result<(), Failure>;

    /// Calls an actor and waits for the value.
    async fn call_actor(&self, request: CallActor) -> Result<ObjectValue, Failure>;

    /// Asks the head about actors and supervisors.
    async fn actors(&self, request: ActorRequest) -> Result<ActorAnswer, Failure>;

    /// Runs a program as a job.
    async fn submit_job(&self, request: SubmitJob) -> Result<OpenedJob, Failure>;

    /// Stops any job.
    async fn stop_job(&self, job: JobId) -> Result<(), Failure>;

    /// Has a node of the cluster drain and leave; answered once that is durable.
    async fn drain_node(&self, node: NodeName) -> Result<(), Failure>;

    /// What a job's processes print: what is kept, then, if it is to follow, what comes, until the job ends.
    async fn job_logs(&self, job: JobId, follow: bool, scope: LogScope) -> Result<LogStream, Failure>;

    /// Tasks, running ones first, then the newest; at most `limit`.
    async fn list_tasks(
        &self,
        filter: TaskFilter,
        limit: usize,
        scope: TaskScope,
    ) -> Result<TaskList, Failure>;

    /// One task; `NotFound` where nobody knows it.
    async fn get_task(&self, task: TaskId, scope: TaskScope) -> Result<TaskRecord, Failure>;

    /// How the node stands.
    async fn node_status(&self) -> Result<NodeStatus, Failure>;

    /// How the head stands that the node is connected to.
    async fn head_status(&self) -> Result<HeadStatus, Failure>;

    /// The cluster as the node sees it.
    async fn cluster_view(&self) -> Result<ClusterView, Failure>;

    /// The cluster's jobs, newest first.
    async fn list_jobs(&self) -> Result<Vec<JobStatus>, Failure>;

    /// The functions that nodes embed.
    async fn list_functions(&self) -> Result<Vec<FunctionStatus>, Failure>;
}
