//! How actors end, and who hears of it.

use crate::tally::TallyHandle;
use mobula::{ActorHandle, Result};
use serde_json::{Value, json};
use std::time::Duration;

async fn first_note(heir: &TallyHandle) -> Result<String> {
    loop {
        if let Some(note) = heir.downs().await?.into_iter().next() {
            return Ok(note);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn hooks() -> Result<Value> {
    let heir = TallyHandle::new(0).spawn().await?;
    let tally = TallyHandle::with_heir(heir.clone()).spawn().await?;
    tally.leave().await?;
    Ok(first_note(&heir).await?.into())
}

/// What is queued is finished; what comes later is refused.
pub(crate) async fn stop() -> Result<Value> {
    let heir = TallyHandle::new(0).spawn().await?;
    let tally = TallyHandle::with_heir(heir.clone()).spawn().await?;
    let begun = TallyHandle::new(0).spawn().await?;
    let running = tally.add_noted(1, 100, begun.clone()).submit();
    let queued = tally.add(1).submit();
    first_note(&begun).await?;
    let monitor = tally.monitor().await?;
    tally.stop().await?;
    let late = tally.read().await.unwrap_err();
    let down = monitor.await?;
    let results = (running.await?, queued.await?);
    let kinds = (format!("{:?}", late.kind()), format!("{:?}", down.reason.kind()));
    Ok(json!([results, kinds, first_note(&heir).await?]))
}

pub(crate) async fn kill() -> Result<Value> {
    let tally = TallyHandle::new(0).spawn().await?;
    let running = tally.add_slowly(1, 60_000).submit();
    let queued = tally.add(1).submit();
    let monitor = tally.monitor().await?;
    tally.kill().await?;
    let ends = (running.await.unwrap_err().kind(), queued.await.unwrap_err().kind());
    let blocked = TallyHandle::new(0).spawn().await?;
    let blocking = blocked.block(4_000).submit();
    tokio::time::timeout(Duration::from_secs(4), blocked.kill()).await.expect("it is dead after 2 s")?;
    let blocking = blocking.await.map_or_else(|error| format!("{:?}", error.kind()), |_| "ran".into());
    Ok(json!([format!("{ends:?}"), format!("{:?}", monitor.await?.reason.kind()), blocking]))
}

/// A kill comes before everything that is queued.
pub(crate) async fn priorities() -> Result<Value> {
    let tally = TallyHandle::new(0).spawn().await?;
    let calls: Vec<_> = (0..100).map(|_| tally.add_slowly(1, 1_000).submit()).collect();
    tokio::time::timeout(Duration::from_secs(4), tally.kill()).await.expect("it does not wait for them")?;
    let mut ran = 0;
    for call in calls {
        ran += u64::from(call.await.is_ok());
    }
    Ok((ran < 4).into())
}

pub(crate) async fn exit_reasons() -> Result<Value> {
    let mut reasons = Vec::new();
    for case in 0..5 {
        let tally = TallyHandle::new(0).spawn().await?;
        let monitor = tally.monitor().await?;
        match case {
            0 => tally.leave().cast(),
            1 => tally.give_up().cast(),
            2 => tally.panic().cast(),
            3 => tally.kill().await?,
            _ => tally.stop().await?,
        }
        reasons.push(format!("{:?}", monitor.await?.reason.kind()));
    }
    let tally = TallyHandle::new(0).isolated(true).spawn().await?;
    let monitor = tally.monitor().await?;
    tally.die().cast();
    reasons.push(format!("{:?}", monitor.await?.reason.kind()));
    Ok(json!(reasons))
}

pub(crate) async fn links() -> Result<Value> {
    let (a, b, c) = (
        TallyHandle::new(0).spawn().await?,
        TallyHandle::new(0).spawn().await?,
        TallyHandle::new(0).spawn().await?,
    );
    a.link(b.clone(), false).await?;
    c.link(b.clone(), true).await?;
    let of_a = a.monitor().await?;
    b.panic().cast();
    let ended = of_a.await?.reason;
    // The one that traps exits hears of it.
    let heard = first_note(&c).await?;
    Ok(json!([format!("{:?}", ended.kind()), format!("{:?}", ended.root_cause().kind()), heard]))
}

pub(crate) async fn monitors() -> Result<Value> {
    let (watcher, watched) = (TallyHandle::new(0).spawn().await?, TallyHandle::new(0).spawn().await?);
    watcher.watch(watched.clone()).await?;
    watched.panic().cast();
    first_note(&watcher).await?;
    // One that is dead already: at once, with its last reason.
    let late = watched.monitor().await?.await?;
    watcher.watch(watched.clone()).await?;
    while watcher.downs().await?.len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(json!([watcher.downs().await?, format!("{:?}", late.reason.kind())]))
}
