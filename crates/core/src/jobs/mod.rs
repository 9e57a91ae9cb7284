//! Jobs: opened by drivers, ended by the head alone.
//!
//! What it promises, as long as the driver of this machine makes writes durable before it says so:
//!
//! - A job is open once its record is durable, and opening it again under the same id and secret finds it.
//! - It ends by one write: on request, when its last driver said goodbye, or when its last driver's stream has been gone
//!   for the grace and none came back. Nodes are told after the write.
//! - It does not end for a driver's absence before every node that may hold the driver's stream has joined this head, or
//!   is dead.
//! - A job whose record cannot be read is left alone: nobody is told that it has ended, and its id is not given again.

mod due;
mod event;
mod job;
#[cfg(test)]
mod tests;

pub use event::{Effect, Event, JobWrite, RequestKey};

use job::{Job, Opening, Phase};
use mobula_types::job::JobState;
use mobula_types::{
    Failure, FailureKind, JobId, JobInfo, JobRecord, JobSpec, JobStatus, JobSummary, NodeId, SessionId, Time,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How the reason begins with which a job ends whose driver a node ran that was lost.
pub const DRIVER_NODE_LOST: &str = "the node that ran its driver was lost";

/// How long jobs wait and are remembered. Defaults in parentheses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JobsOptions {
    /// How long a job lives after the last of its driver's streams broke (30 s).
    pub grace: Duration,
    /// Between two writes of a job's counts (5 s).
    pub summary_interval: Duration,
    /// How long the record of a job that ended is kept (1 h).
    pub keep_ended: Duration,
    /// How many records of jobs that ended are kept (1,000).
    pub ended_limit: usize,
}

impl Default for JobsOptions {
    fn default() -> Self {
        JobsOptions {
            grace: Duration::from_secs(30),
            summary_interval: Duration::from_secs(5),
            keep_ended: Duration::from_secs(3600),
            ended_limit: 1000,
        }
    }
}

/// The jobs of a cluster under one leadership.
#[derive(Clone, Debug)]
pub struct Jobs {
    options: JobsOptions,
    jobs: BTreeMap<JobId, Job>,
    /// Jobs whose records cannot be read.
    unreadable: BTreeSet<JobId>,
    settled: bool,
}

impl Jobs {
    /// The jobs as a head begins to lead over these records, and over those of `unreadable` jobs.
    pub fn lead(
        now: Time,
        options: JobsOptions,
        records: Vec<JobRecord>,
        unreadable: BTreeSet<JobId>,
    ) -> Self {
        let ends_at = now + options.grace;
        let inherit = |record: JobRecord| {
            let running = record.info.state == JobState::Running;
            let phase = if running { Phase::Running } else { Phase::Ended { since: now } };
            (record.info.job, Job::new(record, phase, if running { ends_at } else { Time::NEVER }))
        };
        let jobs = records.into_iter().map(inherit).collect();
        Jobs { options, jobs, unreadable, settled: false }
    }

    /// Takes what happened at `now`, which people call `wall_millis`; says what is to be done.
    pub fn on_event(&mut self, now: Time, wall_millis: u64, event: Event, effects: &mut Vec<Effect>) {
        match event {
            Event::Open { request, job, secret_hash, spec } => {
                let opening = Opening { job, secret_hash, spec, wall_millis };
                self.open(now, request, opening, effects);
            }
            Event::End { request, job, state, reason } => {
                self.end_requested(wall_millis, request, job, state, reason, effects);
            }
            Event::NodeJoined { node, drivers, departed } => {
                self.node_joined(now, wall_millis, node, drivers, departed, effects);
            }
            Event::NodeLost { node } => self.node_lost(now, &node),
            Event::Attached { node, job, session } => self.attached(node, job, session, effects),
            Event::Detached { node, job, session, goodbye } => {
                self.detached(now, wall_millis, (node, session), job, goodbye, effects);
            }
            Event::KeepAlive { job } => self.keep_alive(now, job),
            Event::Summary { node, job, summary } => self.summary(now, node, job, summary),
            Event::Settled => self.settled = true,
            Event::Written { job, write } => self.written(now, job, write, effects),
            Event::NotWritten { job, write, failure } => self.not_written(now, job, write, failure, effects),
            Event::Deleted { job } => {
                self.jobs.remove(&job);
            }
            Event::Tick => {}
        }
        self.due(now, wall_millis, effects);
    }

    /// When it wants the next [`Event::Tick`].
    pub fn next_deadline(&self) -> Time {
        self.jobs.values().map(|job| self.deadline(job)).min().unwrap_or(Time::NEVER)
    }

    /// What is known of a job.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn get(&self, job: JobId) -> Result<JobStatus, Failure> {
        match self.jobs.get(&job) {
            Some(found) if !matches!(found.phase, Phase::Opening { .. }) => Ok(found.status()),
            _ => Err(self.unknown(job)),
        }
    }

    /// What is known of a job, if the secret is its own.
    ///
    /// # Errors
    /// `NotFound`, `PermissionDenied`.
    pub fn verify(&self, job: JobId, secret_hash: &[u8; 32]) -> Result<JobInfo, Failure> {
        let status = self.get(job)?;
        // Hashes are compared: how far they agree says nothing of the secret.
        match self.jobs.get(&job).is_some_and(|job| job.record.secret_hash == *secret_hash) {
            true => Ok(status.info),
            false => Err(Failure::new(
                FailureKind::PermissionDenied,
                format!("the secret is not that of job {job}"),
            )),
        }
    }

    /// The jobs that run without a driver: they are kept alive for as long as something of them lives.
    pub fn without_driver(&self) -> impl Iterator<Item = JobId> + '_ {
        let is_detached = |job: &&Job| job.phase == Phase::Running && job.record.info.spec.detached;
        self.jobs.values().filter(is_detached).map(|job| job.record.info.job)
    }

    /// How many jobs are known.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// The jobs, newest first, at most `limit`.
    pub fn list(&self, limit: usize) -> Vec<JobStatus> {
        let mut jobs: Vec<_> =
            self.jobs.values().filter(|job| !matches!(job.phase, Phase::Opening { .. })).collect();
        jobs.sort_by_key(|job| (std::cmp::Reverse(job.record.info.opened_millis), job.record.info.job));
        jobs.into_iter().take(limit).map(Job::status).collect()
    }

    fn open(&mut self, now: Time, request: RequestKey, opening: Opening, effects: &mut Vec<Effect>) {
        if self.unreadable.contains(&opening.job) {
            let answer = Err(self.unknown(opening.job));
            return effects.push(Effect::Answer { request, answer });
        }
        let Some(known) = self.jobs.get_mut(&opening.job) else {
            let record = opening.record();
            let phase = Phase::Opening { waiting: vec![request] };
            self.jobs.insert(record.info.job, Job::new(record.clone(), phase, now + self.options.grace));
            effects.push(Effect::Write { record, write: JobWrite::Opened });
            return;
        };
        let same = known.record.secret_hash == opening.secret_hash && known.record.info.spec == opening.spec;
        match &mut known.phase {
            _ if !same => {
                let message =
                    format!("job {} exists already, with another secret or another spec", opening.job);
                let answer = Err(Failure::new(FailureKind::AlreadyExists, message));
                effects.push(Effect::Answer { request, answer });
            }
            Phase::Opening { waiting } => waiting.push(request),
            _ => effects.push(Effect::Answer { request, answer: Ok(known.record.info.clone()) }),
        }
    }

    fn end_requested(
        &mut self,
        wall_millis: u64,
        request: RequestKey,
        job: JobId,
        state: JobState,
        reason: String,
        effects: &mut Vec<Effect>,
    ) {
        let answer = match self.jobs.get_mut(&job).map(|job| (&mut job.phase, &job.record.info)) {
            None | Some((Phase::Opening { .. }, _)) => Err(self.unknown(job)),
            Some((Phase::Ending { waiting, .. }, _)) => return waiting.push(request),
            Some((Phase::Ended { .. } | Phase::Deleting, info)) => Ok(info.clone()),
            Some((Phase::Running, _)) => {
                self.end(wall_millis, job, state, reason, effects);
                if let Some(Phase::Ending { waiting, .. }) = self.jobs.get_mut(&job).map(|job| &mut job.phase)
                {
                    waiting.push(request);
                }
                return;
            }
        };
        effects.push(Effect::Answer { request, answer });
    }

    /// Writes the end of a running job.
    fn end(
        &mut self,
        wall_millis: u64,
        job: JobId,
        state: JobState,
        reason: String,
        effects: &mut Vec<Effect>,
    ) {
        let Some(job) = self.jobs.get_mut(&job).filter(|job| job.phase == Phase::Running) else { return };
        job.ends_at = Time::NEVER;
        job.summary_due = Time::NEVER;
        job.record.summary = job.summary();
        let mut record = job.record.clone();
        record.info.state = state;
        record.info.reason = reason;
        record.info.ended_millis = wall_millis;
        record.summary.cancel_open();
        job.phase = Phase::Ending { waiting: Vec::new(), info: Box::new(record.info.clone()) };
        effects.push(Effect::Write { record, write: JobWrite::Ended });
    }

    fn node_joined(
        &mut self,
        now: Time,
        wall_millis: u64,
        node: NodeId,
        drivers: Vec<(JobId, SessionId)>,
        departed: Vec<JobId>,
        effects: &mut Vec<Effect>,
    ) {
        for job in self.jobs.values_mut() {
            job.drop_drivers(&node.name);
            if job.phase == Phase::Running {
                effects.push(Effect::Tell { node: node.clone(), info: job.record.info.clone() });
            }
        }
        let mut unknown: Vec<_> =
            drivers.iter().map(|(job, _)| *job).chain(departed.iter().copied()).collect();
        unknown.retain(|job| {
            !self.unreadable.contains(job) && !self.jobs.get(job).is_some_and(|job| is_open(&job.phase))
        });
        unknown.sort_unstable();
        unknown.dedup();
        for job in unknown {
            effects.push(Effect::Tell { node: node.clone(), info: self.ended_info(job) });
        }
        for (job, session) in drivers {
            if let Some(job) = self.jobs.get_mut(&job) {
                job.drivers.insert((node.clone(), session));
            }
        }
        self.count_all(now);
        for job in departed {
            self.end_if_left(wall_millis, job, effects);
        }
    }

    fn node_lost(&mut self, now: Time, node: &NodeId) {
        for job in self.jobs.values_mut() {
            job.drivers.retain(|(holder, _)| holder != node);
            if let Some(summary) = job.summaries.get_mut(node) {
                summary.forget_open();
            }
        }
        self.count_all(now);
    }

    fn attached(&mut self, node: NodeId, job: JobId, session: SessionId, effects: &mut Vec<Effect>) {
        match self.jobs.get_mut(&job).filter(|job| is_open(&job.phase)) {
            Some(job) => {
                job.drivers.insert((node, session));
                job.ends_at = Time::NEVER;
            }
            None if self.unreadable.contains(&job) => {}
            None => effects.push(Effect::Tell { node, info: self.ended_info(job) }),
        }
    }

    fn detached(
        &mut self,
        now: Time,
        wall_millis: u64,
        driver: (NodeId, SessionId),
        job: JobId,
        goodbye: bool,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(job) = self.jobs.get_mut(&job) {
            job.drivers.remove(&driver);
        }
        self.count(now, job);
        if goodbye {
            self.end_if_left(wall_millis, job, effects);
        }
    }

    /// The driver said goodbye: the job ends, unless another process of it is still there.
    fn end_if_left(&mut self, wall_millis: u64, job: JobId, effects: &mut Vec<Effect>) {
        if self.jobs.get(&job).is_some_and(|job| job.drivers.is_empty()) {
            self.end(wall_millis, job, JobState::Ended, "its driver has left".to_owned(), effects);
        }
    }

    fn keep_alive(&mut self, now: Time, job: JobId) {
        let grace = self.options.grace;
        if let Some(job) =
            self.jobs.get_mut(&job).filter(|job| job.phase == Phase::Running && job.drivers.is_empty())
        {
            job.ends_at = now + grace;
        }
    }

    fn count_all(&mut self, now: Time) {
        let jobs: Vec<_> = self.jobs.keys().copied().collect();
        jobs.into_iter().for_each(|job| self.count(now, job));
    }

    /// Starts or stops the grace, as drivers are there or not.
    fn count(&mut self, now: Time, job: JobId) {
        let grace = self.options.grace;
        let Some(job) = self.jobs.get_mut(&job).filter(|job| is_open(&job.phase)) else { return };
        if !job.drivers.is_empty() {
            job.ends_at = Time::NEVER;
        } else if job.ends_at == Time::NEVER && !matches!(job.phase, Phase::Ending { .. }) {
            job.ends_at = now + grace;
        }
    }

    fn summary(&mut self, now: Time, node: NodeId, job: JobId, summary: JobSummary) {
        let interval = self.options.summary_interval;
        let Some(job) = self.jobs.get_mut(&job) else { return };
        job.summaries.insert(node, summary);
        if job.summary_due == Time::NEVER {
            job.summary_due = now + interval;
        }
    }

    fn written(&mut self, now: Time, job: JobId, write: JobWrite, effects: &mut Vec<Effect>) {
        let Some(job) = self.jobs.get_mut(&job) else { return };
        match (write, std::mem::replace(&mut job.phase, Phase::Running)) {
            (JobWrite::Opened, Phase::Opening { waiting }) => {
                job.ends_at = if job.drivers.is_empty() { now + self.options.grace } else { Time::NEVER };
                effects.push(Effect::Announce(job.record.info.clone()));
                let answer = |request| Effect::Answer { request, answer: Ok(job.record.info.clone()) };
                effects.extend(waiting.into_iter().map(answer));
            }
            (JobWrite::Ended, Phase::Ending { waiting, info }) => {
                job.phase = Phase::Ended { since: now };
                job.record.info = *info;
                job.drivers.clear();
                effects.push(Effect::Announce(job.record.info.clone()));
                let answer = |request| Effect::Answer { request, answer: Ok(job.record.info.clone()) };
                effects.extend(waiting.into_iter().map(answer));
            }
            (_, phase) => job.phase = phase,
        }
    }

    fn not_written(
        &mut self,
        now: Time,
        job: JobId,
        write: JobWrite,
        failure: Failure,
        effects: &mut Vec<Effect>,
    ) {
        let grace = self.options.grace;
        let Some(found) = self.jobs.get_mut(&job) else { return };
        let waiting = match (write, &mut found.phase) {
            (JobWrite::Opened, Phase::Opening { waiting }) => {
                let waiting = std::mem::take(waiting);
                self.jobs.remove(&job);
                waiting
            }
            (JobWrite::Ended, Phase::Ending { waiting, .. }) => {
                let waiting = std::mem::take(waiting);
                found.phase = Phase::Running;
                found.ends_at = if found.drivers.is_empty() { now + grace } else { Time::NEVER };
                waiting
            }
            _ => return,
        };
        let answer = |request| Effect::Answer { request, answer: Err(failure.clone()) };
        effects.extend(waiting.into_iter().map(answer));
    }

    /// Why nothing can be said of a job.
    fn unknown(&self, job: JobId) -> Failure {
        if self.unreadable.contains(&job) {
            let message = format!(
                "the record of job {job} in the registry cannot be read; it is left alone until it is restored or deleted"
            );
            return Failure::new(FailureKind::Internal, message);
        }
        Failure::new(FailureKind::NotFound, format!("there is no job {job}; `mobula list jobs` shows them"))
    }

    fn ended_info(&self, job: JobId) -> JobInfo {
        match self.jobs.get(&job) {
            Some(job) => job.record.info.clone(),
            None => JobInfo {
                job,
                spec: JobSpec::default(),
                state: JobState::Ended,
                reason: "the cluster does not know it, or not any more".to_owned(),
                opened_millis: 0,
                ended_millis: 0,
            },
        }
    }
}

fn is_open(phase: &Phase) -> bool {
    matches!(phase, Phase::Opening { .. } | Phase::Running | Phase::Ending { .. })
}
