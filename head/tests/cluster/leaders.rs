use super::*;
use mobula_registry::{ListPage, Revision, Transaction};
use mobula_types::{JobSpec, SessionId};

async fn leads(client: &HeadClient) -> bool {
    client.status().await.is_ok_and(|status| status.leading)
}

async fn until_leading(head: &HeadHandle) {
    let client = client(&[head]);
    let leading = async {
        while !leads(&client).await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, leading).await.expect("a head leads");
}

#[tokio::test]
async fn a_standby_takes_over_and_nodes_keep_their_generations_and_jobs() {
    let registry = memory();
    let first = head(options(&registry)).await;
    until_leading(&first).await;
    let second = head(options(&registry)).await;
    let mut node = TestNode::start("node", &[&first, &second]).await;
    let before = node.granted().await;
    let opened = node.link.open_job(JobSpec::default()).await.unwrap();
    node.link.driver_attached(opened.job, SessionId(1));
    assert!(!leads(&client(&[&second])).await);
    // Dropped, not stopped: its lease has to run out.
    drop(first);
    let after = node.granted().await;
    assert_eq!((after.node, after.cluster, after.rejoined), (before.node, before.cluster, true));
    assert!(after.term > before.term);
    let client = client(&[&second]);
    let running = async {
        while client.get_job(opened.job).await.unwrap().driver_streams == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, running).await.expect("the driver's stream is known again");
}

#[tokio::test]
async fn a_head_that_stops_hands_over_at_once() {
    let registry = memory();
    let mut long = options(&registry);
    long.leader_lease = Duration::from_secs(3600);
    let first = head(long.clone()).await;
    until_leading(&first).await;
    let second = head(long).await;
    first.stop().await;
    until_leading(&second).await;
}

#[tokio::test]
async fn a_standby_names_the_leader_and_renews_leases() {
    let registry = memory();
    let leader = head(options(&registry)).await;
    until_leading(&leader).await;
    let standby = head(options(&registry)).await;
    // The node knows the standby alone, and still finds the leader.
    let mut node = TestNode::start("node", &[&standby]).await;
    let grant = node.granted().await;
    assert_eq!(client(&[&standby]).view().await.unwrap().nodes.len(), 1);
    assert_eq!(grant.node, NodeId::new("node", 1));
}

#[tokio::test]
async fn the_write_of_a_deposed_leader_fails() {
    let registry = memory();
    let mut long = options(&registry);
    long.leader_lease = Duration::from_secs(3600);
    let head = head(long).await;
    until_leading(&head).await;
    let client = client(&[&head]);
    let before = client.status().await.unwrap();
    // Another head has taken over while this one was, say, suspended: the key is another one.
    let deposed = Transaction::new().delete("/mobula/default/leader");
    registry.commit(deposed).await.unwrap();
    let usurped = Transaction::new().put("/mobula/default/leader", "another head's");
    registry.commit(usurped).await.unwrap();
    let mut impatient = mobula_rpc::head::HeadClientOptions::new(vec![head.address().to_owned()], None);
    impatient.patience = Duration::from_millis(500);
    let refused = HeadClient::new(impatient).unwrap().open_job(JobSpec::default()).await.unwrap_err();
    assert_eq!(refused.kind(), mobula_types::FailureKind::Unavailable);
    let jobs = registry.list("/mobula/default/jobs/", ListPage::default()).await.unwrap();
    assert_eq!(jobs.entries, vec![]);
    // Once that head is gone, this one leads again, under a later term.
    registry.commit(Transaction::new().delete("/mobula/default/leader")).await.unwrap();
    client.open_job(JobSpec::default()).await.unwrap();
    assert!(client.status().await.unwrap().term > before.term);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_left_alone_and_its_name_stays_reserved() {
    let registry = memory();
    let broken = "/mobula/default/nodes/broken";
    registry.commit(Transaction::new().put(broken, "\u{1}nonsense")).await.unwrap();
    let head = head(options(&registry)).await;
    let mut node = TestNode::start("broken", &[&head]).await;
    let failure = node
        .until("refusal", |event| match event {
            HeadEvent::Refused { failure } => Some(failure),
            _ => None,
        })
        .await;
    assert!(failure.message().contains("reserved"), "{failure}");
    let entry = registry.get(broken).await.unwrap().expect("it is still there");
    assert_eq!((entry.mod_revision, &entry.value[..]), (Revision::new(1), &b"\x01nonsense"[..]));
    assert_eq!(client(&[&head]).status().await.unwrap().quarantined.len(), 1);
}

#[tokio::test]
async fn a_registry_that_was_restored_counts_above_what_nodes_have_seen() {
    let registry = memory();
    let head = head(options(&registry)).await;
    until_leading(&head).await;
    let client = client(&[&head]);
    let before = client.status().await.unwrap().term;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    drop(listener);
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
