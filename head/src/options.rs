//! What a head is started with.

use mobula_core::jobs::JobsOptions;
use mobula_core::membership::MembershipOptions;
use mobula_core::supervision::SupervisionOptions;
use mobula_registry::Registry;
use mobula_rpc::ClusterToken;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Where the durable facts are kept.
#[derive(Clone, Debug)]
pub enum RegistryChoice {
    /// etcd: for clusters, and wherever several heads run.
    #[cfg(feature = "etcd")]
    Etcd {
        /// `http://host:port`, several with commas.
        endpoints: String,
    },
    /// A file that one head has open at a time.
    File {
        /// The file.
        path: PathBuf,
    },
    /// Memory: gone with the head.
    Memory,
    /// One that is open already; several heads of one process may share it.
    Shared(Arc<dyn Registry>),
}

/// What a head is started with. Defaults in parentheses.
#[derive(Clone, Debug)]
pub struct HeadOptions {
    /// Where it listens (`127.0.0.1:7420`); port 0 takes a free one.
    pub listen: SocketAddr,
    /// The URL under which others reach it (`http://` and the address where it listens, or the host's name where that
    /// is every interface).
    pub advertise: Option<String>,
    /// Where the durable facts are kept (memory).
    pub registry: RegistryChoice,
    /// Names the cluster among those of one registry (`default`).
    pub cluster: String,
    /// The cluster's token; `None` lets everybody in.
    pub token: Option<ClusterToken>,
    /// Whether it may listen beyond loopback without a token (no).
    pub insecure: bool,
    /// How long a leader leads after its last sign of life (4 s).
    pub leader_lease: Duration,
    /// How long a node's lease lasts, whatever the number of heads (12 s where two heads have registered within ten
    /// minutes, else 60 s).
    pub node_lease: Option<Duration>,
    /// How long a job lives after the last of its driver's streams broke (30 s).
    pub job_grace: Duration,
    /// Whether a proof of death spares the wait for the end of a lease (yes). Off for networks whose firewalls may
    /// refuse connections in a living process's name.
    pub fast_death: bool,
    /// Between two writes of a job's counts (5 s).
    pub summary_interval: Duration,
    /// How many tasks the in-memory view of task events holds (10,000).
    pub task_events: usize,
    /// How long open calls may go on once the head is told to stop (1 s).
    pub drain_within: Duration,
}

impl Default for HeadOptions {
    fn default() -> Self {
        HeadOptions {
            listen: SocketAddr::from(([127, 0, 0, 1], 7420)),
            advertise: None,
            registry: RegistryChoice::Memory,
            cluster: "default".to_owned(),
            token: None,
            insecure: false,
            leader_lease: Duration::from_secs(4),
            node_lease: None,
            job_grace: Duration::from_secs(30),
            fast_death: true,
            summary_interval: Duration::from_secs(5),
            task_events: 10_000,
            drain_within: Duration::from_secs(1),
        }
    }
}

impl HeadOptions {
    pub(crate) fn membership(&self) -> MembershipOptions {
        MembershipOptions {
            node_lease: self.node_lease,
            fast_death: self.fast_death,
            ..MembershipOptions::default()
        }
    }

    pub(crate) fn supervision(&self) -> SupervisionOptions {
        SupervisionOptions { seed: rand::random(), ..SupervisionOptions::default() }
    }

    pub(crate) fn jobs(&self) -> JobsOptions {
        JobsOptions {
            grace: self.job_grace,
            summary_interval: self.summary_interval,
            ..JobsOptions::default()
        }
    }
}
