//! Actors while no head leads.

use crate::member::{MemberHandle, act, run_as, until};
use mobula::prelude::*;
use serde_json::{Value, json};

/// Running actors go on; an exit waits until a head leads again. The first line has the head go away, the second has it come
/// back.
pub(crate) async fn head_away(leave: &str, come_back: &str) -> mobula::Result<Value> {
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
    let left = act(leave).wait().is_ok_and(|status| status.success());
    let _died = members[1].panic().await;
    let waiting = members[1].epoch().submit();
    let mut answered = 0;
    for _ in 0..10 {
        for member in [&members[0], &members[2]] {
            answered += member.epoch().await?;
        }
    }
    let waited = !waiting.is_ready();
    let came_back = act(come_back).wait().is_ok_and(|status| status.success());
    let epoch = waiting.await?;
    let down = monitor.await?;
    until(&tree, "it was started again", run_as(&[1, 2, 1])).await?;
    Ok(json!({
        "answered": answered,
        "away": left && came_back,
        "epoch": epoch,
        "waited": waited,
        "down": format!("{:?}", down.reason.kind()),
    }))
}
