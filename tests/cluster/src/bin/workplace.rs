//! A driver whose tasks look around where they run: their environment, and a file that lies in their working directory.
//! Prints what each node's worker saw, and what the driver itself did.

use mobula::prelude::*;
use mobula::{NodeName, Strategy};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Serialize, Deserialize, Debug)]
struct Seen {
    node: String,
    text: Option<String>,
    environment: BTreeMap<String, String>,
}

#[mobula::remote]
fn look(node: String, path: String) -> Seen {
    see(node, &path)
}

fn see(node: String, path: &str) -> Seen {
    Seen { node, text: std::fs::read_to_string(path).ok(), environment: std::env::vars().collect() }
}

fn main() {
    mobula::worker_entry();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    match runtime.block_on(run()) {
        Ok(seen) => println!("{}", serde_json::json!(seen)),
        Err(error) => {
            println!("{}", serde_json::json!({ "kind": format!("{:?}", error.kind()) }));
            eprintln!("{error:?}");
            std::process::exit(1);
        }
    }
}

/// The value behind an argument of that name.
fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

async fn run() -> mobula::Result<Vec<Seen>> {
    let url = argument("--cluster").or_else(|| std::env::var("MOBULA_CLUSTER").ok()).unwrap_or_default();
    let path = argument("--path").unwrap_or_default();
    let mut builder = Cluster::builder().env("WORKPLACE", "declared").forward_env(argument("--forward"));
    if let Some(folder) = argument("--files") {
        builder = builder.files(folder);
    }
    if let Some(binary) = argument("--worker-binary") {
        builder = builder.worker_binary(binary);
    }
    let cluster = builder.connect(url).await?;
    let mut seen = vec![see("driver".into(), &path)];
    for node in cluster.view().nodes.keys() {
        let strategy = Strategy::NodeAffinity { node: NodeName(node.0.clone()), soft: false };
        let call = look::remote(node.0.to_string(), path.as_str()).strategy(strategy);
        seen.push(call.on(&cluster).submit().await?);
    }
    cluster.close().await;
    Ok(seen)
}
