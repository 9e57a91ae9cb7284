//! What the membership is told.

use mobula_types::view::NodeLoad;
use mobula_types::{Failure, Generation, NodeId, NodeName, NodeRecord, NodeRegistration, ProbeAnswer};

/// A node's stream, numbered by the driver; never used twice under one leadership.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkKey(pub u64);

/// What the registry holds as a head begins to lead.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Inheritance {
    /// Every node's record, and whether its lease lasts.
    pub nodes: Vec<(NodeRecord, bool)>,
    /// No generation up to this one may be granted again.
    pub generation_floor: Generation,
    /// Heads that registered within ten minutes.
    pub heads: usize,
    /// Whether nodes may have had nobody to renew their leases: all heads, or the registry, were away.
    pub heads_were_away: bool,
    /// The registry's revision at which this was read.
    pub revision: u64,
}

/// What a durable write was for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum NodeWrite {
    /// The node is dead.
    Death,
    /// Every other node knows that it is.
    Fenced,
    /// It drains.
    Drain,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A node asks to be a member.
    Register {
        /// Its stream.
        link: LinkKey,
        /// What it says of itself.
        registration: NodeRegistration,
        /// The generation that it was granted and has not given up.
        previous: Option<NodeId>,
        /// Nodes with which it has open sessions.
        peers: Vec<NodeId>,
    },
    /// [`Effect::Admit`](super::Effect::Admit) is durable.
    Admitted {
        /// The node.
        node: NodeId,
        /// The registry's lease.
        lease_id: u64,
        /// The revision of the write.
        revision: u64,
    },
    /// [`Effect::Admit`](super::Effect::Admit) failed, and nothing was written.
    NotAdmitted {
        /// The node.
        node: NodeId,
        /// Why.
        failure: Failure,
    },
    /// A node's stream broke.
    LinkBroken {
        /// The stream.
        link: LinkKey,
    },
    /// A node says that it leaves for good and runs nothing any more.
    Leaving {
        /// Its stream.
        link: LinkKey,
    },
    /// A node's session with another was opened or broke.
    PeerSession {
        /// The reporter's stream.
        link: LinkKey,
        /// The other node.
        peer: NodeId,
        /// Whether it is open.
        open: bool,
    },
    /// A node is this busy.
    Load {
        /// Its stream.
        link: LinkKey,
        /// How busy.
        load: NodeLoad,
    },
    /// A node accepts nothing from a dead generation any more.
    FenceAcknowledged {
        /// Its stream.
        link: LinkKey,
        /// The dead one.
        dead: NodeId,
    },
    /// Answer to [`Effect::ConfirmDeath`](super::Effect::ConfirmDeath).
    DeathAnswer {
        /// The answerer's stream.
        link: LinkKey,
        /// Whom it was asked about.
        about: NodeId,
        /// What it found.
        answer: ProbeAnswer,
    },
    /// Answer to [`Effect::Probe`](super::Effect::Probe).
    Probed {
        /// The node.
        node: NodeId,
        /// What was found.
        answer: ProbeAnswer,
    },
    /// The registry has ended a node's lease.
    LeaseEnded {
        /// The node's name.
        name: NodeName,
        /// When, as the registry counts: a lease that was granted later is not meant.
        revision: u64,
    },
    /// [`Effect::Write`](super::Effect::Write) is durable.
    Written {
        /// The node.
        node: NodeId,
        /// What it was for.
        write: NodeWrite,
    },
    /// [`Effect::Forget`](super::Effect::Forget) is durable.
    Forgotten {
        /// The node.
        node: NodeId,
    },
    /// Somebody asks a node to drain.
    Drain {
        /// Its name.
        name: NodeName,
    },
    /// So many heads have registered within ten minutes: how long leases last depends on it.
    HeadsSeen {
        /// How many.
        heads: usize,
    },
    /// Answer to [`Effect::GrantLease`](super::Effect::GrantLease).
    LeaseGranted {
        /// The node.
        node: NodeId,
        /// The registry's lease; `None` where none was granted.
        lease_id: Option<u64>,
    },
    /// A node renews the lease that it was offered.
    LeaseAcknowledged {
        /// Its stream.
        link: LinkKey,
        /// The lease.
        lease_id: u64,
    },
    /// [`Effect::SwitchLease`](super::Effect::SwitchLease) is durable, or failed.
    LeaseSwitched {
        /// The node.
        node: NodeId,
        /// The new lease.
        lease_id: u64,
        /// The revision of the write; `None` where nothing was written.
        revision: Option<u64>,
    },
    /// The registry was away and is back: leases that ended meanwhile could not be renewed.
    RegistryBack,
    /// Time has passed.
    Tick,
}
