//! Actors while no head leads.

use crate::member::{MemberHandle, act, run_as, until};
use mobula::prelude::*;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// Running actors go on; an exit waits until a head leads again. The line has the head go away and come back.
pub(crate) async fn head_away(line: &str) -> mobula::Result<Value> {
    let tree = Supervisor::one_for_one("tree")
        .placement(Placement::Spread)
        .children((0..3_u32).map(|number| (format!("{number}"), MemberHandle::quiet(number))))
        .start()
        .await?;
    let mut members = Vec::new();
    for number in 0..3 {
        members.push(tree.child::<MemberHandle>(number.to_string()).await?);
    }
    let monitor = ActorHandle::monitor(&members[1]).await?;
    for member in &members {
        member.epoch().await?;
    }
    let mut acting = act(line);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let began = Instant::now();
    let _died = members[1].panic().await;
    let waiting = members[1].epoch().submit();
    let mut slowest = Duration::ZERO;
    for _ in 0..10 {
        for member in [&members[0], &members[2]] {
            let call = Instant::now();
            member.epoch().await?;
            slowest = slowest.max(call.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let answered_while_away = !acting.is_over();
    let epoch = waiting.await?;
    let waited = began.elapsed();
    let down = monitor.await?;
    until(&tree, "it was started again", run_as(&[1, 2, 1])).await?;
    let _status = acting.wait();
    Ok(json!({
        "slowest_millis": slowest.as_millis() as u64,
        "away": answered_while_away,
        "epoch": epoch,
        "waited": waited >= Duration::from_secs(2),
        "down": format!("{:?}", down.reason.kind()),
    }))
}
