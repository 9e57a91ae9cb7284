//! A shard: the thread of thought that owns jobs, their sessions and their workers.
//!
//! Everything that happens reaches it as an [`Input`] through one bounded queue; it feeds the two machines of `core`
//! (the task engine, which owns, and the executor, which runs), performs their effects, and sends each session what
//! has come together in the turn. It never waits for anything else: what takes time is done by tasks that answer with
//! another input.

mod actors;
mod calls;
mod copies;
mod doubts;
mod drain;
mod executor_effects;
mod find_job;
mod frames;
mod head_events;
mod input;
mod jobs;
mod peers;
mod session;
mod sessions_open;
mod task_effects;
#[cfg(test)]
mod tests;
mod worker_start;

pub(crate) use input::{Call, Input, OwnTasks, Reply, Workplace};

use crate::bulk::BulkRuntime;
use crate::executables::ExecutableCache;
use crate::replication::Replication;
use crate::requests::Requests;
use crate::secrets::Secrets;
use crate::state::{end_of, event_of};
use crate::transfer::Transfer;
use actors::Actors;
use copies::Copies;
use drain::Drain;
use indexmap::IndexMap;
use jobs::Jobs;
use mobula_core::executor::{self, Executor, ExecutorOptions};
use mobula_core::tasks::{self, EngineOptions, SessionKey, TaskEngine, TaskSnapshot};
use mobula_host::embedded::EmbeddedWorker;
use mobula_objects::{CrashPage, ObjectStore};
use mobula_rpc::head::HeadLinkHandle;
use mobula_rpc::session::Session;
use mobula_runtime::{Shutdown, TaskHandle, clock};
use mobula_types::view::NodeLoad;
use mobula_types::{
    Attempt, ClusterView, Failure, JobId, NodeId, ObjectId, Outcome, Resources, TaskId, TaskState, Time,
    WorkerId,
};
use peers::Peers;
use session::Sessions;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use worker_start::Workers;

/// Inputs that may wait; a reader of frames that meets a full queue waits, and so does its peer.
pub(crate) const INBOX: usize = 4096;
/// Frames, and other inputs, that are taken in one turn before what they caused is sent: few enough that whoever it is for
/// works on it while the next ones are taken in, and that they are still in the CPU's cache when they are sent on.
const TURN: usize = 64;
/// How many tasks the head is told of with each sample.
const REPORTED_TASKS: usize = 64;
/// How often the load is sampled for the next renewal of the lease.
const SAMPLE: Duration = Duration::from_millis(500);

/// What a shard is made of; everything outlives it.
#[derive(Debug)]
pub(crate) struct ShardParts {
    pub(crate) node: NodeId,
    pub(crate) resources: Resources,
    pub(crate) view: ClusterView,
    pub(crate) store: ObjectStore,
    pub(crate) bulk: BulkRuntime,
    pub(crate) transfer: Transfer,
    pub(crate) executables: Arc<ExecutableCache>,
    pub(crate) head: HeadLinkHandle,
    pub(crate) scratch: PathBuf,
    pub(crate) idle_worker: Duration,
    /// One for each worker of a single actor that may be starting at a time.
    pub(crate) isolated_starts: Arc<Semaphore>,
    pub(crate) server: mobula_rpc::node::NodeServer,
    pub(crate) secrets: Secrets,
    pub(crate) requests: Requests,
    pub(crate) embedded: Option<Arc<dyn EmbeddedWorker<Session>>>,
    pub(crate) inbox: mpsc::Sender<Input>,
    pub(crate) shutdown: Shutdown,
}

/// How a shard stands.
#[derive(Clone, Debug)]
pub(crate) struct ShardStatus {
    pub(crate) load: NodeLoad,
    pub(crate) workers: Vec<(WorkerId, Option<u32>)>,
    pub(crate) sessions: u64,
    pub(crate) jobs: u64,
}

/// The shard itself.
#[derive(Debug)]
pub(crate) struct Shard {
    parts: ShardParts,
    now: Time,
    tasks: TaskEngine,
    executor: Executor,
    sessions: Sessions,
    peers: Peers,
    actors: Actors,
    workers: Workers,
    jobs: Jobs,
    replication: Replication,
    copies: Copies,
    view: Arc<ClusterView>,
    calls: IndexMap<u64, CallWaits, foldhash::fast::FixedState>,
    next_call: u64,
    /// When the calls that wait for values give up.
    call_ends: BTreeSet<(Time, u64)>,
    task_effects: Vec<tasks::Effect>,
    executor_effects: Vec<executor::Effect>,
    drain: Drain,
    background: Vec<TaskHandle<()>>,
    /// The tasks of the last sample, as the head knows them.
    reported: BTreeSet<(TaskId, Attempt, TaskState)>,
}

/// A call that waits for a value.
#[derive(Debug)]
struct GetCall {
    job: JobId,
    object: ObjectId,
    until: Time,
    reply: Reply<Outcome>,
}

/// Who waits for the answer of the task engine to a call.
#[derive(Debug)]
enum CallWaits {
    Get(GetCall),
    Put(Reply<Option<Failure>>),
    Submit(Reply<Option<Failure>>),
}

impl Shard {
    /// A shard that has seen nothing yet.
    pub(crate) fn new(parts: ShardParts) -> Self {
        let mut executor_options = ExecutorOptions::new(parts.node.clone(), parts.resources.clone());
        executor_options.idle_worker = parts.idle_worker;
        executor_options.noted_slots = CrashPage::SLOTS;
        let mut engine_options = EngineOptions::new(parts.node.clone());
        engine_options.store_bytes = parts.store.usage().capacity;
        engine_options.store_patience = parts.transfer.patience();
        engine_options.seed = rand::random();
        let view = Arc::new(parts.view.clone());
        Shard {
            now: clock::now(),
            peers: Peers::new(&engine_options),
            actors: Actors::new(&parts.node, parts.idle_worker),
            tasks: TaskEngine::new(engine_options),
            executor: Executor::new(executor_options),
            sessions: Sessions::default(),
            workers: Workers::default(),
            jobs: Jobs::new(parts.scratch.clone()),
            replication: Replication::start(parts.transfer.clone()),
            copies: Copies::default(),
            view,
            calls: IndexMap::default(),
            next_call: 0,
            call_ends: BTreeSet::new(),
            task_effects: Vec::new(),
            executor_effects: Vec::new(),
            drain: Drain::default(),
            background: Vec::new(),
            reported: BTreeSet::new(),
            parts,
        }
    }

    /// Runs until the shutdown is given, or every sender of inputs is gone.
    pub(crate) async fn run(mut self, mut inbox: mpsc::Receiver<Input>) {
        self.begin();
        let mut next_sample = self.now + SAMPLE;
        let shutdown = self.parts.shutdown.clone();
        loop {
            let wake = self.next_deadline().min(next_sample);
            let first = tokio::select! {
                biased;
                // Before the queue, which is never empty under a flood. What is due is looked at in every turn.
                () = shutdown.wait() => return,
                input = inbox.recv() => match input {
                    Some(input) => Some(input),
                    None => return,
                },
                () = clock::sleep_until(wake) => None,
            };
            self.now = clock::now();
            // Before what happened meanwhile: some of that may have come with the end of the lease.
            self.look_at_lease();
            let is_full = first.is_some_and(|first| self.take(first, &mut inbox));
            if self.now >= next_sample {
                next_sample = self.now + SAMPLE;
                self.sample();
            }
            self.tick();
            self.look_after_copies();
            self.settle();
            self.sessions.flush();
            self.finish_drain();
            if is_full {
                // Those that send share this thread.
                tokio::task::yield_now().await;
            }
        }
    }

    fn begin(&mut self) {
        self.tell_tasks(tasks::Event::View(self.view.clone()));
        if let Some(embedded) = self.parts.embedded.clone() {
            self.start_embedded(&*embedded);
        }
        self.settle();
        self.sessions.flush();
    }

    /// Takes the inputs of one turn. Says whether there may be more.
    fn take(&mut self, first: Input, inbox: &mut mpsc::Receiver<Input>) -> bool {
        let mut next = Some(first);
        let mut taken = 0;
        while let Some(input) = next {
            taken += input.weight();
            self.on_input(input);
            if taken >= TURN {
                return true;
            }
            next = inbox.try_recv().ok();
        }
        false
    }

    fn on_input(&mut self, input: Input) {
        match input {
            Input::Frames { session, frames } => self.on_frames(session, frames),
            Input::Opened { role, session, reply } => self.on_opened(role, session, reply),
            Input::Attached { session, attached } => self.on_attached(session, attached),
            Input::Ended { session, end } => self.on_ended(session, &end),
            Input::PeerConnected { node, session } => self.on_peer_connected(node, session),
            Input::Head(event) => self.on_head_event(event),
            Input::WorkerLaunched { worker, process } => self.workers.launched(worker, process),
            Input::WorkerFailed { worker, failure } => self.on_worker_failed(worker, failure),
            Input::WorkerExited { worker, exit } => self.on_worker_exited(worker, exit),
            Input::Fetched { run, result } => self.on_fetched(run, result),
            Input::FetchedForTurn { handle, result } => self.on_fetched_for_turn(handle, result),
            Input::ActorsCreated { actors, answer } => self.on_actors_created(actors, answer),
            Input::DetachedJob { new, job } => self.on_detached_job(*new, job),
            Input::HeadAnswered { session, number, answer } => self.on_head_answered(session, number, answer),
            Input::MemberFound(found) => self.on_member_found(*found),
            Input::JobKnown { job, info } => self.on_job_known(job, info),
            Input::Call(call) => self.on_call(call),
        }
    }

    fn next_deadline(&self) -> Time {
        let machines = self.tasks.next_deadline().min(self.executor.next_deadline());
        let machines = machines.min(self.actors.next_deadline()).min(self.next_isolation());
        let calls = self.call_ends.first().map_or(Time::NEVER, |(until, _)| *until);
        machines.min(self.jobs.next_deadline()).min(self.drain.next_look(self.now)).min(calls)
    }

    fn tick(&mut self) {
        if self.now >= self.tasks.next_deadline() {
            self.tell_tasks(tasks::Event::Tick);
        }
        if self.now >= self.executor.next_deadline() {
            self.tell_executor(executor::Event::Tick);
        }
        self.tick_actors();
        if self.now >= self.jobs.next_deadline() {
            self.return_unknown_jobs();
        }
        self.end_late_calls();
    }

    /// Lets both machines place and hand out what is ready, until nothing more follows from it.
    fn settle(&mut self) {
        loop {
            self.tasks.on_event(self.now, tasks::Event::Flush, &mut self.task_effects);
            self.perform_task_effects();
            self.executor.on_event(self.now, executor::Event::Flush, &mut self.executor_effects);
            let told = self.perform_executor_effects();
            let acted = self.perform_actor_effects();
            if !(self.give_up_unreachable() || told || acted) {
                break;
            }
        }
    }

    fn tell_tasks(&mut self, event: tasks::Event) {
        self.tasks.on_event(self.now, event, &mut self.task_effects);
    }

    fn tell_executor(&mut self, event: executor::Event) {
        self.executor.on_event(self.now, event, &mut self.executor_effects);
    }

    fn sample(&mut self) {
        self.background.retain(|task| !task.is_finished());
        self.unpin_ended();
        self.drop_orphaned();
        self.reach_doubtful();
        let load = self.load();
        self.parts.head.set_load(load);
        for job in self.jobs.running() {
            let summary = self.tasks.job_summary(job, clock::wall_millis());
            self.parts.head.job_summary(job, summary);
        }
        self.report_tasks();
    }

    /// Tells the head of some tasks: what it then knows of this node's where it cannot be asked, and of those that nobody
    /// remembers.
    fn report_tasks(&mut self) {
        let executor = &self.executor;
        let sample = self.tasks.sample(REPORTED_TASKS, |task, attempt| executor.has_started(task, attempt));
        let changed = |task: &TaskSnapshot| !self.reported.contains(&(task.task, task.attempt, task.state));
        let mut news: Vec<_> = sample.iter().filter(|task| changed(task)).cloned().map(event_of).collect();
        let (ends, left_out) = self.tasks.take_ends();
        news.extend(ends.into_iter().map(end_of));
        if !news.is_empty() || left_out > 0 {
            self.parts.head.task_events(news, left_out);
        }
        self.reported = sample.into_iter().map(|task| (task.task, task.attempt, task.state)).collect();
    }

    fn load(&self) -> NodeLoad {
        let mut load = self.executor.load();
        load.stored_bytes = self.parts.store.usage().used;
        load
    }

    /// Gives a task that answers with inputs an owner.
    fn own(&mut self, task: TaskHandle<()>) {
        self.background.push(task);
    }

    /// The session with a worker.
    fn worker_session(&self, worker: WorkerId) -> Option<SessionKey> {
        self.workers.session(worker)
    }
}
