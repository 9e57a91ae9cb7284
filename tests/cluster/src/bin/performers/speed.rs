//! How fast it goes, for people.

use crate::tally::TallyHandle;
use mobula::{ActorHandle, Result};
use serde_json::{Value, json};
use std::time::Instant;

pub(crate) async fn rate(count: u64) -> Result<Value> {
    let tally = TallyHandle::new(0).spawn().await?;
    tally.read().await?;
    let start = Instant::now();
    for _ in 0..5_000 {
        tally.add(1).await?;
    }
    let sync = 5_000.0 / start.elapsed().as_secs_f64();
    let start = Instant::now();
    let mut left = count;
    while left > 0 {
        let batch = left.min(1000);
        let calls: Vec<_> = (0..batch).map(|_| tally.add(1).submit()).collect();
        for call in calls {
            call.await?;
        }
        left -= batch;
    }
    let pipelined = count as f64 / start.elapsed().as_secs_f64();
    Ok(json!({ "sync": sync, "async": pipelined }))
}

pub(crate) async fn creates(count: u64) -> Result<Value> {
    let start = Instant::now();
    let tallies = TallyHandle::spawn_many((0..count).map(TallyHandle::new)).await?;
    let created = count as f64 / start.elapsed().as_secs_f64();
    let last = tallies[count as usize - 1].read().await?;
    Ok(json!({ "created": created, "last": last }))
}
