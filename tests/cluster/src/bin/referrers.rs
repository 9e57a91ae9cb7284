//! A driver whose functions keep references, hand them on and outlive their nodes. `referrers --cluster URL NODE CASE`
//! prints how the case ended as one line of JSON: the value, or the kind of the error and its text.

use mobula::ObjectRef;
use serde::{Deserialize, Serialize};
use std::sync::Mutex;
use tokio::runtime::Builder;

/// A reference inside a value.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    reference: ObjectRef<u64>,
}

/// What this process keeps from one run to the next.
static KEPT: Mutex<Option<Holder>> = Mutex::new(None);

fn kept() -> std::sync::MutexGuard<'static, Option<Holder>> {
    KEPT.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[mobula::remote]
fn add(left: u64, right: u64) -> u64 {
    left + right
}

#[mobula::remote]
fn keep(holder: Holder) {
    *kept() = Some(holder);
}

/// The value of what an earlier run in this process has kept.
#[mobula::remote]
fn read_kept() -> mobula::Result<u64> {
    let reference = kept().as_ref().map(|holder| holder.reference.clone());
    reference.map_or(Ok(0), |reference| reference.get_blocking())
}

fn main() {
    mobula_cluster_tests::perform(Builder::new_current_thread(), perform);
}

async fn perform(words: &[&str]) -> mobula::Result<u64> {
    let [node, case] = words else { return Ok(0) };
    refer(node, case).await
}

async fn refer(node: &str, case: &str) -> mobula::Result<u64> {
    match case {
        // What a run of that node keeps in a static of its process outlives every other reference to it.
        "keeps" => {
            let reference = add::remote(40_u64, 2_u64).submit();
            reference.get().await?;
            let holder = Holder { reference: reference.clone() };
            keep::remote(holder).on_node(node, false).submit().await?;
            drop(reference);
            settle().await?;
            read_kept::remote().on_node(node, false).submit().await
        }
        other => panic!("no case of that name: {other}"),
    }
}

/// The home node has heard of everything that was dropped before.
async fn settle() -> mobula::Result<()> {
    for _ in 0..3 {
        add::remote(1_u64, 1_u64).submit().await?;
    }
    Ok(())
}
