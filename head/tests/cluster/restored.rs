//! A registry that is older than what nodes have heard of: somebody has restored it from a backup.

use super::away::{Mood, Moody};
use super::leaders::until_leading;
use super::*;
use mobula_registry::Transaction;

#[tokio::test]
async fn a_registry_that_was_restored_counts_above_what_nodes_have_seen() {
    let registry = memory();
    let head = head(options(&registry)).await;
    until_leading(&head).await;
    let client = client(&[&head]);
    let before = client.status().await.unwrap().term;
    // What a node says that has seen incarnation 9 of this cluster's registry.
    let cluster = client.status().await.unwrap().cluster.unwrap();
    let answer = raw_join(&head, cluster.0, 9).await;
    assert!(answer.is_err());
    let raised = async {
        while client.status().await.unwrap().term.incarnation <= 9 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, raised).await.expect("the incarnation is raised");
    assert!(client.status().await.unwrap().term > before);
}

/// A `Join` of a node that has seen another term.
async fn raw_join(head: &HeadHandle, cluster: u64, incarnation: u64) -> Result<(), tonic::Status> {
    use mobula_proto::wire;
    let channel = tonic::transport::Endpoint::from_shared(head.address().to_owned()).unwrap().connect_lazy();
    let mut stub = wire::head_client::HeadClient::new(channel);
    let registration = wire::NodeRegistration { name: "late".into(), ..Default::default() };
    let join = wire::JoinRequest {
        registration: Some(registration),
        cluster,
        seen_term: Some(wire::HeadTerm { incarnation, revision: 1 }),
        ..Default::default()
    };
    let message = wire::NodeMessage { message: Some(wire::node_message::Message::Join(join)) };
    stub.join(tokio_stream::once(message)).await.map(drop)
}

#[tokio::test]
async fn a_node_of_an_earlier_incarnation_fences_itself_and_registers_anew() {
    let registry = memory();
    let head = head(options(&registry)).await;
    until_leading(&head).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut registration = registration("node", listener.local_addr().unwrap());
    registration.data_folder = Some(7);
    let mut node = TestNode::of(registration, &[&head]);
    let before = node.granted().await;
    // Another node was granted something by incarnation 9, before the backup was put back.
    assert!(raw_join(&head, before.cluster.0, 9).await.is_err());
    let (fenced, failure) = node
        .until("end of its generation", |event| match event {
            HeadEvent::Fenced { node, failure } => Some((node, failure)),
            HeadEvent::Granted(grant) => panic!("{grant:?}"),
            _ => None,
        })
        .await;
    assert_eq!(fenced, before.node);
    assert!(failure.message().contains("the registry was restored"), "{failure}");
    assert!(node.link.lease().is_none(), "it renews its lease no more");
    node.link.rejoin();
    // It holds the lock on its data folder: the earlier generation is known to be gone.
    let after = node.granted().await;
    assert_eq!((after.node, after.rejoined), (NodeId::new("node", 2), false));
    assert!(after.term.incarnation > 9, "{}", after.term);
}

#[tokio::test]
async fn a_head_that_is_no_leader_in_what_it_has_read_does_not_lead() {
    let moody = Moody::new();
    moody.set(Mood::Restored);
    let registry: Arc<dyn Registry> = moody.clone();
    let head = head(options(&registry)).await;
    let client = client(&[&head]);
    let said = async {
        loop {
            let status = client.status().await.unwrap();
            assert!(!status.leading, "{status:?}");
            if status.registry_problem.contains("not this head's any more") {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, said).await.expect("the head says why it does not lead");
    // Once that head is gone, this one leads.
    registry.commit(Transaction::new().delete("/mobula/default/leader")).await.unwrap();
    until_leading(&head).await;
}
