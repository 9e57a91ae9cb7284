//! The face of a node towards the network: what needs no decision is answered here, the rest is passed to the shard.

use crate::bring::{NotBrought, Wanted};
use crate::executables::ExecutableCache;
use crate::requests::Method;
use crate::secrets::Secrets;
use crate::shard::{Call, Input, Reply};
use crate::state::{ANSWER_WITHIN, late, unknown_task};
use crate::thin::ThinCalls;
use crate::transfer::{Transfer, file_chunks};
use async_trait::async_trait;
use mobula_objects::{ObjectStore, Pin};
use mobula_rpc::head::{FunctionStatus, Grant, HeadLinkHandle, HeadStatus};
use mobula_rpc::node::{
    CallActor, CancelTask, Chunks, Download, ExecutableUpload, GetObject, HeldExecutable, JobAccess,
    LogScope, LogStream, NodeService, NodeStatus, ObjectUpload, ObjectValue, OpenedJob, PutObject, RequestId,
    SubmitJob, SubmitTask, SubmittedTask, TaskList, TaskRecord, TaskScope,
};
use mobula_rpc::session::{Session, SessionRequest, Welcome};
use mobula_rpc::{Authenticator, Caller};
use mobula_runtime::clock;
use mobula_types::actor::{ActorAnswer, ActorRequest};
use mobula_types::job::JobState;
use mobula_types::outcome::{CopyVersion, StoredCopy};
use mobula_types::session::JobSecret;
use mobula_types::{
    ClusterView, ExecutableHash, Failure, FailureKind, JobId, JobSpec, JobStatus, NodeInfo, NodeName,
    ObjectId, SessionRole, TaskFilter, TaskId, Time,
};
use std::fs::File;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// How many submits and puts a client may send before the first grant of credit.
const FIRST_CREDIT: u64 = 16_384;

/// One generation's service. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) grant: Grant,
    pub(crate) info: NodeInfo,
    pub(crate) inbox: mpsc::Sender<Input>,
    pub(crate) transfer: Transfer,
    pub(crate) head: HeadLinkHandle,
    pub(crate) secrets: Secrets,
    pub(crate) store: ObjectStore,
    pub(crate) executables: Arc<ExecutableCache>,
    /// Where clients of this host may hand over an executable.
    pub(crate) handover: Option<Arc<str>>,
    pub(crate) thin: ThinCalls,
    pub(crate) started: Time,
}

impl Service {
    /// Asks the shard, and waits for its answer.
    pub(crate) async fn ask<T>(&self, make: impl FnOnce(Reply<T>) -> Input) -> Result<T, Failure> {
        let gone = || Failure::new(FailureKind::Unavailable, format!("{} is shutting down", self.grant.node));
        let (reply, answer) = oneshot::channel();
        self.inbox.send(make(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }

    pub(crate) async fn call<T>(&self, make: impl FnOnce(Reply<T>) -> Call) -> Result<T, Failure> {
        self.ask(|reply| Input::Call(make(reply))).await
    }

    /// The job is the caller's own: this node has seen its secret before, or the head confirms it.
    pub(crate) async fn verify(&self, job: JobId, secret: &JobSecret) -> Result<(), Failure> {
        if !self.secrets.is_of(secret, job) {
            let info = self.head.verify_job(job, secret).await?;
            if info.state != JobState::Running {
                return Err(Failure::new(
                    FailureKind::JobEnded,
                    format!("job {job} has ended: {}", info.reason),
                ));
            }
            self.call(|reply| Call::KnowJob { info, reply }).await?;
            self.secrets.insert(secret, job);
        }
        Ok(())
    }

    async fn check_role(&self, role: &SessionRole, caller: Caller) -> Result<(), Failure> {
        match role {
            SessionRole::Client { job, secret, .. } => self.verify(*job, secret).await,
            // The shard knows its workers' secrets.
            SessionRole::Worker { .. } => Ok(()),
            SessionRole::Peer { .. } => caller.require_cluster("open a session between nodes"),
        }
    }

    /// Brings a value that lies elsewhere into this node's store, whole and checked.
    async fn bring_here(&self, caller: Caller, object: ObjectId) -> Result<(), Failure> {
        let located = self.call(|reply| Call::Locate { object, reply }).await?;
        let (job, copy) = located.ok_or_else(|| not_here(object))?;
        job.map_or(Ok(()), |job| caller.require_job(job))?;
        self.bring_copy(job.unwrap_or_default(), object, copy).await.map(drop)
    }

    /// The same for a copy that is known; it stays as long as the pins live.
    pub(crate) async fn bring_copy(
        &self,
        job: JobId,
        object: ObjectId,
        copy: Arc<StoredCopy>,
    ) -> Result<Vec<Pin>, Failure> {
        let owner = self.call(|reply| Call::OwnerOf { object, reply }).await?;
        let version = copy.version();
        let pins = match self.transfer.bring(job, &owner, vec![Wanted { object, copy }]).await {
            Ok(pins) => pins,
            Err((_, failed)) => return Err(self.not_brought(object, version, failed).await),
        };
        for pin in pins.iter().filter(|pin| pin.is_news()) {
            self.tell(Call::Copied { object, version }).await?;
            pin.told();
        }
        Ok(pins)
    }

    /// What to tell who wanted a value that could not be brought here. Its owner hears of a copy that is gone, and looks for
    /// another one: asking again helps.
    async fn not_brought(&self, object: ObjectId, version: CopyVersion, failed: NotBrought) -> Failure {
        let message = match &failed {
            NotBrought::Gone(holder) => format!("{holder} holds the value no more"),
            NotBrought::Unavailable(failure) => format!("no holder gave the value: {failure}"),
        };
        let kind = match failed {
            NotBrought::Gone(holder) => {
                let _shard_ended = self.tell(Call::CopyGone { object, version, holder }).await;
                FailureKind::Unavailable
            }
            NotBrought::Unavailable(failure) if failure.kind() == FailureKind::StoreFull => failure.kind(),
            NotBrought::Unavailable(_) => FailureKind::Unavailable,
        };
        Failure::new(kind, message).of_object(object)
    }
}

fn not_here(object: ObjectId) -> Failure {
    Failure::new(FailureKind::NotFound, "this node holds no copy of it").of_object(object)
}

impl Authenticator for Service {
    fn job_of(&self, secret: &JobSecret) -> Option<JobId> {
        self.secrets.job_of(secret)
    }
}

#[async_trait]
impl NodeService for Service {
    async fn open_session(&self, request: SessionRequest, session: Session) -> Result<Welcome, Failure> {
        self.check_role(&request.role, request.caller).await?;
        let role = request.role;
        self.ask(|reply| Input::Opened { role, session, reply }).await??;
        Ok(Welcome {
            node: self.grant.node.clone(),
            cluster: self.grant.cluster,
            credit: FIRST_CREDIT,
            view: self.transfer.view().full_delta(),
        })
    }

    async fn fetch(&self, caller: Caller, object: ObjectId) -> Result<Download, Failure> {
        if !self.store.contains(&object) {
            self.bring_here(caller, object).await?;
        }
        let stored = self.store.get(&object).ok_or_else(|| not_here(object))?;
        caller.require_job(stored.job).map_err(|failure| failure.of_object(object))?;
        let length = stored.bytes.len() as u64;
        Ok(Download { length, checksum: stored.checksum, chunks: Chunks::from_bytes(stored.bytes) })
    }

    async fn store(&self, upload: ObjectUpload, chunks: Chunks) -> Result<StoredCopy, Failure> {
        let ObjectUpload { access, object, length, checksum } = upload;
        self.verify(access.job, &access.secret).await?;
        self.transfer.receive(access.job, object, length, checksum, chunks).await
    }

    async fn has_executable(&self, hash: ExecutableHash) -> Result<HeldExecutable, Failure> {
        let present = self.executables.find(hash).await.is_some();
        Ok(HeldExecutable { present, handover: self.handover.clone() })
    }

    async fn upload_executable(&self, upload: ExecutableUpload, chunks: Chunks) -> Result<(), Failure> {
        let hash = upload.hash;
        crate::executables::receive(&self.executables, upload, chunks, self.now_holds(hash)).await
    }

    async fn take_executable(&self, hash: ExecutableHash, length: u64, file: File) -> Result<(), Failure> {
        crate::executables::take(&self.executables, hash, length, file, self.now_holds(hash)).await
    }

    async fn fetch_executable(&self, hash: ExecutableHash) -> Result<Download, Failure> {
        let path = self.executables.find(hash).await.ok_or_else(|| {
            Failure::new(
                FailureKind::NotFound,
                format!("{} does not hold the executable {hash}", self.grant.node),
            )
        })?;
        let (length, chunks) = file_chunks(path)?;
        Ok(Download { length, checksum: 0, chunks })
    }

    async fn open_job(&self, request_id: RequestId, spec: JobSpec) -> Result<OpenedJob, Failure> {
        let service = self.clone();
        let opening = async move { service.open_new_job(spec).await };
        self.thin.requests.once(None, Method::OpenJob, &request_id, opening).await
    }

    async fn keep_alive(&self, access: JobAccess) -> Result<(), Failure> {
        self.begin(&access).await.map(drop)
    }

    async fn close_job(&self, access: JobAccess) -> Result<(), Failure> {
        self.verify(access.job, &access.secret).await?;
        let ended = self.head.end_job(access.job, JobState::Ended, "its client closed it").await;
        ended.map(drop)
    }

    async fn submit_task(&self, request: SubmitTask) -> Result<SubmittedTask, Failure> {
        self.submit_thin(request).await
    }

    async fn get_object(&self, request: GetObject) -> Result<ObjectValue, Failure> {
        self.get_thin(request).await
    }

    async fn put_object(&self, request: PutObject) -> Result<ObjectId, Failure> {
        self.put_thin(request).await
    }

    async fn release(&self, access: JobAccess, objects: Vec<ObjectId>) -> Result<(), Failure> {
        let _call = self.begin(&access).await?;
        let objects = objects.into_iter().map(mobula_types::ObjectAddress::at_home).collect();
        self.tell(Call::Release { job: access.job, objects }).await
    }

    async fn cancel_task(&self, request: CancelTask) -> Result<(), Failure> {
        let CancelTask { access, task, force, recursive } = request;
        let _call = self.begin(&access).await?;
        self.tell(Call::Cancel { job: access.job, task, force, recursive }).await
    }

    async fn call_actor(&self, request: CallActor) -> Result<ObjectValue, Failure> {
        self.call_actor_thin(request).await
    }

    async fn actors(&self, request: ActorRequest) -> Result<ActorAnswer, Failure> {
        self.head.actors(&request).await
    }

    async fn submit_job(&self, request: SubmitJob) -> Result<OpenedJob, Failure> {
        let SubmitJob { request_id, spec, arguments } = request;
        let service = self.clone();
        let running = async move { service.run_driver(spec, arguments).await };
        self.thin.requests.once(None, Method::SubmitJob, &request_id, running).await
    }

    async fn stop_job(&self, job: JobId) -> Result<(), Failure> {
        let ended = self.head.end_job(job, JobState::Stopped, "it was stopped on request").await;
        ended.map(drop)
    }

    async fn drain_node(&self, node: NodeName) -> Result<(), Failure> {
        self.head.client().drain(&node).await
    }

    async fn job_logs(&self, job: JobId, follow: bool, scope: LogScope) -> Result<LogStream, Failure> {
        match scope {
            LogScope::Cluster => self.logs_of_cluster(job, follow).await,
            LogScope::Node => self.own_logs(job, follow).await,
        }
    }

    async fn list_tasks(
        &self,
        filter: TaskFilter,
        limit: usize,
        scope: TaskScope,
    ) -> Result<TaskList, Failure> {
        match scope {
            TaskScope::Cluster => self.tasks_of_cluster(filter, limit).await,
            TaskScope::Owned => self.own_tasks(filter, limit).await,
        }
    }

    async fn get_task(&self, task: TaskId, scope: TaskScope) -> Result<TaskRecord, Failure> {
        match scope {
            TaskScope::Cluster => self.task_of_cluster(task).await,
            TaskScope::Owned => self.own_task(task).await?.ok_or_else(|| unknown_task(task)),
        }
    }

    async fn node_status(&self) -> Result<NodeStatus, Failure> {
        let status = self.call(|reply| Call::Status { reply }).await?;
        let view = self.transfer.view();
        let mut info = self.info.clone();
        if let Some(seen) = view.node(&self.grant.node) {
            info.state = seen.state;
        }
        info.load = status.load;
        Ok(NodeStatus {
            info,
            cluster: self.grant.cluster,
            process: std::process::id(),
            uptime_millis: clock::now().since(self.started).as_millis() as u64,
            workers: status.workers.len() as u32,
            sessions: status.sessions as u32,
            jobs: status.jobs as u32,
            executables_bytes: self.executables.bytes(),
            head_connected: self.head.lease().is_some(),
            view: view.version,
        })
    }

    async fn head_status(&self) -> Result<HeadStatus, Failure> {
        let asked = self.head.client().status();
        tokio::time::timeout(ANSWER_WITHIN, asked).await.unwrap_or_else(late)
    }

    async fn cluster_view(&self) -> Result<ClusterView, Failure> {
        Ok((*self.transfer.view()).clone())
    }

    async fn list_jobs(&self) -> Result<Vec<JobStatus>, Failure> {
        self.head.client().list_jobs(1000).await
    }

    async fn list_functions(&self) -> Result<Vec<FunctionStatus>, Failure> {
        self.head.client().list_functions().await
    }
}

impl Service {
    pub(crate) async fn tell(&self, call: Call) -> Result<(), Failure> {
        let gone =
            |_| Failure::new(FailureKind::Unavailable, format!("{} is shutting down", self.grant.node));
        self.inbox.send(Input::Call(call)).await.map_err(gone)
    }

    /// What tells the head that this node has an executable.
    fn now_holds(&self, hash: ExecutableHash) -> impl FnOnce() + Send + 'static {
        let head = self.head.clone();
        move || head.executable_held(hash, true)
    }

    /// Opens a job with the head; this node knows it when this returns.
    pub(crate) async fn open_new_job(&self, spec: JobSpec) -> Result<OpenedJob, Failure> {
        for (what, hash) in [("executable", spec.executable), ("packed folder of files", spec.files)] {
            if let Some(hash) = hash
                && self.executables.find(hash).await.is_none()
            {
                let message = format!("the {what} {hash} is not here: upload it before the job is opened");
                return Err(Failure::new(FailureKind::NotFound, message));
            }
        }
        let opened = self.head.open_job(spec).await?;
        let info = self.head.get_job(opened.job).await?;
        self.call(|reply| Call::KnowJob { info, reply }).await?;
        self.secrets.insert(&opened.secret, opened.job);
        Ok(OpenedJob { job: opened.job, secret: opened.secret, node: self.grant.node.clone() })
    }
}
