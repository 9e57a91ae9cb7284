//! The jobs that a shard knows of.

use super::{Input, Shard, Workplace};
use crate::executables::ExecutableUse;
use crate::folder::JobFolder;
use crate::workers::JobLogs;
use indexmap::IndexMap;
use mobula_core::assignment::Assignment;
use mobula_core::executor::{self, Owner, RunKey};
use mobula_core::{hosting, tasks};
use mobula_runtime::{Shutdown, TaskHandle, spawn};
use mobula_types::frame::AssignmentEnd;
use mobula_types::job::JobState;
use mobula_types::{Attempt, Failure, FailureKind, Frame, JobId, JobInfo, OwnerTerm, TaskId, Time};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::time::Duration;

/// How long assignments of a job wait for the head to say what it is.
const UNKNOWN_PATIENCE: Duration = Duration::from_secs(10);

/// Jobs whose logs are kept after their end.
const ENDED_LOGS: usize = 100;

/// What is known of jobs.
#[derive(Debug)]
pub(crate) struct Jobs {
    scratch: PathBuf,
    known: BTreeMap<JobId, Job>,
    /// Logs of the latest jobs that have ended, oldest first.
    ended: VecDeque<(JobId, JobLogs)>,
    unknown: BTreeMap<JobId, Unknown>,
    fetches: IndexMap<RunKey, TaskHandle<()>, foldhash::fast::FixedState>,
}

#[derive(Debug)]
struct Job {
    info: JobInfo,
    folder: JobFolder,
    logs: JobLogs,
    /// What its processes run, and the files that they find, stay in the cache until it ends.
    _held: Vec<ExecutableUse>,
    /// Its driver is a process of this node: told when the job is over.
    driver: Option<Shutdown>,
}

#[derive(Debug)]
struct Unknown {
    waiting: Vec<(Owner, Assignment)>,
    until: Time,
    _asking: TaskHandle<()>,
}

impl Jobs {
    pub(crate) fn new(scratch: PathBuf) -> Self {
        Jobs {
            scratch,
            known: BTreeMap::new(),
            ended: VecDeque::new(),
            unknown: BTreeMap::new(),
            fetches: IndexMap::default(),
        }
    }

    pub(crate) fn info(&self, job: JobId) -> Option<&JobInfo> {
        self.known.get(&job).map(|job| &job.info)
    }

    pub(crate) fn logs(&self, job: JobId) -> Option<JobLogs> {
        let ended = || self.ended.iter().find(|(ended, _)| *ended == job).map(|(_, logs)| logs.clone());
        self.known.get(&job).map(|job| job.logs.clone()).or_else(ended)
    }

    /// Where the job's driver works, which is a process of this node from now on; `None` where the job has ended.
    pub(crate) fn workplace(&mut self, job: JobId) -> Option<Workplace> {
        let known = self.known.get_mut(&job)?;
        let end = known.driver.get_or_insert_default().clone();
        Some(Workplace { logs: known.logs.clone(), folder: known.folder.clone(), end })
    }

    /// Whether a node runs the job's driver: the end of that process ends the job, not the driver's goodbye.
    pub(crate) fn is_driven(&self, job: JobId) -> bool {
        self.known.get(&job).is_some_and(|job| job.info.spec.driven)
    }

    fn keep_logs(&mut self, job: JobId, logs: JobLogs) {
        if self.ended.len() == ENDED_LOGS {
            self.ended.pop_front();
        }
        self.ended.push_back((job, logs));
    }

    /// The job's folder on this node.
    pub(crate) fn folder(&self, job: JobId) -> Option<JobFolder> {
        self.known.get(&job).map(|job| job.folder.clone())
    }

    pub(crate) fn running(&self) -> Vec<JobId> {
        self.known.keys().copied().collect()
    }

    pub(crate) fn next_deadline(&self) -> Time {
        self.unknown.values().map(|unknown| unknown.until).min().unwrap_or(Time::NEVER)
    }

    /// The assignments that wait here for the head to say what their jobs are.
    pub(crate) fn waiting(&self) -> BTreeSet<(TaskId, Attempt)> {
        let waiting = self.unknown.values().flat_map(|unknown| &unknown.waiting);
        waiting.map(|(_, assignment)| (assignment.task, assignment.attempt)).collect()
    }

    pub(crate) fn fetching(&mut self, run: RunKey, fetch: TaskHandle<()>) {
        self.fetches.insert(run, fetch);
    }

    /// Forgets a fetch; one that still runs ends.
    pub(crate) fn cancel_fetch(&mut self, run: RunKey) {
        self.fetches.swap_remove(&run);
    }
}

impl Shard {
    /// Hands an assignment to the executor once its job is known here.
    pub(super) fn assign_when_known(&mut self, owner: Owner, assignment: Assignment) {
        if self.jobs.known.contains_key(&assignment.job) {
            self.tell_executor(executor::Event::Assigned { owner, assignment });
            return;
        }
        let job = assignment.job;
        if let Some(unknown) = self.jobs.unknown.get_mut(&job) {
            unknown.waiting.push((owner, assignment));
            return;
        }
        let until = self.now + UNKNOWN_PATIENCE;
        let asking = self.ask_for_job(job);
        let unknown = Unknown { waiting: vec![(owner, assignment)], until, _asking: asking };
        self.jobs.unknown.insert(job, unknown);
    }

    fn ask_for_job(&self, job: JobId) -> TaskHandle<()> {
        let (head, inbox) = (self.parts.head.clone(), self.parts.inbox.clone());
        spawn("ask for a job", async move {
            let info = head.get_job(job).await;
            let _shard_ended = inbox.send(Input::JobKnown { job, info }).await;
        })
    }

    pub(super) fn on_job_known(&mut self, job: JobId, info: Result<JobInfo, Failure>) {
        match info {
            Ok(info) if info.state == JobState::Running => self.open_job(info),
            Ok(_ended) => self.return_unknown(job, true),
            Err(failure) => {
                tracing::warn!(%job, %failure, "the head does not say what a job is");
                self.return_unknown(job, false);
            }
        }
    }

    /// Makes a job known to both machines.
    pub(super) fn open_job(&mut self, info: JobInfo) {
        let job = info.job;
        if !self.jobs.known.contains_key(&job) {
            let has_executable = info.spec.executable.is_some();
            let weight = info.spec.weight.max(1);
            self.tell_executor(executor::Event::JobOpened { job, has_executable, weight });
            self.tell_host(hosting::Event::JobOpened { job, has_executable });
            let owner_term = OwnerTerm::default();
            self.tell_tasks(tasks::Event::JobOpened { job, has_executable, weight, owner_term });
            let folder = JobFolder::new(&self.jobs.scratch, job, info.spec.files);
            let brought = [info.spec.executable, info.spec.files].into_iter().flatten();
            let held = brought.map(|hash| self.parts.executables.hold(hash)).collect();
            let known = Job { info, folder, logs: JobLogs::new(), _held: held, driver: None };
            self.jobs.known.insert(job, known);
            if has_executable {
                self.replication.look();
            }
        }
        if let Some(unknown) = self.jobs.unknown.remove(&job) {
            for (owner, assignment) in unknown.waiting {
                self.tell_executor(executor::Event::Assigned { owner, assignment });
            }
        }
    }

    /// Gives back what waits for jobs that the head has not explained in time.
    pub(super) fn return_unknown_jobs(&mut self) {
        let now = self.now;
        let late = self.jobs.unknown.iter().filter(|(_, unknown)| unknown.until <= now);
        let late: Vec<JobId> = late.map(|(job, _)| *job).collect();
        late.into_iter().for_each(|job| self.return_unknown(job, false));
    }

    fn return_unknown(&mut self, job: JobId, ended: bool) {
        let Some(unknown) = self.jobs.unknown.remove(&job) else { return };
        for (owner, assignment) in unknown.waiting {
            let end = if ended { AssignmentEnd::Returned } else { AssignmentEnd::NoRoom { queued: 0 } };
            let (task, attempt) = (assignment.task, assignment.attempt);
            match owner {
                Owner::Local => {
                    let place = tasks::Place::Local;
                    self.tell_tasks(tasks::Event::Ended { place, task, attempt, end });
                }
                Owner::Peer(node) => {
                    self.send_to_peer(&node, Frame::AssignmentEnded { task, attempt, end: Box::new(end) })
                }
            }
        }
    }

    /// The head has ended a job: everything of it goes.
    pub(super) fn end_job(&mut self, job: JobId, failure: Failure) {
        self.return_unknown(job, true);
        let drivers: Vec<_> = self.sessions.clients_of(job).collect();
        for session in drivers {
            self.sessions.send(session, Frame::JobEnded { failure: failure.clone() });
        }
        self.tell_tasks(tasks::Event::JobEnded { job, failure });
        self.tell_executor(executor::Event::JobEnded { job });
        self.tell_host(hosting::Event::JobEnded { job });
        self.actors.job_ended(job);
        self.parts.store.remove_job(job);
        self.copies.job_ended(job);
        self.parts.secrets.forget_job(job);
        self.parts.requests.forget_job(job);
        if let Some(known) = self.jobs.known.remove(&job) {
            known.logs.end();
            if let Some(driver) = known.driver {
                driver.trigger();
            }
            self.jobs.keep_logs(job, known.logs);
            let removing = spawn("remove a job's folder", known.folder.remove());
            self.own(removing);
        }
    }

    /// The failure of a request that belongs to a job that has ended.
    pub(super) fn job_ended(job: JobId) -> Failure {
        Failure::new(FailureKind::JobEnded, format!("job {job} has ended; connect again for a new one"))
    }
}
