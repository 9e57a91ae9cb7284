//! Starting workers, and what their ends mean.

use super::session::Party;
use super::{Call, Input, Shard};
use crate::bulk::BulkRuntime;
use crate::folder::JobFolder;
use crate::transfer::Transfer;
use crate::workers::{self, Launch, WorkerExit};
use mobula_core::executor::{self, LastRun};
use mobula_core::hosting::{self, is_for_actors};
use mobula_core::tasks::{self, SessionKey, SessionKind};
use mobula_host::embedded::{BoxFuture, BulkAccess, EmbeddedOptions, EmbeddedWorker, RunningWorker};
use mobula_objects::NotedRun;
use mobula_rpc::Connection;
use mobula_rpc::node::LogSource;
use mobula_rpc::session::{Session, SessionOptions};
use mobula_runtime::{Shutdown, TaskHandle, clock, spawn};
use mobula_types::outcome::StoredCopy;
use mobula_types::session::JobSecret;
use mobula_types::{Failure, FailureKind, FunctionInfo, JobId, ObjectId, SessionRole, WorkerId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// How long a worker may take from its start to its announcement.
const START_PATIENCE: Duration = Duration::from_secs(20);
/// How long the process of a worker without a session may take to end by itself.
const END_PATIENCE: Duration = Duration::from_secs(1);

/// The workers of a shard.
#[derive(Debug, Default)]
pub(crate) struct Workers {
    known: BTreeMap<WorkerId, WorkerState>,
    embedded: Option<(WorkerId, Box<dyn RunningWorker>)>,
}

#[derive(Debug)]
struct WorkerState {
    job: JobId,
    secret: JobSecret,
    session: Option<SessionKey>,
    announced: bool,
    /// Tells the process's owner that the worker works.
    ready: Option<oneshot::Sender<()>>,
    process: Option<u32>,
    /// How its process ended, while its session has yet to: what it had sent arrives first.
    exit: Option<WorkerExit>,
    /// Tells the process's owner to end it.
    kill: mpsc::Sender<Ending>,
    _owner: TaskHandle<()>,
}

impl Workers {
    pub(crate) fn session(&self, worker: WorkerId) -> Option<SessionKey> {
        self.known.get(&worker)?.session
    }

    #[cfg(test)]
    pub(crate) fn secret(&self, worker: WorkerId) -> Option<JobSecret> {
        self.known.get(&worker).map(|state| state.secret.clone())
    }

    pub(crate) fn launched(&mut self, worker: WorkerId, process: u32) {
        if let Some(state) = self.known.get_mut(&worker) {
            state.process = Some(process);
        }
    }

    pub(crate) fn kill(&self, worker: WorkerId, failure: Failure) {
        if let Some(state) = self.known.get(&worker) {
            // A full channel holds a kill already.
            let _already_told = state.kill.try_send(Ending::Now(failure));
        }
    }

    pub(crate) fn list(&self) -> Vec<(WorkerId, Option<u32>)> {
        self.known.iter().map(|(worker, state)| (*worker, state.process)).collect()
    }
}

impl Shard {
    /// Starts a worker, once it is its `turn`, where it has to wait for one.
    pub(super) fn start_worker(&mut self, worker: WorkerId, job: JobId, turn: Option<Arc<Semaphore>>) {
        let Some((info, folder)) = self.jobs.info(job).zip(self.jobs.folder(job)) else {
            self.on_worker_failed(worker, Shard::job_ended(job));
            return;
        };
        let Some(hash) = info.spec.executable else {
            let message = format!("job {job} has no executable to start a worker from");
            self.on_worker_failed(worker, Failure::new(FailureKind::WorkerStartFailed, message));
            return;
        };
        let secret = JobSecret(rand::random());
        let mut environment: BTreeMap<String, String> = info.spec.environment.clone();
        environment.insert("MOBULA_JOB".into(), job.to_string());
        let starting = Starting {
            worker,
            turn,
            hash,
            folder: folder.clone(),
            launch: Launch {
                worker,
                executable: Default::default(),
                arguments: info.spec.worker_arguments.clone(),
                scratch: folder.path().to_owned(),
                environment,
                secret: secret.clone(),
            },
            logs: self.jobs.logs(job).unwrap_or_else(workers::JobLogs::new),
            transfer: self.parts.transfer.clone(),
            server: self.parts.server.clone(),
            bulk: self.parts.bulk.clone(),
            inbox: self.parts.inbox.clone(),
        };
        self.parts.secrets.insert(&secret, job);
        let (kill, killed) = mpsc::channel(1);
        let (ready, is_ready) = oneshot::channel();
        let owner = spawn("own a worker", starting.run(killed, is_ready));
        let state = WorkerState {
            job,
            secret,
            session: None,
            announced: false,
            ready: Some(ready),
            process: None,
            exit: None,
            kill,
            _owner: owner,
        };
        self.workers.known.insert(worker, state);
    }

    /// A worker's session: its secret proves that it is the process that this node started.
    pub(super) fn open_worker(
        &mut self,
        worker: WorkerId,
        secret: &JobSecret,
        session: Session,
    ) -> Result<(), Failure> {
        let known = self.workers.known.get(&worker).filter(|state| state.secret == *secret);
        let Some(job) = known.map(|state| state.job) else {
            let message = format!("worker {} is not one that this node started", worker.0);
            return Err(Failure::new(FailureKind::PermissionDenied, message));
        };
        let key = self.add_session(Party::Worker { worker, job }, session);
        if let Some(state) = self.workers.known.get_mut(&worker) {
            state.session = Some(key);
        }
        self.tell_tasks(tasks::Event::SessionOpened {
            session: key,
            job: Some(job),
            kind: SessionKind::Worker,
        });
        Ok(())
    }

    pub(super) fn on_announced(
        &mut self,
        worker: WorkerId,
        _session: SessionKey,
        functions: Vec<FunctionInfo>,
    ) {
        if let Some(state) = self.workers.known.get_mut(&worker)
            && !state.announced
        {
            state.announced = true;
            if let Some(ready) = state.ready.take() {
                let _gone = ready.send(());
            }
            if is_for_actors(worker) {
                self.tell_host(hosting::Event::WorkerStarted { worker });
            } else {
                self.tell_executor(executor::Event::WorkerStarted { worker, functions: functions.into() });
            }
        }
    }

    pub(super) fn on_worker_failed(&mut self, worker: WorkerId, failure: Failure) {
        if let Some(state) = self.workers.known.remove(&worker) {
            self.parts.secrets.forget(&state.secret);
            if let Some(session) = state.session {
                self.close_worker_session(session);
            }
        }
        tracing::warn!(worker = worker.0, %failure, "a worker could not be started");
        self.tell_of_failed_start(worker, failure);
    }

    fn tell_of_failed_start(&mut self, worker: WorkerId, failure: Failure) {
        if is_for_actors(worker) {
            self.tell_host(hosting::Event::WorkerStartFailed { worker, failure });
        } else {
            self.tell_executor(executor::Event::WorkerStartFailed { worker, failure });
        }
    }

    /// A worker's process and its sockets are gone. What its session has brought is read to its end first: a run whose
    /// end was sent is not lost.
    pub(super) fn on_worker_exited(&mut self, worker: WorkerId, exit: WorkerExit) {
        let Some(state) = self.workers.known.get_mut(&worker) else { return };
        if state.session.is_some() {
            state.exit = Some(exit);
            return;
        }
        let announced = state.announced;
        self.parts.secrets.forget(&state.secret);
        self.workers.known.remove(&worker);
        if announced && is_for_actors(worker) {
            self.tell_host(hosting::Event::WorkerLost { worker, failure: exit.failure });
        } else if announced {
            let note = |noted: NotedRun| LastRun { handle: noted.handle, over: noted.over };
            let last = exit.last.into_iter().map(note).collect();
            let failure = exit.failure;
            self.tell_executor(executor::Event::WorkerLost { worker, failure, last });
        } else {
            let message = "the worker ended before it was ready; its output is in the job's logs";
            let failure = Failure::new(FailureKind::WorkerStartFailed, message).caused_by(exit.failure);
            self.tell_of_failed_start(worker, failure);
        }
    }

    fn close_worker_session(&mut self, session: SessionKey) {
        self.drop_session(session);
        self.tell_tasks(tasks::Event::SessionClosed { session });
    }

    /// A worker's session is over while its process may live: it is no worker any more.
    pub(super) fn on_worker_session_ended(&mut self, worker: WorkerId) {
        if let Some(state) = self.workers.known.get_mut(&worker) {
            state.session = None;
            if let Some(exit) = state.exit.take() {
                return self.on_worker_exited(worker, exit);
            }
            let message = format!("worker {} lost its session with the node", worker.0);
            let failure = Failure::new(FailureKind::WorkerDied, message);
            let _already_told = state.kill.try_send(Ending::Detached(failure));
        }
    }

    /// Starts the functions that are linked into this process, as one worker over an in-process session.
    pub(super) fn start_embedded(&mut self, embedded: &dyn EmbeddedWorker<Session>) {
        let worker = WorkerId(0);
        let cpus = self.parts.resources.cpu.as_f64().ceil().clamp(0.0, 1024.0) as u32;
        if cpus == 0 {
            return;
        }
        let role = SessionRole::Worker { worker, secret: JobSecret::default() };
        let (theirs, ours) = mobula_rpc::session::pair(role, SessionOptions::default());
        let (transfer, inbox) = (self.parts.transfer.clone(), self.parts.inbox.clone());
        let bulk = Arc::new(OwnStore { transfer, inbox });
        let options = EmbeddedOptions { node: self.parts.node.clone(), worker, slots: cpus, bulk };
        match embedded.start(theirs, options) {
            Ok(running) => {
                let key = self.add_session(Party::Embedded { worker }, ours);
                self.tell_tasks(tasks::Event::SessionOpened {
                    session: key,
                    job: None,
                    kind: SessionKind::Worker,
                });
                self.workers.embedded = Some((worker, running));
                let (kill, _never) = mpsc::channel(1);
                let owner = spawn("the embedded worker", async {});
                let state = WorkerState {
                    job: JobId::default(),
                    secret: JobSecret(rand::random()),
                    session: Some(key),
                    announced: true,
                    ready: None,
                    process: None,
                    exit: None,
                    kill,
                    _owner: owner,
                };
                self.workers.known.insert(worker, state);
                self.tell_host(hosting::Event::EmbeddedStarted { worker });
                let functions = embedded.functions().into();
                self.tell_executor(executor::Event::EmbeddedStarted { worker, functions, slots: cpus });
            }
            Err(failure) => tracing::error!(%failure, "the embedded functions cannot run"),
        }
    }
}

/// Why a worker's process is to end.
#[derive(Debug)]
enum Ending {
    /// It is not wanted any more.
    Now(Failure),
    /// Its session is over. Mostly because the process has just ended, and then its own end says more.
    Detached(Failure),
}

/// Everything that the owner of a worker process needs.
struct Starting {
    worker: WorkerId,
    /// As many workers as it has permits start at once.
    turn: Option<Arc<Semaphore>>,
    hash: mobula_types::ExecutableHash,
    folder: JobFolder,
    launch: Launch,
    logs: workers::JobLogs,
    transfer: Transfer,
    server: mobula_rpc::node::NodeServer,
    bulk: BulkRuntime,
    inbox: mpsc::Sender<Input>,
}

impl Starting {
    /// Starts the process, serves it, and tells the shard of its end.
    async fn run(mut self, mut killed: mpsc::Receiver<Ending>, ready: oneshot::Receiver<()>) {
        let worker = self.worker;
        let inbox = self.inbox.clone();
        let started = tokio::select! {
            started = self.start() => started,
            Some(Ending::Now(failure) | Ending::Detached(failure)) = killed.recv() => Err(failure),
        };
        let input = match started {
            Ok((mut process, permit)) => {
                let _shard_ended = inbox.send(Input::WorkerLaunched { worker, process: process.pid }).await;
                let mut serving = self.serve(&mut process);
                let exit = wait(&mut process, &mut killed, too_late(ready, permit)).await;
                if let Some(session) = serving.first_mut() {
                    // What it had sent is read to its end, unless something else holds its socket open.
                    let _in_time = tokio::time::timeout(END_PATIENCE, session).await;
                }
                drop(serving);
                Input::WorkerExited { worker, exit }
            }
            Err(failure) => Input::WorkerFailed { worker, failure },
        };
        let _shard_ended = inbox.send(input).await;
    }

    /// Starts the process. The permit is its turn, until it is ready.
    async fn start(&mut self) -> Result<(workers::WorkerProcess, Option<OwnedSemaphorePermit>), Failure> {
        self.launch.executable = self.transfer.executable(self.hash).await?;
        self.folder.prepare(&self.transfer).await?;
        let permit = match self.turn.take() {
            // It is never closed.
            Some(turn) => turn.acquire_owned().await.ok(),
            None => None,
        };
        Ok((workers::launch(&self.launch).await?, permit))
    }

    fn serve(&mut self, process: &mut workers::WorkerProcess) -> Vec<TaskHandle<()>> {
        let mut serving = Vec::new();
        if let Some((session, bulk)) = process.sockets.take() {
            let serve = |connection: Connection| {
                let server = self.server.clone();
                async move {
                    if let Err(error) = server.serve_connection(connection, Shutdown::new()).await {
                        tracing::debug!(%error, "a worker's socket ended");
                    }
                }
            };
            serving.push(spawn("serve a worker's session", serve(Connection::Unix(session))));
            serving.push(self.bulk.spawn("serve a worker's calls", serve(Connection::UnixBulk(bulk))));
        }
        let name = self.worker.0;
        if let Some(stdout) = process.stdout.take() {
            // The output is read to its end even when the process is gone: its last lines say why.
            let logs = self.logs.clone();
            spawn(
                "read a worker's output",
                logs.capture(LogSource::Stdout, format!("worker {name}"), stdout),
            )
            .detach();
        }
        if let Some(stderr) = process.stderr.take() {
            let logs = self.logs.clone();
            spawn(
                "read a worker's errors",
                logs.capture(LogSource::Stderr, format!("worker {name}"), stderr),
            )
            .detach();
        }
        serving
    }
}

/// Ends when the worker has had its time to get ready; never, once it is ready.
async fn too_late(ready: oneshot::Receiver<()>, permit: Option<OwnedSemaphorePermit>) {
    tokio::select! {
        Ok(()) = ready => {
            drop(permit);
            std::future::pending().await
        }
        () = clock::sleep(START_PATIENCE) => {}
    }
}

/// Waits for the end of a process; on a word from the shard, ends it.
async fn wait(
    process: &mut workers::WorkerProcess,
    killed: &mut mpsc::Receiver<Ending>,
    too_late: impl Future<Output = ()>,
) -> WorkerExit {
    let mut reason = tokio::select! {
        exit = process.wait() => return exit,
        reason = killed.recv() => reason,
        () = too_late => {
            let message = format!("the worker did not connect within {START_PATIENCE:?} of its start");
            Some(Ending::Now(Failure::new(FailureKind::WorkerStartFailed, message)))
        }
    };
    if matches!(reason, Some(Ending::Detached(_))) {
        tokio::select! {
            exit = process.wait() => return exit,
            Some(other) = killed.recv() => reason = Some(other),
            () = clock::sleep(END_PATIENCE) => {}
        }
    }
    process.kill();
    let mut exit = process.wait().await;
    if let Some(Ending::Now(failure) | Ending::Detached(failure)) = reason {
        exit.failure = failure;
    }
    exit
}

/// The embedded worker's way to the store of its own node.
#[derive(Clone, Debug)]
struct OwnStore {
    transfer: Transfer,
    inbox: mpsc::Sender<Input>,
}

impl OwnStore {
    /// The embedded worker serves many jobs: what it stores belongs to the job of the task that made it.
    async fn job_of(&self, object: ObjectId) -> Result<JobId, Failure> {
        let (reply, answer) = oneshot::channel();
        let asked = self.inbox.send(Input::Call(Call::JobOf { task: object.task, reply })).await;
        let job = if asked.is_ok() { answer.await.ok().flatten() } else { None };
        job.ok_or_else(|| {
            let message = "the task that made the value does not run here any more";
            Failure::new(FailureKind::Cancelled, message).of_object(object)
        })
    }
}

impl BulkAccess for OwnStore {
    fn fetch(&self, object: ObjectId) -> BoxFuture<Result<bytes::Bytes, Failure>> {
        let transfer = self.transfer.clone();
        Box::pin(async move { transfer.read(object) })
    }

    fn store(&self, object: ObjectId, bytes: bytes::Bytes) -> BoxFuture<Result<StoredCopy, Failure>> {
        let own = self.clone();
        Box::pin(async move {
            let job = own.job_of(object).await?;
            own.transfer.write(job, object, bytes).await
        })
    }
}
