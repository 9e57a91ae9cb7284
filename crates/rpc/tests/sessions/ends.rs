//! How sessions end.

use crate::node::{self, driver, numbered, within};
use crate::proxy;
use mobula_rpc::{Bearer, Connection, NodeClient, NodeClientOptions, SessionEnd, SessionOptions};
use mobula_types::session::JobSecret;
use mobula_types::{FailureKind, SessionRole, WorkerId};
use std::os::unix::net::UnixStream;
use std::time::Duration;

#[tokio::test]
async fn closing_delivers_what_was_sent_and_then_says_so() {
    within(async {
        let options = SessionOptions::default();
        let mut node = node::start(options).await;
        let proxy = proxy::start(&node.url, 0, 0, 1).await;
        let (mut client, mut server) = node.session(&proxy.url, options).await;
        (0..5_000).for_each(|number| client.sender.send(numbered(number)));
        proxy.cut();
        client.sender.close();
        client.sender.send(numbered(9_999));
        let mut frames = Vec::new();
        let end = loop {
            if let Err(end) = server.receiver.receive(&mut frames).await {
                break end;
            }
        };
        assert_eq!(end, SessionEnd::Closed);
        assert_eq!(frames.len(), 5_000);
        assert_eq!(client.sender.ended().await, SessionEnd::Closed);
        assert_eq!(client.receiver.receive(&mut frames).await, Err(SessionEnd::Closed));
    })
    .await;
}

#[tokio::test]
async fn dropping_the_receiver_closes_the_session() {
    within(async {
        let options = SessionOptions::default();
        let mut node = node::start(options).await;
        let (client, mut server) = node.session(&node.url.clone(), options).await;
        client.sender.send(numbered(1));
        drop(client);
        let mut frames = Vec::new();
        server.receiver.receive(&mut frames).await.unwrap();
        assert_eq!(server.receiver.receive(&mut frames).await, Err(SessionEnd::Closed));
        assert_eq!(frames, [numbered(1)]);
    })
    .await;
}

#[tokio::test]
async fn a_session_expires_on_both_sides_when_nobody_comes_back() {
    within(async {
        let options =
            SessionOptions { resume_within: Duration::from_millis(200), ..SessionOptions::default() };
        let mut node = node::start(options).await;
        let proxy = proxy::start(&node.url, 0, 0, 1).await;
        let (mut client, mut server) = node.session(&proxy.url, options).await;
        proxy.refuse();
        let mut frames = Vec::new();
        for session in [&mut client, &mut server] {
            let end = session.receiver.receive(&mut frames).await.unwrap_err();
            assert!(
                matches!(&end, SessionEnd::Expired(failure) if failure.kind() == FailureKind::SessionExpired)
            );
        }
        // The table forgets it.
        while node.server.session_count() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_abort_is_explained_to_the_peer() {
    within(async {
        let options = SessionOptions::default();
        let mut node = node::start(options).await;
        let (mut client, server) = node.session(&node.url.clone(), options).await;
        let fenced = mobula_types::Failure::new(FailureKind::Fenced, "this node was declared dead");
        server.sender.abort(SessionEnd::Refused(fenced.clone()));
        let end = client.receiver.receive(&mut Vec::new()).await.unwrap_err();
        assert_eq!(end, SessionEnd::Refused(fenced));
    })
    .await;
}

#[tokio::test]
async fn a_stopping_server_closes_its_sessions_and_ends() {
    within(async {
        let options = SessionOptions::default();
        let mut node = node::start(options).await;
        let (mut client, server) = node.session(&node.url.clone(), options).await;
        server.sender.send(numbered(1));
        node.server.close_sessions();
        node.shutdown.trigger();
        let mut frames = Vec::new();
        client.receiver.receive(&mut frames).await.unwrap();
        assert_eq!(client.receiver.receive(&mut frames).await, Err(SessionEnd::Closed));
        assert_eq!(frames, [numbered(1)]);
    })
    .await;
}

#[tokio::test]
async fn a_worker_works_over_socket_pairs_and_its_end_is_seen_at_once() {
    within(async {
        let mut node = node::start(SessionOptions::default()).await;
        let mut ends = Vec::new();
        let mut serving = Vec::new();
        for of in [Connection::Unix, Connection::UnixBulk] {
            let (own, other) = UnixStream::pair().unwrap();
            ends.push(other);
            let (server, shutdown) = (node.server.clone(), node.shutdown.clone());
            let serve = async move { server.serve_connection(of(own), shutdown).await };
            serving.push(mobula_runtime::spawn("socket", serve));
        }
        // A worker holds its job's secret, not the cluster's token.
        let options = NodeClientOptions::new(Bearer::job(&node::SECRET));
        let bulk = ends.pop().unwrap();
        let client = NodeClient::over_sockets(ends.pop().unwrap(), bulk, options);
        let role = SessionRole::Worker { worker: WorkerId(1), secret: node::SECRET };
        let (session, _welcome) = client.open_session(role).await.unwrap();
        let (_, mut accepted) = node.sessions.recv().await.unwrap();
        session.sender.send(numbered(1));
        let mut frames = Vec::new();
        accepted.receiver.receive(&mut frames).await.unwrap();
        assert!(client.keep_alive(node::access()).await.is_ok());
        assert_eq!(client.open_session(driver()).await.unwrap_err().kind(), FailureKind::Unavailable);
        serving.clear();
        let end = accepted.receiver.receive(&mut frames).await.unwrap_err();
        assert!(matches!(end, SessionEnd::Expired(_)), "{end}");
    })
    .await;
}

#[tokio::test]
async fn a_refused_session_leaves_nothing_behind() {
    within(async {
        let options = SessionOptions::default();
        let node = node::start(options).await;
        let role = SessionRole::Client {
            job: node::JOB,
            secret: JobSecret([1; 32]),
            owner_term: mobula_types::OwnerTerm(0),
        };
        let refused = node.client(options).open_session(role).await.unwrap_err();
        assert_eq!(
            (refused.kind(), refused.failure.message()),
            (FailureKind::PermissionDenied, "not the job's secret")
        );
        assert!(!refused.may_be_open);
        assert_eq!(node.server.session_count(), 0);
    })
    .await;
}
