//! The node's end of an embedded worker's session.

use bytes::Bytes;
use mobula_host::{BoxFuture, BulkAccess, EmbeddedOptions, RunningWorker};
use mobula_rpc::session::{Session, SessionOptions, pair};
use mobula_types::frame::{Input, Run, RunExtras, Submit};
use mobula_types::outcome::StoredCopy;
use mobula_types::session::JobSecret;
use mobula_types::{
    ArgumentShape, Attempt, Failure, FailureKind, Frame, FunctionId, FunctionInfo, NodeId, ObjectId, Outcome,
    Payload, SessionRole, StoredValue, TaskId, TaskOptions, TaskTemplate, TemplateId, WorkerId,
};
use parking_lot::Mutex;
use serde::Serialize;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, Default)]
pub(crate) struct Store(pub(crate) Mutex<HashMap<ObjectId, Bytes>>);

impl BulkAccess for Store {
    fn fetch(&self, object: ObjectId) -> BoxFuture<Result<Bytes, Failure>> {
        let found = self.0.lock().get(&object).cloned();
        let missing = || Failure::new(FailureKind::ObjectLost, "not here");
        Box::pin(async move {
            tokio::task::yield_now().await;
            found.ok_or_else(missing)
        })
    }
    fn store(&self, object: ObjectId, bytes: Bytes) -> BoxFuture<Result<StoredCopy, Failure>> {
        let copy = copy_of(&bytes);
        self.0.lock().insert(object, bytes);
        Box::pin(async move {
            tokio::task::yield_now().await;
            Ok(copy)
        })
    }
}

pub(crate) fn copy_of(bytes: &Bytes) -> StoredCopy {
    let checksum = mobula_objects::checksum(bytes);
    StoredCopy { length: bytes.len() as u64, checksum, holders: vec![NodeId::new("node", 1)] }
}

pub(crate) struct Node {
    pub(crate) session: Session,
    functions: HashMap<Arc<str>, FunctionInfo>,
    frames: VecDeque<Frame>,
    /// What the worker has released so far.
    pub(crate) released: Vec<ObjectId>,
    templates: u32,
    runs: u64,
    pub(crate) store: Arc<Store>,
    pub(crate) worker: Box<dyn RunningWorker>,
}

impl Node {
    pub(crate) async fn start() -> Node {
        let role = SessionRole::Worker { worker: WorkerId(1), secret: JobSecret::default() };
        let (theirs, session) = pair(role, SessionOptions::default());
        let store = Arc::new(Store::default());
        let (node, worker, slots, bulk) = (NodeId::new("node", 1), WorkerId(1), 2, store.clone());
        let options = EmbeddedOptions { node, worker, slots, bulk };
        let embedded = mobula::__private::embedded().unwrap();
        let worker = embedded.start(theirs, options).unwrap();
        let (functions, frames) = (HashMap::new(), VecDeque::new());
        let mut node =
            Node { session, functions, frames, released: Vec::new(), templates: 0, runs: 0, store, worker };
        match node.next().await {
            Frame::Announce { functions } => {
                assert_eq!(functions.len(), embedded.functions().len());
                node.functions = functions.into_iter().map(|info| (info.id.name.clone(), info)).collect();
            }
            frame => panic!("{frame:?}"),
        }
        node
    }

    /// The next frame of the worker; releases are noted beside.
    pub(crate) async fn next(&mut self) -> Frame {
        loop {
            match self.next_of_any_kind().await {
                Frame::Release { objects } => {
                    self.released.extend(objects.iter().map(|address| address.object))
                }
                frame => return frame,
            }
        }
    }

    pub(crate) async fn next_of_any_kind(&mut self) -> Frame {
        while self.frames.is_empty() {
            let mut frames = Vec::new();
            let received = self.session.receiver.receive(&mut frames);
            tokio::time::timeout(Duration::from_secs(10), received).await.expect("in time").unwrap();
            self.frames.extend(frames);
        }
        self.frames.pop_front().unwrap()
    }

    pub(crate) fn send(&self, frame: Frame) {
        self.session.sender.send(frame);
    }

    pub(crate) fn info(&self, name: &str) -> &FunctionInfo {
        &self.functions[&*format!("embedded_worker::{name}")]
    }

    pub(crate) fn template(
        &mut self,
        function: FunctionId,
        signature: Option<u64>,
        options: TaskOptions,
    ) -> TemplateId {
        let id = TemplateId(self.templates);
        self.templates += 1;
        let template = Arc::new(TaskTemplate { function, signature, options });
        self.send(Frame::Template { id, template });
        id
    }

    pub(crate) fn template_of(&mut self, name: &str, num_returns: u32) -> TemplateId {
        let info = self.info(name).clone();
        self.template(info.id, Some(info.signature), TaskOptions { num_returns, ..TaskOptions::default() })
    }

    pub(crate) fn run_on(
        &mut self,
        slot: u32,
        template: TemplateId,
        arguments: &[Payload],
        inputs: Vec<Input>,
    ) -> u64 {
        self.runs += 1;
        let handle = self.runs;
        let arguments: Vec<u8> = arguments.iter().flat_map(|payload| payload.as_slice().to_vec()).collect();
        let run = Run {
            handle,
            slot,
            task: TaskId { high: 7, low: handle },
            attempt: Attempt::default(),
            template,
            arguments: arguments.into(),
            extras: RunExtras { inputs, deadline: None }.boxed(),
        };
        self.send(Frame::Run(run));
        handle
    }

    pub(crate) fn run(&mut self, name: &str, arguments: &[Payload]) -> u64 {
        let template = self.template_of(name, 1);
        self.run_on(0, template, arguments, Vec::new())
    }

    pub(crate) async fn done(&mut self, handle: u64) -> (Outcome, bool) {
        match self.next().await {
            Frame::Done { handle: of, outcome, retryable, .. } if of == handle => (outcome, retryable),
            frame => panic!("{frame:?} instead of the end of {handle}"),
        }
    }

    pub(crate) async fn failure(&mut self, handle: u64) -> (Failure, bool) {
        match self.done(handle).await {
            (Outcome::Failed(failure), retryable) => (failure, retryable),
            outcome => panic!("{outcome:?}"),
        }
    }

    /// The end of a run that was cancelled, whether it had started or not.
    pub(crate) async fn cancelled(&mut self, handle: u64) {
        match self.next().await {
            Frame::Returned { handles } if handles == [handle] => {}
            Frame::Done { handle: of, outcome: Outcome::Failed(failure), .. } if of == handle => {
                assert_eq!(failure.kind(), FailureKind::Cancelled);
            }
            frame => panic!("{frame:?} instead of the end of {handle}"),
        }
    }

    pub(crate) async fn call<T: serde::de::DeserializeOwned + 'static>(
        &mut self,
        name: &str,
        arguments: &[Payload],
    ) -> T {
        let handle = self.run(name, arguments);
        value(&self.done(handle).await.0, 0)
    }

    pub(crate) async fn submitted(&mut self) -> Submit {
        loop {
            match self.next().await {
                Frame::Template { .. } => {}
                Frame::Submit(submit) => return submit,
                frame => panic!("{frame:?} instead of a submit"),
            }
        }
    }
}

pub(crate) fn encoded<T: Serialize + 'static>(value: T) -> Payload {
    mobula::codec::encode_value(&value).unwrap()
}

pub(crate) fn value<T: serde::de::DeserializeOwned + 'static>(outcome: &Outcome, position: usize) -> T {
    match &outcome.values().unwrap()[position].value {
        StoredValue::Inline(payload) => mobula::codec::decode_value(payload).unwrap(),
        stored => panic!("{stored:?}"),
    }
}

pub(crate) fn input(parameter: u32, shape: ArgumentShape, value: StoredValue) -> Input {
    Input { parameter, shape, object: ObjectId::default(), value }
}
