//! How calls reach actors, and what becomes of them when those die.

use crate::faults::mark;
use crate::tally::TallyHandle;
use mobula::{ActorHandle, ErrorKind, Result};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

pub(crate) async fn order(count: u64) -> Result<Value> {
    let tally = TallyHandle::new(0).spawn().await?;
    // Every third has an argument that is not there yet: the later ones wait for it.
    for by in 0..count {
        match by % 3 {
            0 => tally.add(later(by)).cast(),
            1 => drop(tally.add(by).submit()),
            _ => tally.add(by).cast(),
        }
    }
    let seen = tally.seen().await?;
    Ok((seen == (0..count).collect::<Vec<_>>()).into())
}

#[mobula::remote]
fn same(value: u64) -> u64 {
    value
}

fn later(value: u64) -> mobula::ObjectRef<u64> {
    same::remote(value).submit()
}

pub(crate) async fn call_and_cast() -> Result<Value> {
    let tally = TallyHandle::new(0).spawn().await?;
    tally.refuse("cast").cast();
    let refused = tally.refuse("call").await.unwrap_err();
    tally.add(3).cast();
    Ok(json!({ "refused": refused.to_string(), "total": tally.read().await? }))
}

/// A call that may have started when its actor died has failed; those behind it say that they did not start.
pub(crate) async fn default_delivery() -> Result<Value> {
    let tally = TallyHandle::new(0).spawn().await?;
    let first = tally.die().submit();
    let second = tally.add(1).submit();
    let first = first.await.unwrap_err();
    let second = second.await.unwrap_err();
    assert_eq!(second.kind(), ErrorKind::ActorDied, "{second:?}");
    let late = tally.read().await.unwrap_err();
    let may_have_run = |error: &mobula::Error| error.may_have_run();
    Ok(json!({
        "first": [format!("{:?}", first.kind()), may_have_run(&first)],
        "late": [format!("{:?}", late.kind()), may_have_run(&late)],
    }))
}

/// A call that fails in a way that its caller wants to be tried again for.
pub(crate) async fn retries() -> Result<Value> {
    let tally = TallyHandle::new(0).spawn().await?;
    let error = tally.die().max_task_retries(2).await.unwrap_err();
    Ok(format!("{:?}", error.kind()).into())
}

pub(crate) async fn mailbox() -> Result<Value> {
    let tally = TallyHandle::new(0).max_pending_calls(10).spawn().await?;
    let slow = tally.add_slowly(1, 300).submit();
    let calls: Vec<_> = (0..100).map(|_| tally.add(1).submit()).collect();
    let mut full = 0;
    for call in calls {
        match call.await {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::MailboxFull => full += 1,
            Err(error) => return Err(error),
        }
    }
    slow.await?;
    Ok(json!({ "some were full": full > 0, "the rest ran": tally.read().await? == 101 - full }))
}

/// Floods an actor until `FILE.stop` is there. `FILE` is there once it is flooded. Tells whether what was made is there.
pub(crate) async fn flood(name: &str, file: &str) -> Result<Value> {
    let tally = TallyHandle::new(0).named(name).detached().spawn().await?;
    let (mut made, stop) = (0, format!("{file}.stop"));
    while !Path::new(&stop).exists() {
        for _ in 0..1000 {
            drop(tally.add(1).submit_wait().await);
        }
        made += 1000;
        // More than its caller may have on the way: each further call waits for room.
        if made == 20_000 {
            mark(file, "");
        }
    }
    Ok((tally.read().await? >= made).into())
}

/// Calls an actor of somebody else's so often, and waits for each answer.
pub(crate) async fn call_flooded(name: &str, count: u64) -> Result<Value> {
    let tally = TallyHandle::get(name).await?;
    for _ in 0..count {
        tally.read().await?;
    }
    Ok(count.into())
}

pub(crate) async fn long_dead() -> Result<Value> {
    let tally = TallyHandle::new(0).spawn().await?;
    tally.kill().await?;
    // A second one is no error.
    tally.kill().await?;
    tally.stop().await?;
    let error =
        tokio::time::timeout(Duration::from_secs(5), tally.read()).await.expect("an answer").unwrap_err();
    Ok(format!("{error}").into())
}
