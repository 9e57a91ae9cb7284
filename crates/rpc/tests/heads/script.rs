//! A head that answers questions about actors as it is told to.

use async_trait::async_trait;
use mobula_rpc::ServerOptions;
use mobula_rpc::head::*;
use mobula_runtime::{Shutdown, TaskHandle, spawn};
use mobula_types::actor::{ActorRequest, Asked, Question};
use mobula_types::job::JobState;
use mobula_types::session::JobSecret;
use mobula_types::*;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// What one try is answered.
pub(crate) type Line = Result<Asked, HeadRefusal>;

/// A head with its script.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) lines: Mutex<VecDeque<Line>>,
    /// What it was asked.
    pub(crate) heard: Mutex<Vec<Option<Question>>>,
}

impl Script {
    pub(crate) fn new(lines: impl IntoIterator<Item = Line>) -> Arc<Self> {
        let lines = Mutex::new(lines.into_iter().collect());
        Arc::new(Script { lines, heard: Mutex::default() })
    }

    /// Its address. It serves as long as the handle is there.
    pub(crate) async fn serve(self: &Arc<Self>) -> (String, TaskHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = HeadServer::build(self.clone(), ServerOptions::new(None)).unwrap();
        let serving = spawn("serve a head", async move { server.serve(listener, Shutdown::new()).await });
        (address, serving)
    }
}

fn unwritten<T>() -> Result<T, HeadRefusal> {
    Err(Failure::new(FailureKind::InvalidArgument, "not in the script").into())
}

#[async_trait]
impl HeadService for Script {
    async fn join(&self, _: JoinRequest, _: NodeReports) -> Result<HeadMessages, HeadRefusal> {
        unwritten()
    }

    async fn renew_lease(&self, _: NodeId, _: u64) -> Result<Duration, HeadRefusal> {
        unwritten()
    }

    async fn open_job(&self, _: JobId, _: JobSecret, _: JobSpec) -> Result<JobInfo, HeadRefusal> {
        unwritten()
    }

    async fn get_job(&self, _: JobId) -> Result<JobStatus, HeadRefusal> {
        unwritten()
    }

    async fn verify_job(&self, _: JobId, _: JobSecret) -> Result<JobInfo, HeadRefusal> {
        unwritten()
    }

    async fn end_job(&self, _: JobId, _: JobState, _: String) -> Result<JobInfo, HeadRefusal> {
        unwritten()
    }

    async fn view(&self) -> Result<ClusterView, HeadRefusal> {
        unwritten()
    }

    async fn watch_view(&self) -> Result<mpsc::Receiver<ViewDelta>, HeadRefusal> {
        unwritten()
    }

    async fn list_nodes(&self) -> Result<Vec<Arc<NodeInfo>>, HeadRefusal> {
        unwritten()
    }

    async fn list_jobs(&self, _: usize) -> Result<Vec<JobStatus>, HeadRefusal> {
        unwritten()
    }

    async fn list_functions(&self) -> Result<Vec<FunctionStatus>, HeadRefusal> {
        unwritten()
    }

    async fn list_tasks(&self, _: TaskFilter, _: usize) -> Result<TaskEventList, HeadRefusal> {
        unwritten()
    }

    async fn locate_executable(&self, _: ExecutableHash) -> Result<Vec<NodeId>, HeadRefusal> {
        unwritten()
    }

    async fn drain(&self, _: NodeName) -> Result<(), HeadRefusal> {
        unwritten()
    }

    async fn actors(&self, _: Option<NodeId>, question: Option<Question>, _: ActorRequest) -> Line {
        self.heard.lock().push(question);
        self.lines.lock().pop_front().unwrap_or_else(unwritten)
    }

    async fn status(&self) -> HeadStatus {
        HeadStatus {
            cluster: None,
            address: "".into(),
            leading: true,
            leader: None,
            term: HeadTerm::default(),
            heads: Vec::new(),
            registry: "".into(),
            registry_problem: "".into(),
            quarantined: Vec::new(),
            version: "".into(),
        }
    }
}
