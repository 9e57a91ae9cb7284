//! Links for tests, and a node to talk to.

use super::{Connector, Home, Link, LinkOptions, LinkRole, Opened, OwnerTerms};
use crate::Cluster;
use crate::reference::Handle;
use bytes::Bytes;
use mobula_host::{BoxFuture, BulkAccess};
use mobula_rpc::session::{FrameReceiver, FrameSender, Session, SessionOptions, pair};
use mobula_types::outcome::StoredCopy;
use mobula_types::session::JobSecret;
use mobula_types::{
    ClusterView, Failure, FailureKind, Frame, FunctionId, JobId, NodeId, ObjectId, Outcome, OwnerTerm,
    ResultValue, SessionRole, TaskId, TaskOptions, TaskTemplate, frame,
};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

pub(crate) const JOB: JobId = JobId(0x5eed);

/// A link without a thread: nothing is ever sent.
pub(crate) fn silent_link() -> Arc<Link> {
    Link::new(LinkRole::Driver(JOB), NodeId::new("home", 1), LinkOptions::default())
}

/// A handle of a task that never ends.
pub(crate) fn pending(link: &Arc<Link>, number: u64) -> Arc<Handle> {
    Handle::of_task(link.clone(), ObjectId::result(TaskId::of_driver(JOB, number), 0))
}

/// A template of some function.
pub(crate) fn template(name: &str) -> Arc<TaskTemplate> {
    let function = FunctionId::new(name, "1");
    Arc::new(TaskTemplate { function, signature: None, options: TaskOptions::default() })
}

/// The node's side of a session.
#[derive(Debug)]
pub(crate) struct FakeNode {
    pub(crate) sender: FrameSender,
    receiver: FrameReceiver,
    received: VecDeque<Frame>,
}

impl FakeNode {
    fn new(session: Session) -> Self {
        FakeNode { sender: session.sender, receiver: session.receiver, received: VecDeque::new() }
    }

    /// The next frame that the link has sent.
    pub(crate) async fn next(&mut self) -> Frame {
        let mut frames = Vec::new();
        while self.received.is_empty() {
            let received =
                tokio::time::timeout(Duration::from_secs(8), self.receiver.receive(&mut frames)).await;
            received.expect("a frame within 8 s").expect("an open session");
            self.received.extend(frames.drain(..));
        }
        self.received.pop_front().expect("a frame")
    }

    /// What has been sent already.
    pub(crate) fn try_next(&mut self) -> Option<Frame> {
        let mut frames = Vec::new();
        self.receiver.try_receive(&mut frames);
        self.received.extend(frames);
        self.received.pop_front()
    }

    /// The next submit, past what comes before it.
    pub(crate) async fn next_submit(&mut self) -> frame::Submit {
        loop {
            if let Frame::Submit(submit) = self.next().await {
                return submit;
            }
        }
    }

    /// The next objects that are released, that many.
    pub(crate) async fn next_released(&mut self, count: usize) -> BTreeSet<ObjectId> {
        let mut released = BTreeSet::new();
        while released.len() < count {
            match self.next().await {
                Frame::Release { objects } => released.extend(objects.iter().map(|address| address.object)),
                frame => panic!("no release: {frame:?}"),
            }
        }
        released
    }

    /// The next put, past what comes before it.
    pub(crate) async fn next_put(&mut self) -> (ObjectId, ResultValue) {
        loop {
            if let Frame::Put { object, value } = self.next().await {
                return (object, value);
            }
        }
    }

    /// The next frame that is no template.
    pub(crate) async fn next_no_template(&mut self) -> Frame {
        loop {
            match self.next().await {
                Frame::Template { .. } => {}
                frame => return frame,
            }
        }
    }

    pub(crate) fn complete<T: serde::Serialize + 'static>(&self, task: TaskId, value: &T) {
        let payload = crate::codec::encode_value(value).expect("a value that encodes");
        let outcome = Outcome::Value(ResultValue::inline(payload));
        self.sender.send(Frame::Completed { task, outcome });
    }
}

/// A store in memory. A transfer takes a permit.
#[derive(Clone, Debug)]
pub(crate) struct FakeBulk {
    pub(crate) stored: Arc<Mutex<BTreeMap<ObjectId, Bytes>>>,
    pub(crate) permits: Arc<Semaphore>,
    /// How many stores from now on find nobody.
    pub(crate) unreachable: Arc<AtomicU32>,
}

impl Default for FakeBulk {
    fn default() -> Self {
        FakeBulk {
            stored: Arc::default(),
            permits: Arc::new(Semaphore::new(1000)),
            unreachable: Arc::default(),
        }
    }
}

pub(crate) fn copy_of(bytes: &Bytes) -> StoredCopy {
    let (length, checksum) = (bytes.len() as u64, mobula_objects::checksum(bytes));
    StoredCopy { length, checksum, holders: vec![NodeId::new("home", 1)] }
}

impl BulkAccess for FakeBulk {
    fn fetch(&self, object: ObjectId) -> BoxFuture<Result<Bytes, Failure>> {
        let bulk = self.clone();
        Box::pin(async move {
            let _permit = bulk.permits.acquire().await;
            let found = bulk.stored.lock().get(&object).cloned();
            found.ok_or_else(|| Failure::new(FailureKind::NotFound, "not in this store"))
        })
    }

    fn store(&self, object: ObjectId, bytes: Bytes) -> BoxFuture<Result<StoredCopy, Failure>> {
        let bulk = self.clone();
        Box::pin(async move {
            let _permit = bulk.permits.acquire().await;
            let less_one = |left: u32| left.checked_sub(1);
            if bulk.unreachable.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less_one).is_ok() {
                return Err(Failure::new(FailureKind::Unavailable, "the connection broke"));
            }
            let copy = copy_of(&bytes);
            bulk.stored.lock().insert(object, bytes);
            Ok(copy)
        })
    }
}

/// Homes that a take-over finds, first to last.
#[derive(Clone, Debug, Default)]
pub(crate) struct FakeConnector {
    homes: Arc<Mutex<VecDeque<Home>>>,
    pub(crate) terms: Arc<Mutex<Vec<OwnerTerm>>>,
}

impl FakeConnector {
    pub(crate) fn add(&self, name: &str, credit: u64, bulk: FakeBulk) -> FakeNode {
        let (home, node) = home(name, Some(credit), bulk);
        self.homes.lock().push_back(home);
        node
    }
}

impl Connector for FakeConnector {
    fn take_over(
        &self,
        _view: ClusterView,
        _lost: NodeId,
        terms: OwnerTerms,
    ) -> BoxFuture<Result<Home, Failure>> {
        self.terms.lock().push(terms.next());
        let home = self.homes.lock().pop_front();
        Box::pin(async move { home.ok_or_else(|| Failure::new(FailureKind::JobEnded, "no home is left")) })
    }

    fn is_lost(&self, _view: ClusterView, _home: NodeId) -> BoxFuture<bool> {
        Box::pin(async { false })
    }
}

fn home(name: &str, credit: Option<u64>, bulk: FakeBulk) -> (Home, FakeNode) {
    let secret = JobSecret::default();
    let role = SessionRole::Client { job: JOB, secret, owner_term: OwnerTerm::default() };
    let (session, theirs) = pair(role, SessionOptions::default());
    let node = NodeId::new(name, 1);
    let home = Home { session, node, credit, view: ClusterView::default(), bulk: Arc::new(bulk) };
    (home, FakeNode::new(theirs))
}

/// What a test starts with.
pub(crate) struct Driver {
    pub(crate) cluster: Cluster,
    pub(crate) node: FakeNode,
    pub(crate) bulk: FakeBulk,
    pub(crate) connector: FakeConnector,
}

/// A driver's connection to a node that the test plays.
pub(crate) async fn driver(credit: u64, options: LinkOptions) -> Driver {
    let bulk = FakeBulk::default();
    let connector = FakeConnector::default();
    let (home, node) = home("home", Some(credit), bulk.clone());
    let opened = Opened { role: LinkRole::Driver(JOB), home, connector: Some(Box::new(connector.clone())) };
    let open = move || -> BoxFuture<Result<Opened, Failure>> { Box::pin(async move { Ok(opened) }) };
    let (link, thread) = super::start("test-driver", options, open, |_| None).await.expect("a link");
    Driver { cluster: Cluster::new(link, JOB, thread), node, bulk, connector }
}
