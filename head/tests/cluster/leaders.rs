use super::*;
use mobula_registry::{ListPage, Revision, Transaction, list_all};
use mobula_types::{JobSpec, SessionId};

async fn leads(client: &HeadClient) -> bool {
    client.status().await.is_ok_and(|status| status.leading)
}

pub(super) async fn until_leading(head: &HeadHandle) {
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
async fn a_second_head_makes_the_leases_of_members_short() {
    let registry = memory();
    let first = head(options(&registry)).await;
    let mut node = TestNode::start("node", &[&first]).await;
    let before = node.granted().await;
    assert_eq!(before.lease, Duration::from_secs(60));
    let _second = head(options(&registry)).await;
    let short = Duration::from_secs(12);
    let changed = async {
        loop {
            let alive = registry.get("/mobula/default/alive/node").await.unwrap().expect("it lives");
            let lease = alive.lease.expect("under a lease");
            if lease.get() != before.lease_id {
                break registry.lease_time_left(lease).await.unwrap();
            }
            tokio::task::yield_now().await;
        }
    };
    let left = tokio::time::timeout(PATIENCE, changed).await.expect("the node lives under another lease");
    assert!(left <= short, "{left:?}");
    let (_, clock) = node.link.lease().expect("it has a lease");
    assert_eq!(clock.length(), short, "the node counts by the short one");
    while let Ok(event) = node.events.try_recv() {
        assert!(!matches!(event, HeadEvent::Granted(_) | HeadEvent::Disconnected { .. }), "{event:?}");
    }
}

#[tokio::test]
async fn heads_that_are_long_gone_are_forgotten() {
    let registry = memory();
    let gone = mobula_types::HeadRecord { address: "http://gone:1".into(), seen_millis: 1 };
    let record = mobula_proto::registry::encode_head(&gone);
    registry.commit(Transaction::new().put("/mobula/default/heads/gone", record)).await.unwrap();
    let _head = head(options(&registry)).await;
    let forgotten = async {
        while list_all(registry.as_ref(), "/mobula/default/heads/").await.unwrap().entries.len() != 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, forgotten).await.expect("only the head that is there is on record");
}

#[tokio::test]
async fn a_job_whose_record_cannot_be_read_is_left_alone() {
    let registry = memory();
    let broken = format!("/mobula/default/jobs/{}", mobula_types::JobId(7));
    registry.commit(Transaction::new().put(&broken, "\u{1}nonsense")).await.unwrap();
    let head = head(options(&registry)).await;
    let mut node = TestNode::start("node", &[&head]).await;
    node.granted().await;
    let client = client(&[&head]);
    let unreadable = mobula_types::JobId(7);
    node.link.driver_attached(unreadable, SessionId(1));
    let first = node.link.open_job(JobSpec::default()).await.unwrap().job;
    node.link.driver_attached(first, SessionId(2));
    let heard = async {
        while client.get_job(first).await.unwrap().driver_streams == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, heard).await.expect("reports keep their order");
    // So do the head's words: what it says of the job comes before that of the next one.
    let second = node.link.open_job(JobSpec::default()).await.unwrap().job;
    let said = node.until("job", |event| match event {
        HeadEvent::JobEnded { job, .. } => Some(job),
        HeadEvent::JobOpened(info) => (info.job == second).then_some(second),
        _ => None,
    });
    assert_eq!(said.await, second, "nobody is told that the other job has ended");
    let refused = node.link.get_job(unreadable).await.unwrap_err();
    assert!(refused.message().contains("cannot be read"), "{refused}");
    assert!(registry.get(&broken).await.unwrap().is_some(), "it is still there");
    assert!(client.status().await.unwrap().quarantined[0].starts_with(&broken));
}

#[tokio::test]
async fn no_head_leads_over_a_newer_schema() {
    let registry = memory();
    let first = head(options(&registry)).await;
    until_leading(&first).await;
    first.stop().await;
    let key = "/mobula/default/nodes/newer";
    // Field 1 of every record is its schema.
    let record = vec![8, u8::try_from(mobula_proto::registry::SCHEMA + 1).unwrap()];
    registry.commit(Transaction::new().put(key, record)).await.unwrap();
    let second = head(options(&registry)).await;
    let client = client(&[&second]);
    let said = async {
        loop {
            let status = client.status().await.unwrap();
            assert!(!status.leading, "{status:?}");
            if status.registry_problem.contains("upgrade this head") {
                break status.registry_problem;
            }
            tokio::task::yield_now().await;
        }
    };
    let problem = tokio::time::timeout(PATIENCE, said).await.expect("the head says why it does not lead");
    assert!(problem.contains(key), "{problem}");
    // Once the record is gone, it leads without anybody's help.
    registry.commit(Transaction::new().delete(key)).await.unwrap();
    until_leading(&second).await;
}
