//! A node that hands its sessions to the test, keeps what is stored, and gives fixed answers.

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use mobula_rpc::head::{FunctionStatus, HeadStatus};
use mobula_rpc::node::{
    CallActor, CancelTask, Chunks, Download, ExecutableUpload, GetObject, HandoverSocket, HeldExecutable,
    JobAccess, LogChunk, LogScope, LogSource, LogStream, NodeService, NodeStatus, ObjectUpload, ObjectValue,
    OpenedJob, PutObject, RequestId, SubmitJob, SubmitTask, SubmittedTask, TaskList, TaskRecord, TaskScope,
};
use mobula_rpc::session::{SessionRequest, Welcome};
use mobula_rpc::{
    Authenticator, Bearer, Caller, ClusterToken, NodeClient, NodeClientOptions, NodeServer, ServerOptions,
    Session, SessionOptions,
};
use mobula_runtime::{Shutdown, TaskHandle};
use mobula_types::actor::{ActorAnswer, ActorRequest};
use mobula_types::outcome::StoredCopy;
use mobula_types::session::JobSecret;
use mobula_types::{
    Attempt, ClusterId, ClusterView, ExecutableHash, Failure, FailureKind, Frame, FunctionId, HeadTerm,
    JobId, JobSpec, JobStatus, NodeId, NodeInfo, NodeName, NodeState, ObjectId, OwnerTerm, Resources,
    SessionRole, TaskFilter, TaskId, TaskState, ViewDelta, ViewVersion,
};
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// The job that the node knows.
pub(crate) const JOB: JobId = JobId(0x10b);
/// Its secret.
pub(crate) const SECRET: JobSecret = JobSecret([0x5e; 32]);

pub(crate) struct TestNode {
    opened: mpsc::Sender<(SessionRequest, Session)>,
    stored: Mutex<BTreeMap<ObjectId, (u32, Bytes)>>,
    handover: Arc<HandoverSocket>,
    taken: Taken,
}

/// What was handed over: hash, length and content.
pub(crate) type Taken = Arc<Mutex<Vec<(ExecutableHash, u64, String)>>>;

/// A running node; dropping it ends it.
pub(crate) struct Running {
    pub(crate) server: NodeServer,
    pub(crate) url: String,
    pub(crate) token: ClusterToken,
    pub(crate) sessions: mpsc::Receiver<(SessionRequest, Session)>,
    pub(crate) shutdown: Shutdown,
    pub(crate) taken: Taken,
    _serving: [TaskHandle<()>; 2],
}

pub(crate) async fn start(session: SessionOptions) -> Running {
    let (opened, sessions) = mpsc::channel(16);
    let token = ClusterToken::generate();
    let options = ServerOptions { session, ..ServerOptions::new(Some(token.clone())) };
    let (handover, taken) = (Arc::new(HandoverSocket::bind().unwrap()), Taken::default());
    let node =
        TestNode { opened, stored: Mutex::default(), handover: handover.clone(), taken: taken.clone() };
    let node = Arc::new(node);
    let server = NodeServer::new(node, options).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let shutdown = Shutdown::new();
    let serving = {
        let (server, shutdown) = (server.clone(), shutdown.clone());
        mobula_runtime::spawn("test node", async move { server.serve(listener, shutdown).await })
    };
    let taking = {
        let (server, shutdown) = (server.clone(), shutdown.clone());
        mobula_runtime::spawn("test node", async move {
            server.serve_handovers(&handover, shutdown).await.unwrap();
        })
    };
    Running { server, url, token, sessions, shutdown, taken, _serving: [serving, taking] }
}

impl Running {
    pub(crate) fn client(&self, session: SessionOptions) -> NodeClient {
        self.client_at(&self.url, session)
    }

    pub(crate) fn client_at(&self, url: &str, session: SessionOptions) -> NodeClient {
        let bearer = Bearer::cluster(&self.token);
        NodeClient::at(url, NodeClientOptions { session, ..NodeClientOptions::new(bearer) }).unwrap()
    }

    /// Both ends of a new session through `url`.
    pub(crate) async fn session(&mut self, url: &str, options: SessionOptions) -> (Session, Session) {
        let (session, welcome) = self.client_at(url, options).open_session(driver()).await.unwrap();
        assert_eq!(welcome, self::welcome());
        let (request, accepted) = self.sessions.recv().await.unwrap();
        assert_eq!(request.id, session.info.id);
        (session, accepted)
    }
}

pub(crate) fn head_status() -> HeadStatus {
    HeadStatus {
        cluster: Some(ClusterId(7)),
        address: "http://head:7420".into(),
        leading: true,
        leader: Some("http://head:7420".into()),
        term: HeadTerm { incarnation: 1, revision: 2 },
        heads: vec!["http://head:7420".into()],
        registry: "memory".into(),
        registry_problem: "full".into(),
        quarantined: vec!["/a: unreadable".into()],
        version: "1".into(),
    }
}

pub(crate) fn driver() -> SessionRole {
    SessionRole::Client { job: JOB, secret: SECRET, owner_term: OwnerTerm(1) }
}

pub(crate) fn access() -> JobAccess {
    JobAccess { job: JOB, secret: SECRET }
}

pub(crate) fn welcome() -> Welcome {
    let view =
        ViewDelta { from: None, to: ViewVersion::default(), changed: vec![node_info()], removed: vec![] };
    Welcome { node: node_id(), cluster: ClusterId(3), credit: 100, view }
}

pub(crate) fn node_id() -> NodeId {
    NodeId::new("n1", 4)
}

fn node_info() -> Arc<NodeInfo> {
    Arc::new(NodeInfo {
        id: node_id(),
        address: "http://h:1".into(),
        resources: Resources::cpus(2),
        labels: Default::default(),
        state: NodeState::Alive,
        functions: Vec::new(),
        object_store_memory: 9,
        version: "1".into(),
        load: Default::default(),
    })
}

/// A test that takes longer than this hangs.
pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(9), work).await.expect("the test hangs")
}

/// Frames that tell themselves apart.
pub(crate) fn numbered(number: u64) -> Frame {
    Frame::Credit { total: number }
}

pub(crate) fn number(frame: &Frame) -> u64 {
    match frame {
        Frame::Credit { total } => *total,
        other => panic!("unexpected frame {other:?}"),
    }
}

impl Authenticator for TestNode {
    fn job_of(&self, secret: &JobSecret) -> Option<JobId> {
        (*secret == SECRET).then_some(JOB)
    }
}

fn missing(what: &str) -> Failure {
    Failure::new(FailureKind::NotFound, format!("no {what}"))
}

#[async_trait]
impl NodeService for TestNode {
    async fn open_session(&self, request: SessionRequest, session: Session) -> Result<Welcome, Failure> {
        if matches!(&request.role, SessionRole::Client { secret, .. } if *secret != SECRET) {
            return Err(Failure::new(FailureKind::PermissionDenied, "not the job's secret"));
        }
        self.opened.send((request, session)).await.map_err(|_| missing("test"))?;
        Ok(welcome())
    }

    async fn fetch(&self, _caller: Caller, object: ObjectId) -> Result<Download, Failure> {
        let stored = self.stored.lock().unwrap().get(&object).cloned();
        let (checksum, bytes) = stored.ok_or_else(|| missing("object"))?;
        Ok(Download { length: bytes.len() as u64, checksum, chunks: Chunks::from_bytes(bytes) })
    }

    async fn store(&self, upload: ObjectUpload, chunks: Chunks) -> Result<StoredCopy, Failure> {
        let bytes = chunks.collect(64 << 20).await?;
        self.stored.lock().unwrap().insert(upload.object, (upload.checksum, bytes));
        Ok(StoredCopy { length: upload.length, checksum: upload.checksum, holders: vec![node_id()] })
    }

    async fn has_executable(&self, hash: ExecutableHash) -> Result<HeldExecutable, Failure> {
        let present = hash.0[0] == 1;
        let elsewhere = hash.0[0] == 2;
        let name = if elsewhere { "mobula-of-another-host".into() } else { self.handover.name().clone() };
        Ok(HeldExecutable { present, handover: Some(name) })
    }

    async fn take_executable(&self, hash: ExecutableHash, length: u64, file: File) -> Result<(), Failure> {
        let content = std::io::read_to_string(file).unwrap();
        let taken = (hash, length, content);
        let refused = taken.2.starts_with("refuse");
        self.taken.lock().unwrap().push(taken);
        if refused { Err(Failure::new(FailureKind::ExecutableRefused, "as asked")) } else { Ok(()) }
    }

    async fn upload_executable(&self, upload: ExecutableUpload, chunks: Chunks) -> Result<(), Failure> {
        let bytes = chunks.collect(64 << 20).await?;
        if bytes.len() as u64 == upload.length { Ok(()) } else { Err(missing("bytes")) }
    }

    async fn fetch_executable(&self, hash: ExecutableHash) -> Result<Download, Failure> {
        let chunks = Chunks::from_bytes(Bytes::copy_from_slice(&hash.0));
        Ok(Download { length: 32, checksum: 0, chunks })
    }

    async fn open_job(&self, _request_id: RequestId, _spec: JobSpec) -> Result<OpenedJob, Failure> {
        Ok(OpenedJob { job: JOB, secret: SECRET, node: node_id() })
    }

    async fn keep_alive(&self, access: JobAccess) -> Result<(), Failure> {
        if access.secret == SECRET { Ok(()) } else { Err(missing("job")) }
    }

    async fn close_job(&self, _access: JobAccess) -> Result<(), Failure> {
        Ok(())
    }

    async fn submit_task(&self, request: SubmitTask) -> Result<SubmittedTask, Failure> {
        let task = TaskId::of_driver(request.access.job, request.references.len() as u64);
        Ok(SubmittedTask { task, objects: vec![ObjectId::result(task, 0)] })
    }

    async fn get_object(&self, request: GetObject) -> Result<ObjectValue, Failure> {
        Ok(ObjectValue { value: Bytes::from_static(b"\x07"), json: request.json.then(|| "7".into()) })
    }

    async fn put_object(&self, request: PutObject) -> Result<ObjectId, Failure> {
        Ok(ObjectId::result(TaskId::of_driver(request.access.job, 5), 0))
    }

    async fn release(&self, _access: JobAccess, _objects: Vec<ObjectId>) -> Result<(), Failure> {
        Ok(())
    }

    async fn cancel_task(&self, _request: CancelTask) -> Result<(), Failure> {
        Ok(())
    }

    async fn call_actor(&self, request: CallActor) -> Result<ObjectValue, Failure> {
        let value = format!("{:?} {}", request.target, request.method).into();
        Ok(ObjectValue { value, json: request.json.then(|| "7".into()) })
    }

    async fn actors(&self, request: ActorRequest) -> Result<ActorAnswer, Failure> {
        match request {
            ActorRequest::Create(actors) => {
                Ok(ActorAnswer::Created(actors.iter().map(|create| Ok(create.actor)).collect()))
            }
            _ => Err(missing("actor")),
        }
    }

    async fn submit_job(&self, _request: SubmitJob) -> Result<OpenedJob, Failure> {
        Ok(OpenedJob { job: JOB, secret: SECRET, node: node_id() })
    }

    async fn drain_node(&self, _node: NodeName) -> Result<(), Failure> {
        Ok(())
    }

    async fn stop_job(&self, job: JobId) -> Result<(), Failure> {
        if job == JOB { Ok(()) } else { Err(missing("job")) }
    }

    async fn job_logs(&self, _job: JobId, _follow: bool, scope: LogScope) -> Result<LogStream, Failure> {
        let origin = format!("{scope:?}");
        let chunk = LogChunk { source: LogSource::Stderr, origin, text: Bytes::from_static(b"line\n") };
        Ok(futures::stream::iter([Ok(chunk), Err(missing("more"))]).boxed())
    }

    async fn list_tasks(
        &self,
        filter: TaskFilter,
        limit: usize,
        scope: TaskScope,
    ) -> Result<TaskList, Failure> {
        let record = TaskRecord { name: format!("{filter:?} {limit}"), ..task_record() };
        Ok(TaskList {
            tasks: vec![record],
            more: true,
            silent: vec![format!("{scope:?}").as_str().into()],
            started: vec![(task_record().task, task_record().attempt)],
            left_out: 3,
            head_silent: true,
        })
    }

    async fn get_task(&self, task: TaskId, _scope: TaskScope) -> Result<TaskRecord, Failure> {
        if task == task_record().task { Ok(task_record()) } else { Err(missing("task")) }
    }

    async fn node_status(&self) -> Result<NodeStatus, Failure> {
        Ok(node_status())
    }

    async fn head_status(&self) -> Result<HeadStatus, Failure> {
        Ok(head_status())
    }

    async fn cluster_view(&self) -> Result<ClusterView, Failure> {
        let mut view = ClusterView::default();
        view.apply(&welcome().view);
        Ok(view)
    }

    async fn list_jobs(&self) -> Result<Vec<JobStatus>, Failure> {
        Ok(Vec::new())
    }

    async fn list_functions(&self) -> Result<Vec<FunctionStatus>, Failure> {
        Ok(Vec::new())
    }
}

pub(crate) fn task_record() -> TaskRecord {
    TaskRecord {
        task: TaskId::of_driver(JOB, 1),
        job: JOB,
        name: "n".into(),
        function: FunctionId::new("f", "1"),
        state: TaskState::Running,
        attempt: Attempt::default(),
        node: Some(node_id()),
        owner: None,
        parent: Some(TaskId::of_driver(JOB, 9)),
        reason: "r".into(),
        failure: Some((&missing("luck")).into()),
        submitted_at: 1,
        started_at: 2,
        ended_at: 0,
    }
}

pub(crate) fn node_status() -> NodeStatus {
    NodeStatus {
        info: (*node_info()).clone(),
        cluster: ClusterId(3),
        process: 1,
        uptime_millis: 2,
        workers: 3,
        sessions: 4,
        jobs: 5,
        executables_bytes: 6,
        head_connected: true,
        view: ViewVersion::default(),
    }
}
