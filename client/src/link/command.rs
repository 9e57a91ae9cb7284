//! What other threads leave for the session's thread.

use super::{LaneKey, Question};
use crate::reference::Handle;
use bytes::Bytes;
use mobula_types::outcome::StoredCopy;
use mobula_types::{Failure, Frame, INLINE_LIMIT, ObjectAddress, ObjectId, Payload, TaskTemplate, frame};
use smallvec::SmallVec;
use std::sync::{Arc, Weak};
use tokio::sync::oneshot;

/// What takes credit.
#[derive(Debug)]
pub(crate) enum Request {
    Submit(SubmitRequest),
    Put(PutRequest),
}

/// A task to submit. The frame's template is numbered when it is sent.
#[derive(Debug)]
pub(crate) struct SubmitRequest {
    pub(crate) submit: frame::Submit,
    pub(crate) template: Arc<TaskTemplate>,
    /// Of its results, in order.
    pub(crate) handles: SmallVec<[Weak<Handle>; 1]>,
    /// What its arguments refer to: kept until it has been sent.
    pub(crate) holds: Vec<Arc<Handle>>,
    /// Where it is a call of an actor.
    pub(crate) call: Option<Box<CallTarget>>,
}

/// Whom a call is for, and who calls.
#[derive(Clone, Debug)]
pub(crate) struct CallTarget {
    pub(crate) lane: LaneKey,
    /// The actor's handle: it lives as long as somebody waits for the call.
    pub(crate) _handle: Arc<Handle>,
}

/// A value to put.
#[derive(Debug)]
pub(crate) struct PutRequest {
    pub(crate) object: ObjectId,
    pub(crate) handle: Weak<Handle>,
    pub(crate) payload: Payload,
    /// What it refers to: kept until it has been sent.
    pub(crate) holds: Vec<Arc<Handle>>,
    /// Told once the node has it.
    pub(crate) done: Option<oneshot::Sender<Result<(), Failure>>>,
}

/// What takes none.
pub(crate) enum Command {
    /// Ask for an object.
    Get(Arc<Handle>),
    /// Fetch an object's bytes from a store.
    Fetch(Arc<Handle>, Arc<StoredCopy>),
    /// A handle is gone; the node has counted it this many times, and the table knows it or not.
    Release { address: ObjectAddress, given: u32, listed: bool },
    /// Cancel a task.
    Cancel { address: ObjectAddress, force: bool, recursive: bool },
    /// Ask the home node something.
    Ask(Question),
    /// Nobody waits any more for what this session watches, or has subscribed to, under that key.
    Forget(u64),
    /// Send this.
    Frame(Frame),
    /// A run has ended, of the references lent to which some may live on.
    Done { end: Frame, lent: Vec<Weak<Handle>> },
    /// Download an object for a worker.
    Download { object: ObjectId, answer: oneshot::Sender<Result<Bytes, Failure>> },
    /// Upload an object for a worker.
    Upload { object: ObjectId, bytes: Bytes, answer: oneshot::Sender<Result<StoredCopy, Failure>> },
    /// Leave for good; told once the node knows, or cannot be told.
    Close(Option<oneshot::Sender<()>>),
}

impl Request {
    /// What it counts towards the bound of the buffer.
    pub(crate) fn bytes(&self) -> usize {
        const BASE: usize = 256;
        let content = match self {
            Request::Submit(request) => {
                request.submit.arguments.len()
                    + 48 * request.submit.references().len()
                    + 48 * request.holds.len()
            }
            Request::Put(request) => request.payload.len() + 48 * request.holds.len(),
        };
        BASE + content
    }

    /// What its frame takes, roughly. A large value is uploaded and is not in it.
    pub(super) fn frame_bytes(&self) -> u64 {
        let apart = match self {
            Request::Put(request) if request.payload.len() > INLINE_LIMIT => request.payload.len(),
            _ => 0,
        };
        (self.bytes() - apart) as u64
    }
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self {
            Command::Get(_) => "Get",
            Command::Fetch(..) => "Fetch",
            Command::Release { .. } => "Release",
            Command::Cancel { .. } => "Cancel",
            Command::Ask(_) => "Ask",
            Command::Forget(_) => "Forget",
            Command::Frame(_) => "Frame",
            Command::Done { .. } => "Done",
            Command::Download { .. } => "Download",
            Command::Upload { .. } => "Upload",
            Command::Close(_) => "Close",
        };
        f.write_str(name)
    }
}
