//! Disks that fail.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use futures::StreamExt;

use super::FileOptions;
use super::file::Faults;
use crate::{
    EmbeddedRegistry, ManualClock, Registry, RegistryError, Transaction, WatchBatch, WatchEvent, WatchStart,
    list_all,
};

struct Disk {
    folder: tempfile::TempDir,
    clock: ManualClock,
    faults: Faults,
}

impl Disk {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Disk { folder, clock: ManualClock::new(), faults: Faults::default() }
    }

    fn open(&self) -> EmbeddedRegistry {
        let options = FileOptions { clock: Arc::new(self.clock.clone()), ..FileOptions::default() };
        EmbeddedRegistry::open_guarded(&self.path(), options, self.faults.clone()).expect("a file")
    }

    fn path(&self) -> Box<Path> {
        self.folder.path().join("registry.redb").into()
    }

    fn set_full(&self, full: bool) {
        self.faults.plan.full.store(full, SeqCst);
    }

    /// Full after this many writes, for good or for one write.
    fn set_full_after(&self, writes: Option<i64>) {
        self.faults.plan.writes_left.store(writes.unwrap_or_default(), SeqCst);
        self.faults.plan.counted.store(writes.is_some(), SeqCst);
    }
}

async fn keys(registry: &EmbeddedRegistry) -> Vec<String> {
    let listing = list_all(registry, "/").await.expect("a list");
    listing.entries.into_iter().map(|entry| entry.key).collect()
}

async fn put(registry: &EmbeddedRegistry, key: &str) -> Result<(), RegistryError> {
    registry.commit(Transaction::new().put(key, "v")).await.map(drop)
}

#[tokio::test]
async fn a_full_disk_refuses_writes_loses_none_and_passes_by_itself() {
    let disk = Disk::new();
    let registry = disk.open();
    put(&registry, "/before").await.expect("there is room");
    disk.set_full(true);
    // The first failure leaves open what became of it until the file could be opened again.
    let refused = put(&registry, "/refused").await.expect_err("no room");
    assert!(
        matches!(refused, RegistryError::NoSpace { .. } | RegistryError::OutcomeUnknown { .. }),
        "{refused:?}"
    );
    let refused = put(&registry, "/refused").await.expect_err("no room");
    assert!(matches!(refused, RegistryError::NoSpace { .. }), "{refused:?}");
    disk.set_full(false);
    assert_eq!(keys(&registry).await, ["/before"]);
    put(&registry, "/after").await.expect("there is room again");
    assert!(!registry.status().await.expect("a status").no_space);
    registry.close().await.expect("it closes");
    assert_eq!(keys(&disk.open()).await, ["/after", "/before"]);
}

/// Wherever in a commit the disk fills up: an acknowledged write is there, a refused one is not, and one of unknown
/// outcome is the same for every reader from the first answer on.
#[tokio::test]
async fn a_disk_that_fills_up_in_the_middle_of_a_commit_tells_no_lies() {
    let disk = Disk::new();
    let registry = disk.open();
    put(&registry, "/first").await.expect("there is room");
    let mut expected = vec!["/first".to_owned()];
    let mut refused = 0;
    for (writes, once) in (0..24).flat_map(|writes| [(writes, false), (writes, true)]) {
        let key = format!("/k/{writes:02}/{once}");
        disk.faults.plan.once.store(once, SeqCst);
        disk.set_full_after(Some(writes));
        let outcome = put(&registry, &key).await;
        disk.set_full_after(None);
        let after = keys(&registry).await;
        match outcome {
            Ok(()) => expected.push(key),
            Err(RegistryError::NoSpace { .. }) => refused += 1,
            Err(RegistryError::OutcomeUnknown { .. }) if after.contains(&key) => expected.push(key),
            Err(RegistryError::OutcomeUnknown { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
        expected.sort();
        assert_eq!(after, expected, "after {writes} writes, once: {once}");
    }
    assert!(refused > 0, "a disk that is full for one write refuses it and goes on");
    put(&registry, "/last").await.expect("there is room");
    expected.push("/last".to_owned());
    expected.sort();
    registry.close().await.expect("it closes");
    assert_eq!(keys(&disk.open()).await, expected);
}

#[tokio::test]
async fn a_disk_that_fails_to_synchronise_is_trusted_no_more() {
    let disk = Disk::new();
    let registry = disk.open();
    put(&registry, "/before").await.expect("the disk works");
    disk.faults.plan.fail_sync.store(true, SeqCst);
    let unknown = put(&registry, "/lost").await.expect_err("the disk fails");
    assert!(matches!(unknown, RegistryError::OutcomeUnknown { .. }), "{unknown:?}");
    let read = registry.get("/before").await.expect_err("nothing is certain");
    assert!(read.to_string().contains("start this process again"), "{read}");
    registry.close().await.expect("it closes");
    assert!(keys(&disk.open()).await.contains(&"/before".to_owned()));
}

#[tokio::test]
async fn a_lease_that_ends_on_a_full_disk_ends_once_there_is_room() {
    let disk = Disk::new();
    let registry = disk.open();
    let ttl = Duration::from_secs(10);
    let lease = registry.grant_lease(ttl).await.expect("a lease");
    let revision =
        registry.commit(Transaction::new().put_leased("/l", "v", lease.id)).await.expect("room").revision;
    let mut watch = registry.watch("/", WatchStart::at(revision.next()));
    disk.set_full(true);
    disk.clock.advance(ttl);
    // It has ended for everybody who asks, although its key could not be deleted.
    let renewed = registry.renew_lease(lease.id).await.expect_err("it has ended");
    assert!(
        matches!(renewed, RegistryError::LeaseNotFound { .. } | RegistryError::NoSpace { .. }),
        "{renewed:?}"
    );
    disk.set_full(false);
    disk.clock.advance(Duration::from_secs(1));
    let batch = tokio::time::timeout(Duration::from_secs(9), watch.next()).await.expect("in time");
    let deleted =
        |batch: &WatchBatch| matches!(&batch.events[..], [WatchEvent::Delete { key, .. }] if key == "/l");
    assert!(matches!(&batch, Some(Ok(batch)) if deleted(batch)), "{batch:?}");
}
