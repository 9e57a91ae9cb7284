//! What can be set.

use std::time::Duration;

/// How long leases and proofs last. Defaults in parentheses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MembershipOptions {
    /// A node's lease while fewer than two heads have registered within ten minutes (60 s).
    pub lease_alone: Duration,
    /// A node's lease while two or more have (12 s).
    pub lease_with_standby: Duration,
    /// A node's lease whatever the number of heads (unset).
    pub node_lease: Option<Duration>,
    /// Whether a proof of death spares the wait for the end of a lease (yes).
    pub fast_death: bool,
    /// How long a proof of death must hold (500 ms).
    pub proof_time: Duration,
    /// Between two probes of a node whose connection broke (250 ms; eight times that after the first 5 s).
    pub probe_interval: Duration,
    /// Between two pushes of sampled loads (1 s).
    pub load_interval: Duration,
    /// How many nodes' loads one push carries at most (64).
    pub loads_per_push: usize,
    /// How long a dead node's record is kept (1 h).
    pub forget_after: Duration,
}

impl Default for MembershipOptions {
    fn default() -> Self {
        MembershipOptions {
            lease_alone: Duration::from_secs(60),
            lease_with_standby: Duration::from_secs(12),
            node_lease: None,
            fast_death: true,
            proof_time: Duration::from_millis(500),
            probe_interval: Duration::from_millis(250),
            load_interval: Duration::from_secs(1),
            loads_per_push: 64,
            forget_after: Duration::from_secs(3600),
        }
    }
}

impl MembershipOptions {
    /// The lease of a node that registers while `heads` heads are there.
    pub(super) fn lease(&self, heads: usize) -> Duration {
        let by_heads = if heads >= 2 { self.lease_with_standby } else { self.lease_alone };
        self.node_lease.unwrap_or(by_heads)
    }
}
