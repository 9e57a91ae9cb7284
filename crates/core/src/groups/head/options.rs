//! How long the head's side waits.

use std::time::Duration;

/// Options of the head's side.
#[derive(Clone, Debug)]
pub struct MembershipsOptions {
    /// How long a new leader waits for nodes that have not said what they hold, before it tells those who know something
    /// already (5 s).
    pub settle: Duration,
}

impl Default for MembershipsOptions {
    fn default() -> Self {
        MembershipsOptions { settle: Duration::from_secs(5) }
    }
}
