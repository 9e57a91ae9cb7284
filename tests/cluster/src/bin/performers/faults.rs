//! What becomes of actors and calls when processes are killed or stand still. The cases mark their progress in a file, for
//! whoever breaks something meanwhile.

use crate::tally::TallyHandle;
use mobula::Result;
use serde_json::{Value, json};
use std::path::Path;

/// Calls an actor on that node in a loop, ten at a time, until `FILE.stop` is there. `FILE` says how many were answered.
pub(crate) async fn loops(node: &str, file: &str) -> Result<Value> {
    let tally = TallyHandle::new(0).on_node(node, false).spawn().await?;
    let stop = format!("{file}.stop");
    let (mut made, mut answers) = (0_u64, Vec::new());
    while !Path::new(&stop).exists() {
        let calls: Vec<_> = (made..made + 10).map(|number| tally.add_one(number).submit()).collect();
        made += 10;
        for call in calls {
            answers.push(call.await?);
        }
        std::fs::write(file, made.to_string()).expect("a file to mark the progress in");
    }
    let in_order: Vec<u64> = (0..made).collect();
    Ok(json!({
        "made": made,
        "ran once, in order": tally.seen().await? == in_order,
        "answers": answers == (1..=made).collect::<Vec<_>>(),
    }))
}
