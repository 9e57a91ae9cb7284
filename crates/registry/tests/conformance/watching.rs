//! Watches.

use std::collections::BTreeMap;

use futures::StreamExt;
use mobula_registry::{RegistryError, Transaction, WatchEvent, WatchStart, list_all};

use crate::cases::{delete, put};
use crate::fixture::{Fixture, PATIENCE, brief, next};

pub(crate) async fn a_watch_replays_from_its_revision_and_goes_on(fixture: &Fixture) {
    let registry = fixture.registry.as_ref();
    put(registry, "/w/early", "0").await;
    let from = put(registry, "/w/a", "1").await;
    delete(registry, "/w/early").await;
    let mut watch = registry.watch("/w/", WatchStart::at(from));
    let first = next(&mut watch).await;
    assert_eq!(
        (brief(&first), first.revision, first.resynchronised),
        (vec!["+/w/a=1".to_owned()], from, false)
    );
    assert_eq!(brief(&next(&mut watch).await), ["-/w/early"]);
    let live = put(registry, "/w/b", "2").await;
    let third = next(&mut watch).await;
    assert_eq!((brief(&third), third.revision), (vec!["+/w/b=2".to_owned()], live));
}

pub(crate) async fn a_watch_delivers_each_revision_whole(fixture: &Fixture) {
    let registry = fixture.registry.as_ref();
    let puts = (0..100).fold(Transaction::new(), |transaction, n| transaction.put(format!("/w/{n:03}"), "v"));
    let first = registry.commit(puts).await.expect("puts").revision;
    let mut watch = registry.watch("/w/", WatchStart::at(first));
    let second = registry.commit(Transaction::new().delete_prefix("/w/")).await.expect("a deletion").revision;
    for revision in [first, second] {
        let batch = next(&mut watch).await;
        assert_eq!((batch.revision, batch.events.len()), (revision, 100));
    }
}

pub(crate) async fn a_watch_after_compaction_delivers_the_difference(fixture: &Fixture) {
    let registry = fixture.registry.as_ref();
    for key in ["/w/deleted", "/w/changed", "/w/same", "/w/recreated"] {
        put(registry, key, "1").await;
    }
    let listing = list_all(registry, "/w/").await.expect("a list");
    delete(registry, "/w/deleted").await;
    put(registry, "/w/changed", "2").await;
    put(registry, "/w/new", "1").await;
    put(registry, "/w/passing", "1").await;
    delete(registry, "/w/passing").await;
    delete(registry, "/w/recreated").await;
    let latest = put(registry, "/w/recreated", "2").await;
    registry.compact(latest).await.expect("it exists");
    registry.compact(latest).await.expect("compacting twice is fine");
    let mut watch = registry.watch("/w/", listing.watch_start());
    let batch = next(&mut watch).await;
    assert!(batch.resynchronised && batch.revision >= latest);
    assert_eq!(brief(&batch), ["+/w/changed=2", "+/w/new=1", "+/w/recreated=2", "-/w/deleted"]);
    put(registry, "/w/live", "1").await;
    let live = next(&mut watch).await;
    assert_eq!((brief(&live), live.resynchronised), (vec!["+/w/live=1".to_owned()], false));
}

pub(crate) async fn a_watch_that_knows_nothing_gets_everything_after_compaction(fixture: &Fixture) {
    let registry = fixture.registry.as_ref();
    let first = put(registry, "/w/a", "1").await;
    put(registry, "/w/b", "1").await;
    registry.compact(delete(registry, "/w/a").await).await.expect("it exists");
    let mut watch = registry.watch("/w/", WatchStart::at(first));
    assert_eq!(brief(&next(&mut watch).await), ["+/w/b=1"]);
}

pub(crate) async fn a_listing_and_its_watch_give_the_whole_truth(fixture: &Fixture) {
    let registry = fixture.registry.as_ref();
    put(registry, "/w/a", "1").await;
    let listing = list_all(registry, "/w/").await.expect("a list");
    let mut image: BTreeMap<_, _> =
        listing.entries.iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect();
    let mut watch = registry.watch("/w/", listing.watch_start());
    for round in 0..20 {
        put(registry, &format!("/w/{}", round % 7), &round.to_string()).await;
        if round % 3 == 0 {
            delete(registry, &format!("/w/{}", (round + 2) % 7)).await;
        }
    }
    let end = put(registry, "/w/end", "").await;
    loop {
        let batch = next(&mut watch).await;
        for event in &batch.events {
            match event {
                WatchEvent::Put(entry) => image.insert(entry.key.clone(), entry.value.clone()),
                WatchEvent::Delete { key, .. } => image.remove(key),
            };
        }
        if batch.revision >= end {
            break;
        }
    }
    let entries = list_all(registry, "/w/").await.expect("a list").entries;
    let truth: BTreeMap<_, _> = entries.into_iter().map(|entry| (entry.key, entry.value)).collect();
    assert_eq!(image, truth);
}

pub(crate) async fn a_watch_sees_nothing_outside_its_prefix(fixture: &Fixture) {
    let registry = fixture.registry.as_ref();
    let first = put(registry, "/v/x", "1").await;
    let mut watch = registry.watch("/w/", WatchStart::at(first));
    put(registry, "/w0", "1").await;
    put(registry, "/w", "1").await;
    registry.commit(Transaction::new().put("/v/y", "1").put("/w/a", "1")).await.expect("puts");
    assert_eq!(brief(&next(&mut watch).await), ["+/w/a=1"]);
}

pub(crate) async fn a_watch_ends_when_its_registry_is_closed(fixture: &Fixture) {
    let registry = fixture.registry.as_ref();
    let revision = put(registry, "/w/a", "1").await;
    let mut watch = registry.watch("/w/", WatchStart::at(revision));
    assert_eq!(brief(&next(&mut watch).await), ["+/w/a=1"]);
    let ending = async {
        let last = watch.next().await;
        assert!(matches!(last, Some(Err(RegistryError::Closed { .. }))), "{last:?}");
        assert!(watch.next().await.is_none());
    };
    let both = async { tokio::join!(ending, registry.close()).1 };
    tokio::time::timeout(PATIENCE, both).await.expect("it ends in time").expect("it closes");
}
