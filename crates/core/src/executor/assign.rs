//! Assignments from their arrival until they wait for resources.

use super::ends::report;
use super::job::{Job, Target};
use super::run::{Phase, Run};
use super::{Effect, Executor, Owner, RunKey};
use crate::assignment::Assignment;
use mobula_types::frame::AssignmentEnd;
use mobula_types::{Failure, FailureKind, JobId, NodeId, Outcome, Quantity, StoredValue, TaskTemplate, Time};

impl Executor {
    pub(super) fn job_opened(&mut self, job: JobId, has_executable: bool, weight: u32) {
        let Some(index) = self.jobs.find(job) else {
            self.jobs.insert(Job::new(job, has_executable, weight));
            return;
        };
        let job = self.jobs.at_mut(index);
        if job.weight != weight.max(1) {
            job.weight = weight.max(1);
            job.turn_left = job.weight;
        }
        if job.has_executable != has_executable {
            job.has_executable = has_executable;
            job.forget_idle_kinds();
        }
    }

    pub(super) fn assigned(&mut self, owner: Owner, assignment: Assignment, effects: &mut Vec<Effect>) {
        if self.runs.find(assignment.task, assignment.attempt).is_some() {
            // The same attempt again: it is here, and is reported once.
            return;
        }
        if let Some(end) = self.superseded(&owner, &assignment) {
            effects.push(report(owner, &assignment, end));
            return;
        }
        match self.admission(&assignment) {
            Ok((job, kind)) => self.take_in(owner, assignment, job, kind, effects),
            Err(end) => {
                effects.push(Effect::Report {
                    owner,
                    task: assignment.task,
                    attempt: assignment.attempt,
                    end,
                });
            }
        }
    }

    /// The end of an assignment whose owner has been followed by another one, and does not know yet.
    fn superseded(&self, owner: &Owner, assignment: &Assignment) -> Option<AssignmentEnd> {
        if !assignment.task.is_of_driver(assignment.job) {
            return None;
        }
        let term = assignment.attempt.owner_term;
        let (owner_term, home) = self.homes.later(assignment.job, term, owner)?;
        let owner = match home {
            Owner::Local => self.options.node.clone(),
            Owner::Peer(node) => node.clone(),
        };
        Some(AssignmentEnd::Superseded { owner, owner_term: *owner_term })
    }

    /// The job and kind of an assignment that may wait here, or how it ends at once.
    fn admission(&mut self, assignment: &Assignment) -> Result<(usize, usize), AssignmentEnd> {
        let template = &assignment.template;
        let no_room = AssignmentEnd::NoRoom { queued: self.waiting() };
        let takes_tasks = !self.draining && self.ledger.total().cpu > Quantity::ZERO && !self.runs.is_full();
        if !takes_tasks || !self.ledger.total().covers(&template.options.resources) {
            return Err(no_room);
        }
        let job = self.jobs.find(assignment.job).ok_or(no_room.clone())?;
        if self.jobs.at(job).ended {
            return Err(failed(self.failure(assignment, FailureKind::JobEnded, "the job has ended")));
        }
        if self.jobs.at(job).waiting >= self.options.max_queued {
            return Err(no_room);
        }
        if assignment.deadline.is_some_and(|deadline| deadline <= self.now) {
            return Err(failed(self.deadline_failure(assignment)));
        }
        let kind = match self.jobs.at_mut(job).find_kind(template) {
            Some(kind) => kind,
            None => {
                self.jobs.at_mut(job).make_room_for_kind();
                let target = self.target_of(job, template);
                self.jobs.at_mut(job).add_kind(template.clone(), target)
            }
        };
        if let Target::Refused(failure) = &self.jobs.at(job).kind(kind).target {
            return Err(failed(failure.clone().of_task(assignment.task, template.display_name())));
        }
        if let Some(failure) = self.start_failure(job, kind) {
            let failure = failure.of_task(assignment.task, template.display_name());
            return Err(AssignmentEnd::CannotRun { failure });
        }
        Ok((job, kind))
    }

    fn take_in(
        &mut self,
        owner: Owner,
        assignment: Assignment,
        job: usize,
        kind: usize,
        effects: &mut Vec<Effect>,
    ) {
        self.arrivals += 1;
        let missing = assignment.inputs.iter().any(|input| is_elsewhere(&input.value, &self.options.node));
        let deadline = assignment.deadline;
        let key = self.runs.insert(Run::new(owner, assignment, job, kind, self.arrivals));
        let entry = self.jobs.at_mut(job);
        entry.runs += 1;
        entry.waiting += 1;
        entry.kind_mut(kind).runs += 1;
        if deadline.is_some() {
            self.arm(key);
        }
        if missing {
            if let Some(run) = self.runs.get_mut(key) {
                run.phase = Phase::FetchQueued;
            }
            self.fetch_queue.push_back(key);
            self.start_fetches(effects);
        } else {
            self.enqueue(key, false);
        }
    }

    /// Puts a run into its lane, behind the others or, where it has been there before, in front. It counts as waiting.
    pub(super) fn enqueue(&mut self, key: RunKey, in_front: bool) {
        let Some(run) = self.runs.get_mut(key) else { return };
        run.phase = Phase::Waiting;
        let index = run.job;
        let job = self.jobs.at_mut(index);
        let Some(lane) = job.lane_of(run.kind) else { return };
        let queue = &mut job.lanes[lane].queue;
        if in_front {
            queue.push_front(key)
        } else {
            queue.push_back(key)
        }
        job.in_lanes += 1;
        if !job.in_round {
            job.in_round = true;
            self.round.push_back(index);
        }
    }

    /// Ends a run that no worker has, and reports it where `end` says how.
    pub(super) fn end_unsent(&mut self, key: RunKey, end: Option<AssignmentEnd>, effects: &mut Vec<Effect>) {
        let Some(run) = self.runs.get(key) else { return };
        let (phase, worker) = (run.phase, run.worker);
        match phase {
            Phase::FetchQueued | Phase::Waiting | Phase::Sent => {}
            Phase::Fetching => {
                self.fetching -= 1;
                effects.push(Effect::CancelFetch { run: key });
            }
            Phase::Starting => self.call_off_start(key, worker, effects),
        }
        let Some(run) = self.remove_run(key) else { return };
        if phase == Phase::Waiting {
            let job = self.jobs.at_mut(run.job);
            job.in_lanes -= 1;
            if let Some(lane) = job.lane_of(run.kind) {
                job.lanes[lane].forget_one(&self.runs);
            }
        }
        if matches!(phase, Phase::FetchQueued | Phase::Fetching | Phase::Waiting) {
            self.jobs.at_mut(run.job).waiting -= 1;
        }
        if phase == Phase::Fetching {
            self.start_fetches(effects);
        }
        if let Some(end) = end {
            effects.push(report(run.owner, &run.assignment, end));
        }
    }

    /// Takes a run out of the tables. What it held is the caller's business.
    pub(super) fn remove_run(&mut self, key: RunKey) -> Option<Run> {
        let run = self.runs.remove(key)?;
        if run.timer != Time::NEVER {
            self.timers.remove(run.timer, key);
        }
        if self.starving == Some(key) {
            self.starving = None;
        }
        let job = self.jobs.at_mut(run.job);
        job.runs -= 1;
        job.kind_mut(run.kind).runs -= 1;
        Some(run)
    }

    /// A failure of that assignment on this node.
    pub(super) fn failure(&self, assignment: &Assignment, kind: FailureKind, text: &str) -> Failure {
        let attempt = assignment.attempt;
        Failure::new(kind, text)
            .of_task(assignment.task, assignment.template.display_name())
            .on_node(self.options.node.clone())
            .with(|detail| detail.attempt = Some(attempt))
    }

    pub(super) fn deadline_failure(&self, assignment: &Assignment) -> Failure {
        self.failure(assignment, FailureKind::DeadlineExceeded, "its deadline has passed")
    }

    pub(super) fn timeout_failure(&self, assignment: &Assignment, template: &TaskTemplate) -> Failure {
        let timeout = template.options.timeout.unwrap_or_default();
        let text = format!("it ran for longer than its timeout of {timeout:?}");
        self.failure(assignment, FailureKind::DeadlineExceeded, &text)
    }

    /// Tasks that wait on this node, on slots too.
    pub(super) fn waiting(&self) -> u64 {
        (self.runs.len() as u64).saturating_sub(self.running)
    }
}

/// The end of a run that failed before it could run.
pub(super) fn failed(failure: Failure) -> AssignmentEnd {
    AssignmentEnd::Ran { outcome: Outcome::Failed(failure), retryable: false, micros: 0, borrows: Vec::new() }
}

fn is_elsewhere(value: &StoredValue, node: &NodeId) -> bool {
    match value {
        StoredValue::Inline(_) => false,
        StoredValue::Stored(copy) => !copy.holders.contains(node),
    }
}
