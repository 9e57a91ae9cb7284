//! Facts that heads keep in the registry, and what they tell of them.

use crate::job::JobState;
use crate::session::JobSecret;
use crate::{FunctionInfo, JobId, JobSpec, JobSummary, Labels, NodeId, NodeName, NodeState, Resources};
use std::sync::Arc;
use std::time::Duration;

/// What a node says of itself when it registers. It holds for one generation of the node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeRegistration {
    /// Its name, unique among living nodes.
    pub name: NodeName,
    /// Its advertised URL, `http://host:port`; may be a Service's.
    pub address: Arc<str>,
    /// `host:port` at which the process itself listens: what proof of its death asks. Never a Service's.
    pub own_address: Arc<str>,
    /// Everything that it has.
    pub resources: Resources,
    /// Its labels.
    pub labels: Labels,
    /// What it embeds and can run for any job.
    pub functions: Vec<FunctionInfo>,
    /// Bytes that its object store may hold.
    pub object_store_memory: u64,
    /// The version of the program.
    pub version: Arc<str>,
    /// The random id that is stored in its data folder, if it holds the exclusive lock on one: an earlier generation
    /// with the same one is dead.
    pub data_folder: Option<u128>,
}

/// A node as the registry keeps it. It outlives the node, so that a generation is never granted twice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeRecord {
    /// The generation that was granted last.
    pub generation: crate::Generation,
    /// What that generation said of itself.
    pub registration: NodeRegistration,
    /// How it stands.
    pub state: NodeState,
    /// Dead, and every other node knows it: the name may be granted anew.
    pub fenced: bool,
    /// Dead because its lease ran out: nobody has seen that its process is gone, and it may still run what keeps on without
    /// a head.
    pub silent: bool,
    /// The registry's lease that the node renews; 0 for none.
    pub lease: u64,
    /// How long that lease lasts.
    pub lease_length: Duration,
    /// When the record was last written, in milliseconds since 1970.
    pub written_millis: u64,
}

impl NodeRecord {
    /// The node.
    pub fn id(&self) -> NodeId {
        NodeId { name: self.registration.name.clone(), generation: self.generation }
    }
}

/// A job as the registry keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JobRecord {
    /// What everybody in the cluster may know.
    pub info: JobInfo,
    /// BLAKE3 of the job's secret.
    pub secret_hash: [u8; 32],
    /// Its tasks, counted; some seconds old.
    pub summary: JobSummary,
}

/// What nodes and people may know of a job.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct JobInfo {
    /// The job.
    pub job: JobId,
    /// What its driver declared.
    pub spec: JobSpec,
    /// How it stands.
    pub state: JobState,
    /// Why it ended, for people; empty while it runs.
    pub reason: String,
    /// When it was opened, in milliseconds since 1970.
    pub opened_millis: u64,
    /// When it ended, in milliseconds since 1970; 0 while it runs.
    pub ended_millis: u64,
}

/// A job that was just opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenedJob {
    /// The job.
    pub job: JobId,
    /// Proof that the job is its holder's. The registry keeps only a hash of it.
    pub secret: JobSecret,
}

/// A job for a list.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct JobStatus {
    /// What it is.
    pub info: JobInfo,
    /// Its tasks, counted.
    pub summary: JobSummary,
    /// Streams of its driver that nodes report.
    pub driver_streams: u32,
}

/// A head that leads, or would.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeadRecord {
    /// Its advertised URL.
    pub address: Arc<str>,
    /// When it last said so, in milliseconds since 1970.
    pub seen_millis: u64,
}

/// What somebody who tried found at a node's own address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProbeAnswer {
    /// The address refuses connections: nobody listens.
    Refused,
    /// The answerer has an open session with the node, or the address accepts connections.
    Reachable,
    /// Neither, such as a time-out or a name that does not resolve.
    Unknown,
}
