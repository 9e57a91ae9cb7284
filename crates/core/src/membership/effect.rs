//! What the membership wants done.

use super::event::{LinkKey, NodeWrite};
use mobula_types::{Failure, NodeId, NodeRecord, ViewDelta};
use std::sync::Arc;
use std::time::Duration;

/// What is to be done, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Renew the lease that the node holds, or grant one of the registry where there is none; put the record with it, and
    /// under it the key that shows that the node lives; then say [`Event::Admitted`](super::Event::Admitted).
    Admit {
        /// The record; its `lease` and time are the driver's to fill.
        record: NodeRecord,
        /// The lease that it had under its generation; 0 for none. It is kept wherever the registry knows it still: the
        /// node renews it while it cannot be told of another one, and must not count by what nothing hangs on any more.
        held: u64,
    },
    /// Tell a node that it is a member.
    Grant {
        /// Its stream.
        link: LinkKey,
        /// The node.
        node: NodeId,
        /// How long its lease lasts.
        lease: Duration,
        /// The registry's lease.
        lease_id: u64,
        /// Whether it keeps its generation.
        rejoined: bool,
    },
    /// Grant another lease of the registry for a member, then say [`Event::LeaseGranted`](super::Event::LeaseGranted).
    GrantLease {
        /// The node.
        node: NodeId,
        /// How long it is to last.
        length: Duration,
    },
    /// Offer a node a lease in place of its own; it acknowledges.
    OfferLease {
        /// Its stream.
        link: LinkKey,
        /// The registry's lease.
        lease_id: u64,
        /// How long it lasts.
        length: Duration,
    },
    /// Put the record with its new lease, and under that the key that shows that the node lives; then say
    /// [`Event::LeaseSwitched`](super::Event::LeaseSwitched).
    SwitchLease {
        /// The record.
        record: NodeRecord,
    },
    /// Tell a node that only the lease which it was offered counts from now on.
    LeaseInForce {
        /// Its stream.
        link: LinkKey,
        /// The lease.
        lease_id: u64,
    },
    /// Refuse a registration.
    Refuse {
        /// The stream.
        link: LinkKey,
        /// Why.
        failure: Failure,
    },
    /// Tell a node that its generation is dead, and close its stream.
    Fenced {
        /// The stream.
        link: LinkKey,
        /// Why.
        failure: Failure,
    },
    /// Close a stream: another has replaced it, or its node has left.
    Close {
        /// The stream.
        link: LinkKey,
    },
    /// Tell every member of a change.
    View(ViewDelta),
    /// Tell one member of the whole view.
    ViewTo {
        /// Its stream.
        link: LinkKey,
        /// The view.
        view: ViewDelta,
    },
    /// Tell a member that another node is dead; it acknowledges.
    Fence {
        /// Its stream.
        link: LinkKey,
        /// The dead one.
        dead: NodeId,
    },
    /// Tell a member to drain.
    Drain {
        /// Its stream.
        link: LinkKey,
    },
    /// Try to connect to a node's own address, and say [`Event::Probed`](super::Event::Probed).
    Probe {
        /// The node.
        node: NodeId,
        /// `host:port`.
        address: Arc<str>,
    },
    /// Ask a member whether it sees a node that the head has lost.
    ConfirmDeath {
        /// The member's stream.
        link: LinkKey,
        /// The node.
        node: NodeId,
        /// `host:port` of it.
        address: Arc<str>,
    },
    /// Put a record, then say [`Event::Written`](super::Event::Written).
    Write {
        /// The record.
        record: NodeRecord,
        /// What for.
        write: NodeWrite,
    },
    /// Delete the record of a node long dead and raise the floor of generations to its own, then say
    /// [`Event::Forgotten`](super::Event::Forgotten).
    Forget {
        /// The node.
        node: NodeId,
    },
    /// End a lease of the registry; it may be over already.
    Revoke {
        /// The lease.
        lease: u64,
    },
    /// A node is dead: what it reported does not count any more.
    NodeLost {
        /// The node.
        node: NodeId,
    },
    /// Every node that lived when this head began to lead has joined it, or is dead.
    Settled,
}
