//! Functions that a node runs in its own process.

use bytes::Bytes;
use mobula_types::outcome::StoredCopy;
use mobula_types::{Failure, FunctionInfo, NodeId, ObjectId, WorkerId};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// A boxed future.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Moves values that are too large for frames between a worker in the node's process and that node's store.
pub trait BulkAccess: Send + Sync + fmt::Debug {
    /// The bytes of an object that the store has.
    fn fetch(&self, object: ObjectId) -> BoxFuture<Result<Bytes, Failure>>;
    /// Stores an object's bytes.
    fn store(&self, object: ObjectId, bytes: Bytes) -> BoxFuture<Result<StoredCopy, Failure>>;
}

/// What a node tells an embedded worker at its start.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// The node: the home of what the worker submits.
    pub node: NodeId,
    /// The worker's number.
    pub worker: WorkerId,
    /// How many slots it has of its own.
    pub slots: u32,
    /// The way to the node's store.
    pub bulk: Arc<dyn BulkAccess>,
}

/// Functions linked into a node. `S` is the node's kind of session (`mobula_rpc::session::Session`): this crate knows
/// none.
pub trait EmbeddedWorker<S>: Send + Sync + fmt::Debug {
    /// What it can run.
    fn functions(&self) -> Vec<FunctionInfo>;
    /// Starts a worker over one end of an in-process session. It announces its functions and then speaks the same frames
    /// as a worker process; it ends when the session does.
    ///
    /// # Errors
    /// Where its threads cannot be made.
    fn start(&self, session: S, options: EmbeddedOptions) -> Result<Box<dyn RunningWorker>, Failure>;
}

/// A worker that was started. Dropping it tells it to end: running async calls are dropped at their next await, blocking
/// ones are told through their cancel token and their threads end with them.
pub trait RunningWorker: Send + Sync + fmt::Debug {
    /// Whether it is over.
    fn is_ended(&self) -> bool;
}
