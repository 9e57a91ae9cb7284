//! Asks heads, whichever of them leads.

use super::convert::{function_from_wire, nodes, status_from_wire};
use super::refusal::{from_status, may_pass};
use super::service::{FunctionStatus, HeadRefusal, HeadStatus, TaskEventList};
use super::targets::{Target, Targets};
use crate::ClusterToken;
use futures::{Stream, StreamExt};
use mobula_proto::head::duration;
use mobula_proto::{ConvertError, wire};
use mobula_types::job::JobState;
use mobula_types::session::JobSecret;
use mobula_types::{
    ClusterView, ExecutableHash, Failure, FailureKind, JobId, JobInfo, JobSpec, JobStatus, NodeId, NodeInfo,
    NodeName, OpenedJob, TaskFilter, TaskState, ViewDelta,
};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// Where the heads are and how long a call goes on trying.
#[derive(Clone, Debug)]
pub struct HeadClientOptions {
    /// Addresses of one or several heads, `http://host:port` or `host:port`. Others are found through them.
    pub heads: Vec<String>,
    /// The cluster's token.
    pub token: Option<ClusterToken>,
    /// How long a call is tried again while no head answers or leads (30 s).
    pub patience: Duration,
    /// How long one try may take (5 s).
    pub call_deadline: Duration,
}

impl HeadClientOptions {
    /// Asks these heads.
    pub fn new(heads: Vec<String>, token: Option<ClusterToken>) -> Self {
        let (patience, call_deadline) = (Duration::from_secs(30), Duration::from_secs(5));
        HeadClientOptions { heads, token, patience, call_deadline }
    }
}

/// A full view, then changes; an error is its last item.
pub type ViewStream = Pin<Box<dyn Stream<Item = Result<ViewDelta, Failure>> + Send>>;

/// Asks heads: finds the one that leads, moves to another when one does not answer, tries again with growing pauses.
/// Clones share connections.
///
/// Every call returns within `patience`, but for what is [under way](super::allowance) of actors, and may be dropped at any
/// point; opening a job that was dropped or timed out may have happened, and such a job ends by itself.
#[derive(Clone, Debug)]
pub struct HeadClient {
    targets: Arc<Targets>,
    patience: Duration,
    call_deadline: Duration,
}

pub(super) fn unreadable(error: ConvertError) -> Failure {
    Failure::new(FailureKind::Malformed, format!("the head's answer cannot be read: {error}"))
}

impl HeadClient {
    /// Connects when it is first asked. Needs a tokio runtime around it.
    ///
    /// # Errors
    /// `InvalidArgument`: no address, or one that is none.
    pub fn new(options: HeadClientOptions) -> Result<Self, Failure> {
        let targets = Targets::new(&options.heads, options.token.as_ref())?;
        Ok(HeadClient {
            targets: Arc::new(targets),
            patience: options.patience,
            call_deadline: options.call_deadline,
        })
    }

    /// The head that answered last, or the first one.
    pub fn current(&self) -> Option<Arc<str>> {
        self.targets.preferred().map(|target| target.address)
    }

    pub(super) fn targets(&self) -> &Targets {
        &self.targets
    }

    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    pub(super) fn call_deadline(&self) -> Duration {
        self.call_deadline
    }

    /// Opens a job. Durable once it returns.
    ///
    /// # Errors
    /// `Unavailable` when no head led in time; what the head refused.
    pub async fn open_job(&self, spec: JobSpec) -> Result<OpenedJob, Failure> {
        // Chosen here, so that a try whose answer was lost is the same job when it is repeated.
        let opened = OpenedJob { job: JobId(rand::random()), secret: JobSecret(rand::random()) };
        let request = wire::OpenHeadJobRequest {
            job: opened.job.0,
            secret: opened.secret.0.to_vec().into(),
            spec: Some(spec.into()),
        };
        self.unary("open a job", async |mut stub, request| stub.open_job(request).await, request).await?;
        Ok(opened)
    }

    /// What is known of a job; `NotFound` where nothing is.
    pub async fn get_job(&self, job: JobId) -> Result<JobStatus, Failure> {
        let request = wire::GetHeadJobRequest { job: job.0 };
        let answer = self
            .unary("look up a job", async |mut stub, request| stub.get_job(request).await, request)
            .await?;
        answer.try_into().map_err(unreadable)
    }

    /// What is known of a job, if the secret is its own; else `PermissionDenied`.
    pub async fn verify_job(&self, job: JobId, secret: &JobSecret) -> Result<JobInfo, Failure> {
        let request = wire::VerifyJobRequest { job: job.0, secret: secret.0.to_vec().into() };
        let answer = self
            .unary("verify a job", async |mut stub, request| stub.verify_job(request).await, request)
            .await?;
        answer.try_into().map_err(unreadable)
    }

    /// Ends a job; one that has ended already stays as it is. Durable once it returns.
    pub async fn end_job(&self, job: JobId, state: JobState, reason: &str) -> Result<JobInfo, Failure> {
        let request = wire::EndHeadJobRequest {
            job: job.0,
            state: wire::JobState::from(state).into(),
            reason: reason.to_owned(),
        };
        let answer =
            self.unary("end a job", async |mut stub, request| stub.end_job(request).await, request).await?;
        answer.try_into().map_err(unreadable)
    }

    /// The living nodes.
    pub async fn view(&self) -> Result<ClusterView, Failure> {
        let answer = self
            .unary("get the view", async |mut stub, request| stub.get_view(request).await, wire::Empty {})
            .await?;
        let mut view = ClusterView::default();
        view.apply(&answer.try_into().map_err(unreadable)?);
        Ok(view)
    }

    /// The living nodes, and every change. When the stream ends, ask again: the next one starts with the full view.
    pub async fn watch_view(&self) -> Result<ViewStream, Failure> {
        let stream = self
            .unary("watch the view", async |mut stub, request| stub.watch_view(request).await, wire::Empty {})
            .await?;
        Ok(Box::pin(stream.map(|item| match item {
            Ok(delta) => delta.try_into().map_err(unreadable),
            Err(status) => Err(from_status(&status, "watch the view", "the head").failure),
        })))
    }

    /// The nodes, those declared dead lately too.
    pub async fn list_nodes(&self) -> Result<Vec<NodeInfo>, Failure> {
        let answer = self
            .unary("list nodes", async |mut stub, request| stub.list_nodes(request).await, wire::Empty {})
            .await?;
        answer.nodes.into_iter().map(|node| node.try_into().map_err(unreadable)).collect()
    }

    /// The jobs, newest first, at most `limit`.
    pub async fn list_jobs(&self, limit: u32) -> Result<Vec<JobStatus>, Failure> {
        let request = wire::ListHeadJobsRequest { limit };
        let answer =
            self.unary("list jobs", async |mut stub, request| stub.list_jobs(request).await, request).await?;
        answer.jobs.into_iter().map(|job| job.try_into().map_err(unreadable)).collect()
    }

    /// What nodes embed.
    pub async fn list_functions(&self) -> Result<Vec<FunctionStatus>, Failure> {
        let answer = self
            .unary(
                "list functions",
                async |mut stub, request| stub.list_functions(request).await,
                wire::Empty {},
            )
            .await?;
        answer
            .functions
            .into_iter()
            .map(|function| function_from_wire(function).map_err(unreadable))
            .collect()
    }

    /// The latest known event of each task, newest first, at most `limit`. A sample; nodes know more.
    pub async fn list_tasks(&self, filter: &TaskFilter, limit: u32) -> Result<TaskEventList, Failure> {
        let request = wire::ListTaskEventsRequest {
            job: filter.job.map(|job| job.0),
            state: filter.state.map_or(0, |state: TaskState| wire::TaskState::from(state).into()),
            name: filter.name.clone().unwrap_or_default(),
            limit,
        };
        let answer = self
            .unary("list tasks", async |mut stub, request| stub.list_tasks(request).await, request)
            .await?;
        let events = answer.events.into_iter().map(|event| event.try_into().map_err(unreadable));
        Ok(TaskEventList { events: events.collect::<Result<_, _>>()?, left_out: answer.left_out })
    }

    /// The nodes that hold an executable.
    pub async fn locate_executable(&self, hash: ExecutableHash) -> Result<Vec<NodeId>, Failure> {
        let request = wire::LocateExecutableRequest { hash: hash.0.to_vec().into() };
        let answer = self
            .unary(
                "locate an executable",
                async |mut stub, request| stub.locate_executable(request).await,
                request,
            )
            .await?;
        nodes(answer.nodes).map_err(unreadable)
    }

    /// Tells a node to drain. Durable once it returns.
    pub async fn drain(&self, node: &NodeName) -> Result<(), Failure> {
        let request = wire::DrainRequest { node: node.as_str().to_owned() };
        self.unary("drain a node", async |mut stub, request| stub.drain(request).await, request)
            .await
            .map(drop)
    }

    /// How the head that is asked stands; it need not lead.
    pub async fn status(&self) -> Result<HeadStatus, Failure> {
        let answer = self
            .unary(
                "get the head's status",
                async |mut stub, request| stub.get_status(request).await,
                wire::Empty {},
            )
            .await?;
        Ok(status_from_wire(answer))
    }

    /// Renews a node's lease through whichever head answers, for as long as `patience`.
    pub(super) async fn renew_lease(
        &self,
        node: &NodeId,
        lease_id: u64,
        patience: Duration,
    ) -> Result<Duration, HeadRefusal> {
        let request = wire::RenewLeaseRequest { node: Some(node.into()), lease_id };
        let once = self.call_deadline.min(patience);
        let answer = self
            .targets
            .call("renew a lease", patience, once, |mut stub| {
                let request = request.clone();
                async move { stub.renew_lease(request).await }
            })
            .await?;
        Ok(duration(answer.into_inner().remaining_nanos))
    }

    /// Sends the first message of a `Join` stream to the head that is believed to lead, once.
    pub(super) async fn join(
        &self,
        messages: impl Stream<Item = wire::NodeMessage> + Send + 'static,
    ) -> Result<(Target, tonic::Streaming<wire::HeadMessage>), HeadRefusal> {
        let Some(mut target) = self.targets.preferred() else { return Err(HeadRefusal::not_leader(None)) };
        let answer = tokio::time::timeout(self.call_deadline, target.stub.join(messages)).await;
        let refusal = match answer {
            Ok(Ok(stream)) => return Ok((target, stream.into_inner())),
            Ok(Err(status)) => from_status(&status, "join", &target.address),
            Err(_) => super::refusal::timed_out("join", &target.address, self.call_deadline),
        };
        if may_pass(&refusal) && !self.targets.follow(&target, refusal.leader.as_deref()) {
            self.targets.move_on(&target);
        }
        Err(refusal)
    }

    async fn unary<Q: Clone, A>(
        &self,
        what: &'static str,
        call: impl AsyncFn(super::targets::Stub, Q) -> Result<tonic::Response<A>, tonic::Status>,
        request: Q,
    ) -> Result<A, Failure> {
        let once = self.call_deadline;
        let answer = self.targets.call(what, self.patience, once, |stub| call(stub, request.clone())).await;
        answer.map(tonic::Response::into_inner).map_err(|refusal| refusal.failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_send<T: Send>(_: T) {}

    #[tokio::test]
    async fn calls_can_be_made_from_any_task() {
        let client = HeadClient::new(HeadClientOptions::new(vec!["127.0.0.1:1".to_owned()], None)).unwrap();
        assert_send(client.open_job(JobSpec::default()));
        assert_send(client.watch_view());
        assert_send(client.drain(&NodeName::from("a")));
    }

    #[tokio::test]
    async fn an_address_that_is_none_is_named() {
        let failure =
            HeadClient::new(HeadClientOptions::new(vec!["http://a b".to_owned()], None)).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::InvalidArgument);
        assert!(failure.message().contains("a b"));
    }

    #[tokio::test]
    async fn when_patience_runs_out_the_heads_are_named() {
        let mut options = HeadClientOptions::new(vec!["127.0.0.1:1".to_owned()], None);
        options.patience = Duration::from_millis(60);
        let failure = HeadClient::new(options).unwrap().view().await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Unavailable);
        assert!(failure.message().contains("127.0.0.1:1"), "{failure}");
        assert!(failure.detail().cause.is_some());
    }
}
