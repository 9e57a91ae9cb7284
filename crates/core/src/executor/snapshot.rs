//! What the executor lets others see.

use super::job::same_owner;
use super::run::{Phase, Run, Wait};
use super::{Executor, Owner, RunKey, WorkerState};
use mobula_types::outcome::CopyVersion;
use mobula_types::view::NodeLoad;
use mobula_types::{Attempt, JobId, ObjectId, StoredValue, TaskId, TaskTemplate, Time, WorkerId};
use std::sync::Arc;

/// A run, for the state API.
#[derive(Clone, Debug)]
pub struct RunSnapshot {
    /// The run.
    pub run: RunKey,
    /// Its job.
    pub job: JobId,
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: Attempt,
    /// Function and options.
    pub template: Arc<TaskTemplate>,
    /// Its owner.
    pub owner: Owner,
    /// How far it has come.
    pub stage: RunStage,
    /// Its worker, once it was handed to one.
    pub worker: Option<WorkerId>,
    /// When it began to run, if it has.
    pub started: Option<Time>,
}

/// How far a run has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RunStage {
    /// Its inputs are being fetched, or wait to be.
    Fetching,
    /// It waits for resources.
    Waiting,
    /// It waits for the worker that is started for it.
    Starting,
    /// It waits behind another run on a worker's slot.
    Ahead,
    /// It runs.
    Running,
    /// It waits for others, without its CPUs.
    Blocked,
    /// It has waited, and wants its CPUs again.
    Resuming,
}

/// A worker, for the state API.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WorkerSnapshot {
    /// The worker.
    pub worker: WorkerId,
    /// The job whose executable it runs; `None` for the embedded one.
    pub job: Option<JobId>,
    /// How it stands.
    pub state: WorkerState,
    /// Its slots, extra ones included.
    pub slots: usize,
    /// Runs that it has, waiting ones included.
    pub runs: u32,
}

impl Executor {
    /// When the executor wants [`Event::Tick`](super::Event::Tick); `NEVER` for not at all.
    pub fn next_deadline(&self) -> Time {
        self.timers.next()
    }

    /// How busy the node is with tasks. The bytes in its store are not known here, and 0.
    pub fn load(&self) -> NodeLoad {
        NodeLoad {
            used: self.ledger.used().clone(),
            running: self.running,
            queued: self.waiting(),
            stored_bytes: 0,
        }
    }

    /// The task that a worker knows by this handle.
    pub fn task_of(&self, worker: WorkerId, handle: u64) -> Option<(JobId, TaskId, Attempt)> {
        let run = self.sent_to(worker, RunKey(handle))?;
        Some((run.assignment.job, run.assignment.task, run.assignment.attempt))
    }

    /// The job of a run that is here.
    pub fn job_of_run(&self, run: RunKey) -> Option<JobId> {
        self.runs.get(run).map(|run| run.assignment.job)
    }

    /// The attempt that a run is.
    pub fn attempt_of_run(&self, run: RunKey) -> Option<(TaskId, Attempt)> {
        self.runs.get(run).map(|run| (run.assignment.task, run.assignment.attempt))
    }

    /// Which version of a stored object a run was handed out with.
    pub fn input_version(&self, worker: WorkerId, handle: u64, object: ObjectId) -> Option<CopyVersion> {
        let run = self.sent_to(worker, RunKey(handle))?;
        let input = run.assignment.inputs.iter().find(|input| input.object == object)?;
        match &input.value {
            StoredValue::Stored(copy) => Some(copy.version()),
            StoredValue::Inline(_) => None,
        }
    }

    /// The owner of a run that is here.
    pub fn owner_of_run(&self, run: RunKey) -> Option<&Owner> {
        self.runs.get(run).map(|run| &run.owner)
    }

    /// The owner of the task that a worker knows by this handle.
    pub fn owner_of(&self, worker: WorkerId, handle: u64) -> Option<&Owner> {
        self.sent_to(worker, RunKey(handle)).map(|run| &run.owner)
    }

    /// The attempts at the tasks of a job's driver whose ends will be reported to that owner, waiting ones included, in
    /// the order of arrival: what it may count on after it has taken the job over.
    pub fn attempts_of(&self, job: JobId, owner: &Owner) -> Vec<(TaskId, Attempt)> {
        let has_it = |run: &Run| same_owner(&run.owner, owner) && !run.is_orphan() && !run.reported;
        let running = |run: &Run| run.is_of_driver(job) && has_it(run);
        self.runs
            .keys_where(running)
            .into_iter()
            .filter_map(|key| self.runs.get(key))
            .map(|run| (run.assignment.task, run.assignment.attempt))
            .collect()
    }

    /// Whether the driver's tasks and objects of a job have a later owner than that one: what it says of them counts no
    /// more.
    pub fn is_superseded(&self, job: JobId, owner: &Owner) -> bool {
        self.homes.is_other(job, owner)
    }

    /// An attempt, if it is here.
    pub fn run(&self, task: TaskId, attempt: Attempt) -> Option<RunSnapshot> {
        let key = self.runs.find(task, attempt)?;
        self.runs.get(key).map(|run| self.snapshot(key, run))
    }

    /// Whether an attempt is here and has started.
    pub fn has_started(&self, task: TaskId, attempt: Attempt) -> bool {
        self.runs.find(task, attempt).is_some_and(|key| {
            self.is_head(key) || self.runs.get(key).is_some_and(|run| run.wait != Wait::No)
        })
    }

    /// Attempts of tasks of other owners that are here and have started.
    pub fn started_for_others(&self) -> Vec<(TaskId, Attempt)> {
        let started = |(key, run): &(RunKey, &Run)| {
            matches!(run.owner, Owner::Peer(_)) && (self.is_head(*key) || run.wait != Wait::No)
        };
        let runs = self.runs.iter().filter(started);
        runs.map(|(_, run)| (run.assignment.task, run.assignment.attempt)).collect()
    }

    /// All attempts that are here.
    pub fn runs(&self) -> impl Iterator<Item = RunSnapshot> + '_ {
        self.runs.iter().map(|(key, run)| self.snapshot(key, run))
    }

    /// All workers, by id.
    pub fn workers(&self) -> impl Iterator<Item = WorkerSnapshot> + '_ {
        self.workers.iter().map(|(_, worker)| WorkerSnapshot {
            worker: worker.id,
            job: worker.job.map(|job| self.jobs.at(job).id),
            state: worker.state,
            slots: worker.slots.len(),
            runs: worker.runs,
        })
    }

    fn snapshot(&self, key: RunKey, run: &Run) -> RunSnapshot {
        let sent = run.phase == Phase::Sent;
        let stage = match (run.phase, run.wait) {
            (Phase::FetchQueued | Phase::Fetching, _) => RunStage::Fetching,
            (Phase::Waiting, _) => RunStage::Waiting,
            (Phase::Starting, _) => RunStage::Starting,
            (Phase::Sent, Wait::Blocked) => RunStage::Blocked,
            (Phase::Sent, Wait::Resuming) => RunStage::Resuming,
            (Phase::Sent, Wait::No) if self.is_head(key) => RunStage::Running,
            (Phase::Sent, Wait::No) => RunStage::Ahead,
        };
        RunSnapshot {
            run: key,
            job: run.assignment.job,
            task: run.assignment.task,
            attempt: run.assignment.attempt,
            template: run.assignment.template.clone(),
            owner: run.owner.clone(),
            stage,
            worker: sent.then(|| self.workers.at(run.worker).id),
            started: (run.started != Time::NEVER).then_some(run.started),
        }
    }
}
