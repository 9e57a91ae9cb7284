//! A tree of many actors over all nodes loses one of those, and is whole again.

use crate::member::{LedgerHandle, MemberHandle, act, ledger, until};
use mobula::prelude::*;
use mobula::{ActorInfo, ActorState};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// What somebody who calls all the time finds.
#[derive(Debug, Default)]
struct Findings {
    stop: AtomicBool,
    answered: AtomicU64,
    failed: AtomicU64,
    /// Answers of an incarnation older than one that has answered.
    fallen: AtomicU64,
}

/// Has a shell do something to a node and, where it is said, one more thing once the first member has started again.
pub(crate) async fn whole(count: u32, victim: &str, line: &str, then: Option<&str>) -> mobula::Result<Value> {
    let (ledger, _held) = ledger().await?;
    let id = |number: u32| format!("{number:05}");
    let began = Instant::now();
    let tree = Supervisor::rest_for_one("tree")
        .placement(Placement::Spread)
        .children((0..count).map(|number| (id(number), MemberHandle::new(number, ledger.clone()))))
        .start()
        .await?;
    let started = began.elapsed();
    let before = crate::member::actors(&tree).await?;
    let is_lost = |actor: &ActorInfo| crate::member::node_of(actor) == victim;
    let lost = before.iter().filter(|actor| is_lost(actor)).count();
    let first = before.iter().position(is_lost).unwrap_or(before.len());
    let lost_node = before.get(first).and_then(|actor| actor.node.clone());

    let mut members = Vec::new();
    for number in [0, count / 2, count - 1] {
        members.push(tree.child::<MemberHandle>(id(number)).await?);
    }
    let findings = Arc::new(Findings::default());
    let calling: Vec<_> =
        members.into_iter().map(|member| mobula::spawn(call(member, findings.clone()))).collect();

    let mut acting = act(line);
    let began = Instant::now();
    let then = then.map(|then| mobula::spawn(in_the_middle(ledger.clone(), count, then.to_owned())));
    let is_whole = |actors: &[ActorInfo]| {
        actors.len() == before.len()
            && actors.iter().enumerate().all(|(position, actor)| {
                actor.state == ActorState::Running
                    && actor.node != lost_node
                    && (actor.epoch.0 >= 2) == (position >= first)
            })
    };
    let after = until(&tree, "the tree is whole", is_whole).await?;
    let millis = began.elapsed().as_millis() as u64;
    let begun = match then {
        Some(then) => then.await.expect("it does not panic")?,
        None => 0,
    };

    let mut answering = 0;
    for actor in &after {
        let member: MemberHandle = tree.child(&*actor.child).await?;
        answering += u32::from(member.epoch().await? == actor.epoch.0);
    }
    let _status = tokio::task::spawn_blocking(move || acting.wait()).await;
    // Whatever an older incarnation still says has time to come.
    tokio::time::sleep(Duration::from_secs(2)).await;
    findings.stop.store(true, Ordering::Release);
    for calling in calling {
        let _stopped = calling.await;
    }
    let starts = ledger.starts().await?;
    let figure = |figure: &AtomicU64| figure.load(Ordering::Acquire);
    Ok(json!({
        "start_millis": started.as_millis() as u64,
        "millis": millis,
        "lost": lost,
        "begun": begun,
        "restarted": after.iter().filter(|actor| actor.epoch.0 > 1).count(),
        "first": first,
        "epochs": after.iter().map(|actor| actor.epoch.0).max(),
        "answering": answering,
        "in_order": are_in_order(&starts, first as u32),
        "stale": ledger.stale().await?,
        "answered": figure(&findings.answered),
        "failed": figure(&findings.failed),
        "fallen": figure(&findings.fallen),
    }))
}

/// Has a shell do something once the first member has started again. Gives how many had by then.
async fn in_the_middle(ledger: LedgerHandle, count: u32, line: String) -> mobula::Result<usize> {
    loop {
        let begun = ledger.starts().await?.len().saturating_sub(count as usize);
        if begun > 0 {
            let _over = act(&line);
            return Ok(begun);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Whether the latest starts of members came in their order, from that one on.
fn are_in_order(starts: &[(u32, u64)], first: u32) -> bool {
    let latest: BTreeMap<u32, usize> =
        starts.iter().enumerate().map(|(position, (member, _))| (*member, position)).collect();
    latest.range(first..).map(|(_, position)| position).is_sorted()
}

async fn call(member: MemberHandle, findings: Arc<Findings>) {
    let mut latest = 0;
    while !findings.stop.load(Ordering::Acquire) {
        match member.epoch().await {
            Ok(epoch) => {
                findings.answered.fetch_add(1, Ordering::AcqRel);
                findings.fallen.fetch_add(u64::from(epoch < latest), Ordering::AcqRel);
                latest = latest.max(epoch);
            }
            Err(_died) => {
                findings.failed.fetch_add(1, Ordering::AcqRel);
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
