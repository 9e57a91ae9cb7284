//! How actors come to be, are found, and how long they live.

use crate::tally::TallyHandle;
use mobula::{ActorHandle, ErrorKind, Result};
use serde_json::{Value, json};
use std::time::Duration;

pub(crate) async fn counts(node: Option<&str>) -> Result<Value> {
    let mut creation = TallyHandle::new(40);
    if let Some(node) = node {
        creation = creation.on_node(node, false);
    }
    let tally = creation.spawn().await?;
    tally.add(1).await?;
    let later = tally.add(1).submit();
    assert_eq!(later.await?, 42);
    Ok(tally.read().await?.into())
}

#[mobula::remote]
fn numbers(count: u64) -> Result<u64, String> {
    Err(format!("no {count} numbers"))
}

/// Calls wait for an actor that is being created. Where none comes of it, they fail with the reason.
pub(crate) async fn started() -> Result<Value> {
    let total = TallyHandle::new(40).start().add(2).await?;
    let failing = TallyHandle::failing().start().read().await.unwrap_err();
    let without_arguments = TallyHandle::new(numbers::remote(3).submit()).start().read().await.unwrap_err();
    Ok(json!([total, format!("{failing:?}"), format!("{without_arguments:?}")]))
}

/// One constructor that never returns, and one whose `on_start` does not: the next actor starts nevertheless.
pub(crate) async fn never_starts() -> Result<Value> {
    let limit = Duration::from_millis(300);
    let waits = TallyHandle::waiting().start_timeout(limit).spawn().await.unwrap_err();
    let blocks = TallyHandle::blocking().start_timeout(limit).spawn().await.unwrap_err();
    let kinds = [waits, blocks].map(|error| format!("{:?}: {:?}", error.kind(), error.root_cause().kind()));
    Ok(json!([kinds, TallyHandle::new(4).spawn().await?.read().await?]))
}

pub(crate) async fn constructor() -> Result<Value> {
    let failed = TallyHandle::failing().spawn().await.unwrap_err();
    let panicked = TallyHandle::panicking().spawn().await.unwrap_err();
    Ok(json!([format!("{failed:?}"), format!("{panicked:?}")]))
}

pub(crate) async fn names() -> Result<Value> {
    let tally = TallyHandle::new(1).named("only").spawn().await?;
    let taken = TallyHandle::new(2).named("only").spawn().await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists, "{taken:?}");
    // Another namespace is another name.
    let other = TallyHandle::new(3).named("only").namespace("apart").spawn().await?;
    assert_ne!(other, tally);
    assert_eq!(TallyHandle::get_in("apart", "only").await?, other);
    let found = TallyHandle::new(4).named("only").get_or_create().spawn().await?;
    assert_eq!((found.id(), found.read().await?), (tally.id(), 1));
    tally.stop().await?;
    // The name is free again.
    let next = TallyHandle::new(5).named("only").spawn().await?;
    let unknown = TallyHandle::get("nobody").await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound, "{unknown:?}");
    Ok(next.read().await?.into())
}

/// An actor without a name ends with its last handle; one with a name does not.
pub(crate) async fn lifetime() -> Result<Value> {
    let heir = TallyHandle::new(0).spawn().await?;
    let mortal = TallyHandle::with_heir(heir.clone()).spawn().await?;
    let monitor = mortal.monitor().await?;
    let named = TallyHandle::new(6).named("stays").spawn().await?;
    let held_by_a_value = TallyHandle::new(7).spawn().await?;
    let kept = mobula::put(held_by_a_value.clone()).await?;
    let id = held_by_a_value.id();
    drop((mortal, named, held_by_a_value));
    let down = monitor.await?;
    let found = TallyHandle::get("stays").await?.read().await?;
    let inside: TallyHandle = kept.await?;
    assert_eq!(inside.id(), id);
    Ok(json!({ "mortal": format!("{:?}", down.reason.kind()), "named": found, "held": inside.read().await? }))
}

/// What outlives the driver.
pub(crate) async fn leaves() -> Result<Value> {
    let detached = TallyHandle::new(8).named("detached").detached().spawn().await?;
    let of_job = TallyHandle::new(9).named("of the job").spawn().await?;
    Ok(json!([detached.read().await?, of_job.read().await?]))
}

#[mobula::remote]
async fn read_there(tally: TallyHandle) -> Result<u64> {
    tally.add(1).await?;
    tally.read().await
}

pub(crate) async fn handle() -> Result<Value> {
    let tally = TallyHandle::new(10).spawn().await?;
    let other = TallyHandle::new(20).spawn().await?;
    assert_eq!(tally, tally.clone());
    assert_ne!(tally, other);
    let in_a_task = read_there::remote(tally.clone()).submit().await?;
    let in_an_actor = other.ask(tally.clone()).await?;
    let itself = tally.me().await?;
    assert_eq!(itself, tally);
    Ok(json!([in_a_task, in_an_actor]))
}

pub(crate) async fn batch(count: u64) -> Result<Value> {
    let tallies = TallyHandle::spawn_many((0..count).map(TallyHandle::new)).await?;
    let mut sum = 0;
    let reads: Vec<_> = tallies.iter().map(|tally| tally.read().submit()).collect();
    for read in reads {
        sum += read.await?;
    }
    tokio::time::timeout(Duration::from_secs(5), tallies[0].stop()).await.expect("it stops")?;
    Ok(sum.into())
}
