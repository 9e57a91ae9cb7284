//! Keeps a node's lease renewed, through any head, and says when it has ended.

use super::event::HeadEvent;
use super::handle::{HeldLease, LinkShared};
use mobula_runtime::clock;
use mobula_types::{FailureKind, NodeId};
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
        renew(&shared, &held).await;
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
        let beat = now + held.clock.beat();
        clock::sleep_until(if now < end { beat.min(end) } else { beat }).await;
    }
}

/// Sends one renewal and counts from when it was sent.
async fn renew(shared: &LinkShared, held: &HeldLease) {
    let sent = clock::now();
    let patience = held.clock.beat().max(Duration::from_millis(50));
    match shared.client.renew_lease(&held.node, held.id, patience).await {
        Ok(_) => {
            if let Some(lease) = shared.lease.lock().as_mut().filter(|lease| lease.id == held.id) {
                lease.clock.renewed(sent);
            }
        }
        Err(refusal) if refusal.failure.kind() == FailureKind::NotFound => {
            tracing::warn!(node = %held.node, "the registry has ended this node's lease; joining again");
            shared.lease_gone.notify_one();
        }
        Err(refusal) => tracing::debug!(node = %held.node, failure = %refusal.failure, "lease not renewed"),
    }
}

fn current_end(shared: &LinkShared, held: &HeldLease) -> mobula_types::Time {
    let lease = shared.lease.lock();
    lease
        .as_ref()
        .filter(|lease| lease.id == held.id)
        .map_or(mobula_types::Time::NEVER, |lease| lease.clock.end())
}
