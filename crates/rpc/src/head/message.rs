//! What nodes and heads tell each other on a `Join` stream.

use mobula_types::actor::{ActorOrder, ActorReport};
use mobula_types::{
    ClusterId, ExecutableHash, Failure, HeadTerm, JobId, JobInfo, JobSummary, NodeId, NodeRegistration,
    ProbeAnswer, SessionId, TaskEvent, ViewDelta, view::NodeLoad,
};
use std::sync::Arc;
use std::time::Duration;

/// The first message of a node: who it is, and what the head has to know before it decides anything about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JoinRequest {
    /// What it says of itself.
    pub registration: NodeRegistration,
    /// The generation that it was granted before and has not given up.
    pub previous: Option<NodeId>,
    /// The cluster that granted it; `None` before the first grant.
    pub cluster: Option<ClusterId>,
    /// The highest term that it has seen.
    pub seen_term: HeadTerm,
    /// Streams of drivers that are open on it.
    pub drivers: Vec<(JobId, SessionId)>,
    /// Jobs whose drivers said goodbye, and whose end it has not heard of.
    pub departed: Vec<JobId>,
    /// Nodes with which it has an open session.
    pub peers: Vec<NodeId>,
    /// Executables that it holds.
    pub executables: Vec<ExecutableHash>,
}

/// A later message of a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NodeReport {
    /// How busy it is.
    Load(NodeLoad),
    /// A stream of a job's driver was opened or resumed.
    DriverAttached {
        /// The job.
        job: JobId,
        /// The driver's session.
        session: SessionId,
    },
    /// A stream of a job's driver broke or was closed.
    DriverDetached {
        /// The job.
        job: JobId,
        /// The driver's session.
        session: SessionId,
        /// The driver left for good: the job may end at once.
        goodbye: bool,
    },
    /// A driver without a stream made a call.
    KeepAlive {
        /// Its job.
        job: JobId,
    },
    /// A session with another node was opened, or its stream broke.
    PeerSession {
        /// The other node.
        peer: NodeId,
        /// Whether it is open.
        open: bool,
    },
    /// The node has fetched or dropped an executable.
    Executable {
        /// The executable.
        hash: ExecutableHash,
        /// Whether it holds it now.
        held: bool,
    },
    /// A job's tasks that this node owns, counted. Replaces what it said before.
    JobSummary {
        /// The job.
        job: JobId,
        /// The counts.
        summary: JobSummary,
    },
    /// A sample of changes of tasks that the node owns.
    TaskEvents {
        /// The changes.
        events: Vec<TaskEvent>,
        /// How many ends of tasks were left out since the last report.
        left_out: u64,
    },
    /// The node accepts nothing from this dead generation any more.
    FenceAcknowledged {
        /// The dead node.
        node: NodeId,
    },
    /// Answer to [`HeadOrder::ConfirmDeath`].
    DeathAnswer {
        /// The node that was asked about.
        node: NodeId,
        /// What was found.
        answer: ProbeAnswer,
    },
    /// The node renews the lease that it was offered, and counts by the one that ends first.
    LeaseAcknowledged {
        /// The registry's number of the lease.
        lease_id: u64,
    },
    /// What it has to say of actors.
    Actors(ActorReport),
    /// The node leaves for good: it runs nothing any more.
    Leave,
}

/// A message of a head to a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeadMessage {
    /// The term of the head; nodes refuse what comes with a lower one than they have seen.
    pub term: HeadTerm,
    /// What it says.
    pub order: HeadOrder,
}

/// What a head tells a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HeadOrder {
    /// The node is a member: the first message of the stream.
    Granted(Grant),
    /// A change of the cluster.
    View(ViewDelta),
    /// That generation is dead: accept nothing from it any more, and acknowledge.
    Fence {
        /// The dead node.
        node: NodeId,
    },
    /// A job was opened, or runs as the node joins.
    JobOpened(JobInfo),
    /// A job has ended; how and why is in its state and reason.
    JobEnded(JobInfo),
    /// Say whether this node, which the head has lost, is there.
    ConfirmDeath {
        /// The node.
        node: NodeId,
        /// `host:port` of its process.
        own_address: Arc<str>,
    },
    /// A lease of another length, to be renewed beside the node's own, and acknowledged.
    LeaseOffered {
        /// The registry's number of the lease.
        lease_id: u64,
        /// How long it lasts after each renewal.
        length: Duration,
    },
    /// The lease that was offered counts from now on, and the one before it no more.
    LeaseInForce {
        /// The registry's number of the lease.
        lease_id: u64,
    },
    /// What it is to do with actors, or to know of them.
    Actors(ActorOrder),
    /// Finish what runs, take nothing new, hand drivers over, then leave.
    Drain,
    /// The node was declared dead, or another generation has replaced it.
    Fenced {
        /// Why.
        failure: Failure,
    },
}

/// A node's membership.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// The node: its name and the granted generation.
    pub node: NodeId,
    /// The cluster.
    pub cluster: ClusterId,
    /// The term of the head that granted.
    pub term: HeadTerm,
    /// How long the lease lasts after each renewal.
    pub lease: Duration,
    /// The registry's number of the lease, by which any head renews it.
    pub lease_id: u64,
    /// Whether the node keeps the generation that it had.
    pub rejoined: bool,
}
