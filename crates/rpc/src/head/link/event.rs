//! What a node hears from its heads.

use crate::head::Grant;
use mobula_types::actor::ActorOrder;
use mobula_types::{Failure, JobId, JobInfo, NodeId, ViewDelta};

/// What a node hears of heads, in order.
#[derive(Clone, PartialEq, Debug)]
pub enum HeadEvent {
    /// The node is a member, newly (another generation) or again (`rejoined`: the same one). A full view follows.
    Granted(Grant),
    /// A change of the cluster, or all of it.
    View(ViewDelta),
    /// That generation is dead: accept nothing from it, then call
    /// [`fence_acknowledged`](super::HeadLinkHandle::fence_acknowledged).
    FenceNode(NodeId),
    /// A job was opened somewhere, or was running when this node joined.
    JobOpened(JobInfo),
    /// A job has ended.
    JobEnded {
        /// The job.
        job: JobId,
        /// Why: of kind `JobEnded`.
        failure: Failure,
    },
    /// What a head says of actors.
    Actors(ActorOrder),
    /// Finish what runs, take nothing new, hand drivers over, then call [`leave`](super::HeadLinkHandle::leave).
    Drain,
    /// No head is connected; the link goes on trying.
    Disconnected {
        /// Why.
        failure: Failure,
    },
    /// A head refused the registration for a reason that may pass, such as a name that is taken; the link goes on
    /// trying. Told when the reason changes.
    Refused {
        /// Why.
        failure: Failure,
    },
    /// The lease has ended by this node's own clock: others may be told soon that it is dead. Tasks, objects and
    /// sessions go on. A later [`Granted`](Self::Granted) with `rejoined` mends it.
    LeaseLost {
        /// The node.
        node: NodeId,
    },
    /// This generation was declared dead or replaced, or the registry that granted it was restored: close its sessions, give up what it owns, then call
    /// [`rejoin`](super::HeadLinkHandle::rejoin), and a new generation is granted.
    Fenced {
        /// The generation.
        node: NodeId,
        /// Why.
        failure: Failure,
    },
}
