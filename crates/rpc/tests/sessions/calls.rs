//! Calls beside sessions.

use crate::node::{self, JOB, Running, SECRET, access, node_id, node_status, task_record, within};
use bytes::Bytes;
use futures::StreamExt;
use mobula_rpc::node::{
    Arguments, CallActor, CancelTask, ChunkEncoding, Chunks, ExecutableUpload, GetObject, JobAccess,
    ObjectUpload, PutObject, RequestId, SubmitJob, SubmitTask, ValueBytes,
};
use mobula_rpc::node::{LogScope, TaskScope};
use mobula_rpc::{Bearer, NodeClient, NodeClientOptions, SessionOptions};
use mobula_types::actor::{
    ActorAnswer, ActorId, ActorRequest, ActorSpec, ActorTarget, CreateActor, MethodOptions,
};
use mobula_types::session::JobSecret;
use mobula_types::{
    ExecutableHash, Failure, FailureKind, FunctionId, JobId, JobSpec, ObjectId, Payload, TaskFilter, TaskId,
    TaskOptions, TaskState, TaskTemplate,
};
use std::sync::Arc;
use std::time::Duration;

async fn started() -> (Running, NodeClient) {
    let node = node::start(SessionOptions::default()).await;
    let client = node.client(SessionOptions::default());
    (node, client)
}

fn upload(length: u64) -> ObjectUpload {
    let object = ObjectId::result(TaskId::of_driver(JOB, 1), 0);
    ObjectUpload { access: access(), object, length, checksum: 77 }
}

#[tokio::test]
async fn bulk_bytes_come_back_as_they_went() {
    within(async {
        let (_node, client) = started().await;
        let bytes: Bytes = (0..5_000_001_u32).map(|number| (number % 251) as u8).collect::<Vec<_>>().into();
        let upload = upload(bytes.len() as u64);
        let copy = client.store(upload.clone(), Chunks::from_bytes(bytes.clone())).await.unwrap();
        assert_eq!((copy.length, copy.checksum, copy.holders), (upload.length, 77, vec![node_id()]));
        let download = client.fetch(upload.object).await.unwrap();
        assert_eq!((download.length, download.checksum), (upload.length, 77));
        assert!(download.chunks.collect(upload.length).await.unwrap() == bytes);
        let missing = client.fetch(ObjectId::default()).await.unwrap_err();
        assert_eq!((missing.kind(), missing.message()), (FailureKind::NotFound, "no object"));
    })
    .await;
}

#[tokio::test]
async fn an_upload_that_fails_midway_says_why() {
    within(async {
        let (_node, client) = started().await;
        let lost = Failure::new(FailureKind::ObjectLost, "the file shrank");
        let pieces = [Ok(Bytes::from_static(b"abc")), Err(lost.clone())];
        let chunks = Chunks::new(9, futures::stream::iter(pieces));
        assert_eq!(client.store(upload(9), chunks).await.unwrap_err(), lost);
        let longer =
            client.store(upload(2), Chunks::from_bytes(Bytes::from_static(b"abc"))).await.unwrap_err();
        assert_eq!(longer.kind(), FailureKind::Malformed);
    })
    .await;
}

#[tokio::test]
async fn executables_are_asked_for_sent_and_fetched() {
    within(async {
        let (_node, client) = started().await;
        let hash = ExecutableHash([1; 32]);
        assert!(client.has_executable(hash).await.unwrap().present);
        assert!(!client.has_executable(ExecutableHash([2; 32])).await.unwrap().present);
        let upload = ExecutableUpload {
            hash,
            length: 3,
            target: "x86_64-linux-gnu".into(),
            encoding: ChunkEncoding::Plain,
        };
        let chunks = Chunks::from_bytes(Bytes::from_static(b"elf"));
        client.upload_executable(upload, chunks).await.unwrap();
        let download = client.fetch_executable(hash).await.unwrap();
        assert_eq!(download.chunks.collect(32).await.unwrap(), hash.0[..]);
    })
    .await;
}

#[tokio::test]
async fn thin_calls_arrive_whole() {
    within(async {
        let (_node, client) = started().await;
        let opened = client.open_job(RequestId::random(), JobSpec::default()).await.unwrap();
        assert_eq!((opened.job, opened.access()), (JOB, access()));
        let task = SubmitTask {
            request_id: RequestId::random(),
            access: access(),
            function: "f".into(),
            version: String::new(),
            arguments: Arguments::Json("[1]".into()),
            references: vec![(1, ObjectId::default())],
            options: TaskOptions::default(),
            deadline: Some(Duration::from_secs(1)),
        };
        let submitted = client.submit_task(task).await.unwrap();
        assert_eq!(submitted.task, TaskId::of_driver(JOB, 1));
        let object = submitted.objects[0];
        let get = GetObject { access: access(), object, timeout: Some(Duration::from_secs(1)), json: true };
        assert_eq!(client.get_object(get).await.unwrap().json.as_deref(), Some("7"));
        let value = ValueBytes::MessagePack(Bytes::from_static(b"\x07"));
        let put = PutObject { request_id: RequestId::random(), access: access(), value };
        assert_eq!(client.put_object(put).await.unwrap().task, TaskId::of_driver(JOB, 5));
        client.release(access(), &[object]).await.unwrap();
        client.keep_alive(access()).await.unwrap();
        let cancel = CancelTask { access: access(), task: submitted.task, force: true, recursive: true };
        client.cancel_task(cancel).await.unwrap();
        client.close_job(access()).await.unwrap();
        let job = SubmitJob {
            request_id: RequestId::random(),
            spec: JobSpec::default(),
            arguments: vec!["a".into()],
        };
        assert_eq!(client.submit_job(job).await.unwrap().secret, SECRET);
        client.stop_job(JOB).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn state_arrives_whole() {
    within(async {
        let (_node, client) = started().await;
        assert_eq!(client.get_task(task_record().task, TaskScope::Cluster).await.unwrap(), task_record());
        assert_eq!(client.node_status().await.unwrap(), node_status());
        assert_eq!(client.head_status().await.unwrap(), node::head_status());
        let filter = TaskFilter { job: Some(JOB), state: Some(TaskState::Failed), name: Some("x".into()) };
        let list = client.list_tasks(filter.clone(), 7, TaskScope::Owned).await.unwrap();
        assert_eq!(list.silent, ["Owned".into()]);
        assert_eq!(list.started, [(task_record().task, task_record().attempt)]);
        assert_eq!((list.left_out, list.head_silent), (3, true));
        assert_eq!((list.tasks[0].name.clone(), list.more), (format!("{filter:?} 7"), true));
        assert_eq!(client.cluster_view().await.unwrap().nodes.len(), 1);
        assert!(client.list_jobs().await.unwrap().is_empty());
        assert!(client.list_functions().await.unwrap().is_empty());
        let logs: Vec<_> = client.job_logs(JOB, true, LogScope::Node).await.unwrap().collect().await;
        let first = logs[0].as_ref().unwrap();
        assert_eq!((first.origin.as_str(), &first.text[..]), ("Node", &b"line\n"[..]));
        assert_eq!(logs[1].as_ref().unwrap_err().kind(), FailureKind::NotFound);
        assert_eq!(logs.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_jobs_secret_permits_what_is_the_jobs_own() {
    within(async {
        let (node, _client) = started().await;
        let client = NodeClient::at(&node.url, NodeClientOptions::new(Bearer::job(&SECRET))).unwrap();
        client.keep_alive(access()).await.unwrap();
        client.store(upload(0), Chunks::from_bytes(Bytes::new())).await.unwrap();
        let other = JobAccess { job: JobId(9), secret: JobSecret([1; 32]) };
        assert_eq!(client.keep_alive(other).await.unwrap_err().kind(), FailureKind::PermissionDenied);
        let open = client.open_job(RequestId::random(), JobSpec::default()).await.unwrap_err();
        assert_eq!(open.kind(), FailureKind::PermissionDenied);
        assert_eq!(client.list_jobs().await.unwrap_err().kind(), FailureKind::PermissionDenied);
        let peer = mobula_types::SessionRole::Peer { node: node_id() };
        assert_eq!(client.open_session(peer).await.unwrap_err().kind(), FailureKind::PermissionDenied);
    })
    .await;
}

fn call_actor(access: JobAccess, target: ActorTarget) -> CallActor {
    CallActor {
        request_id: RequestId::random(),
        access,
        target,
        method: "add".into(),
        arguments: Arguments::Json("[1]".into()),
        references: vec![(1, ObjectId::default())],
        options: MethodOptions::default(),
        timeout: Some(Duration::from_secs(1)),
        json: true,
    }
}

#[tokio::test]
async fn actors_are_called_without_a_session() {
    within(async {
        let (node, client) = started().await;
        let named = ActorTarget::Named { namespace: "default".into(), name: "counter".into() };
        let value = client.call_actor(call_actor(access(), named.clone())).await.unwrap();
        assert_eq!(value.value, format!("{named:?} add"));
        assert_eq!(value.json.as_deref(), Some("7"));
        let driver = NodeClient::at(&node.url, NodeClientOptions::new(Bearer::job(&SECRET))).unwrap();
        let id = ActorTarget::Id(ActorId(TaskId::of_driver(JOB, 1)));
        assert_eq!(
            driver.call_actor(call_actor(access(), id.clone())).await.unwrap().value,
            format!("{id:?} add")
        );
        let other = JobAccess { job: JobId(77), ..access() };
        let refused = driver.call_actor(call_actor(other, id.clone())).await.unwrap_err();
        assert_eq!(refused.kind(), FailureKind::PermissionDenied);
        let request = CallActor { method: String::new(), ..call_actor(access(), id) };
        let refused = client.call_actor(request).await.unwrap_err();
        assert_eq!(refused.kind(), FailureKind::InvalidArgument);
        assert!(refused.message().contains("call_actor_request.method"), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn heads_are_asked_about_actors_through_a_node() {
    within(async {
        let (node, client) = started().await;
        let actor = ActorId(TaskId::of_driver(JOB, 1));
        let template = Arc::new(TaskTemplate {
            function: FunctionId::new("Counter::new", "1"),
            signature: None,
            options: TaskOptions::default(),
        });
        let spec = Arc::new(ActorSpec { job: JOB, template, arguments: Payload::EMPTY, inputs: Vec::new() });
        let create = ActorRequest::Create(vec![CreateActor { actor, spec }]);
        assert_eq!(client.actors(&create).await.unwrap(), ActorAnswer::Created(vec![Ok(actor)]));
        let find = ActorRequest::Find(ActorTarget::Id(actor));
        assert_eq!(client.actors(&find).await.unwrap_err().kind(), FailureKind::NotFound);
        let driver = NodeClient::at(&node.url, NodeClientOptions::new(Bearer::job(&SECRET))).unwrap();
        let refused = driver.actors(&find).await.unwrap_err();
        assert_eq!(refused.kind(), FailureKind::PermissionDenied);
    })
    .await;
}
