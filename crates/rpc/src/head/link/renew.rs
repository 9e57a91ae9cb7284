//! Keeps a node's lease renewed, through any head, and says when it has ended.

use super::event::HeadEvent;
use super::handle::{HeldLease, LinkShared};
use super::lease::LeaseClock;
use mobula_runtime::clock;
use mobula_types::{FailureKind, NodeId, Time};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// While there is no lease, how often to look for one.
const IDLE: Duration = Duration::from_millis(200);

/// Runs until it is dropped.
pub(super) async fn run(shared: Arc<LinkShared>, events: mpsc::Sender<HeadEvent>) {
    let mut lost: Option<(NodeId, u64)> = None;
    loop {
        let held = shared.lease.lock().clone();
        let Some(held) = held else {
            clock::sleep(IDLE).await;
            continue;
        };
        let offered = held.offered.as_ref().map(|offered| (offered.id, offered.length));
        let own = renew(&shared, &held.node, held.id, held.clock.length());
        match offered {
            Some((id, length)) => drop(tokio::join!(own, renew(&shared, &held.node, id, length))),
            None => own.await,
        }
        let now = clock::now();
        let end = current_end(&shared, &held);
        let key = (held.node.clone(), held.id);
        if now >= end && lost.as_ref() != Some(&key) {
            lost = Some(key);
            if events.send(HeadEvent::LeaseLost { node: held.node.clone() }).await.is_err() {
                return;
            }
        }
        // The end of the lease is told on time, not at the next beat.
        let beat = now + held.counted().beat();
        clock::sleep_until(if now < end { beat.min(end) } else { beat }).await;
    }
}

/// Sends one renewal and counts from when it was sent.
async fn renew(shared: &LinkShared, node: &NodeId, id: u64, length: Duration) {
    let sent = clock::now();
    let patience = LeaseClock::new(sent, length).beat().max(Duration::from_millis(50));
    match shared.client.renew_lease(node, id, patience).await {
        Ok(_) => {
            let is_first = shared.lease.lock().as_mut().is_some_and(|lease| lease.renewed(id, sent));
            if is_first {
                shared.state.lock().lease_acknowledged(id);
                shared.changed.notify_one();
            }
        }
        Err(refusal) if refusal.failure.kind() == FailureKind::NotFound => gone(shared, node, id),
        Err(refusal) => tracing::debug!(%node, failure = %refusal.failure, "lease not renewed"),
    }
}

/// The registry knows a lease no more.
fn gone(shared: &LinkShared, node: &NodeId, id: u64) {
    let mut lease = shared.lease.lock();
    let Some(held) = lease.as_mut() else { return };
    if held.offered.take_if(|offered| offered.id == id).is_some() {
        tracing::debug!(%node, "a lease that was offered has ended");
    } else if held.id == id {
        tracing::warn!(%node, "the registry has ended this node's lease; joining again");
        shared.lease_gone.notify_one();
    }
}

fn current_end(shared: &LinkShared, held: &HeldLease) -> Time {
    let lease = shared.lease.lock();
    lease.as_ref().filter(|lease| lease.id == held.id).map_or(Time::NEVER, |lease| lease.counted().end())
}
