//! What the threads of one worker share.

use super::{RunWaits, WaitChannel};
use crate::link::{Command, Link};
use crate::reference::Handle;
use bytes::Bytes;
use foldhash::HashMap;
use mobula_host::{CallResult, Completed, Completion};
use mobula_types::outcome::StoredCopy;
use mobula_types::{
    ExitReason, Failure, FailureKind, Frame, INLINE_LIMIT, ObjectId, Outcome, Payload, ResultValue,
    StoredValue, TaskId,
};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use tokio::sync::oneshot;

/// The worker as its runs see it.
#[derive(Debug)]
pub(crate) struct WorkerShared {
    link: Arc<Link>,
    /// Runs and turns, by their handles.
    runs: Mutex<HashMap<u64, RunEntry>>,
    exits: Mutex<HashMap<u32, Exit>>,
    retiring: AtomicBool,
}

/// An actor of which turns are still being uploaded: its exit goes behind their ends.
#[derive(Debug, Default)]
struct Exit {
    uploads: u32,
    exited: Option<Option<ExitReason>>,
}

/// A run that the node has not heard the end of.
#[derive(Debug)]
struct RunEntry {
    task: TaskId,
    /// Set while the node may answer `Resume`.
    waits: Option<Arc<RunWaits>>,
    /// References that came with its arguments.
    lent: Vec<Weak<Handle>>,
}

impl WorkerShared {
    pub(crate) fn new(link: Arc<Link>) -> Arc<Self> {
        let (runs, exits) = (Mutex::default(), Mutex::default());
        Arc::new(WorkerShared { link, runs, exits, retiring: AtomicBool::new(false) })
    }

    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// A run has come.
    pub(crate) fn add(&self, handle: u64, task: TaskId) {
        self.runs.lock().insert(handle, RunEntry { task, waits: None, lent: Vec::new() });
    }

    /// Runs go back unstarted.
    pub(crate) fn give_back(&self, handles: Vec<u64>) {
        if handles.is_empty() {
            return;
        }
        {
            let mut runs = self.runs.lock();
            for handle in &handles {
                runs.remove(handle);
            }
        }
        self.link.send(Frame::Returned { handles });
        self.end_if_idle();
    }

    /// A run goes back unstarted, because an input of it cannot be read.
    pub(crate) fn unreadable(&self, handle: u64, object: ObjectId, failure: Failure) {
        self.runs.lock().remove(&handle);
        self.link.send(Frame::Unreadable { handle, object, failure });
        self.end_if_idle();
    }

    /// The node says that a run may go on.
    pub(crate) fn resume(&self, handle: u64) {
        if let Some(waits) = self.waits_of(handle) {
            waits.resume();
        }
    }

    /// A run is to end, and must not wait for the node any more.
    pub(crate) fn let_end(&self, handle: u64) {
        if let Some(waits) = self.waits_of(handle) {
            waits.end();
        }
    }

    /// The session is over: no run may wait for the node any more.
    pub(crate) fn let_all_end(&self) {
        let waits: Vec<_> = self.runs.lock().values().filter_map(|run| run.waits.clone()).collect();
        waits.iter().for_each(|waits| waits.end());
    }

    fn waits_of(&self, handle: u64) -> Option<Arc<RunWaits>> {
        self.runs.lock().get(&handle)?.waits.clone()
    }

    /// The worker ends when nothing runs any more.
    pub(crate) fn retire(&self) {
        self.retiring.store(true, Ordering::Release);
        self.end_if_idle();
    }

    fn end_if_idle(&self) {
        if self.retiring.load(Ordering::Acquire) && self.runs.lock().is_empty() {
            self.link.command(Command::Close(None));
        }
    }

    /// Tells the node how a run ended.
    pub(crate) fn done(&self, handle: u64, result: CallResult, micros: u32) {
        let CallResult { outcome, retryable, kept } = result;
        let known = self.runs.lock().remove(&handle);
        if let Some(RunEntry { lent, .. }) = known {
            let end = Frame::Done { handle, outcome, retryable, micros, borrows: Box::default() };
            self.link.command(if lent.is_empty() {
                Command::Frame(end)
            } else {
                Command::Done { end, lent }
            });
        }
        // What the values refer to is released behind them.
        drop(kept);
        self.end_if_idle();
    }

    /// The bytes of an object in the node's store.
    pub(crate) async fn fetch(&self, object: ObjectId, copy: &StoredCopy) -> Result<Bytes, Failure> {
        let (answer, answered) = oneshot::channel();
        self.link.command(Command::Download { object, answer });
        let bytes = answered.await.unwrap_or_else(|_| Err(session_over()))?;
        if bytes.len() as u64 == copy.length && mobula_objects::checksum(&bytes) == copy.checksum {
            return Ok(bytes);
        }
        let message = format!("the node's store gave {} bytes that are not those of the object", bytes.len());
        Err(Failure::new(FailureKind::Unavailable, message).of_object(object))
    }

    async fn store(&self, object: ObjectId, bytes: Bytes) -> Result<StoredCopy, Failure> {
        let (answer, answered) = oneshot::channel();
        self.link.command(Command::Upload { object, bytes, answer });
        answered.await.unwrap_or_else(|_| Err(session_over()))
    }

    /// Puts the values that are too large for a frame into the node's store; where they are too much together, all but the
    /// smallest.
    async fn store_large(&self, task: TaskId, values: &mut [ResultValue]) -> Result<(), Failure> {
        let limit = if inline_bytes(values) > MOST_INLINE { SMALLEST_STORED } else { INLINE_LIMIT };
        for (position, value) in values.iter_mut().enumerate() {
            let StoredValue::Inline(payload) = &mut value.value else { continue };
            if payload.len() <= limit {
                continue;
            }
            let bytes = std::mem::replace(payload, Payload::EMPTY).into_bytes();
            let copy = self.store(ObjectId::result(task, position as u64), bytes).await?;
            value.value = StoredValue::Stored(Arc::new(copy));
        }
        Ok(())
    }

    /// As [`done`](Self::done), after an upload.
    async fn store_and_finish(self: Arc<Self>, task: TaskId, completion: Completion, actor: Option<u32>) {
        let Completion { handle, mut result, micros } = completion;
        let stored = match &mut result.outcome {
            Outcome::Value(value) => self.store_large(task, std::slice::from_mut(value)).await,
            Outcome::Values(values) => self.store_large(task, values).await,
            Outcome::Failed(_) => Ok(()),
        };
        if let Err(cause) = stored {
            let retryable = cause.kind().is_retryable();
            let failure = Failure::new(cause.kind(), "the result could not be stored").caused_by(cause);
            result = CallResult { retryable, ..CallResult::failed(failure) };
        }
        self.done(handle, result, micros);
        if let Some(key) = actor {
            self.uploaded_of_actor(key);
        }
    }

    /// An actor has started.
    pub(super) fn actor_started(&self, key: u32) {
        self.link.send(Frame::ActorStarted { key });
    }

    /// An actor has exited; the node hears of it behind the ends of its turns.
    pub(super) fn actor_exited(&self, key: u32, reason: Option<ExitReason>) {
        if let Some(exit) = self.exits.lock().get_mut(&key) {
            exit.exited = Some(reason);
            return;
        }
        self.link.send(Frame::ActorExited { key, reason });
    }

    fn uploaded_of_actor(&self, key: u32) {
        let mut exits = self.exits.lock();
        let Some(exit) = exits.get_mut(&key) else { return };
        exit.uploads -= 1;
        if exit.uploads > 0 {
            return;
        }
        let exited = exits.remove(&key).and_then(|exit| exit.exited);
        drop(exits);
        if let Some(reason) = exited {
            self.link.send(Frame::ActorExited { key, reason });
        }
    }

    /// A result that may be large, from any thread; of that actor, where it is a turn's.
    pub(super) fn finish(self: &Arc<Self>, completion: Completion, actor: Option<u32>) {
        let is_large = |value: &ResultValue| matches!(&value.value, StoredValue::Inline(payload) if payload.len() > INLINE_LIMIT);
        let is_much =
            |values: &[ResultValue]| values.iter().any(is_large) || inline_bytes(values) > MOST_INLINE;
        let large = completion.result.outcome.values().is_ok_and(is_much);
        let task = if large { self.runs.lock().get(&completion.handle).map(|run| run.task) } else { None };
        match (task, self.link.runtime()) {
            (Some(task), Some(runtime)) => {
                let _on_the_link = runtime.enter();
                if let Some(key) = actor {
                    self.exits.lock().entry(key).or_default().uploads += 1;
                }
                let upload = self.clone().store_and_finish(task, completion, actor);
                // Ends by itself: an upload has its own deadline, and fails when the session ends.
                mobula_runtime::spawn("upload-result", upload).detach();
            }
            _ => self.done(completion.handle, completion.result, completion.micros),
        }
    }
}

/// The most bytes of small values that one frame carries as a task's results.
const MOST_INLINE: usize = 4 << 20;
/// What is not worth a place in the store even then.
const SMALLEST_STORED: usize = 1024;

fn inline_bytes(values: &[ResultValue]) -> usize {
    let inline = |value: &ResultValue| match &value.value {
        StoredValue::Inline(payload) => payload.len(),
        StoredValue::Stored(_) => 0,
    };
    values.iter().map(inline).sum()
}

fn session_over() -> Failure {
    Failure::new(FailureKind::SessionExpired, "the session with the node is over")
}

impl WaitChannel for WorkerShared {
    fn blocked(&self, waits: &Arc<RunWaits>) {
        if let Some(run) = self.runs.lock().get_mut(&waits.handle()) {
            run.waits = Some(waits.clone());
        }
        self.link.send(Frame::Blocked { handle: waits.handle() });
    }

    fn unblocked(&self, handle: u64) {
        self.link.send(Frame::Unblocked { handle });
    }

    fn lent(&self, handle: u64, reference: Weak<Handle>) {
        if let Some(run) = self.runs.lock().get_mut(&handle) {
            run.lent.push(reference);
        }
    }
}

/// Takes the ends of runs from the slots.
#[derive(Debug)]
pub(crate) struct Finished(pub(crate) Arc<WorkerShared>);

impl Completed for Finished {
    fn completed(&self, completion: Completion) {
        self.0.finish(completion, None);
    }
}
