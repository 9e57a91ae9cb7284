//! What supervisors do when a child exits.

use crate::member::{LedgerHandle, MemberHandle, actors, ledger, run_as, until};
use mobula::prelude::*;
use mobula::{ActorState, ExitKind};
use serde_json::{Value, json};

fn three(supervisor: Supervisor) -> Supervisor {
    supervisor
        .placement(Placement::Spread)
        .children((0..3).map(|number| (format!("{number}"), MemberHandle::quiet(number))))
}

/// The epochs of three children on different nodes, after the one in the middle has panicked.
pub(crate) async fn strategies() -> mobula::Result<Value> {
    let trees = [
        (three(Supervisor::one_for_one("one")), [1, 2, 1]),
        (three(Supervisor::one_for_all("all")), [2, 2, 2]),
        (three(Supervisor::rest_for_one("rest")), [1, 2, 2]),
    ];
    let mut seen = Vec::new();
    for (tree, epochs) in trees {
        let tree = tree.start().await?;
        let middle: MemberHandle = tree.child("1").await?;
        let _died = middle.panic().await;
        let after = until(&tree, "it was started again", run_as(&epochs)).await?;
        seen.push(after.iter().map(|actor| actor.epoch.0).collect::<Vec<_>>());
        tree.stop().await?;
    }
    Ok(json!(seen))
}

/// Leaves two trees behind, of which one is to outlive the driver.
pub(crate) async fn leaves_trees() -> mobula::Result<Value> {
    let of = |name: &str| {
        let child = MemberHandle::quiet(1).named(format!("of the {name}"));
        Supervisor::one_for_one(name).child("a", child)
    };
    of("kept").detached().start().await?;
    of("left").start().await?;
    Ok(Value::Null)
}

/// Children start in order, and stop in reverse.
pub(crate) async fn order() -> mobula::Result<Value> {
    let (ledger, _held) = ledger().await?;
    let child = |number: u32, ledger: &LedgerHandle| MemberHandle::new(number, ledger.clone());
    let below = Supervisor::one_for_one("below")
        .placement(Placement::Spread)
        .children((1..4).map(|number| (format!("{number}"), child(number, &ledger))));
    let tree = Supervisor::one_for_one("above")
        .child("0", child(0, &ledger))
        .supervisor(below)
        .child("4", child(4, &ledger))
        .start()
        .await?;
    tree.stop().await?;
    let numbers = |seen: Vec<(u32, u64)>| seen.into_iter().map(|(number, _)| number).collect::<Vec<_>>();
    Ok(json!([numbers(ledger.starts().await?), numbers(ledger.stops().await?)]))
}

/// Below is one restart too many: the supervisor above starts it anew.
pub(crate) async fn intensity() -> mobula::Result<Value> {
    let below = three(Supervisor::one_for_one("below").intensity(1, 60.secs()));
    let tree = Supervisor::one_for_one("above").intensity(1, 60.secs()).supervisor(below).start().await?;
    let below = tree.supervisor("below").await?;
    for epochs in [[2, 1, 1], [3, 2, 2]] {
        let first: MemberHandle = below.child("0").await?;
        let _died = first.panic().await;
        until(&tree, "they were started again", run_as(&epochs)).await?;
    }
    let last = tree.info().await?.last_exit;
    // Once more on both levels: the tree ends.
    for _ in 0..2 {
        if let Ok(first) = below.child::<MemberHandle>("0").await {
            let monitor = first.monitor().await?;
            let _died = first.panic().await;
            monitor.await?;
            let _ended = until(&tree, "they were started again", |all| {
                all.is_empty() || all.iter().all(|actor| actor.state == ActorState::Running)
            })
            .await;
        }
    }
    let ended = tree.info().await.err().map(|error| format!("{:?}", error.kind()));
    Ok(json!([last.contains("Panicked"), last.contains(&format!("{:?}", ExitKind::RestartIntensity)), ended]))
}

/// A tree with a child that does not start leaves nothing.
pub(crate) async fn failed_start() -> mobula::Result<Value> {
    let (ledger, _held) = ledger().await?;
    let tree = Supervisor::one_for_one("tree")
        .child("0", MemberHandle::new(0_u32, ledger.clone()))
        .child("1", MemberHandle::new(1_u32, ledger.clone()))
        .child("2", MemberHandle::failing());
    let failure = tree.start().await.expect_err("a constructor that fails");
    let gone = Supervisor::get("tree").await.is_err();
    let stops: Vec<u32> = ledger.stops().await?.into_iter().map(|(number, _)| number).collect();
    // The name is free.
    let again = three(Supervisor::one_for_one("tree")).start().await?;
    let count = actors(&again).await?.len();
    Ok(json!([
        format!("{:?}", failure.kind()),
        failure.to_string().contains("it cannot be"),
        gone,
        stops,
        count
    ]))
}
