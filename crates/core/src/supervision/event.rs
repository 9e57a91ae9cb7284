//! What the supervision is told.

use mobula_types::actor::{ActorReport, ActorRequest, Question};
use mobula_types::{ClusterView, JobId, NodeId};
use std::sync::Arc;

/// A question, numbered by the driver; never used twice under one leadership.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestKey(pub u64);

/// What happened.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// Somebody asks. Answered once by [`Effect::Answer`](super::Effect::Answer).
    Request {
        /// The question's number.
        request: RequestKey,
        /// The node that asks, for itself or for a program; it hears of what it creates.
        asker: Option<NodeId>,
        /// What makes it be done once, however often it is asked.
        question: Option<Question>,
        /// The question.
        ask: ActorRequest,
    },
    /// Nobody waits for an answer any more.
    RequestGone {
        /// The question.
        request: RequestKey,
    },
    /// A node has joined, newly or again, and can be told things. Its inventory follows.
    NodeJoined {
        /// The node.
        node: NodeId,
    },
    /// A node's stream to this head broke: what it was told last may not have arrived. It may be alive.
    NodeParted {
        /// The node.
        node: NodeId,
    },
    /// A node says something.
    Reported {
        /// The node.
        node: NodeId,
        /// What.
        report: ActorReport,
    },
    /// A node drains: its actors go elsewhere.
    NodeDraining {
        /// The node.
        node: NodeId,
    },
    /// A node is dead, and that is written.
    NodeLost {
        /// The node.
        node: NodeId,
    },
    /// As [`NodeLost`](Self::NodeLost), but only its lease has ended: what keeps on without a head may still run there. It is
    /// granted anew when a later generation of the node joins, or an operator restarts it.
    NodeSilent {
        /// The node.
        node: NodeId,
    },
    /// Every other node knows that it is dead: what it had may be granted anew.
    NodeFenced {
        /// The node.
        node: NodeId,
    },
    /// The nodes as they are now: what they have, how busy they are.
    View(Arc<ClusterView>),
    /// A job runs.
    JobOpened {
        /// The job.
        job: JobId,
        /// Without an executable, only what nodes embed can be hosted.
        has_executable: bool,
    },
    /// A job has ended.
    JobEnded {
        /// The job.
        job: JobId,
    },
    /// [`Effect::Write`](super::Effect::Write) is durable; said once for each.
    Written {
        /// Its number.
        write: u64,
    },
    /// It failed, for want of room or because the registry refuses it, and nothing was written: said only of writes that
    /// may fail.
    NotWritten {
        /// Its number.
        write: u64,
        /// Why.
        failure: mobula_types::Failure,
    },
    /// Time has passed.
    Tick,
}
