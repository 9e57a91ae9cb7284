//! A registry to test, and what it stands on.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use mobula_registry::{
    EmbeddedRegistry, FileOptions, Lease, ManualClock, MemoryOptions, Registry, Watch, WatchBatch, WatchEvent,
};

/// What a test waits for at most; it is never reached unless the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(9);

/// A registry to test, and what it stands on.
pub(crate) struct Fixture {
    pub(crate) registry: Arc<dyn Registry>,
    clock: Option<ManualClock>,
    _folder: Option<tempfile::TempDir>,
    #[cfg(feature = "etcd")]
    _etcd: Option<crate::etcd_process::EtcdProcess>,
}

impl Fixture {
    pub(crate) fn memory() -> Self {
        let clock = ManualClock::new();
        let options = MemoryOptions { clock: Arc::new(clock.clone()), ..MemoryOptions::default() };
        let registry = EmbeddedRegistry::in_memory(options).expect("memory needs nothing");
        Self::embedded(registry, clock, None)
    }

    pub(crate) fn file() -> Self {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let clock = ManualClock::new();
        let registry = EmbeddedRegistry::open(folder.path().join("registry.redb"), file_options(&clock));
        Self::embedded(registry.expect("a new file"), clock, Some(folder))
    }

    #[cfg(feature = "etcd")]
    pub(crate) async fn etcd() -> Self {
        let etcd = crate::etcd_process::EtcdProcess::start(&[]);
        let registry = Arc::new(etcd.connect().await);
        Fixture { registry, clock: None, _folder: None, _etcd: Some(etcd) }
    }

    fn embedded(registry: EmbeddedRegistry, clock: ManualClock, folder: Option<tempfile::TempDir>) -> Self {
        Fixture {
            registry: Arc::new(registry),
            clock: Some(clock),
            _folder: folder,
            #[cfg(feature = "etcd")]
            _etcd: None,
        }
    }

    /// Lets the lease's time pass. etcd's passes by itself; whoever waits for the effect sees it.
    pub(crate) fn let_pass(&self, lease: &Lease) {
        self.let_pass_a_part(lease.ttl);
    }

    /// Moves the clock, where there is one to move; answers whether there is.
    pub(crate) fn let_pass_a_part(&self, duration: Duration) -> bool {
        if let Some(clock) = &self.clock {
            clock.advance(duration);
        }
        self.clock.is_some()
    }
}

pub(crate) fn file_options(clock: &ManualClock) -> FileOptions {
    FileOptions { clock: Arc::new(clock.clone()), ..FileOptions::default() }
}

/// The next batch of a watch that has one to come.
pub(crate) async fn next(watch: &mut Watch) -> WatchBatch {
    let item = tokio::time::timeout(PATIENCE, watch.next()).await.expect("the watch delivers in time");
    item.expect("the watch goes on").expect("the watch does not fail")
}

/// Events in few words: `+key=value`, `-key`.
pub(crate) fn brief(batch: &WatchBatch) -> Vec<String> {
    let event = |event: &WatchEvent| match event {
        WatchEvent::Put(entry) => format!("+{}={}", entry.key, String::from_utf8_lossy(&entry.value)),
        WatchEvent::Delete { key, .. } => format!("-{key}"),
    };
    let mut events: Vec<_> = batch.events.iter().map(event).collect();
    events.sort();
    events
}
