//! The entry of worker processes.

use mobula_objects::executable;
use std::process::Command;

/// Stands for a program's `main`. In a process that was started as a worker, what follows the entry never runs.
#[test]
fn main_of_the_program() {
    mobula::worker_entry();
    println!("not a worker");
}

fn main_in_a_process(worker: Option<&str>) -> std::process::Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "main_of_the_program", "--nocapture"]).env_remove("MOBULA_WORKER");
    if let Some(value) = worker {
        command.env("MOBULA_WORKER", value);
    }
    command.output().unwrap()
}

#[test]
fn the_entry_does_nothing_outside_of_workers() {
    for worker in [None, Some("0")] {
        let output = main_in_a_process(worker);
        assert!(output.status.success());
        assert!(String::from_utf8_lossy(&output.stdout).contains("not a worker"));
    }
}

#[test]
fn a_worker_without_a_node_says_so_and_never_runs_the_program() {
    let output = main_in_a_process(Some("1"));
    assert_eq!(output.status.code(), Some(71));
    assert!(!String::from_utf8_lossy(&output.stdout).contains("not a worker"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("this worker cannot start"), "{error}");
    assert!(error.contains("was not inherited"), "{error}");
}

#[test]
fn a_program_with_the_entry_is_known_by_it() {
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    assert!(executable::requirements(&program).unwrap().has_entry);
}

#[cfg(feature = "local")]
#[tokio::test]
async fn a_node_of_this_host_takes_the_program_as_an_open_file() {
    use mobula_local::{LocalCluster, LocalOptions};
    use mobula_rpc::{Bearer, NodeClient, NodeClientOptions};
    let start = tokio::task::spawn_blocking(|| LocalCluster::start(LocalOptions::default()));
    let cluster = start.await.unwrap().unwrap();
    let path = std::env::current_exe().unwrap();
    let (hash, length) = executable::hash_file(&path).unwrap();
    let file = std::fs::File::open(&path).unwrap();
    let options = NodeClientOptions::new(Bearer::cluster(cluster.token()));
    let client = NodeClient::at(cluster.url(), options).unwrap();
    assert!(!client.has_executable(hash).await.unwrap().present);
    assert!(client.offer_executable(hash, length, &file).await.unwrap());
    assert!(client.has_executable(hash).await.unwrap().present);
    cluster.stop(std::time::Duration::from_secs(9)).await;
}
