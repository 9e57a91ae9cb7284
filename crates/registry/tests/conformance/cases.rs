//! Transactions, lists, leases, terms.

use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use mobula_registry::{
    Condition, Entry, EntryRevisions, ListPage, MAX_OPERATIONS, MAX_TRANSACTION_BYTES, Registry,
    RegistryError, Revision, Transaction, WatchStart, head_term, incarnation, list_all, raise_incarnation,
};

use crate::fixture::{Fixture, PATIENCE, brief, next};

const TTL: Duration = Duration::from_secs(2);

pub(crate) async fn put(registry: &dyn Registry, key: &str, value: &str) -> Revision {
    registry.commit(Transaction::new().put(key, value.to_owned())).await.expect("a put").revision
}

pub(crate) async fn delete(registry: &dyn Registry, key: &str) -> Revision {
    registry.commit(Transaction::new().delete(key)).await.expect("a deletion").revision
}

async fn get(registry: &dyn Registry, key: &str) -> Option<Entry> {
    registry.get(key).await.expect("a read")
}

async fn keys(registry: &dyn Registry, prefix: &str) -> Vec<String> {
    let listing = list_all(registry, prefix).await.expect("a list");
    listing.entries.into_iter().map(|entry| entry.key).collect()
}

fn absent(key: &str) -> Condition {
    Condition::KeyAbsent(key.to_owned())
}

pub(crate) async fn conditions_are_compared_and_the_failed_one_is_named(fixture: &Fixture) {
    let registry = fixture.registry.as_ref();
    let created =
        registry.commit(Transaction::new().when(absent("/k")).put("/k", "1")).await.expect("absent").revision;
    let changed = put(registry, "/k", "2").await;
    let found = Some(EntryRevisions { create_revision: created, mod_revision: changed });
    let since_creation = Condition::CreateRevision { key: "/k".to_owned(), create_revision: created };
    let as_created = Condition::ValueRevision { key: "/k".to_owned(), mod_revision: created };
    let as_changed = Condition::ValueRevision { key: "/k".to_owned(), mod_revision: changed };
    for failed in [absent("/k"), as_created] {
        let transaction = Transaction::new().when(since_creation.clone()).when(failed.clone()).put("/k", "3");
        let refused = registry.commit(transaction).await;
        assert_eq!(refused, Err(RegistryError::Conflict { condition: failed, found }));
    }
    let never = Condition::CreateRevision { key: "/none".to_owned(), create_revision: created };
    let refused = registry.commit(Transaction::new().when(never.clone()).put("/k", "3")).await;
    assert_eq!(refused, Err(RegistryError::Conflict { condition: never, found: None }));
    let all_hold = Transaction::new().when(since_creation).when(as_changed).when(absent("/none"));
    let only_checked = registry.commit(all_hold.clone()).await.expect("all hold");
    assert_eq!(only_checked.revision, changed);
    assert_eq!(registry.commit(all_hold.put("/k", "3")).await.expect("all hold").revision, changed.next());
}

pub(crate) async fn a_transaction_is_applied_whole_or_not_at_all(fixture: &Fixture) {
    let registry = fixture.registry.as_ref();
    let before = put(registry, "/t/old", "0").await;
    let writes = Transaction::new().put("/t/a", "1").put("/t/b", "1").delete("/t/old");
    let refused = registry.commit(writes.clone().when(absent("/t/old"))).await;
    assert!(matches!(refused, Err(RegistryError::Conflict { .. })), "{refused:?}");
    assert_eq!(keys(registry, "/t/").await, ["/t/old"]);
    let committed = registry.commit(writes).await.expect("no condition").revision;
    assert_eq!(committed, before.next());
    let listing = list_all(registry, "/t/").await.expect("a list");
    assert_eq!(listing.entries.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(), ["/t/a", "/t/b"]);
    assert!(listing.entries.iter().all(|entry| entry.mod_revision == committed));
}

pub(crate) async fn two_writers_never_both_win(fixture: &Fixture) {
    let registry = fixture.registry.as_ref();
    for round in 0..10 {
        let key = format!("/race/{round}");
        let attempt = |writer: usize| {
            let transaction = Transaction::new().when(absent(&key)).put(key.clone(), writer.to_string());
            registry.commit(transaction)
        };
        let outcomes = join_all((0..8).map(attempt)).await;
        let winners: Vec<_> = (0..8).filter(|writer| outcomes[*writer].is_ok()).collect();
        assert_eq!(winners.len(), 1, "{outcomes:?}");
        let entry = get(registry, &key).await.expect("the winner's value");
        assert_eq!(entry.value, winners[0].to_string());
    }
}

pub(crate) async fn a_counter_loses_no_increment(fixture: &Fixture) {
    let registry = fixture.registry.as_ref();
    put(registry, "/counter", "0").await;
    let increment_five_times = || async {
        let mut done = 0;
        while done < 5 {
            let entry = get(registry, "/counter").await.expect("it exists");
            let count: u32 = String::from_utf8_lossy(&entry.value).parse().expect("a number");
            let unchanged =
                Condition::ValueRevision { key: entry.key.clone(), mod_revision: entry.mod_revision };
            let write = Transaction::new().when(unchanged).put("/counter", (count + 1).to_string());
            match registry.commit(write).await {
                Ok(_) => done += 1,
                Err(RegistryError::Conflict { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    };
    join_all((0..6).map(|_| increment_five_times())).await;
    assert_eq!(get(registry, "/counter").await.expect("it exists").value, "30");
}

pub(crate) async fn revisions_tell_creation_from_change(fixture: &Fixture) {
    let registry = fixture.registry.as_ref();
    let created = put(registry, "/k", "1").await;
    let changed = put(registry, "/k", "2").await;
    let entry = get(registry, "/k").await.expect("it exists");
    assert_eq!((entry.create_revision, entry.mod_revision, entry.lease), (created, changed, None));
    delete(registry, "/k").await;
    assert_eq!(get(registry, "/k").await, None);
    let created_again = put(registry, "/k", "3").await;
    assert!(created_again > changed.next());
    assert_eq!(get(registry, "/k").await.expect("it exists").create_revision, created_again);
}

pub(crate) async fn lists_come_in_pages(fixture: &Fixture) {
    let registry = fixture.registry.as_ref();
    put(registry, "/lis", "before").await;
    put(registry, "/list0", "after").await;
    let puts = (0..7).fold(Transaction::new(), |transaction, n| transaction.put(format!("/list/{n}"), "v"));
    let revision = registry.commit(puts).await.expect("seven puts").revision;
    let mut read = Vec::new();
    let mut start_after = None;
    for (count, more) in [(3, true), (3, true), (1, false)] {
        let page = registry.list("/list/", ListPage { start_after, limit: 3 }).await.expect("a page");
        assert_eq!((page.entries.len(), page.more, page.revision), (count, more, revision));
        read.extend(page.entries.into_iter().map(|entry| entry.key));
        start_after = read.last().cloned();
    }
    assert_eq!(read, (0..7).map(|n| format!("/list/{n}")).collect::<Vec<_>>());
    let beyond = ListPage { start_after: Some("/list/9".to_owned()), limit: 3 };
    assert_eq!(registry.list("/list/", beyond).await.expect("an empty page").entries, []);
    let early = ListPage { start_after: Some("/a".to_owned()), limit: 1 };
    assert_eq!(registry.list("/list/", early).await.expect("a page").entries[0].key, "/list/0");
}

pub(crate) async fn a_prefix_is_deleted_and_nothing_beside_it(fixture: &Fixture) {
    let registry = fixture.registry.as_ref();
    let puts =
        Transaction::new().put("/p/1", "").put("/p/2", "").put("/p", "").put("/p0", "").put("/p/2/3", "");
    registry.commit(puts).await.expect("puts");
    registry.commit(Transaction::new().delete_prefix("/p/").put("/q", "")).await.expect("a deletion");
    assert_eq!(keys(registry, "/").await, ["/p", "/p0", "/q"]);
}

pub(crate) async fn limits_are_the_same_everywhere(fixture: &Fixture) {
    let registry = fixture.registry.as_ref();
    let puts = |count: usize| (0..count).fold(Transaction::new(), |t, n| t.put(format!("/k/{n}"), "v"));
    registry.commit(puts(MAX_OPERATIONS)).await.expect("as many as are allowed");
    let refused = registry.commit(puts(MAX_OPERATIONS + 1)).await;
    assert!(matches!(refused, Err(RegistryError::TooLarge { .. })), "{refused:?}");
    let conditions =
        |count: usize| (0..count).fold(Transaction::new(), |t, n| t.when(absent(&format!("/none/{n}"))));
    registry.commit(conditions(MAX_OPERATIONS).put("/c", "v")).await.expect("as many as are allowed");
    let bytes = |count: usize| Transaction::new().put("/k", vec![7; count - 2]);
    registry.commit(bytes(MAX_TRANSACTION_BYTES)).await.expect("as large as is allowed");
    let value = get(registry, "/k").await.expect("it exists").value;
    assert!(value.len() == MAX_TRANSACTION_BYTES - 2 && value.iter().all(|byte| *byte == 7));
    let refused = registry.commit(bytes(MAX_TRANSACTION_BYTES + 1)).await;
    assert!(matches!(refused, Err(RegistryError::TooLarge { .. })), "{refused:?}");
}

pub(crate) async fn what_makes_no_sense_is_refused(fixture: &Fixture) {
    let registry = fixture.registry.as_ref();
    let invalid =
        |error: RegistryError| assert!(matches!(error, RegistryError::InvalidRequest { .. }), "{error:?}");
    invalid(registry.get("").await.expect_err("an empty key"));
    invalid(registry.list("", ListPage::default()).await.expect_err("an empty prefix"));
    invalid(registry.commit(Transaction::new().put("", "v")).await.expect_err("an empty key"));
    invalid(
        registry.commit(Transaction::new().put("/k", "v").delete("/k")).await.expect_err("touched twice"),
    );
    invalid(registry.grant_lease(Duration::ZERO).await.expect_err("no length"));
    invalid(registry.compact(Revision::new(1_000_000)).await.expect_err("the future"));
    let item = registry.watch("", WatchStart::default()).next().await;
    invalid(item.expect("an item").expect_err("an empty prefix"));
}

pub(crate) async fn a_lost_lease_takes_its_keys_with_it(fixture: &Fixture) {
    let registry = fixture.registry.as_ref();
    let lease = registry.grant_lease(TTL).await.expect("a lease");
    assert!(lease.ttl >= TTL);
    let puts = Transaction::new().put_leased("/l/1", "v", lease.id).put_leased("/l/2", "v", lease.id);
    let revision = registry.commit(puts.put("/l/kept", "v")).await.expect("a living lease").revision;
    assert_eq!(get(registry, "/l/1").await.expect("it exists").lease, Some(lease.id));
    let mut watch = registry.watch("/l/", WatchStart::at(revision.next()));
    fixture.let_pass(&lease);
    let mut gone = Vec::new();
    while gone.len() < 2 {
        gone.extend(brief(&next(&mut watch).await));
    }
    gone.sort();
    assert_eq!(gone, ["-/l/1", "-/l/2"]);
    assert_eq!(keys(registry, "/l/").await, ["/l/kept"]);
    assert_lease_is_gone(registry, &lease).await;
}

pub(crate) async fn a_revoked_lease_takes_its_keys_with_it(fixture: &Fixture) {
    let registry = fixture.registry.as_ref();
    let lease = registry.grant_lease(TTL * 5).await.expect("a lease");
    let put = Transaction::new().put_leased("/l/1", "v", lease.id);
    let revision = registry.commit(put).await.expect("a living lease").revision;
    let mut watch = registry.watch("/l/", WatchStart::at(revision.next()));
    registry.revoke_lease(lease.id).await.expect("it lives");
    assert_eq!(brief(&next(&mut watch).await), ["-/l/1"]);
    assert_lease_is_gone(registry, &lease).await;
}

async fn assert_lease_is_gone(registry: &dyn Registry, lease: &mobula_registry::Lease) {
    let gone = RegistryError::LeaseNotFound { lease: lease.id };
    assert_eq!(registry.renew_lease(lease.id).await, Err(gone.clone()));
    assert_eq!(registry.lease_time_left(lease.id).await, Err(gone.clone()));
    assert_eq!(registry.revoke_lease(lease.id).await, Err(gone.clone()));
    let put = registry.commit(Transaction::new().put_leased("/l/late", "v", lease.id)).await;
    assert_eq!(put, Err(gone));
    assert_eq!(get(registry, "/l/late").await, None);
}

pub(crate) async fn a_lease_is_renewed_to_its_full_length(fixture: &Fixture) {
    let registry = fixture.registry.as_ref();
    let lease = registry.grant_lease(TTL).await.expect("a lease");
    registry.commit(Transaction::new().put_leased("/l", "v", lease.id)).await.expect("a living lease");
    assert!(registry.lease_time_left(lease.id).await.expect("it lives") <= lease.ttl);
    for _ in 0..3 {
        assert_eq!(registry.renew_lease(lease.id).await, Ok(lease.ttl));
        if !fixture.let_pass_a_part(lease.ttl * 2 / 3) {
            // etcd's time passes by itself; that it gives the full length is all there is to see.
            continue;
        }
        assert_eq!(registry.lease_time_left(lease.id).await, Ok(lease.ttl - lease.ttl * 2 / 3));
        assert!(get(registry, "/l").await.is_some());
    }
}

pub(crate) async fn a_key_put_without_its_lease_outlives_it(fixture: &Fixture) {
    let registry = fixture.registry.as_ref();
    let (one, two) = (
        registry.grant_lease(TTL).await.expect("a lease"),
        registry.grant_lease(TTL).await.expect("a lease"),
    );
    assert_ne!(one.id, two.id);
    let puts = Transaction::new().put_leased("/a", "1", one.id).put_leased("/b", "1", one.id);
    registry.commit(puts).await.expect("a living lease");
    let moved = Transaction::new().put("/a", "2").put_leased("/b", "2", two.id);
    registry.commit(moved).await.expect("a living lease");
    registry.revoke_lease(one.id).await.expect("it lives");
    assert_eq!(keys(registry, "/").await, ["/a", "/b"]);
    registry.revoke_lease(two.id).await.expect("it lives");
    assert_eq!(keys(registry, "/").await, ["/a"]);
}

pub(crate) async fn terms_grow(fixture: &Fixture) {
    let registry = fixture.registry.as_ref();
    let mut last = None;
    for _ in 0..3 {
        registry
            .commit(Transaction::new().when(absent("/leader")).put("/leader", "me"))
            .await
            .expect("absent");
        let leader = get(registry, "/leader").await.expect("it exists");
        let term = head_term(registry, "/incarnation", &leader).await.expect("a term");
        assert_eq!(term.incarnation, 1);
        assert!(Some(term) > last, "{term} after {last:?}");
        last = Some(term);
        delete(registry, "/leader").await;
    }
}

pub(crate) async fn the_incarnation_is_raised_above_what_was_seen(fixture: &Fixture) {
    let registry = fixture.registry.as_ref();
    let create_revision = put(registry, "/leader", "me").await;
    let leading = || Condition::CreateRevision { key: "/leader".to_owned(), create_revision };
    assert_eq!(incarnation(registry, "/incarnation").await, Ok(1));
    assert_eq!(raise_incarnation(registry, "/incarnation", 0, leading()).await, Ok(1));
    assert_eq!(raise_incarnation(registry, "/incarnation", 6, leading()).await, Ok(7));
    assert_eq!(raise_incarnation(registry, "/incarnation", 6, leading()).await, Ok(7));
    delete(registry, "/leader").await;
    let deposed = raise_incarnation(registry, "/incarnation", 7, leading()).await;
    assert!(matches!(deposed, Err(RegistryError::Conflict { .. })), "{deposed:?}");
    assert_eq!(incarnation(registry, "/incarnation").await, Ok(7));
    put(registry, "/incarnation", "many").await;
    let unreadable = incarnation(registry, "/incarnation").await;
    assert!(matches!(unreadable, Err(RegistryError::Corrupt { .. })), "{unreadable:?}");
}

pub(crate) async fn a_closed_registry_says_so(fixture: &Fixture) {
    let registry = fixture.registry.as_ref();
    put(registry, "/k", "v").await;
    tokio::time::timeout(PATIENCE, registry.close()).await.expect("it closes in time").expect("it closes");
    registry.close().await.expect("closing twice is fine");
    let closed = |error: RegistryError| assert!(matches!(error, RegistryError::Closed { .. }), "{error:?}");
    closed(registry.get("/k").await.expect_err("closed"));
    closed(registry.commit(Transaction::new().put("/k", "v")).await.expect_err("closed"));
    closed(registry.grant_lease(TTL).await.expect_err("closed"));
    closed(registry.status().await.expect_err("closed"));
}

pub(crate) async fn compacting_keeps_what_is_there_and_the_history_after_it(fixture: &Fixture) {
    let registry = fixture.registry.as_ref();
    put(registry, "/m/kept", "1").await;
    for round in 0..20 {
        put(registry, "/m/changed", &round.to_string()).await;
    }
    let upto = delete(registry, "/m/changed").await;
    let later = put(registry, "/m/changed", "later").await;
    put(registry, "/m/last", "1").await;
    let before = list_all(registry, "/m/").await.expect("a list");
    registry.compact(upto).await.expect("it exists");
    assert_eq!(list_all(registry, "/m/").await.expect("a list"), before);
    let mut watch = registry.watch("/m/", WatchStart::at(later));
    let batch = next(&mut watch).await;
    assert_eq!((brief(&batch), batch.resynchronised), (vec!["+/m/changed=later".to_owned()], false));
    let status = registry.status().await.expect("a status");
    assert_eq!((status.revision, status.no_space), (before.revision, false));
    assert!(status.used_bytes <= status.size_bytes, "{status:?}");
    let refused = registry.compact(before.revision.next()).await;
    assert!(matches!(refused, Err(RegistryError::InvalidRequest { .. })), "{refused:?}");
}

pub(crate) async fn defragmenting_changes_nothing(fixture: &Fixture) {
    let registry = fixture.registry.as_ref();
    let revision = put(registry, "/k", "v").await;
    registry.defragment().await.expect("there is nothing against it");
    let status = registry.status().await.expect("a status");
    assert_eq!((status.revision, status.no_space), (revision, false));
    assert_eq!(keys(registry, "/").await, ["/k"]);
    assert_eq!(put(registry, "/k", "w").await, revision.next());
}
