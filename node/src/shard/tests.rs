//! A shard and its service, spoken to as by others, without a head.

mod creations;
mod groups;
mod observers;
mod peers;
mod watches;
mod worker_start;

use super::{Call, INBOX, Input, Shard, ShardParts};
use crate::bring::{NotBrought, Wanted};
use crate::bulk::BulkThread;
use crate::executables::{CacheOptions, ExecutableCache};
use crate::requests::Requests;
use crate::secrets::Secrets;
use crate::service::Service;
use crate::thin::ThinCalls;
use crate::transfer::{Transfer, TransferParts};
use mobula_objects::{CopyOf, ObjectStore};
use mobula_rpc::head::{Grant, HeadEvent, HeadLink, HeadLinkOptions};
use mobula_rpc::node::{Arguments, JobAccess, NodeService, RequestId, SubmitTask};
use mobula_rpc::session::{Session, SessionEnd, SessionOptions};
use mobula_rpc::{Authenticator, Caller, NodeServer, ServerOptions};
use mobula_runtime::{Shutdown, clock};
use mobula_types::job::JobState;
use mobula_types::outcome::StoredCopy;
use mobula_types::session::JobSecret;
use mobula_types::view::NodeLoad;
use mobula_types::{
    ClusterView, ExecutableHash, Failure, FailureKind, Frame, JobId, JobInfo, JobSpec, NodeId, NodeInfo,
    NodeRegistration, NodeState, ObjectId, Resources, SessionRole, TaskId, TaskOptions, WorkerId,
};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot};

/// What lives as long as a test's node.
struct World {
    shard: Shard,
    service: Arc<Service>,
    inputs: mpsc::Receiver<Input>,
    _bulk: BulkThread,
    _folder: tempfile::TempDir,
}

fn node(name: &str, generation: u64) -> NodeId {
    NodeId::new(name, generation)
}

fn info(id: NodeId) -> NodeInfo {
    NodeInfo {
        id,
        address: "http://127.0.0.1:1".into(),
        resources: Resources::cpus(1),
        labels: Default::default(),
        state: NodeState::Alive,
        functions: Vec::new(),
        object_store_memory: 1 << 20,
        version: "1".into(),
        load: NodeLoad::default(),
    }
}

impl World {
    fn new() -> Self {
        World::with_executables(|_none| ())
    }

    /// A node whose cache of executables has what an earlier life left there.
    fn with_executables(leave: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cache_folder = folder.path().join("executables");
        std::fs::create_dir(&cache_folder).unwrap();
        leave(&cache_folder);
        let own = info(node("own", 1));
        let registration = NodeRegistration {
            name: own.id.name.clone(),
            address: own.address.clone(),
            own_address: "127.0.0.1:1".into(),
            resources: own.resources.clone(),
            labels: Default::default(),
            functions: Vec::new(),
            object_store_memory: own.object_store_memory,
            version: "1".into(),
            data_folder: None,
        };
        // Nobody listens there.
        let heads = vec!["http://127.0.0.1:1".to_owned()];
        let link = HeadLinkOptions { heads, token: None, registration, previous: None };
        let (head, _events) = HeadLink::start(link).unwrap();
        let (inbox, inputs) = mpsc::channel(INBOX);
        let store = ObjectStore::new(1 << 20);
        let cache = CacheOptions { limit: 1 << 20, durable: false };
        let cache = ExecutableCache::open(cache_folder, cache).unwrap();
        let executables = Arc::new(cache);
        let bulk = BulkThread::start(store.clone()).unwrap();
        let transfer = Transfer::new(TransferParts {
            bulk: bulk.runtime(),
            node: own.id.clone(),
            store: store.clone(),
            executables: executables.clone(),
            token: None,
            head: head.clone(),
            patience: Duration::from_secs(1),
            resume_within: Duration::from_secs(30),
        });
        let (secrets, requests) = (Secrets::default(), Requests::default());
        let service = Arc::new(Service {
            grant: Grant {
                node: own.id.clone(),
                cluster: Default::default(),
                term: Default::default(),
                lease: Duration::from_secs(60),
                lease_id: 1,
                rejoined: false,
            },
            info: own.clone(),
            inbox: inbox.clone(),
            transfer: transfer.clone(),
            head: head.clone(),
            secrets: secrets.clone(),
            store: store.clone(),
            executables: executables.clone(),
            handover: None,
            thin: ThinCalls::new(requests.clone()),
            started: clock::now(),
        });
        let server = NodeServer::new(service.clone(), ServerOptions::new(None)).unwrap();
        let shard = Shard::new(ShardParts {
            node: own.id,
            resources: own.resources,
            view: ClusterView::default(),
            store,
            bulk: bulk.runtime(),
            transfer,
            executables,
            head,
            scratch: folder.path().join("jobs"),
            idle_worker: Duration::from_secs(60),
            isolated_starts: Arc::new(Semaphore::new(2)),
            server,
            secrets,
            requests,
            embedded: None,
            inbox,
            shutdown: Shutdown::new(),
        });
        World { shard, service, inputs, _bulk: bulk, _folder: folder }
    }

    fn tell(&mut self, input: Input) {
        self.shard.on_input(input);
        self.shard.settle();
    }

    fn open_job(&mut self, job: JobId, executable: Option<ExecutableHash>) {
        let spec = JobSpec { executable, ..JobSpec::default() };
        let info = JobInfo {
            job,
            spec,
            state: JobState::Running,
            reason: String::new(),
            opened_millis: 0,
            ended_millis: 0,
        };
        let (reply, _known) = oneshot::channel();
        self.tell(Input::Call(Call::KnowJob { info, reply }));
    }

    /// The other end of a session that was opened with this node; `None` where it was refused.
    fn open_session(&mut self, role: SessionRole) -> Result<Session, Failure> {
        let (theirs, ours) = mobula_rpc::session::pair(role.clone(), SessionOptions::default());
        let (reply, mut answer) = oneshot::channel();
        self.tell(Input::Opened { role, session: ours, reply });
        answer.try_recv().unwrap().map(|()| theirs)
    }

    fn sees(&mut self, nodes: &[NodeId]) {
        let mut view = ClusterView::default();
        view.version.revision = self.shard.view.version.revision + 1;
        for id in nodes {
            view.nodes.insert(id.name.clone(), Arc::new(info(id.clone())));
        }
        self.tell(Input::Head(HeadEvent::View(view.full_delta())));
    }

    fn sessions(&self) -> usize {
        self.shard.sessions.iter().count()
    }

    /// Passes on what reaches the shard while a call of the service is answered.
    async fn serve<T>(&mut self, call: impl Future<Output = T>) -> T {
        let mut call = std::pin::pin!(call);
        loop {
            tokio::select! {
                answer = &mut call => return answer,
                Some(input) = self.inputs.recv() => {
                    self.shard.on_input(input);
                    self.shard.settle();
                }
            }
        }
    }
}

fn peer(generation: u64) -> SessionRole {
    SessionRole::Peer { node: node("other", generation) }
}

/// The keys of all sessions.
fn keys(world: &World) -> Vec<mobula_core::tasks::SessionKey> {
    world.shard.sessions.iter().map(|(key, _)| key).collect()
}

#[tokio::test]
async fn nothing_is_accepted_from_a_dead_generation() {
    let mut world = World::new();
    world.sees(&[node("other", 2)]);
    let _sessions = [world.open_session(peer(2)).unwrap(), world.open_session(peer(2)).unwrap()];
    let keys = keys(&world);
    assert_eq!(keys.len(), 2);
    world.tell(Input::Head(HeadEvent::FenceNode(node("other", 2))));
    assert_eq!(world.sessions(), 0, "the one in use and the other one");
    // What it sent before and nobody has read yet: it would be answered, or end the session.
    for session in keys {
        let frames = vec![Frame::Resolve { object: ObjectId::result(TaskId::from_hash(1), 0) }];
        world.tell(Input::Frames { session, frames });
    }
    assert_eq!(world.open_session(peer(2)).unwrap_err().kind(), FailureKind::Fenced);
    assert_eq!(world.open_session(peer(1)).unwrap_err().kind(), FailureKind::Fenced);
    assert!(world.open_session(peer(3)).is_ok());
}

#[tokio::test]
async fn a_later_generation_in_the_view_ends_the_earlier_ones() {
    let mut world = World::new();
    world.sees(&[node("other", 2)]);
    let _session = world.open_session(peer(2)).unwrap();
    world.sees(&[node("other", 3)]);
    assert_eq!(world.sessions(), 0);
    assert_eq!(world.open_session(peer(2)).unwrap_err().kind(), FailureKind::Fenced);
    assert!(world.open_session(peer(3)).is_ok());
}

#[tokio::test]
async fn a_jobs_secret_fetches_that_jobs_values_alone() {
    let mut world = World::new();
    let (own, other) = (JobId(1), JobId(2));
    world.open_job(own, None);
    world.open_job(other, None);
    let object = ObjectId::result(TaskId::of_driver(own, 1), 0);
    let service = world.service.clone();
    // Neither whether it exists.
    let failure = world.serve(service.fetch(Caller::Job(other), object)).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::NotFound);
    service.transfer.write(own, object, vec![7; 1000].into()).await.unwrap();
    let failure = world.serve(service.fetch(Caller::Job(other), object)).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::PermissionDenied);
    for caller in [Caller::Job(own), Caller::Cluster] {
        assert_eq!(world.serve(service.fetch(caller, object)).await.unwrap().length, 1000);
    }
}

/// A thin client's submit of that many results.
fn thin_submit(job: JobId, num_returns: u32) -> SubmitTask {
    SubmitTask {
        access: JobAccess { job, secret: JobSecret([1; 32]) },
        request_id: RequestId(format!("of {num_returns}")),
        function: "f".into(),
        version: String::new(),
        options: TaskOptions { num_returns, ..TaskOptions::default() },
        arguments: Arguments::Json(String::new()),
        references: Vec::new(),
        deadline: None,
    }
}

#[tokio::test]
async fn a_thin_submit_answers_what_the_engine_says() {
    let mut world = World::new();
    let job = JobId(1);
    world.open_job(job, None);
    world.service.secrets.insert(&JobSecret([1; 32]), job);
    let service = world.service.clone();
    let submitted = world.serve(service.submit_task(thin_submit(job, 3))).await.unwrap();
    assert_eq!(submitted.objects.len(), 3);
    let failure = world.serve(service.submit_task(thin_submit(job, 4_000_000_000))).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::InvalidArgument);
    // More than it may hold of what has not run.
    let large = SubmitTask {
        request_id: RequestId("large".into()),
        arguments: Arguments::MessagePack(vec![0; 3 << 20].into()),
        ..thin_submit(job, 1)
    };
    let failure = world.serve(service.submit_task(large)).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::StoreFull);
    assert!(world.shard.calls.is_empty());
}

#[tokio::test]
async fn a_thin_get_that_timed_out_waits_for_nothing_any_more() {
    let mut world = World::new();
    let job = JobId(1);
    world.open_job(job, None);
    world.service.secrets.insert(&JobSecret([1; 32]), job);
    let service = world.service.clone();
    let submitted = world.serve(service.submit_task(thin_submit(job, 1))).await.unwrap();
    let (reply, mut answer) = oneshot::channel();
    let address = mobula_types::ObjectAddress::at_home(submitted.objects[0]);
    let until = world.shard.now + Duration::from_millis(1);
    world.tell(Input::Call(Call::Get { address, job, until, reply }));
    assert!(answer.try_recv().is_err());
    assert_eq!(world.shard.next_deadline(), until);
    world.shard.now = until;
    world.shard.tick();
    let Ok(mobula_types::Outcome::Failed(failure)) = answer.try_recv() else { panic!("no failure") };
    assert_eq!(failure.kind(), FailureKind::TimedOut);
    assert!(world.shard.calls.is_empty() && world.shard.call_ends.is_empty());
}

#[tokio::test]
async fn a_flood_does_not_keep_a_shard_from_ending() {
    let World { shard, inputs, service, .. } = World::new();
    let answers: Vec<_> = (0..INBOX)
        .map(|_| {
            let (reply, answer) = oneshot::channel();
            service.inbox.try_send(Input::Call(Call::Status { reply })).unwrap();
            answer
        })
        .collect();
    shard.parts.shutdown.trigger();
    shard.run(inputs).await;
    let answered = answers.into_iter().filter_map(|mut answer| answer.try_recv().ok()).count();
    assert_eq!(answered, 0, "the shutdown came first");
}

#[tokio::test]
async fn a_worker_that_does_not_start_leaves_no_secret() {
    let mut world = World::new();
    let job = JobId(1);
    world.open_job(job, Some(ExecutableHash([7; 32])));
    let worker = WorkerId(3);
    world.shard.start_worker(worker, job, None);
    let secret = world.shard.workers.secret(worker).unwrap();
    assert_eq!(world.service.job_of(&secret), Some(job));
    let failure = Failure::new(FailureKind::NotFound, "no node holds the executable");
    world.tell(Input::WorkerFailed { worker, failure });
    assert_eq!(world.service.job_of(&secret), None);
    assert_eq!(world.service.job_of(&JobSecret([0; 32])), None);
}

#[tokio::test]
async fn a_thin_submit_is_told_why_it_was_refused() {
    let mut world = World::new();
    let (job, secret) = (JobId(1), JobSecret([7; 32]));
    world.open_job(job, None);
    world.shard.parts.secrets.insert(&secret, job);
    let mut request = SubmitTask {
        request_id: RequestId("1".into()),
        access: JobAccess { job, secret },
        function: "f".into(),
        version: String::new(),
        arguments: Arguments::MessagePack(Default::default()),
        references: Vec::new(),
        options: TaskOptions { num_returns: u32::MAX, ..TaskOptions::default() },
        deadline: None,
    };
    let service = world.service.clone();
    let failure = world.serve(service.submit_thin(request.clone())).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::InvalidArgument);
    assert!(failure.message().contains("num_returns"), "{failure}");
    request.request_id = RequestId("2".into());
    request.options.num_returns = 2;
    assert_eq!(world.serve(service.submit_thin(request)).await.unwrap().objects.len(), 2);
}

/// Only a holder that says so itself has lost its copy: the owner drops that one, and keeps the others on record.
#[tokio::test]
async fn a_holder_that_cannot_be_reached_has_lost_nothing() {
    let mut world = World::new();
    let holder = node("other", 2);
    world.sees(std::slice::from_ref(&holder));
    let object = ObjectId::result(TaskId::of_driver(JobId(1), 1), 0);
    let bring = |length, holders| {
        let transfer = world.service.transfer.clone();
        let copy = StoredCopy { length, checksum: 0, holders };
        let (owner, wanted) = (node("owner", 1), vec![Wanted { object, copy: Arc::new(copy) }]);
        async move { transfer.bring(JobId(1), &owner, wanted).await.unwrap_err().1 }
    };
    assert!(matches!(bring(1, vec![holder.clone()]).await, NotBrought::Unavailable(_)));
    assert!(matches!(bring(1, vec![node("unknown", 1)]).await, NotBrought::Unavailable(_)));
    assert!(matches!(bring(1, Vec::new()).await, NotBrought::Unavailable(_)));
    let own = world.shard.parts.node.clone();
    assert!(matches!(bring(1, vec![own.clone()]).await, NotBrought::Gone(gone) if gone == own));
    // More than the whole store holds.
    let NotBrought::Unavailable(failure) = bring(1 << 30, vec![holder]).await else {
        panic!("it is not lost")
    };
    assert_eq!(failure.kind(), FailureKind::StoreFull);
}

/// Each of two runs has what the other one could use; what a third one uses is not enough for both.
#[tokio::test]
async fn runs_that_wait_for_room_keep_nothing_from_each_other() {
    const PART: u64 = (1 << 20) / 3;
    let world = World::new();
    let (job, owner) = (JobId(1), node("owner", 1));
    let store = world.shard.parts.store.clone();
    let object = |number| ObjectId::result(TaskId::of_driver(job, number), 0);
    let copy = |number| {
        let of = CopyOf { owner: owner.clone(), keeper: owner.clone() };
        let room = store.reserve(job, PART).unwrap();
        let pin = room.commit_copy(object(number), vec![0; PART as usize].into(), 0, of).unwrap();
        pin.told();
        pin
    };
    drop((copy(1), copy(2)));
    let in_use = copy(3);
    let bring = |numbers: [u64; 3]| {
        let transfer = world.service.transfer.clone();
        let wanted = numbers.map(|number| {
            let copy = StoredCopy { length: PART, checksum: 0, holders: Vec::new() };
            Wanted { object: object(number), copy: Arc::new(copy) }
        });
        let owner = owner.clone();
        async move { transfer.bring(job, &owner, wanted.into()).await.unwrap_err().1 }
    };
    let freeing = async {
        tokio::task::yield_now().await;
        drop(in_use);
    };
    let (first, second, ()) = tokio::join!(bring([1, 4, 5]), bring([2, 6, 7]), freeing);
    for not_brought in [first, second] {
        let NotBrought::Unavailable(failure) = not_brought else { panic!("it is not lost") };
        assert_eq!(failure.kind(), FailureKind::Unavailable, "it had room: {failure}");
    }
}

/// What has come over a session so far that this shard has sent.
async fn received(world: &mut World, session: &mut Session) -> Vec<Frame> {
    world.shard.sessions.flush();
    let mut frames = Vec::new();
    let received = session.receiver.receive(&mut frames);
    tokio::time::timeout(Duration::from_secs(5), received).await.expect("nothing has come").unwrap();
    frames
}

#[tokio::test]
async fn copies_are_told_of_when_they_come_and_when_they_make_room_and_unneeded_ones_go() {
    let mut world = World::new();
    let owner = node("other", 2);
    world.sees(std::slice::from_ref(&owner));
    let mut session = world.open_session(peer(2)).unwrap();
    let store = world.shard.parts.store.clone();
    let (job, object) = (JobId(1), ObjectId::result(TaskId::of_driver(JobId(1), 1), 0));
    let bring = || {
        let of = CopyOf { owner: owner.clone(), keeper: owner.clone() };
        store.reserve(job, 10).unwrap().commit_copy(object, vec![1; 10].into(), 7, of).unwrap()
    };
    // The run that it was brought for was cancelled meanwhile.
    let run = mobula_core::executor::RunKey(1);
    world.tell(Input::Fetched { run, result: Ok((Vec::new(), vec![bring()])) });
    assert!(!store.contains(&object));
    let pin = bring();
    let version = pin.version();
    world.shard.tell_of_copy(&owner, object, version);
    pin.told();
    assert_eq!(received(&mut world, &mut session).await, [Frame::CopyMade { object, version }]);
    drop(pin);
    drop(store.reserve(job, 1 << 20).unwrap());
    world.shard.look_after_copies();
    let holder = world.shard.parts.node.clone();
    let lost = Frame::CopyLost { object, version, holder };
    assert_eq!(received(&mut world, &mut session).await, [lost]);
}
