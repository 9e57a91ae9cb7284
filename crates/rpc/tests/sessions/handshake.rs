//! Streams that do not keep to the rules, spoken by hand.

use crate::node::{self, Running, numbered, within};
use mobula_proto::wire;
use mobula_rpc::status::to_failure;
use mobula_rpc::{Bearer, ClusterToken, NodeClient, NodeClientOptions, SessionEnd, SessionOptions};
use mobula_types::{Failure, FailureKind};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::http::HeaderValue;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};

type Opened = (mpsc::Sender<wire::Batch>, Streaming<wire::Batch>);

async fn channel(node: &Running) -> Channel {
    Channel::from_shared(node.url.clone()).unwrap().connect().await.unwrap()
}

fn authorise<T>(message: T, token: &ClusterToken) -> Request<T> {
    let mut request = Request::new(message);
    let value: HeaderValue = format!("Bearer {}", token.reveal()).parse().unwrap();
    let value: MetadataValue<_> = value.to_str().unwrap().parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

async fn open(node: &Running, hello: wire::Hello) -> Result<Opened, Status> {
    let (sender, receiver) = mpsc::channel(8);
    let greeting = wire::Batch { hello: Some(hello), ..Default::default() };
    sender.send(greeting).await.unwrap();
    let mut client = wire::sessions_client::SessionsClient::new(channel(node).await);
    let response = client.open(authorise(ReceiverStream::new(receiver), &node.token)).await?;
    let mut stream = response.into_inner();
    let welcome = stream.message().await?.unwrap();
    assert!(welcome.welcome.is_some());
    Ok((sender, stream))
}

fn hello(session: u8) -> wire::Hello {
    let client = wire::ClientRole { job: node::JOB.0, secret: node::SECRET.0.to_vec().into(), owner_term: 1 };
    wire::Hello {
        version_min: 1,
        version_max: 1,
        session: vec![session; 16].into(),
        role: Some(wire::Role { kind: Some(wire::role::Kind::Client(client)) }),
        resume: false,
        received: 0,
    }
}

fn refusal(result: Result<Opened, Status>) -> Failure {
    to_failure(&result.unwrap_err(), "open", "the test node")
}

#[tokio::test]
async fn another_version_is_refused_with_both_ranges() {
    within(async {
        let node = node::start(SessionOptions::default()).await;
        let refused = refusal(open(&node, wire::Hello { version_min: 7, version_max: 9, ..hello(1) }).await);
        assert_eq!(refused.kind(), FailureKind::ProtocolVersion);
        assert!(refused.message().contains("7 to 9"), "{refused}");
        assert!(refused.message().contains("1 to 1"), "{refused}");
        let newer = open(&node, wire::Hello { version_min: 1, version_max: 9, ..hello(2) }).await;
        assert!(newer.is_ok());
    })
    .await;
}

#[tokio::test]
async fn an_unknown_session_is_not_resumed() {
    within(async {
        let mut node = node::start(SessionOptions::default()).await;
        let resume = wire::Hello { resume: true, ..hello(1) };
        assert_eq!(refusal(open(&node, resume.clone()).await).kind(), FailureKind::SessionExpired);
        // Nor is a known one, by somebody else.
        let _opened = open(&node, hello(1)).await.unwrap();
        let _accepted = node.sessions.recv().await.unwrap();
        let stranger = wire::ClientRole { job: node::JOB.0, secret: vec![0; 32].into(), owner_term: 1 };
        let role = Some(wire::Role { kind: Some(wire::role::Kind::Client(stranger)) });
        let refused = refusal(open(&node, wire::Hello { role, ..resume }).await);
        assert_eq!(refused.kind(), FailureKind::SessionExpired);
        assert_eq!(refusal(open(&node, hello(1)).await).kind(), FailureKind::AlreadyExists);
    })
    .await;
}

#[tokio::test]
async fn a_malformed_frame_ends_its_session_alone() {
    within(async {
        let mut node = node::start(SessionOptions::default()).await;
        let (other, mut other_server) = node.session(&node.url.clone(), SessionOptions::default()).await;
        let (sender, mut stream) = open(&node, hello(1)).await.unwrap();
        let (_, mut accepted) = node.sessions.recv().await.unwrap();
        let nothing = wire::Batch { frames: vec![wire::Frame { kind: None }], ..Default::default() };
        sender.send(nothing).await.unwrap();
        let end = accepted.receiver.receive(&mut Vec::new()).await.unwrap_err();
        assert!(
            matches!(&end, SessionEnd::Malformed(failure) if failure.message().contains("frame.kind")),
            "{end}"
        );
        let close = stream.message().await.unwrap().unwrap().close.unwrap();
        assert_eq!(close.failure.unwrap().kind(), wire::FailureKind::Malformed);
        other.sender.send(numbered(1));
        other_server.receiver.receive(&mut Vec::new()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn numbers_that_make_no_sense_end_the_session() {
    within(async {
        let mut node = node::start(SessionOptions::default()).await;
        let frame: wire::Frame = numbered(1).into();
        let gap = wire::Batch { first_sequence: 5, frames: vec![frame], ..Default::default() };
        let acknowledged = wire::Batch { acknowledged: 3, ..Default::default() };
        for (number, batch) in [gap, acknowledged].into_iter().enumerate() {
            let (sender, _stream) = open(&node, hello(number as u8)).await.unwrap();
            let (_, mut accepted) = node.sessions.recv().await.unwrap();
            sender.send(batch).await.unwrap();
            let end = accepted.receiver.receive(&mut Vec::new()).await.unwrap_err();
            assert!(matches!(end, SessionEnd::Malformed(_)), "{end}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_half_open_stream_is_replaced() {
    within(async {
        let mut node = node::start(SessionOptions::default()).await;
        let (_old_sender, mut old) = open(&node, hello(1)).await.unwrap();
        let (_, mut accepted) = node.sessions.recv().await.unwrap();
        accepted.sender.send(numbered(7));
        let first = old.message().await.unwrap().unwrap();
        assert_eq!(first.frames.len(), 1);
        // The new stream has not seen that frame: it comes again.
        let (sender, mut new) = open(&node, wire::Hello { resume: true, ..hello(1) }).await.unwrap();
        let again = new.message().await.unwrap().unwrap();
        assert_eq!((again.first_sequence, again.frames), (0, first.frames));
        assert!(old.message().await.unwrap().is_none());
        let frames = vec![numbered(8).into()];
        sender.send(wire::Batch { acknowledged: 1, frames, ..Default::default() }).await.unwrap();
        let mut received = Vec::new();
        accepted.receiver.receive(&mut received).await.unwrap();
        assert_eq!(received, [numbered(8)]);
        assert_eq!(accepted.sender.backlog().frames, 0);
    })
    .await;
}

#[tokio::test]
async fn nothing_is_answered_without_the_token() {
    within(async {
        let node = node::start(SessionOptions::default()).await;
        for bearer in [Bearer::NONE, Bearer::cluster(&ClusterToken::generate())] {
            let client = NodeClient::connect([&node.url], NodeClientOptions::new(bearer)).await.unwrap();
            let session = client.open_session(node::driver()).await.unwrap_err();
            assert_eq!(session.kind(), FailureKind::Unauthenticated);
            assert_eq!(client.node_status().await.unwrap_err().kind(), FailureKind::Unauthenticated);
        }
        let mut health = tonic_health::pb::health_client::HealthClient::new(channel(&node).await);
        let check = tonic_health::pb::HealthCheckRequest { service: "mobula.v1.Node".into() };
        let refused = health.check(check.clone()).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::Unauthenticated);
        let answer = health.check(authorise(check, &node.token)).await.unwrap().into_inner();
        assert_eq!(answer.status, 1);
    })
    .await;
}

#[tokio::test]
async fn reflection_lists_what_is_served_and_nothing_else() {
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    use tonic_reflection::pb::v1::{ServerReflectionRequest, server_reflection_client};
    within(async {
        let node = node::start(SessionOptions::default()).await;
        let mut reflection = server_reflection_client::ServerReflectionClient::new(channel(&node).await);
        let ask = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let asked = authorise(tokio_stream::once(ask), &node.token);
        let mut answers = reflection.server_reflection_info(asked).await.unwrap().into_inner();
        let answer = answers.message().await.unwrap().and_then(|answer| answer.message_response);
        let Some(MessageResponse::ListServicesResponse(list)) = answer else { panic!("{answer:?}") };
        let mut names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
        names.sort();
        let expected = [
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
            "mobula.v1.Node",
            "mobula.v1.Sessions",
        ];
        assert_eq!(names, expected);
    })
    .await;
}

#[tokio::test]
async fn an_address_that_nobody_listens_at_is_named() {
    within(async {
        let options = NodeClientOptions::new(Bearer::NONE);
        let failure =
            NodeClient::connect(["http://127.0.0.1:1", "127.0.0.1:2"], options.clone()).await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Unavailable);
        assert!(failure.message().contains("127.0.0.1:1"), "{failure}");
        assert!(failure.message().contains("127.0.0.1:2"), "{failure}");
        let nonsense = NodeClient::connect(["not an address"], options).await.unwrap_err();
        assert_eq!(nonsense.kind(), FailureKind::InvalidArgument);
    })
    .await;
}
