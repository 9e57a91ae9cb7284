//! What is known of one node.

use super::event::LinkKey;
use super::lease::LeaseChange;
use mobula_types::view::NodeLoad;
use mobula_types::{NodeId, NodeInfo, NodeRecord, NodeState, ProbeAnswer, Time};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Where a node is between its grant and the end of every trace of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Its lease lasts.
    Alive,
    /// Its lease has ended; it is declared dead at that time unless it joins again.
    LeaseOver {
        /// When.
        dead_at: Time,
    },
    /// Its death is being written.
    Dying,
    /// These nodes have yet to acknowledge its death.
    Fencing {
        /// The nodes.
        missing: BTreeSet<NodeId>,
    },
    /// All have; that is being written.
    Closing,
    /// Its name may be granted anew.
    Dead {
        /// Since when this head knows it.
        since: Time,
    },
    /// Its record is being deleted.
    Forgetting,
}

impl Phase {
    /// Whether it may still hold a valid lease, or come back under its generation.
    pub(super) fn is_living(&self) -> bool {
        matches!(self, Phase::Alive | Phase::LeaseOver { .. })
    }
}

/// The case for a node's death, from the breaking of its stream on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Proof {
    /// When its stream broke.
    pub(super) broken: Time,
    /// Since when every probe was refused.
    pub(super) refused_since: Option<Time>,
    /// Whether another node was refused too.
    pub(super) confirmed: bool,
    /// When to probe next.
    pub(super) next: Time,
}

impl Proof {
    pub(super) fn new(now: Time) -> Self {
        Proof { broken: now, refused_since: None, confirmed: false, next: now }
    }

    /// Takes what the head's own probe found.
    pub(super) fn probed(&mut self, now: Time, answer: ProbeAnswer) {
        match answer {
            ProbeAnswer::Refused => {
                self.refused_since.get_or_insert(now);
            }
            ProbeAnswer::Reachable | ProbeAnswer::Unknown => self.collapse(),
        }
    }

    /// Takes what another node found. One that could not tell changes nothing.
    pub(super) fn answered(&mut self, answer: ProbeAnswer) {
        match answer {
            ProbeAnswer::Refused => self.confirmed = true,
            ProbeAnswer::Reachable => self.collapse(),
            ProbeAnswer::Unknown => {}
        }
    }

    /// Somebody sees the node: the time starts over.
    pub(super) fn collapse(&mut self) {
        self.refused_since = None;
        self.confirmed = false;
    }
}

/// One node: the generation that was granted last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Member {
    pub(super) record: NodeRecord,
    pub(super) info: Arc<NodeInfo>,
    pub(super) phase: Phase,
    pub(super) link: Option<LinkKey>,
    /// Nodes with which it says that it has open sessions.
    pub(super) peers: BTreeSet<NodeId>,
    pub(super) proof: Option<Proof>,
    /// It lived when this head began to lead, and has not joined it yet.
    pub(super) awaited: bool,
    /// It said that it leaves.
    pub(super) leaving: bool,
    /// It is asked to drain, and that is being written.
    pub(super) drain_written: bool,
    /// The registry's revision at which its lease was granted.
    pub(super) granted_at: u64,
    /// A lease of another length that is to replace its own.
    pub(super) change: Option<LeaseChange>,
}

impl Member {
    pub(super) fn new(record: NodeRecord, phase: Phase, granted_at: u64) -> Self {
        let info = Arc::new(info(&record, NodeLoad::default()));
        Member {
            record,
            info,
            phase,
            link: None,
            peers: BTreeSet::new(),
            proof: None,
            awaited: false,
            leaving: false,
            drain_written: false,
            granted_at,
            change: None,
        }
    }

    pub(super) fn id(&self) -> NodeId {
        self.record.id()
    }

    /// Replaces the record and shows it.
    pub(super) fn set_record(&mut self, record: NodeRecord) {
        self.info = Arc::new(info(&record, self.info.load.clone()));
        self.record = record;
    }

    /// Shows another load. `false` where it is the same.
    pub(super) fn set_load(&mut self, load: NodeLoad) -> bool {
        if self.info.load == load {
            return false;
        }
        Arc::make_mut(&mut self.info).load = load;
        true
    }
}

fn info(record: &NodeRecord, load: NodeLoad) -> NodeInfo {
    let registration = &record.registration;
    let load = if record.state == NodeState::Dead { NodeLoad::default() } else { load };
    NodeInfo {
        id: record.id(),
        address: registration.address.clone(),
        resources: registration.resources.clone(),
        labels: registration.labels.clone(),
        state: record.state,
        functions: registration.functions.clone(),
        object_store_memory: registration.object_store_memory,
        version: registration.version.clone(),
        load,
    }
}
