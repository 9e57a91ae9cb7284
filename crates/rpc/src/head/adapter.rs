//! The gRPC service in front of a [`HeadService`]: reads requests, asks, writes answers.

use super::convert::{function_to_wire, join_from_wire, message_to_wire, report_from_wire, status_to_wire};
use super::message::HeadMessage;
use super::refusal::{from_status, to_status};
use super::service::{HeadRefusal, HeadService, NodeReports};
use mobula_proto::error::Required;
use mobula_proto::head::{duration_nanos, executable_hash, job_secret, task_state};
use mobula_proto::view::job_state;
use mobula_proto::{ConvertError, wire};
use mobula_types::actor::ActorRequest;
use mobula_types::job::JobState;
use mobula_types::{Failure, FailureKind, JobId, NodeId, NodeName, TaskFilter, ViewDelta};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

/// How long a stream may be silent before its first message.
const FIRST_MESSAGE: Duration = Duration::from_secs(10);
const DEFAULT_LIMIT: usize = 1000;
const LONGEST_LIST: usize = 10_000;

pub(super) struct Adapter {
    pub(super) service: Arc<dyn HeadService>,
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn malformed(error: ConvertError) -> Status {
    let failure = Failure::new(FailureKind::InvalidArgument, format!("the request cannot be read: {error}"));
    to_status(&failure.into())
}

fn refused(refusal: HeadRefusal) -> Status {
    to_status(&refusal)
}

fn limit(asked: u32) -> usize {
    match asked as usize {
        0 => DEFAULT_LIMIT,
        asked => asked.min(LONGEST_LIST),
    }
}

fn reports(stream: Streaming<wire::NodeMessage>) -> NodeReports {
    Box::pin(stream.map(|item| match item {
        Ok(message) => report_from_wire(message).map_err(|error| {
            Failure::new(FailureKind::Malformed, format!("a message of the node cannot be read: {error}"))
        }),
        Err(status) => Err(from_status(&status, "hear", "the node").failure),
    }))
}

#[tonic::async_trait]
impl wire::head_server::Head for Adapter {
    type JoinStream = Answers<wire::HeadMessage>;
    type WatchViewStream = Answers<wire::ViewDelta>;

    async fn join(
        &self,
        request: Request<Streaming<wire::NodeMessage>>,
    ) -> Result<Response<Self::JoinStream>, Status> {
        let mut stream = request.into_inner();
        let first = tokio::time::timeout(FIRST_MESSAGE, stream.next()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("no first message came within 10 s"))?;
        let first =
            first.ok_or_else(|| Status::invalid_argument("the stream ended before its first message"))??;
        let join = join_from_wire(first).map_err(malformed)?;
        let messages = self.service.join(join, reports(stream)).await.map_err(refused)?;
        let answers = messages.map(|message: HeadMessage| Ok(message_to_wire(&message)));
        Ok(Response::new(Box::pin(answers)))
    }

    async fn renew_lease(
        &self,
        request: Request<wire::RenewLeaseRequest>,
    ) -> Result<Response<wire::RenewLeaseResponse>, Status> {
        let request = request.into_inner();
        let node = request
            .node
            .required("renew_lease_request.node")
            .and_then(NodeId::try_from)
            .map_err(malformed)?;
        let remaining = self.service.renew_lease(node, request.lease_id).await.map_err(refused)?;
        Ok(Response::new(wire::RenewLeaseResponse { remaining_nanos: duration_nanos(remaining) }))
    }

    async fn open_job(
        &self,
        request: Request<wire::OpenHeadJobRequest>,
    ) -> Result<Response<wire::JobInfo>, Status> {
        let request = request.into_inner();
        let secret = job_secret(&request.secret, "open_head_job_request.secret").map_err(malformed)?;
        let spec = request.spec.unwrap_or_default().try_into().map_err(malformed)?;
        let info = self.service.open_job(JobId(request.job), secret, spec).await.map_err(refused)?;
        Ok(Response::new((&info).into()))
    }

    async fn get_job(
        &self,
        request: Request<wire::GetHeadJobRequest>,
    ) -> Result<Response<wire::HeadJobStatus>, Status> {
        let status = self.service.get_job(JobId(request.into_inner().job)).await.map_err(refused)?;
        Ok(Response::new((&status).into()))
    }

    async fn verify_job(
        &self,
        request: Request<wire::VerifyJobRequest>,
    ) -> Result<Response<wire::JobInfo>, Status> {
        let request = request.into_inner();
        let secret = job_secret(&request.secret, "verify_job_request.secret").map_err(malformed)?;
        let info = self.service.verify_job(JobId(request.job), secret).await.map_err(refused)?;
        Ok(Response::new((&info).into()))
    }

    async fn end_job(
        &self,
        request: Request<wire::EndHeadJobRequest>,
    ) -> Result<Response<wire::JobInfo>, Status> {
        let request = request.into_inner();
        let field = "end_head_job_request.state";
        let state = job_state(request.state, field).map_err(malformed)?;
        if state == JobState::Running {
            return Err(malformed(ConvertError::new(field, "a job cannot end as running")));
        }
        let info = self.service.end_job(JobId(request.job), state, request.reason).await.map_err(refused)?;
        Ok(Response::new((&info).into()))
    }

    async fn get_view(&self, _: Request<wire::Empty>) -> Result<Response<wire::ViewDelta>, Status> {
        let view = self.service.view().await.map_err(refused)?;
        Ok(Response::new((&view.full_delta()).into()))
    }

    async fn watch_view(&self, _: Request<wire::Empty>) -> Result<Response<Self::WatchViewStream>, Status> {
        let deltas = self.service.watch_view().await.map_err(refused)?;
        let answers = stream_of(deltas).map(|delta: ViewDelta| Ok((&delta).into()));
        Ok(Response::new(Box::pin(answers)))
    }

    async fn list_nodes(
        &self,
        _: Request<wire::Empty>,
    ) -> Result<Response<wire::ListHeadNodesResponse>, Status> {
        let nodes = self.service.list_nodes().await.map_err(refused)?;
        let nodes = nodes.iter().map(|node| node.as_ref().into()).collect();
        Ok(Response::new(wire::ListHeadNodesResponse { nodes }))
    }

    async fn list_jobs(
        &self,
        request: Request<wire::ListHeadJobsRequest>,
    ) -> Result<Response<wire::ListHeadJobsResponse>, Status> {
        let jobs = self.service.list_jobs(limit(request.into_inner().limit)).await.map_err(refused)?;
        Ok(Response::new(wire::ListHeadJobsResponse { jobs: jobs.iter().map(Into::into).collect() }))
    }

    async fn list_functions(
        &self,
        _: Request<wire::Empty>,
    ) -> Result<Response<wire::ListHeadFunctionsResponse>, Status> {
        let functions = self.service.list_functions().await.map_err(refused)?;
        let functions = functions.iter().map(function_to_wire).collect();
        Ok(Response::new(wire::ListHeadFunctionsResponse { functions }))
    }

    async fn list_tasks(
        &self,
        request: Request<wire::ListTaskEventsRequest>,
    ) -> Result<Response<wire::ListTaskEventsResponse>, Status> {
        let request = request.into_inner();
        let filter = TaskFilter {
            job: request.job.map(JobId),
            state: task_state(request.state, "list_task_events_request.state").map_err(malformed)?,
            name: (!request.name.is_empty()).then_some(request.name),
        };
        let list = self.service.list_tasks(filter, limit(request.limit)).await.map_err(refused)?;
        let events = list.events.iter().map(Into::into).collect();
        Ok(Response::new(wire::ListTaskEventsResponse { events, left_out: list.left_out }))
    }

    async fn locate_executable(
        &self,
        request: Request<wire::LocateExecutableRequest>,
    ) -> Result<Response<wire::LocateExecutableResponse>, Status> {
        let hash =
            executable_hash(&request.get_ref().hash, "locate_executable_request.hash").map_err(malformed)?;
        let nodes = self.service.locate_executable(hash).await.map_err(refused)?;
        Ok(Response::new(wire::LocateExecutableResponse { nodes: nodes.iter().map(Into::into).collect() }))
    }

    async fn drain(&self, request: Request<wire::DrainRequest>) -> Result<Response<wire::Empty>, Status> {
        let node = NodeName::from(request.get_ref().node.as_str());
        self.service.drain(node).await.map_err(refused)?;
        Ok(Response::new(wire::Empty {}))
    }

    async fn actors(&self, request: Request<wire::AskActors>) -> Result<Response<wire::AskedActors>, Status> {
        let request = request.into_inner();
        let asker = request.asker.map(NodeId::try_from).transpose().map_err(malformed)?;
        let question = request.question.map(Into::into);
        let asked = request.request.required("ask_actors.request").and_then(ActorRequest::try_from);
        let asked = self.service.actors(asker, question, asked.map_err(malformed)?).await.map_err(refused)?;
        Ok(Response::new((&asked).into()))
    }

    async fn get_status(&self, _: Request<wire::Empty>) -> Result<Response<wire::HeadStatus>, Status> {
        Ok(Response::new(status_to_wire(&self.service.status().await)))
    }
}

fn stream_of<T>(receiver: mpsc::Receiver<T>) -> ReceiverStream<T> {
    ReceiverStream::new(receiver)
}
