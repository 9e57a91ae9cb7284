//! Tests of tests: clusters with worker processes, and what can be broken in them.

use mobula::prelude::*;
use mobula::{ErrorKind, NodeName, Strategy};

#[mobula::remote]
fn process() -> u32 {
    std::process::id()
}

#[mobula::remote(max_retries = 0)]
fn aborts() -> u64 {
    std::process::abort()
}

#[mobula::remote]
fn square(x: u64) -> u64 {
    x * x
}

fn on(node: &NodeName) -> Strategy {
    Strategy::NodeAffinity { node: node.clone(), soft: false }
}

#[mobula::test(workers)]
async fn functions_run_in_processes_of_their_own(_cluster: Cluster) -> mobula::Result<()> {
    assert_ne!(process::remote().submit().await?, std::process::id());
    let error = aborts::remote().submit().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WorkerDied);
    assert_eq!(square::remote(7_u64).submit().await?, 49);
    Ok(())
}

mod inner {
    use super::*;

    /// Its path has a module in it, by which the worker's process has to find it.
    #[mobula::test(workers, nodes = 2)]
    async fn each_node_has_workers_of_its_own(cluster: Cluster) -> mobula::Result<()> {
        let faults = mobula::test::faults(&cluster)?;
        let mut processes = vec![std::process::id()];
        for node in faults.nodes() {
            processes.push(process::remote().strategy(on(&node)).submit().await?);
        }
        processes.sort_unstable();
        processes.dedup();
        assert_eq!(processes.len(), 3);
        Ok(())
    }

    #[ignore = "run by a test below"]
    #[mobula::test(workers)]
    async fn an_ignored_test_has_workers_too() -> mobula::Result<()> {
        assert_ne!(process::remote().submit().await?, std::process::id());
        Ok(())
    }
}

#[mobula::test(nodes = 2)]
async fn without_workers_functions_run_in_the_tests_own_process(cluster: Cluster) -> mobula::Result<()> {
    for node in mobula::test::faults(&cluster)?.nodes() {
        assert_eq!(process::remote().strategy(on(&node)).submit().await?, std::process::id());
    }
    Ok(())
}

#[mobula::test(nodes = 3)]
async fn a_job_survives_the_loss_of_its_home_node(cluster: Cluster) -> mobula::Result<()> {
    let faults = mobula::test::faults(&cluster)?;
    let nodes = faults.nodes();
    let before: Vec<_> = (0..100_u64).map(|number| square::remote(number).submit()).collect();
    faults.kill_node(&nodes[0]).await?;
    assert_eq!(faults.nodes(), nodes[1..]);
    let sum: u64 = mobula::get_batch(&before).await?.into_iter().sum();
    assert_eq!(sum, (0..100_u64).map(|number| number * number).sum::<u64>());
    assert_eq!(square::remote(3_u64).submit().await?, 9);
    let again = faults.kill_node(&nodes[0]).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::NotFound);
    Ok(())
}

#[mobula::test(workers, nodes = 2)]
async fn a_killed_nodes_workers_go_with_it(cluster: Cluster) -> mobula::Result<()> {
    let faults = mobula::test::faults(&cluster)?;
    let nodes = faults.nodes();
    let worker = process::remote().strategy(on(&nodes[1])).submit().await?;
    assert!(runs(worker));
    faults.kill_node(&nodes[1]).await?;
    // The kernel ends it when the last of its node's threads has let go; there is nobody to tell when.
    let gone = async {
        while runs(worker) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(9), gone).await.expect("the worker lives on");
    assert_ne!(process::remote().submit().await?, worker);
    Ok(())
}

/// Whether a process runs that is more than a name to be waited for.
fn runs(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    status.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

#[mobula::test]
async fn what_is_closed_cannot_be_broken(cluster: Cluster) -> mobula::Result<()> {
    let faults = mobula::test::faults(&cluster)?;
    let nodes = faults.nodes();
    cluster.close().await;
    assert!(faults.nodes().is_empty());
    assert_eq!(faults.kill_node(&nodes[0]).await.unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(mobula::test::faults(&cluster).unwrap_err().kind(), ErrorKind::InvalidArgument);
    Ok(())
}

/// Runs another of these tests in a process whose nodes keep what they keep in a folder that this one looks into.
#[track_caller]
fn leaves_nothing_behind(test: &str, passes: bool) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    let output = command.args([test, "--exact", "--ignored"]).env("TMPDIR", folder.path()).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.success(), passes, "{printed}");
    assert!(printed.contains(if passes { "1 passed" } else { "1 failed" }), "{printed}");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[ignore = "run by the test below"]
#[mobula::test(workers)]
async fn a_test_that_fails() {
    assert_eq!(square::remote(7_u64).submit().await.unwrap(), 48);
}

#[test]
fn a_clusters_folders_go_with_its_test() {
    leaves_nothing_behind("inner::an_ignored_test_has_workers_too", true);
    leaves_nothing_behind("a_test_that_fails", false);
}
