//! What can be set.

use std::time::Duration;

/// How often the registry is looked at, and what is kept. Defaults in parentheses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpkeepOptions {
    /// Between two looks (60 s).
    pub interval: Duration,
    /// Between two looks at a registry that is full (5 s).
    pub interval_full: Duration,
    /// How far back watches can resume (10 min).
    pub keep_history: Duration,
    /// How many revisions of history are kept at most (100,000).
    pub most_history: u64,
    /// How many revisions a compaction has to forget at least (1,000).
    pub least_compacted: u64,
    /// How much has to be free in the registry's file for a defragmentation (64 MiB), beside half of it.
    pub least_free_bytes: u64,
    /// Between two defragmentations (1 h).
    pub defragment_interval: Duration,
    /// Between the first two tries to make room in a registry that is full (1 min). It doubles with each.
    pub first_patience: Duration,
    /// The same, where it has changed since: only deletes can have (5 s).
    pub first_patience_changed: Duration,
    /// The longest wait between two such tries (16 min).
    pub longest_patience: Duration,
}

impl Default for UpkeepOptions {
    fn default() -> Self {
        UpkeepOptions {
            interval: Duration::from_secs(60),
            interval_full: Duration::from_secs(5),
            keep_history: Duration::from_secs(600),
            most_history: 100_000,
            least_compacted: 1000,
            least_free_bytes: 64 << 20,
            defragment_interval: Duration::from_secs(3600),
            first_patience: Duration::from_secs(60),
            first_patience_changed: Duration::from_secs(5),
            longest_patience: Duration::from_secs(960),
        }
    }
}
