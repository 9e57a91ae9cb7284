//! What only a file can promise.

use std::sync::Arc;
use std::time::Duration;

use mobula_registry::{
    EmbeddedRegistry, FileOptions, ManualClock, Registry, RegistryError, Transaction, WatchStart, head_term,
    list_all,
};

use crate::cases::{delete, put};
use crate::fixture::{brief, file_options, next};

const TTL: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_reopened_file_keeps_what_was_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("registry.redb");
    let clock = ManualClock::new();
    let registry = EmbeddedRegistry::open(&path, file_options(&clock)).expect("a new file");
    let lease = registry.grant_lease(TTL).await.expect("a lease");
    put(&registry, "/a", "1").await;
    delete(&registry, "/a").await;
    registry.commit(Transaction::new().put_leased("/b", "2", lease.id).put("/c", "")).await.expect("puts");
    let before = list_all(&registry, "/").await.expect("a list");
    registry.close().await.expect("it closes");

    let registry = EmbeddedRegistry::open(&path, file_options(&clock)).expect("a file");
    assert_eq!(list_all(&registry, "/").await.expect("a list"), before);
    assert_eq!(put(&registry, "/d", "").await, before.revision.next());
    assert_ne!(registry.grant_lease(TTL).await.expect("a lease").id, lease.id);
}

#[tokio::test]
async fn a_reopened_file_gives_leases_their_full_length() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("registry.redb");
    let clock = ManualClock::new();
    let registry = EmbeddedRegistry::open(&path, file_options(&clock)).expect("a new file");
    let lease = registry.grant_lease(TTL).await.expect("a lease");
    let put = Transaction::new().put_leased("/l", "", lease.id);
    let revision = registry.commit(put).await.expect("a living lease").revision;
    clock.advance(TTL * 9 / 10);
    registry.close().await.expect("it closes");

    clock.advance(TTL * 100);
    let registry = EmbeddedRegistry::open(&path, file_options(&clock)).expect("a file");
    assert_eq!(registry.lease_time_left(lease.id).await, Ok(TTL));
    let mut watch = registry.watch("/", WatchStart::at(revision.next()));
    clock.advance(TTL);
    assert_eq!(brief(&next(&mut watch).await), ["-/l"]);
}

#[tokio::test]
async fn a_second_opener_is_refused_and_told_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("registry.redb");
    let registry = EmbeddedRegistry::open(&path, FileOptions::default()).expect("a new file");
    let refused = EmbeddedRegistry::open(&path, FileOptions::default()).expect_err("in use");
    assert!(matches!(&refused, RegistryError::InUse { path: named, .. } if *named == path), "{refused:?}");
    assert!(refused.to_string().contains(&format!("process {}", std::process::id())), "{refused}");
    registry.close().await.expect("it closes");
    EmbeddedRegistry::open(&path, FileOptions::default()).expect("free again");
}

#[tokio::test]
async fn every_start_raises_the_term() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("registry.redb");
    let mut last = None;
    for _ in 0..3 {
        let registry = EmbeddedRegistry::open(&path, FileOptions::default()).expect("a file");
        put(&registry, "/leader", "").await;
        let leader = registry.get("/leader").await.expect("a read").expect("it exists");
        let term = head_term(&registry, "/incarnation", &leader).await.expect("a term");
        assert!(Some(term) > last, "{term} after {last:?}");
        last = Some(term);
        registry.close().await.expect("it closes");
    }
}

#[test]
fn what_is_no_registry_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("registry.redb");
    std::fs::write(&path, "this is not a database, and it is longer than a header would be".repeat(100))
        .expect("a file");
    let refused = EmbeddedRegistry::open(&path, FileOptions::default()).expect_err("not a database");
    assert!(matches!(refused, RegistryError::Corrupt { .. }), "{refused:?}");
    let nowhere = EmbeddedRegistry::open(folder.path().join("none/registry.redb"), FileOptions::default());
    let refused = nowhere.expect_err("no such folder");
    assert!(refused.to_string().contains("none/registry.redb"), "{refused}");
}

#[tokio::test]
async fn a_quota_refuses_writes_and_loses_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("registry.redb");
    let options = FileOptions { max_file_bytes: 4 * 1024 * 1024, ..FileOptions::default() };
    let registry = EmbeddedRegistry::open(&path, options).expect("a new file");
    let mut acknowledged = Vec::new();
    let refused = loop {
        let key = format!("/k/{:03}", acknowledged.len());
        match registry.commit(Transaction::new().put(key.clone(), vec![1; 256 * 1024])).await {
            Ok(_) => acknowledged.push(key),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, RegistryError::NoSpace { .. }), "{refused:?}");
    assert!(!acknowledged.is_empty() && registry.status().await.expect("a status").no_space);
    let entries = list_all(&registry, "/k/").await.expect("a list").entries;
    assert_eq!(entries.into_iter().map(|entry| entry.key).collect::<Vec<_>>(), acknowledged);
    registry.close().await.expect("it closes");

    let larger = EmbeddedRegistry::open(&path, FileOptions::default()).expect("a file");
    let entries = list_all(&larger, "/k/").await.expect("a list").entries;
    assert_eq!(entries.into_iter().map(|entry| entry.key).collect::<Vec<_>>(), acknowledged);
    put(&larger, "/k/more", "1").await;
}

#[tokio::test]
async fn a_dropped_registry_lets_go_of_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("registry.redb");
    let registry = Arc::new(EmbeddedRegistry::open(&path, FileOptions::default()).expect("a new file"));
    let revision = put(registry.as_ref(), "/k", "1").await;
    let mut watch = registry.watch("/", WatchStart::at(revision.next()));
    drop(registry);
    // The watch ends once the file is closed.
    let last = futures::StreamExt::next(&mut watch).await;
    assert!(matches!(last, Some(Err(RegistryError::Closed { .. }))), "{last:?}");
    EmbeddedRegistry::open(&path, FileOptions::default()).expect("free again");
}
