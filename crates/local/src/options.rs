//! What a local cluster is made of.

use mobula_node::Embedded;
use mobula_types::Quantity;
use std::time::Duration;

/// The settings of a [`LocalCluster`](crate::LocalCluster).
#[derive(Clone, Debug)]
pub struct LocalOptions {
    /// How many nodes (1).
    pub nodes: usize,
    /// Logical CPUs of each node; the machine's unless set.
    pub cpus: Option<Quantity>,
    /// The functions that its nodes run; none unless set.
    pub embedded: Option<Embedded>,
    /// Bytes that each node's object store may hold; 30 % of the machine's memory unless set.
    pub object_store_memory: Option<u64>,
    /// How long a node may take to join (10 s).
    pub join_within: Duration,
}

impl Default for LocalOptions {
    fn default() -> Self {
        LocalOptions {
            nodes: 1,
            cpus: None,
            embedded: None,
            object_store_memory: None,
            join_within: Duration::from_secs(10),
        }
    }
}
