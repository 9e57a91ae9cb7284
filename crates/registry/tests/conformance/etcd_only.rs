//! What only a registry on the network has to survive.

use mobula_registry::{
    EtcdOptions, EtcdRegistry, Registry, RegistryError, Transaction, WatchStart, list_all,
};
use rustix::process::Signal;
use std::time::Duration;

use crate::cases::{delete, put};
use crate::etcd_process::{EtcdProcess, dead_endpoint, impatient};
use crate::fixture::{PATIENCE, brief, next};

#[tokio::test]
async fn a_watch_survives_a_restart_of_etcd() {
    let mut etcd = EtcdProcess::start(&[]);
    let registry = etcd.connect().await;
    let first = put(&registry, "/w/a", "1").await;
    let mut watch = registry.watch("/w/", WatchStart::at(first));
    assert_eq!(brief(&next(&mut watch).await), ["+/w/a=1"]);
    etcd.kill();
    let away = registry.get("/w/a").await.expect_err("nobody is there");
    assert!(away.is_retryable() && away.to_string().contains(&etcd.url()), "{away}");
    // Nothing could be sent, so nothing is in doubt.
    let refused =
        registry.commit(Transaction::new().put("/w/never", "1")).await.expect_err("nobody is there");
    assert!(matches!(refused, RegistryError::Unavailable { .. }), "{refused:?}");
    etcd.start_again();
    let other = etcd.connect().await;
    put(&other, "/w/b", "2").await;
    assert_eq!(brief(&next(&mut watch).await), ["+/w/b=2"]);
    delete(&registry, "/w/a").await;
    assert_eq!(brief(&next(&mut watch).await), ["-/w/a"]);
}

#[tokio::test]
async fn a_watch_survives_a_restart_and_a_compaction() {
    let mut etcd = EtcdProcess::start(&[]);
    let registry = etcd.connect().await;
    put(&registry, "/w/a", "1").await;
    let listing = list_all(&registry, "/w/").await.expect("a list");
    let mut watch = registry.watch("/w/", listing.watch_start());
    put(&registry, "/w/b", "1").await;
    assert_eq!(brief(&next(&mut watch).await), ["+/w/b=1"]);
    etcd.kill();
    etcd.start_again();
    let other = etcd.connect().await;
    delete(&other, "/w/a").await;
    other.compact(put(&other, "/w/c", "1").await).await.expect("it exists");
    assert_eq!(brief(&next(&mut watch).await), ["+/w/c=1", "-/w/a"]);
}

#[tokio::test]
async fn a_dead_endpoint_is_passed_over() {
    let etcd = EtcdProcess::start(&[]);
    let endpoints = format!("{},{}", dead_endpoint(), etcd.url());
    let options = EtcdOptions::parse(&endpoints).expect("valid endpoints");
    let registry = EtcdRegistry::connect(options).await.expect("one of them serves");
    let revision = put(&registry, "/k", "1").await;
    let mut watch = registry.watch("/k", WatchStart::at(revision));
    assert_eq!(brief(&next(&mut watch).await), ["+/k=1"]);
}

#[tokio::test]
async fn endpoints_that_do_not_answer_are_named() {
    let (one, two) = (dead_endpoint(), dead_endpoint());
    let options = EtcdOptions::parse(&format!("{one},{two}")).expect("valid endpoints");
    let refused = EtcdRegistry::connect(options).await.expect_err("nobody is there");
    assert!(refused.is_retryable(), "{refused:?}");
    for endpoint in [one, two] {
        assert!(refused.to_string().contains(&format!("{endpoint}: ")), "{refused}");
    }
}

#[tokio::test]
async fn a_write_without_an_answer_has_an_unknown_outcome() {
    let etcd = EtcdProcess::start(&[]);
    let registry = EtcdRegistry::connect(impatient(&etcd.url())).await.expect("etcd serves");
    put(&registry, "/k", "1").await;
    etcd.signal(Signal::STOP);
    let unknown = registry.commit(Transaction::new().put("/k", "2")).await;
    let read = registry.get("/k").await;
    etcd.signal(Signal::CONT);
    assert!(
        matches!(&unknown, Err(RegistryError::OutcomeUnknown { target, .. }) if *target == etcd.url()),
        "{unknown:?}"
    );
    assert!(matches!(&read, Err(RegistryError::Unavailable { .. })), "{read:?}");
    // Read again, it is one or the other.
    let patient = etcd.connect().await;
    let value = patient.get("/k").await.expect("etcd answers").expect("it exists").value;
    assert!(value == "1" || value == "2", "{value:?}");
}

#[tokio::test]
async fn a_full_etcd_refuses_writes_until_there_is_room() {
    let etcd = EtcdProcess::start(&["--quota-backend-bytes", "4194304"]);
    let registry = etcd.connect().await;
    let mut written = 0;
    let refused = loop {
        match registry.commit(Transaction::new().put(format!("/k/{written}"), vec![1; 512 * 1024])).await {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, RegistryError::NoSpace { .. }), "{refused:?}");
    assert!(registry.status().await.expect("a status").no_space);
    assert_eq!(list_all(&registry, "/k/").await.expect("reads go on").entries.len(), written);
    let deleted =
        registry.commit(Transaction::new().delete_prefix("/k/")).await.expect("deleting needs no room");
    registry.compact(deleted.revision).await.expect("it exists");
    registry.defragment().await.expect("etcd serves");
    assert!(!registry.status().await.expect("a status").no_space);
    put(&registry, "/k/again", "1").await;
}

async fn leader_of(members: &[EtcdProcess; 3]) -> u64 {
    let url = members[0].url();
    let mut client = etcd_client::Client::connect([url], None).await.expect("a client");
    client.status().await.expect("a status").leader()
}

#[tokio::test]
async fn members_are_defragmented_one_after_the_other_and_none_while_it_leads() {
    let members = EtcdProcess::start_three();
    let endpoints: Vec<_> = members.iter().map(EtcdProcess::url).collect();
    let options = EtcdOptions::parse(&endpoints.join(",")).expect("valid endpoints");
    let registry = EtcdRegistry::connect(options).await.expect("etcd serves");
    for round in 0..20 {
        registry.commit(Transaction::new().put("/k", vec![round; 512 * 1024])).await.expect("there is room");
    }
    let latest = registry.status().await.expect("a status").revision;
    registry.compact(latest).await.expect("it exists");
    let (before, led) = (registry.status().await.expect("a status"), leader_of(&members).await);
    registry.defragment().await.expect("all serve");
    let after = registry.status().await.expect("a status");
    assert!(after.size_bytes < before.size_bytes / 2, "{before:?} {after:?}");
    assert!(after.used_bytes <= after.size_bytes, "{after:?}");
    assert_ne!(leader_of(&members).await, led, "the one that led was defragmented once another one did");
    assert_eq!(registry.get("/k").await.expect("a read").expect("it exists").value, vec![19; 512 * 1024]);
}

#[tokio::test]
async fn members_are_not_defragmented_while_one_is_away() {
    let mut members = EtcdProcess::start_three();
    let endpoints: Vec<_> = members.iter().map(EtcdProcess::url).collect();
    let options = EtcdOptions::parse(&endpoints.join(",")).expect("valid endpoints");
    let options = EtcdOptions { call_timeout: Duration::from_secs(3), ..options };
    let registry = EtcdRegistry::connect(options).await.expect("etcd serves");
    members[2].kill();
    // The others may have to elect a leader first.
    let put_off = async {
        loop {
            match registry.defragment().await {
                Err(error) if error.to_string().contains(&members[2].url()) => break error,
                other => assert!(other.is_err(), "{other:?}"),
            }
        }
    };
    let error = tokio::time::timeout(PATIENCE, put_off).await.expect("the one that is away is named");
    assert!(error.is_retryable(), "{error:?}");
}
