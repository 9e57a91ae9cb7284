//! What a submit or a put adds.

use crate::tasks::job::MAX_IDLE_SHAPES;
use crate::tasks::keys::{JobKey, ObjectKey, ShapeKey, TaskKey};
use crate::tasks::object::{Object, Value};
use crate::tasks::shape::Shape;
use crate::tasks::task::{InputHold, Inputs, Phase, TASK_COST, Task};
use crate::tasks::timers::Timer;
use crate::tasks::{CallTarget, Effect, Requester, TaskEngine};
use mobula_types::actor::Target;
use mobula_types::frame::{Progress, SubmitExtras};
use mobula_types::{
    ArgumentRef, ArgumentShape, Attempt, Failure, FailureKind, JobId, ObjectAddress, ObjectId, Outcome,
    Payload, TaskId, TaskTemplate, Time,
};
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::Duration;

/// A task as it was submitted.
#[derive(Debug)]
pub(super) struct Submission {
    pub(super) requester: Requester,
    pub(super) job: JobId,
    pub(super) task: TaskId,
    pub(super) template: Arc<TaskTemplate>,
    pub(super) arguments: Payload,
    pub(super) parent: Option<TaskId>,
    pub(super) deadline: Time,
    pub(super) extras: Option<Box<SubmitExtras>>,
    /// Of a call: which.
    pub(super) call: Option<CallTarget>,
}

impl TaskEngine {
    pub(super) fn submitted(&mut self, mut submission: Submission, effects: &mut Vec<Effect>) {
        if let Requester::Session(session) = submission.requester {
            self.count_request(session, effects);
        }
        let job = match self.admit(&submission) {
            Ok(job) => job,
            Err(failure) => return self.refuse(&submission, failure, effects),
        };
        submission.deadline = submission.deadline.min(self.deadline_of(submission.parent));
        let known = self.tasks.find(&submission.task);
        if known.is_some_and(|known| self.tasks[known.at()].job != job) {
            let failure =
                Failure::new(FailureKind::AlreadyExists, "another job has submitted a task of this id");
            return self.refuse(&submission, failure, effects);
        }
        if let Requester::Call { .. } = submission.requester {
            let requester = submission.requester.clone();
            effects.push(Effect::SubmitDone { requester, task: submission.task, failure: None });
        }
        match known {
            None => self.record(job, submission, effects),
            Some(known) => self.attach(known, submission, effects),
        }
    }

    /// When a task is over for which so much time is left.
    #[inline]
    pub(super) fn deadline_in(&self, left: Option<Duration>) -> Time {
        left.map_or(Time::NEVER, |left| self.now + left)
    }

    fn admit(&self, submission: &Submission) -> Result<JobKey, Failure> {
        if !self.may_touch(&submission.requester, submission.job) {
            let text = format!("the session may not submit to job {}", submission.job);
            return Err(Failure::new(FailureKind::PermissionDenied, text));
        }
        let Some(job) = self.job_index.get(&submission.job) else {
            return Err(job_ended(submission.job));
        };
        submission.template.options.validate()?;
        if submission.call.is_some() != matches!(submission.template.options.target, Target::Method(_)) {
            let text = "a method is called with an actor, and nothing else is";
            return Err(Failure::new(FailureKind::Malformed, text));
        }
        let waiting = self.jobs[job.at()].blocked.len();
        if submission.parent.is_some() && waiting >= self.options.max_waiting as usize {
            let text = format!(
                "{waiting} tasks of the job wait for others on this node, the most that may; \
                 let fewer tasks wait at once"
            );
            return Err(Failure::new(FailureKind::TooDeep, text));
        }
        let bytes = TASK_COST + submission.arguments.len() as u64;
        if self.is_over(*job, bytes, self.options.store_bytes.saturating_mul(2)) {
            return Err(self.store_full(*job, "submits"));
        }
        Ok(*job)
    }

    /// Counts what is held of a job.
    pub(super) fn hold_bytes(&mut self, job: JobKey, bytes: u64) {
        self.store_bytes += bytes;
        if let Some(job) = self.jobs.get_mut(job.at()) {
            job.store_bytes += bytes;
        }
    }

    /// Something of it is not held any more.
    pub(super) fn drop_bytes(&mut self, job: JobKey, bytes: u64) {
        self.store_bytes -= bytes;
        if let Some(job) = self.jobs.get_mut(job.at()) {
            job.store_bytes -= bytes;
        }
    }

    /// Whether the node would hold too much with so many bytes more of a job. Its part of the bound is never too much,
    /// whatever others hold.
    pub(super) fn is_over(&self, job: JobKey, more: u64, bound: u64) -> bool {
        let part = bound / (self.jobs.len() as u64).max(1);
        let of_job = self.jobs.get(job.at()).map_or(0, |job| job.store_bytes);
        self.store_bytes + more > bound && of_job + more > part
    }

    pub(super) fn store_full(&self, job: JobKey, what: &str) -> Failure {
        let of_job = self.jobs.get(job.at()).map_or(0, |job| job.store_bytes);
        let text = format!(
            "{what} are refused: the node holds {} MiB of values and arguments, {} MiB of them this job's, for {} \
             objects and {} tasks, and may hold {} MiB; release what is not needed and try again",
            self.store_bytes >> 20,
            of_job >> 20,
            self.objects.len(),
            self.tasks.len(),
            self.options.store_bytes >> 20,
        );
        Failure::new(FailureKind::StoreFull, text).on_node(self.options.node.clone())
    }

    fn refuse(&mut self, submission: &Submission, failure: Failure, effects: &mut Vec<Effect>) {
        let task = submission.task;
        let failure = failure.of_task(task, submission.template.display_name());
        effects.push(match &submission.requester {
            Requester::Session(session) => {
                Effect::Completed { session: *session, task, outcome: Outcome::Failed(failure) }
            }
            requester => Effect::SubmitDone { requester: requester.clone(), task, failure: Some(failure) },
        });
    }

    fn record(&mut self, job: JobKey, submission: Submission, effects: &mut Vec<Effect>) {
        let SubmitExtras { references, contained, reoffer, .. } =
            submission.extras.map(|extras| *extras).unwrap_or_default();
        let key = TaskKey::new(self.tasks.vacant_key());
        let shape = self.shape_of(job, &submission.template);
        let num_returns = submission.template.options.num_returns;
        let mut task = Task {
            id: submission.task,
            job,
            shape,
            phase: Phase::Waiting,
            attempt: Attempt { owner_term: self.jobs[job.at()].owner_term, number: 0 },
            retries: 0,
            refusals: 0,
            recovering: false,
            in_lineage: false,
            single: false,
            in_lane: false,
            feeds_actor: false,
            heavy: 0,
            ticket: 0,
            cost: 0,
            arguments: submission.arguments,
            inputs: None,
            results: SmallVec::new(),
            submitters: SmallVec::new(),
            place: None,
            submitted: self.now,
            deadline: submission.deadline,
            deadline_timer: 0,
            pause: (Time::NEVER, 0),
            kinship: None,
            history: None,
        };
        for position in 0..num_returns {
            let id = ObjectId::result(submission.task, u64::from(position));
            // What was referred to here before the take-over has a record.
            let known = if reoffer.is_some() { self.object_index.swap_remove(&id) } else { None };
            let result = match known {
                Some(known) => {
                    self.objects[known.at()].task = key;
                    known
                }
                None => ObjectKey::new(self.objects.insert(Object::new(id, job, key, Value::Pending))),
            };
            self.hold(result, &submission.requester);
            task.results.push(result);
        }
        if let Requester::Session(session) = submission.requester {
            task.submitters.push(session);
        }
        self.tasks.insert(task);
        self.shapes[shape.at()].tasks += 1;
        if let Some(parent) = submission.parent {
            self.join_family(key, parent);
        }
        self.set_inputs(key, references, contained, effects);
        self.set_deadline(key);
        if let Some(call) = submission.call {
            let resent = reoffer.as_ref().is_some_and(|reoffer| reoffer.progress != Progress::Unsent);
            self.call_made(key, call, resent, effects);
        }
        match reoffer {
            Some(reoffer) => self.offered_again(key, reoffer, effects),
            None => self.await_inputs(key, effects),
        }
    }

    /// Resolves a task's references to objects, and pins them.
    pub(super) fn set_inputs(
        &mut self,
        key: TaskKey,
        references: Vec<ArgumentRef>,
        contained: Vec<ObjectAddress>,
        effects: &mut Vec<Effect>,
    ) {
        if !references.is_empty() || !contained.is_empty() {
            let job = self.tasks[key.at()].job;
            let keys = references
                .iter()
                .map(|reference| match reference.shape {
                    ArgumentShape::EmptyVec => ObjectKey::NONE,
                    _ => self.locate(job, &reference.address, effects).unwrap_or(ObjectKey::NONE),
                })
                .collect();
            let contained =
                contained.iter().filter_map(|address| self.locate(job, address, effects)).collect();
            let inputs = Inputs { references, keys, contained, missing: 0, hold: InputHold::None };
            self.tasks[key.at()].inputs = Some(Box::new(inputs));
            self.pin_inputs(key);
        }
        self.recount(key);
    }

    /// Charges the store with what the task costs now.
    pub(super) fn recount(&mut self, key: TaskKey) {
        let task = &mut self.tasks[key.at()];
        let cost = TASK_COST + if task.in_lineage { 0 } else { task.input_cost() };
        let (job, earlier) = (task.job, std::mem::replace(&mut task.cost, cost));
        self.hold_bytes(job, cost);
        self.drop_bytes(job, earlier);
    }

    pub(super) fn set_deadline(&mut self, key: TaskKey) {
        let task = &mut self.tasks[key.at()];
        if task.deadline != Time::NEVER {
            task.deadline_timer = self.timers.set(task.deadline, Timer::Deadline(key));
        }
    }

    /// The shape of a template in a job: at the cost of a comparison where it is the one that came last.
    pub(super) fn shape_of(&mut self, job: JobKey, template: &Arc<TaskTemplate>) -> ShapeKey {
        let address = Arc::as_ptr(template) as usize;
        let record = &mut self.jobs[job.at()];
        if record.recent.0 == address && !record.recent.1.is_none() {
            return record.recent.1;
        }
        if let Some(shape) = record.by_address.get(&address) {
            record.recent = (address, *shape);
            return *shape;
        }
        if record.by_address.len() >= record.max_shapes {
            self.forget_idle_shapes(job);
        }
        let record = &mut self.jobs[job.at()];
        let shape = match record.by_template.get(template) {
            Some(shape) => {
                self.shapes[shape.at()].aliases.push(template.clone());
                *shape
            }
            None => {
                let shape = ShapeKey::new(self.shapes.insert(Shape::new(job, template.clone())));
                record.by_template.insert(template.clone(), shape);
                shape
            }
        };
        record.by_address.insert(address, shape);
        record.recent = (address, shape);
        shape
    }

    /// Forgets shapes that no task on record has, and other allocations of those that remain.
    fn forget_idle_shapes(&mut self, job: JobKey) {
        let record = &mut self.jobs[job.at()];
        let shapes = &mut self.shapes;
        record.recent = (0, ShapeKey::NONE);
        record.by_template.retain(|_, shape| {
            let is_used = shapes[shape.at()].tasks > 0 || shapes[shape.at()].is_ready;
            if is_used {
                shapes[shape.at()].aliases.clear();
            } else {
                shapes.remove(shape.at());
            }
            is_used
        });
        record.by_address.clear();
        for (template, shape) in &record.by_template {
            record.by_address.insert(Arc::as_ptr(template) as usize, *shape);
        }
        // Not again before there are twice as many, so that a job whose shapes are all in use is not searched all the time.
        record.max_shapes = MAX_IDLE_SHAPES.max(2 * record.by_template.len());
    }
}

pub(super) fn job_ended(job: JobId) -> Failure {
    Failure::new(FailureKind::JobEnded, format!("job {job} has ended, or was never opened on this node"))
}
