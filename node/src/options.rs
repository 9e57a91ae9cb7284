//! How a node is started.

use mobula_rpc::ClusterToken;
use mobula_types::{Labels, Quantity};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The settings of a node. What is `None` is found out from the machine.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// Its name; `None` is host name and port.
    pub name: Option<String>,
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The URL under which others reach it; `None` is the address that it listens on.
    pub advertise: Option<String>,
    /// The heads' URLs.
    pub heads: Vec<String>,
    /// The cluster's token; `None` lets everybody in.
    pub token: Option<ClusterToken>,
    /// Logical CPUs; `None` is what the machine has. 0 makes a gateway, which runs no guests.
    pub num_cpus: Option<Quantity>,
    /// GPUs (0).
    pub num_gpus: Quantity,
    /// Memory that tasks may ask for, in bytes; `None` is 70 % of the machine's.
    pub memory: Option<u64>,
    /// Custom resources.
    pub resources: BTreeMap<Arc<str>, Quantity>,
    /// Labels.
    pub labels: Labels,
    /// Bytes that its object store may hold; `None` is 30 % of the machine's memory.
    pub object_store_memory: Option<u64>,
    /// Its folder for executables and scratch; `None` is a temporary one that goes with the node.
    pub data: Option<PathBuf>,
    /// Bytes that its cache of executables may hold (10 GiB). What no open job uses makes room, least recently used first.
    pub executable_cache: u64,
    /// How long a broken session may be resumed (30 s).
    pub resume_within: Duration,
    /// How long a worker stays without work (60 s).
    pub idle_worker: Duration,
    /// How many workers of isolated actors start at once, at least 1 (as many as the machine has CPUs, and at least 2). The
    /// others wait, without their time to start running.
    pub isolated_starts: usize,
    /// How long a put waits for room in the store before it fails (10 s).
    pub store_patience: Duration,
}

impl NodeOptions {
    /// A node on a free loopback port that joins these heads.
    pub fn new(heads: Vec<String>, token: Option<ClusterToken>) -> Self {
        NodeOptions {
            name: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            advertise: None,
            heads,
            token,
            num_cpus: None,
            num_gpus: Quantity::ZERO,
            memory: None,
            resources: BTreeMap::new(),
            labels: Labels::new(),
            object_store_memory: None,
            data: None,
            executable_cache: 10 << 30,
            resume_within: Duration::from_secs(30),
            idle_worker: Duration::from_secs(60),
            isolated_starts: std::thread::available_parallelism().map_or(2, |cpus| cpus.get().max(2)),
            store_patience: Duration::from_secs(10),
        }
    }
}
