//! Executables handed over as open files.

use crate::node::{self, Running, SECRET, within};
use mobula_rpc::{Bearer, ClusterToken, NodeClient, NodeClientOptions, SessionOptions};
use mobula_types::{ExecutableHash, FailureKind};
use std::fs::File;
use std::io::{Seek, Write};

const HASH: ExecutableHash = ExecutableHash([7; 32]);

fn file(content: &str) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file.rewind().unwrap();
    file
}

async fn started() -> (Running, NodeClient) {
    let node = node::start(SessionOptions::default()).await;
    let client = node.client(SessionOptions::default());
    (node, client)
}

#[tokio::test]
async fn an_open_file_is_taken_on_the_same_host() {
    within(async {
        let (node, client) = started().await;
        assert!(client.offer_executable(HASH, 3, &file("elf")).await.unwrap());
        assert_eq!(*node.taken.lock().unwrap(), [(HASH, 3, "elf".to_owned())]);
    })
    .await;
}

#[tokio::test]
async fn what_the_node_has_is_not_handed_over() {
    within(async {
        let (node, client) = started().await;
        assert!(client.offer_executable(ExecutableHash([1; 32]), 3, &file("elf")).await.unwrap());
        assert!(node.taken.lock().unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_refusal_is_final_and_says_why() {
    within(async {
        let (_node, client) = started().await;
        let failure = client.offer_executable(HASH, 6, &file("refuse")).await.unwrap_err();
        assert_eq!((failure.kind(), failure.message()), (FailureKind::ExecutableRefused, "as asked"));
    })
    .await;
}

#[tokio::test]
async fn only_the_clusters_token_permits_it() {
    within(async {
        let (node, _client) = started().await;
        // A job's secret is let in to ask, and no further: the upload then says why.
        let options = NodeClientOptions::new(Bearer::job(&SECRET));
        let client = NodeClient::at(&node.url, options).unwrap();
        assert!(!client.offer_executable(HASH, 3, &file("elf")).await.unwrap());
        let other = NodeClientOptions::new(Bearer::cluster(&ClusterToken::generate()));
        let stranger = NodeClient::at(&node.url, other).unwrap();
        let failure = stranger.offer_executable(HASH, 3, &file("elf")).await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Unauthenticated);
        assert!(node.taken.lock().unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn one_that_sends_nonsense_disturbs_no_one() {
    within(async {
        use std::os::linux::net::SocketAddrExt;
        let (node, client) = started().await;
        let held = client.has_executable(HASH).await.unwrap();
        let name = held.handover.unwrap();
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        let mut nonsense = std::os::unix::net::UnixStream::connect_addr(&address).unwrap();
        nonsense.write_all(&[0x55; 500]).unwrap();
        let _silent = std::os::unix::net::UnixStream::connect_addr(&address).unwrap();
        assert!(client.offer_executable(HASH, 3, &file("elf")).await.unwrap());
        assert_eq!(node.taken.lock().unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn on_another_host_it_is_left_to_the_upload() {
    within(async {
        let (node, client) = started().await;
        assert!(!client.offer_executable(ExecutableHash([2; 32]), 3, &file("elf")).await.unwrap());
        assert!(node.taken.lock().unwrap().is_empty());
    })
    .await;
}
