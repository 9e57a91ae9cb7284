use super::*;
use mobula_head::HeadError;
use mobula_rpc::ClusterToken;
use mobula_types::{FailureKind, JobSpec};

#[tokio::test]
async fn a_head_with_a_file_finds_its_nodes_and_jobs_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = HeadOptions {
        registry: RegistryChoice::File { path: folder.path().join("registry.redb") },
        leader_lease: Duration::from_secs(3600),
        ..options(&memory())
    };
    let first = head(file.clone()).await;
    let mut node = TestNode::start("node", &[&first]).await;
    let before = node.granted().await;
    let opened = node.link.open_job(JobSpec::default()).await.unwrap();
    let listen = first.local_address();
    first.stop().await;
    let second = head(HeadOptions { listen, ..file }).await;
    let after = node.granted().await;
    assert_eq!((after.node, after.cluster, after.rejoined), (before.node, before.cluster, true));
    assert!(after.term > before.term);
    assert_eq!(client(&[&second]).get_job(opened.job).await.unwrap().info.job, opened.job);
}

#[tokio::test]
async fn a_file_is_open_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = HeadOptions {
        registry: RegistryChoice::File { path: folder.path().join("registry.redb") },
        ..options(&memory())
    };
    let _first = head(file.clone()).await;
    let error = Head::start(file).await.unwrap_err();
    assert!(matches!(error, HeadError::Registry(_)), "{error}");
    assert!(error.to_string().contains("registry.redb"), "{error}");
}

#[tokio::test]
async fn an_occupied_port_is_named() {
    let first = head(options(&memory())).await;
    let taken = HeadOptions { listen: first.local_address(), ..options(&memory()) };
    let error = Head::start(taken).await.unwrap_err();
    assert!(matches!(error, HeadError::PortInUse { address } if address == first.local_address()), "{error}");
    assert!(error.to_string().contains(&first.local_address().port().to_string()));
}

#[tokio::test]
async fn without_a_token_it_does_not_listen_beyond_this_machine() {
    let open = HeadOptions { listen: SocketAddr::from(([0, 0, 0, 0], 0)), ..options(&memory()) };
    assert!(matches!(Head::start(open.clone()).await.unwrap_err(), HeadError::Insecure { .. }));
    let head = head(HeadOptions { insecure: true, ..open }).await;
    assert!(!head.address().contains("0.0.0.0"), "{}", head.address());
}

#[tokio::test]
async fn only_holders_of_the_token_are_answered() {
    let token = ClusterToken::generate();
    let head = head(HeadOptions { token: Some(token.clone()), ..options(&memory()) }).await;
    let refused = client(&[&head]).view().await.unwrap_err();
    assert_eq!(refused.kind(), FailureKind::Unauthenticated);
    let options = HeadClientOptions::new(vec![head.address().to_owned()], Some(token));
    assert!(HeadClient::new(options).unwrap().view().await.is_ok());
}
