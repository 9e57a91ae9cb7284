use super::*;
use mobula_types::{FailureKind, NodeState, TaskEvent, TaskFilter, TaskId, TaskState};

#[tokio::test]
async fn a_node_joins_and_everybody_sees_it() {
    let head = head(options(&memory())).await;
    let mut one = TestNode::start("one", &[&head]).await;
    let grant = one.granted().await;
    assert_eq!((grant.node, grant.rejoined), (NodeId::new("one", 1), false));
    assert_eq!(grant.lease, Duration::from_secs(60));
    let full = one.until("view", |event| match event {
        HeadEvent::View(delta) => Some(delta),
        _ => None,
    });
    let full = full.await;
    assert_eq!((full.from, full.changed.len()), (None, 1));
    let mut two = TestNode::start("two", &[&head]).await;
    two.granted().await;
    let seen = one.until("change", |event| match event {
        HeadEvent::View(delta) => delta.changed.first().map(|node| node.id.clone()),
        _ => None,
    });
    assert_eq!(seen.await, NodeId::new("two", 1));
    let view = client(&[&head]).view().await.unwrap();
    assert_eq!(view.nodes.len(), 2);
    head.stop().await;
}

#[tokio::test]
async fn a_name_is_taken_while_its_node_lives() {
    let head = head(options(&memory())).await;
    let mut first = TestNode::start("same", &[&head]).await;
    first.granted().await;
    let mut second = TestNode::start("same", &[&head]).await;
    let refusal = second.until("refusal", |event| match event {
        HeadEvent::Refused { failure } => Some(failure),
        _ => None,
    });
    assert_eq!(refusal.await.kind(), FailureKind::NodeNameTaken);
    first.link.leave(PATIENCE).await;
    assert_eq!(second.granted().await.node, NodeId::new("same", 2));
}

#[tokio::test]
async fn a_crashed_node_is_proven_dead_and_fenced() {
    let head = head(options(&memory())).await;
    let (mut lost, mut other) =
        (TestNode::start("lost", &[&head]).await, TestNode::start("other", &[&head]).await);
    let dead = lost.granted().await.node;
    other.granted().await;
    lost.crash();
    other.fence_of(&dead).await;
    let mut again = TestNode::start("lost", &[&head]).await;
    assert_eq!(again.granted().await.node, NodeId::new("lost", 2));
    let nodes = client(&[&head]).list_nodes().await.unwrap();
    assert!(nodes.iter().all(|node| node.state == NodeState::Alive), "{nodes:?}");
}

#[tokio::test]
async fn a_silent_node_dies_with_its_lease_and_returns_as_a_new_generation() {
    let mut options = options(&memory());
    options.node_lease = Some(Duration::from_secs(2));
    options.fast_death = false;
    let head = head(options).await;
    let (mut silent, mut other) =
        (TestNode::start("silent", &[&head]).await, TestNode::start("other", &[&head]).await);
    let dead = silent.granted().await.node;
    other.granted().await;
    silent.crash();
    other.fence_of(&dead).await;
    let mut again = TestNode::start("silent", &[&head]).await;
    assert_eq!(again.granted().await.node, NodeId::new("silent", 2));
    assert!(other.link.lease().is_some(), "the other one was renewed all the while");
}

#[tokio::test]
async fn a_node_that_has_given_up_its_generation_is_told_that_it_is_fenced() {
    let head = head(options(&memory())).await;
    let mut node = TestNode::start("node", &[&head]).await;
    node.granted().await;
    let registration = NodeRegistration {
        name: "node".into(),
        address: "http://127.0.0.1:1".into(),
        own_address: "127.0.0.1:1".into(),
        resources: Resources::cpus(1),
        labels: Default::default(),
        functions: Vec::new(),
        object_store_memory: 0,
        version: "test".into(),
        data_folder: None,
    };
    node.link.leave(PATIENCE).await;
    let heads = vec![head.address().to_owned()];
    let previous = Some(NodeId::new("node", 1));
    let (link, events) =
        HeadLink::start(HeadLinkOptions { heads, token: None, registration, previous }).unwrap();
    let mut late = TestNode { link, events, listener: None };
    let fenced = late.until("fencing", |event| match event {
        HeadEvent::Fenced { node, .. } => Some(node),
        _ => None,
    });
    assert_eq!(fenced.await, NodeId::new("node", 1));
    late.link.rejoin();
    assert_eq!(late.granted().await.node, NodeId::new("node", 2));
}

#[tokio::test]
async fn a_drained_node_is_told_so_and_shown_so() {
    let head = head(options(&memory())).await;
    let mut node = TestNode::start("node", &[&head]).await;
    node.granted().await;
    let client = client(&[&head]);
    client.drain(&"node".into()).await.unwrap();
    node.until("drain", |event| matches!(event, HeadEvent::Drain).then_some(())).await;
    assert_eq!(client.list_nodes().await.unwrap()[0].state, NodeState::Draining);
    let missing = client.drain(&"nobody".into()).await.unwrap_err();
    assert_eq!(missing.kind(), FailureKind::NotFound);
}

#[tokio::test]
async fn two_signatures_of_one_function_are_refused_with_both() {
    let head = head(options(&memory())).await;
    let function = |signature| mobula_types::FunctionInfo {
        id: mobula_types::FunctionId::new("app::f", "1"),
        signature,
        signature_text: format!("fn(u{signature})").as_str().into(),
        kind: mobula_types::FunctionKind::Blocking,
        place: "src/main.rs:1".into(),
    };
    let registration = |name: &str, signature| NodeRegistration {
        name: name.into(),
        address: "http://127.0.0.1:1".into(),
        own_address: "127.0.0.1:1".into(),
        resources: Resources::cpus(1),
        labels: Default::default(),
        functions: vec![function(signature)],
        object_store_memory: 0,
        version: "test".into(),
        data_folder: None,
    };
    let mut first = TestNode::of(registration("first", 8), &[&head]);
    first.granted().await;
    let mut second = TestNode::of(registration("second", 16), &[&head]);
    let failure = second
        .until("refusal", |event| match event {
            HeadEvent::Refused { failure } => Some(failure),
            _ => None,
        })
        .await;
    assert_eq!(failure.kind(), FailureKind::FunctionMismatch);
    assert!(failure.message().contains("fn(u8)") && failure.message().contains("fn(u16)"), "{failure}");
    let functions = client(&[&head]).list_functions().await.unwrap();
    assert_eq!(functions.len(), 1);
    assert_eq!(functions[0].nodes, vec![NodeId::new("first", 1)]);
}

#[tokio::test]
async fn what_nodes_report_can_be_asked_for() {
    let head = head(options(&memory())).await;
    let mut node = TestNode::start("node", &[&head]).await;
    let granted = node.granted().await.node;
    let hash = mobula_types::ExecutableHash([7; 32]);
    let events = vec![TaskEvent {
        task: TaskId { high: 1, low: 2 },
        job: mobula_types::JobId(1),
        name: "app::f".into(),
        state: TaskState::Running,
        attempt: Default::default(),
        node: Some(granted.clone()),
        owner: None,
        at_millis: 5,
        detail: None,
    }];
    node.link.task_events(events, 4);
    // Reports keep their order: what is asked after the executable is known knows of the event.
    node.link.executable_held(hash, true);
    let client = client(&[&head]);
    let held = async {
        while client.locate_executable(hash).await.unwrap() != vec![granted.clone()] {
            tokio::task::yield_now().await;
        }
        loop {
            let list = client.list_tasks(&TaskFilter::default(), 10).await.unwrap();
            if let [event] = &list.events[..] {
                assert_eq!((event.owner.as_ref(), list.left_out), (Some(&granted), 4));
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, held).await.unwrap();
}
