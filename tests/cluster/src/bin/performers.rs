//! A driver whose actors count, fail and find each other. `performers --cluster URL CASE [ARGUMENT…]` prints how the case
//! ended as one line of JSON: the value, or the kind of the error and its text.

use mobula::{ActorContext, ActorHandle, Cluster};
use std::time::Duration;

/// Counts, and remembers in which order it was told to.
#[derive(Debug, Default)]
struct Tally {
    total: u64,
    seen: Vec<u64>,
}

#[mobula::actor]
impl Tally {
    pub fn new(start: u64) -> Self {
        Tally { total: start, seen: Vec::new() }
    }

    pub fn failing() -> Result<Self, String> {
        Err("it cannot be".to_owned())
    }

    pub fn add(&mut self, by: u64) -> u64 {
        self.total += by;
        self.seen.push(by);
        self.total
    }

    pub fn read(&self) -> u64 {
        self.total
    }

    pub fn seen(&self) -> Vec<u64> {
        self.seen.clone()
    }

    pub fn node(&self) -> Option<u32> {
        Some(std::process::id())
    }

    pub fn panic(&mut self) {
        panic!("on purpose");
    }

    pub async fn add_slowly(&mut self, by: u64, millis: u64) -> u64 {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        self.add(by)
    }

    pub fn epoch(&self, context: &ActorContext) -> u64 {
        context.epoch().0
    }
}

fn main() {
    mobula::worker_entry();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let line = match runtime.block_on(run()) {
        Ok(value) => serde_json::json!({ "value": value }),
        Err(error) => {
            serde_json::json!({ "kind": format!("{:?}", error.kind()), "text": format!("{error:?}") })
        }
    };
    println!("{line}");
}

async fn run() -> mobula::Result<serde_json::Value> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let url = arguments.iter().skip_while(|argument| *argument != "--cluster").nth(1).cloned();
    let rest: Vec<String> = arguments.iter().skip(2).cloned().collect();
    let cluster = Cluster::connect(url.unwrap_or_default().as_str()).await?;
    let result = cluster.scope(perform(&rest)).await;
    cluster.close().await;
    result
}

async fn perform(arguments: &[String]) -> mobula::Result<serde_json::Value> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["counts"] => counts(None).await,
        ["counts", node] => counts(Some(node)).await,
        ["order", count] => order(count.parse().unwrap_or(1000)).await,
        ["fails"] => Ok(TallyHandle::failing().spawn().await?.read().await?.into()),
        ["panics"] => panics().await,
        ["rate", count] => rate(count.parse().unwrap_or(100_000)).await,
        ["creates", count] => creates(count.parse().unwrap_or(10_000)).await,
        _ => Ok(serde_json::Value::Null),
    }
}

async fn counts(node: Option<&str>) -> mobula::Result<serde_json::Value> {
    let mut creation = TallyHandle::new(40).named("tally");
    if let Some(node) = node {
        creation = creation.on_node(node, false);
    }
    let tally = creation.spawn().await?;
    tally.add(1).await?;
    let found = TallyHandle::get("tally").await?;
    assert_eq!(found, tally);
    let later = found.add(1).submit();
    assert_eq!(later.await?, 42);
    Ok(tally.read().await?.into())
}

async fn order(count: u64) -> mobula::Result<serde_json::Value> {
    let tally = TallyHandle::new(0).spawn().await?;
    for by in 0..count {
        tally.add(by).cast();
    }
    let seen = tally.seen().await?;
    Ok((seen == (0..count).collect::<Vec<_>>()).into())
}

async fn panics() -> mobula::Result<serde_json::Value> {
    let tally = TallyHandle::new(0).spawn().await?;
    let monitor = tally.monitor().await?;
    let first = tally.panic().await.unwrap_err();
    let down = monitor.await?;
    let second = tally.read().await.unwrap_err();
    let kinds = [first.kind(), second.kind()].map(|kind| format!("{kind:?}"));
    Ok(serde_json::json!({ "kinds": kinds, "down": format!("{:?}", down.reason.kind()) }))
}

async fn rate(count: u64) -> mobula::Result<serde_json::Value> {
    let tally = TallyHandle::new(0).spawn().await?;
    tally.read().await?;
    let start = std::time::Instant::now();
    for _ in 0..5_000 {
        tally.add(1).await?;
    }
    let sync = 5_000.0 / start.elapsed().as_secs_f64();
    let start = std::time::Instant::now();
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
    Ok(serde_json::json!({ "sync": sync, "async": pipelined }))
}

async fn creates(count: u64) -> mobula::Result<serde_json::Value> {
    let start = std::time::Instant::now();
    let tallies = TallyHandle::spawn_many((0..count).map(TallyHandle::new)).await?;
    let created = count as f64 / start.elapsed().as_secs_f64();
    let sum: u64 = tallies[count as usize - 1].read().await?;
    Ok(serde_json::json!({ "created": created, "last": sum }))
}
