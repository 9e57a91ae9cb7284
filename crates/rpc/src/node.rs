//! Nodes: what they answer, served and called in domain types.
//!
//! [`NodeService`] is the face of a node; [`NodeServer`] serves one over gRPC; [`NodeClient`] calls one. Sessions carry
//! the tasks; what is here beside them moves bulk bytes, serves clients without a session, and shows the node's state.

mod adapter;
mod bulk;
mod client;
mod convert;
mod handover;
mod request;
mod server;
mod service;
mod state;

pub use bulk::{CHUNK_BYTES, ChunkSender, Chunks, Download, chunk_channel};
pub use client::{NodeClient, NodeClientOptions};
pub use handover::HandoverSocket;
pub use request::{
    Arguments, CallActor, CancelTask, ChunkEncoding, ExecutableUpload, GetObject, HeldExecutable, JobAccess,
    LogChunk, LogSource, ObjectUpload, ObjectValue, OpenedJob, PutObject, RequestId, SubmitJob, SubmitTask,
    SubmittedTask, ValueBytes,
};
pub use server::NodeServer;
pub use service::{LogStream, NodeService};
pub use state::{LogScope, NodeStatus, TaskList, TaskRecord, TaskScope};
