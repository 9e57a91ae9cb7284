//! Calls with one answer, and logs.

use super::NodeClient;
use crate::head::allowance;
use crate::head::convert::status_from_wire as head_status_from_wire;
use crate::head::{FunctionStatus, HeadStatus};
use crate::node::convert::{
    function_from_wire, id, secret_to_text, started_from_wire, status_from_wire, task_from_wire, unreadable,
};
use crate::node::request::{
    CallActor, CancelTask, GetObject, HeldExecutable, JobAccess, LogChunk, ObjectValue, OpenedJob, PutObject,
    RequestId, SubmitJob, SubmitTask, SubmittedTask,
};
use crate::node::service::LogStream;
use crate::node::state::{LogScope, NodeStatus, TaskList, TaskRecord, TaskScope};
use crate::status::to_failure;
use futures::StreamExt;
use mobula_proto::{ConvertError, wire};
use mobula_types::actor::{ActorAnswer, ActorRequest};
use mobula_types::{
    ClusterView, ExecutableHash, Failure, JobId, JobSpec, JobStatus, NodeName, ObjectId, TaskFilter, TaskId,
    ViewDelta,
};
use std::time::Duration;

fn job_request(access: JobAccess) -> wire::JobRequest {
    wire::JobRequest { job: access.job.to_string(), secret: secret_to_text(&access.secret) }
}

const NO_MORE: Duration = Duration::ZERO;

impl NodeClient {
    /// Whether the node has an executable, or knows where one is; if not, how it may be handed over.
    ///
    /// # Errors
    /// As for every call.
    pub async fn has_executable(&self, hash: ExecutableHash) -> Result<HeldExecutable, Failure> {
        let request = wire::ExecutableRequest { hash: hash.to_string() };
        let call = async |mut client: super::Client| client.has_executable(request).await;
        let answer = self.call("ask for an executable", NO_MORE, call).await?;
        let handover = Some(answer.handover).filter(|name| !name.is_empty()).map(Into::into);
        Ok(HeldExecutable { present: answer.present, handover })
    }

    /// Opens a job. It ends 30 s after its last call or stream.
    ///
    /// # Errors
    /// As for every call.
    pub async fn open_job(&self, request_id: RequestId, spec: JobSpec) -> Result<OpenedJob, Failure> {
        let request = wire::OpenJobRequest { request_id: request_id.0, spec: Some(spec.into()) };
        let call = async |mut client: super::Client| client.open_job(request).await;
        self.call("open a job", NO_MORE, call).await?.try_into().map_err(unreadable)
    }

    /// Counts as a call of that job.
    ///
    /// # Errors
    /// As for every call.
    pub async fn keep_alive(&self, access: JobAccess) -> Result<(), Failure> {
        let call = async |mut client: super::Client| client.keep_alive(job_request(access)).await;
        self.call("keep a job alive", NO_MORE, call).await.map(drop)
    }

    /// Ends a job at once.
    ///
    /// # Errors
    /// As for every call.
    pub async fn close_job(&self, access: JobAccess) -> Result<(), Failure> {
        let call = async |mut client: super::Client| client.close_job(job_request(access)).await;
        self.call("close a job", NO_MORE, call).await.map(drop)
    }

    /// Submits a task without a session.
    ///
    /// # Errors
    /// As for every call.
    pub async fn submit_task(&self, request: SubmitTask) -> Result<SubmittedTask, Failure> {
        let request = wire::SubmitTaskRequest::from(request);
        let call = async |mut client: super::Client| client.submit_task(request).await;
        self.call("submit a task", NO_MORE, call).await?.try_into().map_err(unreadable)
    }

    /// Waits for a value, as long as the request says.
    ///
    /// # Errors
    /// As for every call; the failure of the task that was to make it.
    pub async fn get_object(&self, request: GetObject) -> Result<ObjectValue, Failure> {
        let more = request.timeout.unwrap_or(Duration::from_secs(30));
        let request = wire::GetObjectRequest::from(request);
        let call = async |mut client: super::Client| client.get_object(request).await;
        self.call("get an object", more, call).await.map(Into::into)
    }

    /// Stores a value without a session.
    ///
    /// # Errors
    /// As for every call.
    pub async fn put_object(&self, request: PutObject) -> Result<ObjectId, Failure> {
        let request = wire::PutObjectRequest::from(request);
        let call = async |mut client: super::Client| client.put_object(request).await;
        let answer = self.call("put an object", NO_MORE, call).await?;
        id(&answer.object, "put_object_answer.object").map_err(unreadable)
    }

    /// The job needs these objects no more.
    ///
    /// # Errors
    /// As for every call.
    pub async fn release(&self, access: JobAccess, objects: &[ObjectId]) -> Result<(), Failure> {
        let objects = objects.iter().map(ToString::to_string).collect();
        let secret = secret_to_text(&access.secret);
        let request = wire::ReleaseRequest { job: access.job.to_string(), secret, objects };
        let call = async |mut client: super::Client| client.release(request).await;
        self.call("release objects", NO_MORE, call).await.map(drop)
    }

    /// Calls an actor without a session and waits for the value, as long as the request says.
    ///
    /// # Errors
    /// As for every call; the failure of the call.
    pub async fn call_actor(&self, request: CallActor) -> Result<ObjectValue, Failure> {
        let more = request.timeout.unwrap_or(Duration::from_secs(30));
        let request = wire::CallActorRequest::from(request);
        let call = async |mut client: super::Client| client.call_actor(request).await;
        self.call("call an actor", more, call).await.map(Into::into)
    }

    /// Asks the head, through the node, about actors and supervisors.
    ///
    /// # Errors
    /// As for every call; what the head refused.
    pub async fn actors(&self, request: &ActorRequest) -> Result<ActorAnswer, Failure> {
        let more = allowance(request);
        let request = wire::ActorRequest::from(request);
        let call = async |mut client: super::Client| client.actors(request).await;
        self.call("ask about actors", more, call).await?.try_into().map_err(unreadable)
    }

    /// Cancels a task.
    ///
    /// # Errors
    /// As for every call.
    pub async fn cancel_task(&self, request: CancelTask) -> Result<(), Failure> {
        let request = wire::CancelTaskRequest::from(request);
        let call = async |mut client: super::Client| client.cancel_task(request).await;
        self.call("cancel a task", NO_MORE, call).await.map(drop)
    }

    /// Runs an uploaded program as a job.
    ///
    /// # Errors
    /// As for every call.
    pub async fn submit_job(&self, request: SubmitJob) -> Result<OpenedJob, Failure> {
        let request = wire::SubmitJobRequest::from(request);
        let call = async |mut client: super::Client| client.submit_job(request).await;
        self.call("submit a job", NO_MORE, call).await?.try_into().map_err(unreadable)
    }

    /// Stops any job.
    ///
    /// # Errors
    /// As for every call.
    pub async fn stop_job(&self, job: JobId) -> Result<(), Failure> {
        let request = wire::StopJobRequest { job: job.to_string() };
        let call = async |mut client: super::Client| client.stop_job(request).await;
        self.call("stop a job", NO_MORE, call).await.map(drop)
    }

    /// Has a node of the cluster drain: what it has goes on elsewhere, and it leaves. Durable once this returns.
    ///
    /// # Errors
    /// As for every call.
    pub async fn drain_node(&self, node: &NodeName) -> Result<(), Failure> {
        let request = wire::DrainNodeRequest { node: node.to_string() };
        let call = async |mut client: super::Client| client.drain_node(request).await;
        self.call("drain a node", NO_MORE, call).await.map(drop)
    }

    /// What a job's processes print; where it is to follow, until the job ends. Dropping the stream ends the call.
    ///
    /// # Errors
    /// As for every call.
    pub async fn job_logs(&self, job: JobId, follow: bool, scope: LogScope) -> Result<LogStream, Failure> {
        let here = scope == LogScope::Node;
        let request = wire::JobLogsRequest { job: job.to_string(), follow, here };
        let call = async |mut client: super::Client| client.job_logs(request).await;
        let stream = self.call("read a job's logs", NO_MORE, call).await?;
        let address = self.address().clone();
        let chunks = stream.map(move |chunk| match chunk {
            Ok(chunk) => LogChunk::try_from(chunk).map_err(unreadable),
            Err(status) => Err(to_failure(&status, "read a job's logs", &address)),
        });
        Ok(chunks.boxed())
    }

    /// Tasks, running ones first, then the newest; at most `limit`, and 10,000.
    ///
    /// # Errors
    /// As for every call.
    pub async fn list_tasks(
        &self,
        filter: TaskFilter,
        limit: usize,
        scope: TaskScope,
    ) -> Result<TaskList, Failure> {
        let state = filter.state.map_or(wire::TaskState::Unspecified, Into::into);
        let request = wire::ListTasksRequest {
            job: filter.job.map(|job| job.to_string()).unwrap_or_default(),
            state: state.into(),
            name: filter.name.unwrap_or_default(),
            limit: u32::try_from(limit.max(1)).unwrap_or(u32::MAX),
            owned: scope == TaskScope::Owned,
        };
        let call = async |mut client: super::Client| client.list_tasks(request).await;
        let list = self.call("list tasks", NO_MORE, call).await?;
        let tasks = list.tasks.into_iter().map(task_from_wire).collect::<Result<_, _>>();
        let silent = list.silent.iter().map(|name| NodeName::from(name.as_str())).collect();
        let started = list.started.into_iter().map(started_from_wire).collect::<Result<_, _>>();
        Ok(TaskList {
            tasks: tasks.map_err(unreadable)?,
            more: list.more,
            silent,
            started: started.map_err(unreadable)?,
            left_out: list.left_out,
            head_silent: list.head_silent,
        })
    }

    /// One task.
    ///
    /// # Errors
    /// As for every call; `NotFound` where nobody knows it.
    pub async fn get_task(&self, task: TaskId, scope: TaskScope) -> Result<TaskRecord, Failure> {
        let request = wire::GetTaskRequest { task: task.to_string(), owned: scope == TaskScope::Owned };
        let call = async |mut client: super::Client| client.get_task(request).await;
        task_from_wire(self.call("look up a task", NO_MORE, call).await?).map_err(unreadable)
    }

    /// How the node stands.
    ///
    /// # Errors
    /// As for every call.
    pub async fn node_status(&self) -> Result<NodeStatus, Failure> {
        let call = async |mut client: super::Client| client.get_node_status(wire::Empty {}).await;
        status_from_wire(self.call("ask for the node's status", NO_MORE, call).await?).map_err(unreadable)
    }

    /// How the head stands that the node is connected to.
    ///
    /// # Errors
    /// As for every call.
    pub async fn head_status(&self) -> Result<HeadStatus, Failure> {
        let call = async |mut client: super::Client| client.get_head_status(wire::Empty {}).await;
        Ok(head_status_from_wire(self.call("ask for the head's status", NO_MORE, call).await?))
    }

    /// The cluster as the node sees it.
    ///
    /// # Errors
    /// As for every call.
    pub async fn cluster_view(&self) -> Result<ClusterView, Failure> {
        let call = async |mut client: super::Client| client.get_cluster_view(wire::Empty {}).await;
        let delta = self.call("ask for the cluster's nodes", NO_MORE, call).await?;
        let delta = ViewDelta::try_from(delta).map_err(unreadable)?;
        let mut view = ClusterView::default();
        if !view.apply(&delta) {
            return Err(unreadable(ConvertError::new("view_delta.from", "is set in a full view")));
        }
        Ok(view)
    }

    /// The cluster's jobs, newest first.
    ///
    /// # Errors
    /// As for every call.
    pub async fn list_jobs(&self) -> Result<Vec<JobStatus>, Failure> {
        let call = async |mut client: super::Client| client.list_jobs(wire::Empty {}).await;
        let list = self.call("list jobs", NO_MORE, call).await?;
        list.jobs.into_iter().map(JobStatus::try_from).collect::<Result<_, _>>().map_err(unreadable)
    }

    /// The functions that nodes embed.
    ///
    /// # Errors
    /// As for every call.
    pub async fn list_functions(&self) -> Result<Vec<FunctionStatus>, Failure> {
        let call = async |mut client: super::Client| client.list_functions(wire::Empty {}).await;
        let list = self.call("list functions", NO_MORE, call).await?;
        list.functions.into_iter().map(function_from_wire).collect::<Result<_, _>>().map_err(unreadable)
    }
}
