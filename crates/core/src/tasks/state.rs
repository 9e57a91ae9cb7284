//! The state API.

use crate::tasks::keys::TaskKey;
use crate::tasks::object::{Object, Value};
use crate::tasks::task::{Phase, Task};
use crate::tasks::{EngineSizes, ObjectSnapshot, Place, SnapshotFilter, TaskEngine, TaskSnapshot};
use mobula_types::outcome::{ResultValue, StoredCopy};
use mobula_types::summary::{FailedTask, JobSummary, StateCounts, TaskState};
use mobula_types::{Attempt, JobId, ObjectId, StoredValue, TaskId, Time};
use std::sync::Arc;

impl TaskEngine {
    /// Whether the task is on record and has yet to end.
    pub fn is_unfinished(&self, id: TaskId) -> bool {
        self.tasks.find(&id).is_some_and(|key| !self.tasks[key.at()].is_ended())
    }

    /// One task that is on record: unfinished, or with results that somebody holds.
    pub fn task(&self, id: TaskId) -> Option<TaskSnapshot> {
        self.tasks.find(&id).map(|key| self.snapshot(key))
    }

    /// Up to `limit` tasks on record that pass the filter, in the order in which they were recorded, as far as that is
    /// known. What was handed to this node's executor counts as running only where `has_started` says so; what was handed to
    /// another node is shown as running, and passes as queued too: only that node knows.
    pub fn tasks(
        &self,
        filter: &SnapshotFilter,
        limit: usize,
        has_started: impl Fn(TaskId, Attempt) -> bool,
    ) -> Vec<TaskSnapshot> {
        let state = |task: &Task| self.shown_state(task, &has_started);
        let stands_so = |task: &Task, wanted: TaskState| {
            state(task) == wanted
                || (wanted == TaskState::Queued
                    && task.phase == Phase::Assigned
                    && matches!(task.place, Some(Place::Peer(_))))
        };
        let passes = |(_, task): &(usize, &Task)| {
            let name = &self.shapes[task.shape.at()].name;
            filter.job.is_none_or(|job| self.jobs[task.job.at()].id == job)
                && filter.name.as_deref().is_none_or(|part| name.contains(part))
                && filter.state.is_none_or(|wanted| stands_so(task, wanted))
        };
        let passing = self.tasks.iter().filter(passes).take(limit);
        let snapshot =
            |(place, task)| TaskSnapshot { state: state(task), ..self.snapshot(TaskKey::new(place)) };
        passing.map(snapshot).collect()
    }

    /// How a task stands, as far as this node can know.
    pub(super) fn shown_state(
        &self,
        task: &Task,
        has_started: impl Fn(TaskId, Attempt) -> bool,
    ) -> TaskState {
        match (task.phase, &task.place) {
            (Phase::Assigned, Some(Place::Local))
                if !has_started(task.id, task.attempt) && !self.shapes[task.shape.at()].is_routed =>
            {
                TaskState::Queued
            }
            _ => state_of(task.phase),
        }
    }

    pub(super) fn snapshot(&self, key: TaskKey) -> TaskSnapshot {
        let task = &self.tasks[key.at()];
        let shape = &self.shapes[task.shape.at()];
        let state = state_of(task.phase);
        let missing = task.inputs.as_ref().map_or(0, |inputs| inputs.missing);
        TaskSnapshot {
            task: task.id,
            job: self.jobs[task.job.at()].id,
            name: shape.name.clone(),
            state,
            attempt: task.attempt,
            retries: task.retries,
            node: task.place.as_ref().map(|place| self.node_of(place).clone()),
            parent: task.kinship.as_ref().map(|kinship| kinship.parent),
            submitted: task.submitted,
            deadline: (task.deadline != Time::NEVER).then_some(task.deadline),
            missing: if task.phase == Phase::Waiting { missing } else { 0 },
            reason: self.reason(key),
            failure: matches!(state, TaskState::Failed | TaskState::Cancelled).then(|| self.failure_of(key)),
        }
    }

    /// Why a task waits.
    fn reason(&self, key: TaskKey) -> Option<Arc<str>> {
        let task = &self.tasks[key.at()];
        match task.phase {
            Phase::Seeking => Some("waits until the nodes have said what they have of its job".into()),
            Phase::Waiting => Some("waits for its arguments".into()),
            Phase::Paused if task.retries > 0 => Some("waits before it is tried again".into()),
            Phase::Paused => Some("waits, as several nodes had no room".into()),
            Phase::Queued => {
                let infeasible = self.shapes[task.shape.at()].infeasible.clone();
                Some(infeasible.unwrap_or_else(|| "waits for a node with room".into()))
            }
            Phase::Assigned | Phase::Ended(_) => None,
        }
    }

    /// A job's tasks, counted. `wall_millis` is the time now, in milliseconds since 1970: failures are dated with it.
    pub fn job_summary(&self, job: JobId, wall_millis: u64) -> JobSummary {
        let mut summary = JobSummary::default();
        let Some(key) = self.job_index.get(&job) else { return summary };
        let job = &self.jobs[key.at()];
        for (name, counts) in &job.ended {
            summary.functions.insert(name.clone(), *counts);
        }
        for (_, shape) in
            self.shapes.iter().filter(|(_, shape)| shape.job == *key && shape.tasks > shape.ended)
        {
            let open = u64::from(shape.tasks - shape.ended);
            let (queued, running) = (u64::from(shape.queued()), u64::from(shape.assigned));
            let waiting = open.saturating_sub(queued + running);
            let known = summary.functions.contains_key(&shape.name)
                || summary.functions.len() < JobSummary::FUNCTION_LIMIT;
            let name = if known { shape.name.clone() } else { "…".into() };
            let counts = StateCounts { waiting, queued, running, ..StateCounts::default() };
            summary.functions.entry(name).or_default().add(&counts);
        }
        summary.failures = job
            .failures
            .iter()
            .map(|(at, task, name, failure)| FailedTask {
                task: *task,
                name: name.clone(),
                error: shortened(failure.to_string()),
                at_millis: wall_millis.saturating_sub(self.now.since(*at).as_millis() as u64),
            })
            .collect();
        summary
    }

    /// Where a value is that lies in stores, and the job that it belongs to, where that is known. Nobody holds it for having asked.
    pub fn stored_copy(&self, id: ObjectId) -> Option<(Option<JobId>, Arc<StoredCopy>)> {
        let object = &self.objects[self.lookup(id)?.at()];
        let Value::Ready(ResultValue { value: StoredValue::Stored(copy), .. }) = &object.value else {
            return None;
        };
        let job = self.jobs.get(object.job.at()).map(|job| job.id);
        Some((job, copy.clone()))
    }

    /// One object that is on record.
    pub fn object(&self, id: ObjectId) -> Option<ObjectSnapshot> {
        self.lookup(id).map(|key| self.object_snapshot(&self.objects[key.at()]))
    }

    /// Up to `limit` objects on record, of one job where one is named.
    pub fn objects(&self, job: Option<JobId>, limit: usize) -> Vec<ObjectSnapshot> {
        let of_job = |object: &Object| {
            job.is_none_or(|job| self.jobs.get(object.job.at()).is_some_and(|record| record.id == job))
        };
        let objects = self.objects.iter().map(|(_, object)| object).filter(|object| of_job(object));
        objects.take(limit).map(|object| self.object_snapshot(object)).collect()
    }

    fn object_snapshot(&self, object: &Object) -> ObjectSnapshot {
        ObjectSnapshot {
            object: object.id,
            job: self.jobs.get(object.job.at()).map(|job| job.id).unwrap_or_default(),
            owner: object.owner().cloned(),
            length: match &object.value {
                Value::Ready(value) => Some(value.value.len()),
                _ => None,
            },
            holders: object.holders().to_vec(),
            handles: object.holds.iter().map(|hold| u64::from(hold.count)).sum(),
            borrowers: object.borrowers().to_vec(),
            pins: object.pins,
        }
    }

    /// How much it holds.
    pub fn sizes(&self) -> EngineSizes {
        EngineSizes {
            tasks: self.tasks.len(),
            objects: self.objects.len(),
            queued: self.queued,
            store_bytes: self.store_bytes,
            lineage_bytes: self.lineage.bytes,
        }
    }
}

fn state_of(phase: Phase) -> TaskState {
    match phase {
        Phase::Seeking | Phase::Waiting | Phase::Paused => TaskState::Waiting,
        Phase::Queued => TaskState::Queued,
        Phase::Assigned => TaskState::Running,
        Phase::Ended(state) => state,
    }
}

fn shortened(mut text: String) -> Arc<str> {
    let cut =
        (0..=JobSummary::TEXT_LIMIT.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.truncate(cut);
    text.into()
}
