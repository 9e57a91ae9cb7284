//! Heads over a real etcd.

use super::*;
use mobula_registry::{EtcdOptions, EtcdRegistry, RegistryError, Transaction};
use mobula_types::{FailureKind, JobSpec};
use std::io::ErrorKind;
use std::process::{Child, Command, Stdio};

/// An etcd that ends with its test.
struct Etcd {
    child: Child,
    _folder: tempfile::TempDir,
}

impl Drop for Etcd {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Etcd {
    fn start(client: u16, peer: u16, flags: &[&str]) -> Etcd {
        let folder = tempfile::tempdir().unwrap();
        let (client, peer) = (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
        let spawned = Command::new("etcd")
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .args(["--name", "test", "--heartbeat-interval", "20", "--election-timeout", "200"])
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("test={peer}")])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match spawned {
            Ok(child) => Etcd { child, _folder: folder },
            Err(error) if error.kind() == ErrorKind::NotFound => {
                panic!("this test needs the program `etcd` (Debian: etcd-server); `make test` installs it")
            }
            Err(error) => panic!("etcd cannot be started: {error}"),
        }
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test]
async fn heads_wait_for_etcd_elect_a_leader_and_take_over() {
    let (client_port, peer_port) = (free_port(), free_port());
    let with_etcd = HeadOptions {
        registry: RegistryChoice::Etcd { endpoints: format!("http://127.0.0.1:{client_port}") },
        leader_lease: Duration::from_secs(2),
        ..options(&memory())
    };
    let first = head(with_etcd.clone()).await;
    let mut node = TestNode::start("node", &[&first]).await;
    let problem = async {
        while client(&[&first]).status().await.unwrap().registry_problem.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, problem).await.expect("the head says what it waits for");
    let _etcd = Etcd::start(client_port, peer_port, &[]);
    let before = node.granted().await;
    let opened = node.link.open_job(JobSpec::default()).await.unwrap();
    let second = head(with_etcd).await;
    let mut other = TestNode::start("other", &[&first, &second]).await;
    let there = other.granted().await;
    first.stop().await;
    let again = other.granted().await;
    assert_eq!((again.node, again.rejoined), (there.node, true));
    assert!(again.term > before.term);
    assert_eq!(client(&[&second]).get_job(opened.job).await.unwrap().info.job, opened.job);
}

#[tokio::test]
async fn a_full_etcd_is_said_and_used_again_once_there_is_room() {
    let (client_port, peer_port) = (free_port(), free_port());
    let endpoints = format!("http://127.0.0.1:{client_port}");
    let _etcd = Etcd::start(client_port, peer_port, &["--quota-backend-bytes", "4194304"]);
    let with_etcd = HeadOptions {
        registry: RegistryChoice::Etcd { endpoints: endpoints.clone() },
        leader_lease: Duration::from_secs(2),
        ..options(&memory())
    };
    let head = head(with_etcd).await;
    let mut node = TestNode::start("node", &[&head]).await;
    node.granted().await;
    let somebody_else = EtcdRegistry::connect(EtcdOptions::parse(&endpoints).unwrap()).await.unwrap();
    let client = client(&[&head]);
    let mut number = 0;
    let said = async {
        // The head makes room, once, and what it finds is filled again.
        while !client.status().await.unwrap().registry_problem.contains("--quota-backend-bytes") {
            let refused = loop {
                let put = Transaction::new().put(format!("/else/{number}"), vec![1; 64 * 1024]);
                match somebody_else.commit(put).await {
                    Ok(_) => number += 1,
                    Err(error) => break error,
                }
            };
            assert!(matches!(refused, RegistryError::NoSpace { .. }), "{refused}");
            if let Err(refused) = node.link.open_job(JobSpec::default()).await {
                assert_eq!(refused.kind(), FailureKind::ResourceExhausted, "{refused}");
            }
        }
    };
    tokio::time::timeout(PATIENCE, said).await.expect("the head says that its registry is full");
    let refused = node.link.open_job(JobSpec::default()).await.unwrap_err();
    assert_eq!(refused.kind(), FailureKind::ResourceExhausted, "{refused}");
    somebody_else.commit(Transaction::new().delete_prefix("/else/")).await.expect("deleting needs no room");
    let taken = async {
        while let Err(refused) = node.link.open_job(JobSpec::default()).await {
            assert_eq!(refused.kind(), FailureKind::ResourceExhausted, "{refused}");
        }
        while !client.status().await.unwrap().registry_problem.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE * 2, taken).await.expect("it takes writes again");
}
