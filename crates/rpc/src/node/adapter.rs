//! The generated service, answered by a [`NodeService`]: every call but those that move bulk bytes.

use super::convert::{
    access, function_to_wire, hash, id, ids, open_job, refused, started_to_wire, status_to_wire, task_to_wire,
};
use super::request::{CallActor, CancelTask, GetObject, JobAccess, PutObject, SubmitTask};
use super::service::NodeService;
use super::state::{LogScope, TaskScope};
use crate::auth::Caller;
use crate::head::convert::status_to_wire as head_status_to_wire;
use crate::session::accept::SessionHost;
use crate::session::{Session, SessionRequest, Welcome};
use crate::status::to_status;
use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use mobula_proto::head::task_state;
use mobula_proto::{ConvertError, wire};
use mobula_types::actor::ActorRequest;
use mobula_types::{Failure, JobId, NodeName, TaskFilter};
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// Tasks in a list unless a limit is set.
const DEFAULT_LIMIT: u32 = 100;
const MOST_TASKS: u32 = 10_000;

pub(super) struct Adapter {
    pub(super) service: Arc<dyn NodeService>,
}

#[async_trait]
impl SessionHost for Adapter {
    async fn open_session(&self, request: SessionRequest, session: Session) -> Result<Welcome, Failure> {
        self.service.open_session(request, session).await
    }
}

type Answer<T> = Result<Response<T>, Status>;

fn scope(owned: bool) -> TaskScope {
    if owned { TaskScope::Owned } else { TaskScope::Cluster }
}

fn refuse(failure: Failure) -> Status {
    to_status(&failure)
}

fn answer<T>(result: Result<T, Failure>) -> Answer<T> {
    result.map(Response::new).map_err(refuse)
}

fn read<T>(result: Result<T, ConvertError>) -> Result<T, Status> {
    result.map_err(|error| to_status(&refused(error)))
}

/// Checks that the caller may do what only holders of the cluster's token may.
fn privileged<T>(request: &Request<T>, what: &str) -> Result<(), Status> {
    Caller::of(request).and_then(|caller| caller.require_cluster(what)).map_err(refuse)
}

/// Checks that the caller may touch that job.
fn permitted(caller: Result<Caller, Failure>, job: JobId) -> Result<(), Status> {
    caller.and_then(|caller| caller.require_job(job)).map_err(refuse)
}

fn job_access(request: Request<wire::JobRequest>) -> Result<JobAccess, Status> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let access = read(access(&request.job, &request.secret))?;
    permitted(caller, access.job)?;
    Ok(access)
}

#[async_trait]
impl wire::node_server::Node for Adapter {
    type JobLogsStream = BoxStream<'static, Result<wire::LogChunk, Status>>;

    async fn has_executable(
        &self,
        request: Request<wire::ExecutableRequest>,
    ) -> Answer<wire::HasExecutableAnswer> {
        let hash = read(hash(&request.into_inner().hash, "executable_request.hash"))?;
        let held = self.service.has_executable(hash).await;
        answer(held.map(|held| wire::HasExecutableAnswer {
            present: held.present,
            handover: held.handover.map(|name| name.to_string()).unwrap_or_default(),
        }))
    }

    async fn open_job(&self, request: Request<wire::OpenJobRequest>) -> Answer<wire::OpenedJob> {
        privileged(&request, "open a job")?;
        let (request_id, spec) = read(open_job(request.into_inner()))?;
        answer(self.service.open_job(request_id, spec).await.map(Into::into))
    }

    async fn keep_alive(&self, request: Request<wire::JobRequest>) -> Answer<wire::Empty> {
        let access = job_access(request)?;
        answer(self.service.keep_alive(access).await.map(|()| wire::Empty {}))
    }

    async fn close_job(&self, request: Request<wire::JobRequest>) -> Answer<wire::Empty> {
        let access = job_access(request)?;
        answer(self.service.close_job(access).await.map(|()| wire::Empty {}))
    }

    async fn submit_task(&self, request: Request<wire::SubmitTaskRequest>) -> Answer<wire::SubmittedTask> {
        let caller = Caller::of(&request);
        let request = read(SubmitTask::try_from(request.into_inner()))?;
        permitted(caller, request.access.job)?;
        answer(self.service.submit_task(request).await.map(Into::into))
    }

    async fn get_object(&self, request: Request<wire::GetObjectRequest>) -> Answer<wire::ObjectValue> {
        let caller = Caller::of(&request);
        let request = read(GetObject::try_from(request.into_inner()))?;
        permitted(caller, request.access.job)?;
        answer(self.service.get_object(request).await.map(Into::into))
    }

    async fn put_object(&self, request: Request<wire::PutObjectRequest>) -> Answer<wire::PutObjectAnswer> {
        let caller = Caller::of(&request);
        let request = read(PutObject::try_from(request.into_inner()))?;
        permitted(caller, request.access.job)?;
        let object = self.service.put_object(request).await;
        answer(object.map(|object| wire::PutObjectAnswer { object: object.to_string() }))
    }

    async fn release(&self, request: Request<wire::ReleaseRequest>) -> Answer<wire::Empty> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let access = read(access(&request.job, &request.secret))?;
        permitted(caller, access.job)?;
        let objects = read(ids(&request.objects, "release_request.objects"))?;
        answer(self.service.release(access, objects).await.map(|()| wire::Empty {}))
    }

    async fn cancel_task(&self, request: Request<wire::CancelTaskRequest>) -> Answer<wire::Empty> {
        let caller = Caller::of(&request);
        let request = read(CancelTask::try_from(request.into_inner()))?;
        permitted(caller, request.access.job)?;
        answer(self.service.cancel_task(request).await.map(|()| wire::Empty {}))
    }

    async fn call_actor(&self, request: Request<wire::CallActorRequest>) -> Answer<wire::ObjectValue> {
        let caller = Caller::of(&request);
        let request = read(CallActor::try_from(request.into_inner()))?;
        permitted(caller, request.access.job)?;
        answer(self.service.call_actor(request).await.map(Into::into))
    }

    async fn actors(&self, request: Request<wire::ActorRequest>) -> Answer<wire::ActorAnswer> {
        privileged(&request, "manage actors")?;
        let request = read(ActorRequest::try_from(request.into_inner()))?;
        answer(self.service.actors(request).await.map(|answer| (&answer).into()))
    }

    async fn submit_job(&self, request: Request<wire::SubmitJobRequest>) -> Answer<wire::OpenedJob> {
        privileged(&request, "submit a job")?;
        let request = read(request.into_inner().try_into())?;
        answer(self.service.submit_job(request).await.map(Into::into))
    }

    async fn stop_job(&self, request: Request<wire::StopJobRequest>) -> Answer<wire::Empty> {
        privileged(&request, "stop a job")?;
        let job = read(id(&request.into_inner().job, "stop_job_request.job"))?;
        answer(self.service.stop_job(job).await.map(|()| wire::Empty {}))
    }

    async fn drain_node(&self, request: Request<wire::DrainNodeRequest>) -> Answer<wire::Empty> {
        privileged(&request, "drain a node")?;
        let node = NodeName::from(request.into_inner().node.as_str());
        answer(self.service.drain_node(node).await.map(|()| wire::Empty {}))
    }

    async fn job_logs(&self, request: Request<wire::JobLogsRequest>) -> Answer<Self::JobLogsStream> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let job = read(id(&request.job, "job_logs_request.job"))?;
        permitted(caller, job)?;
        let scope = if request.here { LogScope::Node } else { LogScope::Cluster };
        let logs = self.service.job_logs(job, request.follow, scope).await.map_err(refuse)?;
        Ok(Response::new(logs.map(|chunk| chunk.map(Into::into).map_err(refuse)).boxed()))
    }

    async fn list_tasks(&self, request: Request<wire::ListTasksRequest>) -> Answer<wire::TaskList> {
        privileged(&request, "list tasks")?;
        let request = request.into_inner();
        let job = Some(request.job).filter(|job| !job.is_empty());
        let filter = TaskFilter {
            job: read(job.map(|job| id(&job, "list_tasks_request.job")).transpose())?,
            state: read(task_state(request.state, "list_tasks_request.state"))?,
            name: Some(request.name).filter(|name| !name.is_empty()),
        };
        let limit = if request.limit == 0 { DEFAULT_LIMIT } else { request.limit.min(MOST_TASKS) };
        let list = self.service.list_tasks(filter, limit as usize, scope(request.owned)).await;
        answer(list.map(|list| wire::TaskList {
            tasks: list.tasks.into_iter().map(task_to_wire).collect(),
            more: list.more,
            silent: list.silent.iter().map(ToString::to_string).collect(),
            started: list.started.into_iter().map(started_to_wire).collect(),
            left_out: list.left_out,
            head_silent: list.head_silent,
        }))
    }

    async fn get_task(&self, request: Request<wire::GetTaskRequest>) -> Answer<wire::TaskRecord> {
        privileged(&request, "look at tasks")?;
        let request = request.into_inner();
        let task = read(id(&request.task, "get_task_request.task"))?;
        answer(self.service.get_task(task, scope(request.owned)).await.map(task_to_wire))
    }

    async fn get_node_status(&self, request: Request<wire::Empty>) -> Answer<wire::NodeStatus> {
        privileged(&request, "look at a node's state")?;
        answer(self.service.node_status().await.map(status_to_wire))
    }

    async fn get_head_status(&self, request: Request<wire::Empty>) -> Answer<wire::HeadStatus> {
        privileged(&request, "look at the head")?;
        answer(self.service.head_status().await.map(|status| head_status_to_wire(&status)))
    }

    async fn get_cluster_view(&self, _request: Request<wire::Empty>) -> Answer<wire::ViewDelta> {
        answer(self.service.cluster_view().await.map(|view| (&view.full_delta()).into()))
    }

    async fn list_jobs(&self, request: Request<wire::Empty>) -> Answer<wire::JobList> {
        privileged(&request, "list jobs")?;
        let jobs = self.service.list_jobs().await;
        answer(jobs.map(|jobs| wire::JobList { jobs: jobs.iter().map(Into::into).collect() }))
    }

    async fn list_functions(&self, _request: Request<wire::Empty>) -> Answer<wire::FunctionList> {
        let functions = self.service.list_functions().await;
        answer(
            functions.map(|list| wire::FunctionList {
                functions: list.into_iter().map(function_to_wire).collect(),
            }),
        )
    }
}
