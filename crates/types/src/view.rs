//! The cluster as heads push it to nodes and clients.

use crate::{FunctionInfo, HeadTerm, Labels, NodeId, NodeName, Resources};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Which state of the cluster a view shows; compared by term, then revision.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, serde::Serialize, serde::Deserialize,
)]
pub struct ViewVersion {
    /// The term of the head that made it.
    pub term: HeadTerm,
    /// Counts changes within the term, from 1.
    pub revision: u64,
}

/// How a node stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub enum NodeState {
    /// Takes work.
    Alive,
    /// Finishes what it has and takes nothing new.
    Draining,
    /// Declared dead: fenced everywhere.
    Dead,
}

/// What everybody may know of a node.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct NodeInfo {
    /// The node.
    pub id: NodeId,
    /// Its advertised URL, `http://host:port`.
    pub address: Arc<str>,
    /// Everything that it has, used or not.
    pub resources: Resources,
    /// Its labels.
    pub labels: Labels,
    /// How it stands.
    pub state: NodeState,
    /// What it embeds and can run for any job.
    pub functions: Vec<FunctionInfo>,
    /// Bytes that its object store may hold.
    pub object_store_memory: u64,
    /// The version of the program.
    pub version: Arc<str>,
    /// How busy it is, sampled.
    pub load: NodeLoad,
}

/// A sample of how busy a node is.
#[derive(Clone, PartialEq, Eq, Default, Debug, serde::Serialize, serde::Deserialize)]
pub struct NodeLoad {
    /// What its running tasks use.
    pub used: Resources,
    /// Tasks that it runs.
    pub running: u64,
    /// Tasks that wait on it for resources.
    pub queued: u64,
    /// Bytes in its object store.
    pub stored_bytes: u64,
}

/// All nodes as of one version, keyed by name: one generation of each.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ClusterView {
    /// Which state this is.
    pub version: ViewVersion,
    /// The nodes, dead ones only until the next full view.
    pub nodes: BTreeMap<NodeName, Arc<NodeInfo>>,
}

/// The step from one view to the next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ViewDelta {
    /// The version that it starts from; `None` for a full view, which replaces everything.
    pub from: Option<ViewVersion>,
    /// The version that it leads to.
    pub to: ViewVersion,
    /// Nodes that are new or changed.
    pub changed: Vec<Arc<NodeInfo>>,
    /// Nodes that are forgotten.
    pub removed: Vec<NodeName>,
}

impl ClusterView {
    /// Applies a step. `false`, and nothing changed, where it does not start at this view's version: the full view must
    /// be fetched. A step that is not newer than this view is taken as applied.
    pub fn apply(&mut self, delta: &ViewDelta) -> bool {
        if delta.to <= self.version && delta.from.is_some() {
            return true;
        }
        match delta.from {
            None => self.nodes.clear(),
            Some(from) if from == self.version => {}
            Some(_) => return false,
        }
        for name in &delta.removed {
            self.nodes.remove(name);
        }
        for node in &delta.changed {
            self.nodes.insert(node.id.name.clone(), node.clone());
        }
        self.version = delta.to;
        true
    }

    /// The step from nothing to this view.
    pub fn full_delta(&self) -> ViewDelta {
        ViewDelta {
            from: None,
            to: self.version,
            changed: self.nodes.values().cloned().collect(),
            removed: Vec::new(),
        }
    }

    /// The node of exactly that generation, if the view has it.
    pub fn node(&self, id: &NodeId) -> Option<&Arc<NodeInfo>> {
        self.nodes.get(&id.name).filter(|node| node.id == *id)
    }
}
