//! Mailboxes that are full.

use crate::probes::{CounterHandle, FlooderHandle, GateHandle, until_came};
use crate::tally::TallyHandle;
use mobula::prelude::*;
use mobula::{ActorState, Creation, Result};
use serde_json::{Value, json};
use std::time::Duration;

/// How many call the counter, more than its mailbox of 20 has room for.
const CALLERS: u64 = 40;
/// How often each calls it.
const CALLS: u64 = 100;
/// After how many calls it stands still. By then it has told each caller more than once to be slower.
const STANDS_AT: u64 = 800;

/// Many callers of one actor, far more calls than its mailbox is to have. What is in the mailbox when it is closed still
/// runs, and nothing else: that shows how much there was.
pub(crate) async fn mailbox(node: &str) -> Result<Value> {
    let (gate, ledger) = (GateHandle::new().spawn().await?, TallyHandle::new(0).spawn().await?);
    let other = TallyHandle::new(0).spawn().await?;
    let counter = CounterHandle::new(gate.clone(), ledger.clone(), STANDS_AT).on_node(node, false);
    let counter = counter.spawn().await?;
    let neighbour = TallyHandle::new(0).on_node(node, false).spawn().await?;
    let flooders: Vec<Creation<FlooderHandle>> = (0..CALLERS).map(|_| FlooderHandle::new()).collect();
    let flooders = FlooderHandle::spawn_many(flooders).await?;
    let floods: Vec<_> = flooders
        .iter()
        .map(|flooder| flooder.flood(counter.clone(), other.clone(), CALLS).submit())
        .collect();
    until_came(&gate, 1).await?;
    // The callers are held up at the counter, and at nobody else.
    while other.read().await? < CALLERS {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let closed = async {
        while counter.info().await?.state != ActorState::Stopping {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Its worker hears of this stop behind that of the counter.
        neighbour.stop().await?;
        gate.open().await
    };
    tokio::try_join!(counter.stop(), closed)?;
    let (mut ran, mut unstarted) = (0, 0);
    for flood in floods {
        let (of_these, of_those) = flood.await?;
        ran += of_these;
        unstarted += of_those;
    }
    let taken = ledger.read().await?;
    Ok(json!({
        "were in the mailbox": taken - STANDS_AT,
        "answered": ran == taken,
        "all others did not run": ran + unstarted == CALLERS * CALLS,
    }))
}
