//! Creations of actors: asked of the head many at a time, and over when the actor has started.

use super::super::{Input, Shard};
use indexmap::IndexMap;
use mobula_core::calls;
use mobula_core::placement::lack_of_host;
use mobula_core::tasks::{self, Place};
use mobula_runtime::{clock, spawn};
use mobula_types::actor::{
    ActorAnswer, ActorLocation, ActorReport, ActorRequest, ActorSpec, ActorTarget, CreateActor, EncodedSize,
    ExitKind, ExitReason, Lifetime, Location, Target,
};
use mobula_types::frame::AssignmentEnd;
use mobula_types::{
    ActorId, Attempt, Epoch, Failure, FailureKind, Incarnation, JobId, JobInfo, Outcome, Payload,
    ResultValue, TaskId, Time,
};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Creations in one question to the head, and their bytes: a message takes 16 MiB.
const BATCH: usize = 1000;
const BATCH_BYTES: usize = 1 << 20;
/// The most bytes that one creation may have, its arguments included.
const MOST_BYTES: usize = 8 << 20;
/// Questions that may be under way at once: what comes meanwhile goes together with the next one.
const MOST_ASKED: usize = 4;
/// The same warning is said again after so long.
const WARNINGS: Duration = Duration::from_secs(10);
/// How long it waits after a head could not be reached.
const PAUSE: Duration = Duration::from_millis(200);

/// The creations that this node owns.
#[derive(Debug, Default)]
pub(crate) struct Creations {
    /// Those that are not over.
    open: IndexMap<ActorId, Creation, foldhash::fast::FixedState>,
    /// Those that were cancelled after a head may have heard of them: once it says that they are there, they are ended.
    cancelled: IndexMap<ActorId, Cancelled, foldhash::fast::FixedState>,
    /// Those that the head is to be asked for, in order.
    waiting: VecDeque<ActorId>,
    /// Questions under way.
    asked: usize,
    /// Not before this.
    not_before: Time,
    /// Actors that were created through this node and live, as far as is known.
    living: IndexMap<ActorId, Living, foldhash::fast::FixedState>,
    /// Of those, the ones that nobody holds a handle of. Said to every head again.
    unreferenced: BTreeSet<ActorId>,
    /// The last warning about actors that wait for a node that is not there, and until when it is not said again.
    warned: (String, Time),
}

/// An actor that was created through this node. The head tells where it is, without being asked, until it is dead.
#[derive(Debug)]
struct Living {
    job: JobId,
    location: Location,
}

#[derive(Debug)]
struct Creation {
    attempt: Attempt,
    job: JobId,
    create: CreateActor,
    heard: Heard,
    /// The job that made it, where its own was opened for what is detached from that one. Such a job may be over before
    /// its next actor comes: then another one is opened, once.
    detached_from: Option<JobId>,
}

/// Whether heads know of a creation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Heard {
    No,
    /// It was asked for.
    Perhaps,
    Yes,
}

#[derive(Debug)]
struct Cancelled {
    job: JobId,
    create: CreateActor,
}

impl Creations {
    pub(super) fn next_deadline(&self) -> Time {
        if self.waiting.is_empty() || self.asked >= MOST_ASKED { Time::NEVER } else { self.not_before }
    }

    /// The job in which an actor is being created, and the one that it is detached from.
    #[cfg(test)]
    pub(in crate::shard) fn jobs_of(&self, actor: ActorId) -> Option<(JobId, Option<JobId>)> {
        self.open.get(&actor).map(|creation| (creation.job, creation.detached_from))
    }

    /// Where an actor is, if the head tells that unasked.
    pub(super) fn location_of(&self, actor: ActorId) -> Option<&Location> {
        self.living.get(&actor).map(|living| &living.location)
    }

    /// The actors whose places the head is to tell.
    pub(super) fn located(&self) -> impl Iterator<Item = ActorId> + '_ {
        self.living.keys().copied()
    }

    /// The first that wait, as many as go into one question.
    pub(in crate::shard) fn next_question(&mut self) -> Vec<CreateActor> {
        let (mut creates, mut bytes) = (Vec::new(), 0);
        while let Some(actor) = self.waiting.pop_front() {
            let open = self.open.get(&actor).map(|creation| &creation.create);
            let create = open.or_else(|| Some(&self.cancelled.get(&actor)?.create));
            let Some(create) = create.cloned() else { continue };
            bytes += create.encoded_size();
            if !creates.is_empty() && bytes > BATCH_BYTES {
                self.waiting.push_front(actor);
                break;
            }
            if let Some(creation) = self.open.get_mut(&actor).filter(|creation| creation.heard == Heard::No) {
                creation.heard = Heard::Perhaps;
            }
            creates.push(create);
            if creates.len() == BATCH {
                break;
            }
        }
        creates
    }

    /// The actors that are to be ended once a head says that they are there.
    #[cfg(test)]
    pub(in crate::shard) fn cancelled(&self) -> Vec<ActorId> {
        self.cancelled.keys().copied().collect()
    }

    /// A job has ended, and its actors with it.
    pub(super) fn job_ended(&mut self, job: JobId) {
        self.cancelled.retain(|_, cancelled| cancelled.job != job);
        self.living.retain(|_, living| living.job != job);
        self.unreferenced.retain(|actor| self.living.contains_key(actor));
    }
}

/// What the head is to be told of a task that creates an actor.
#[derive(Debug)]
pub(crate) struct NewActor {
    pub(crate) task: TaskId,
    pub(crate) attempt: Attempt,
    pub(crate) job: JobId,
    pub(crate) spec: ActorSpec,
    /// The job that made it, where that is another one.
    pub(crate) detached_from: Option<JobId>,
}

impl Shard {
    pub(in super::super) fn create_actor(&mut self, new: NewActor) {
        self.warn_of_infeasible(&new);
        let is_detached = matches!(
            &new.spec.template.options.target,
            Target::Constructor(options) if options.lifetime == Lifetime::Detached
        );
        match self.jobs.info(new.job).filter(|info| is_detached && !info.spec.detached).cloned() {
            Some(info) => self.create_detached(new, info),
            None => self.create_in_job(new),
        }
    }

    /// No node could ever host it: where it is to wait nevertheless, its driver is told.
    fn warn_of_infeasible(&mut self, new: &NewActor) {
        let template = &new.spec.template;
        if template.options.fail_if_infeasible {
            return;
        }
        let Some(reason) = lack_of_host(&self.view, &template.options) else { return };
        let text = format!("actors {} wait, as no node can host them: {reason}", template.display_name());
        let (said, until) = &self.actors.creations.warned;
        if *said != text || *until <= self.now {
            self.warn_drivers(new.job, &text);
            self.actors.creations.warned = (text, self.now + WARNINGS);
        }
    }

    fn create_in_job(&mut self, new: NewActor) {
        let NewActor { task, attempt, job, spec, detached_from } = new;
        let actor = ActorId(task);
        let create = CreateActor { actor, spec: Arc::new(spec) };
        let bytes = create.encoded_size();
        self.actors
            .creations
            .open
            .insert(actor, Creation { attempt, job, create, heard: Heard::No, detached_from });
        if bytes > MOST_BYTES {
            let text = format!(
                "the arguments of the constructor take {bytes} bytes, the most are {MOST_BYTES}: put large values \
                 into the store, and pass their references"
            );
            return self.not_created(actor, Failure::new(FailureKind::InvalidArgument, text));
        }
        self.actors.creations.waiting.push_back(actor);
    }

    /// What is to outlive its job is created in another one, which may have yet to be opened.
    fn create_detached(&mut self, new: NewActor, info: JobInfo) {
        let (head, inbox) = (self.parts.head.clone(), self.parts.inbox.clone());
        let jobs = self.actors.detached.clone();
        self.own(spawn("open a job for what is detached", async move {
            let job = jobs.of(&info, &head).await;
            let _shard_ended = inbox.send(Input::DetachedJob { new: Box::new(new), job }).await;
        }));
    }

    pub(in super::super) fn on_detached_job(&mut self, new: NewActor, job: Result<JobId, Failure>) {
        match job {
            Ok(job) => {
                let spec = ActorSpec { job, ..new.spec };
                // One that was refused in such a job before is not created in a third one.
                let detached_from = new.detached_from.is_none().then_some(new.job);
                self.create_in_job(NewActor { job, spec, detached_from, ..new });
            }
            Err(failure) => {
                let outcome = Outcome::Failed(failure.of_task(new.task, new.spec.template.display_name()));
                self.end_creation(ActorId(new.task), new.attempt, outcome);
            }
        }
    }

    /// Asks the head for what waits.
    pub(super) fn send_creations(&mut self) {
        let now = self.now;
        let creations = &mut self.actors.creations;
        while !creations.waiting.is_empty() && creations.asked < MOST_ASKED && now >= creations.not_before {
            let creates = creations.next_question();
            if creates.is_empty() {
                continue;
            }
            creations.asked += 1;
            let (head, inbox) = (self.parts.head.clone(), self.parts.inbox.clone());
            let asking = spawn("create actors", async move {
                let actors = creates.iter().map(|create| create.actor).collect();
                let answer = match head.actors(&ActorRequest::Create(creates)).await {
                    Ok(ActorAnswer::Created(results)) => Ok(results),
                    Ok(_) => Err(Failure::new(FailureKind::Malformed, "the head answered something else")),
                    Err(failure) => Err(failure),
                };
                let _shard_ended = inbox.send(Input::ActorsCreated { actors, answer }).await;
            });
            self.background.push(asking);
        }
    }

    pub(in super::super) fn on_actors_created(
        &mut self,
        actors: Vec<ActorId>,
        answer: Result<Vec<Result<ActorId, Failure>>, Failure>,
    ) {
        self.actors.creations.asked -= 1;
        match answer {
            Ok(results) => {
                for (actor, result) in actors.into_iter().zip(results) {
                    if let Some(cancelled) = self.actors.creations.cancelled.swap_remove(&actor) {
                        if result.is_ok_and(|created| created == actor) {
                            self.end_cancelled(cancelled.create);
                        }
                        continue;
                    }
                    match result {
                        // It is over when it has started.
                        Ok(created) if created == actor => {
                            if let Some(creation) = self.actors.creations.open.get_mut(&actor) {
                                creation.heard = Heard::Yes;
                            }
                        }
                        Ok(other) => self.found_another(actor, other),
                        Err(failure) => self.refused(actor, failure),
                    }
                }
            }
            Err(failure) if failure.kind().is_retryable() => {
                tracing::debug!(%failure, "actors wait for a head that creates them");
                self.actors.creations.waiting.extend(actors);
                self.actors.creations.not_before = self.now + PAUSE;
            }
            Err(failure) => {
                for actor in actors {
                    self.actors.creations.cancelled.swap_remove(&actor);
                    self.not_created(actor, failure.clone());
                }
            }
        }
    }

    /// The head creates no such actor. Where that is because the job for what is detached is over, another one is opened.
    fn refused(&mut self, actor: ActorId, failure: Failure) {
        let creation = self.actors.creations.open.get(&actor);
        let origin = creation.and_then(|creation| creation.detached_from);
        let info = origin.and_then(|origin| self.jobs.info(origin)).cloned();
        let (FailureKind::JobEnded, Some(info)) = (failure.kind(), info) else {
            return self.not_created(actor, failure);
        };
        let Some(creation) = self.actors.creations.open.swap_remove(&actor) else { return };
        self.actors.detached.forget(creation.job);
        let spec = ActorSpec { job: info.job, ..ActorSpec::clone(&creation.create.spec) };
        let (attempt, job, detached_from) = (creation.attempt, info.job, Some(creation.job));
        self.create_detached(NewActor { task: actor.0, attempt, job, spec, detached_from }, info);
    }

    /// Where an actor is that may be on its way into being.
    pub(super) fn creation_located(&mut self, located: &ActorLocation) {
        let actor = located.actor;
        if let Some(living) = self.actors.creations.living.get_mut(&actor) {
            living.location.clone_from(&located.location);
        }
        match &located.location {
            Location::At { .. } => self.created(actor, &located.location),
            Location::Pending { .. } => {}
            Location::Dead { incarnation, reason } => {
                if self.actors.creations.living.swap_remove(&actor).is_some() {
                    self.tell_tasks(tasks::Event::ActorOver { actor });
                }
                self.actors.creations.unreferenced.remove(&actor);
                if self.actors.creations.open.contains_key(&actor) {
                    let failure = match (reason.kind(), reason.failure()) {
                        (ExitKind::ConstructorFailed, Some(cause)) => {
                            let message = format!("the actor was not created: {}", cause.message());
                            Failure::new(FailureKind::ConstructorFailed, message).caused_by(cause.clone())
                        }
                        // A constructor that wants no actor.
                        (ExitKind::Normal, _) => {
                            Failure::new(FailureKind::ConstructorFailed, "the constructor wanted no actor")
                        }
                        _ => reason.to_failure(*incarnation, false),
                    };
                    self.not_created(actor, failure.of_incarnation(*incarnation));
                }
            }
        }
    }

    /// The creation has succeeded: its value is empty.
    fn created(&mut self, actor: ActorId, location: &Location) {
        let Some(creation) = self.actors.creations.open.swap_remove(&actor) else { return };
        let living = Living { job: creation.job, location: location.clone() };
        self.actors.creations.living.insert(actor, living);
        let outcome = Outcome::Value(ResultValue::inline(Payload::EMPTY));
        self.end_creation(actor, creation.attempt, outcome);
    }

    /// There is an actor of that name already: the value of the creation is its id.
    fn found_another(&mut self, actor: ActorId, found: ActorId) {
        let Some(creation) = self.actors.creations.open.swap_remove(&actor) else { return };
        let number = (u128::from(found.0.high) << 64) | u128::from(found.0.low);
        let outcome = Outcome::Value(ResultValue::inline(Payload::from(&number.to_le_bytes()[..])));
        self.end_creation(actor, creation.attempt, outcome);
    }

    fn not_created(&mut self, actor: ActorId, failure: Failure) {
        if let Some(creation) = self.actors.creations.open.swap_remove(&actor) {
            let name = creation.create.spec.template.display_name();
            let failure = failure.of_task(actor.0, name);
            self.end_creation(actor, creation.attempt, Outcome::Failed(failure));
        }
    }

    /// Calls may wait for an actor that does not come.
    pub(in super::super) fn has_no_actor(&mut self, actor: ActorId, failure: Failure) {
        let incarnation = Incarnation { actor, epoch: Epoch::default() };
        let reason = ExitReason::failed(ExitKind::ConstructorFailed, failure);
        let location = Location::Dead { incarnation, reason };
        self.tell_router(calls::Event::Located(ActorLocation { actor, location }));
    }

    fn end_creation(&mut self, actor: ActorId, attempt: Attempt, outcome: Outcome) {
        let end = AssignmentEnd::Ran { outcome, retryable: false, micros: 0, borrows: Vec::new() };
        let place = Place::Local;
        self.tell_tasks(tasks::Event::Ended { place, task: actor.0, attempt, end });
    }

    /// A creation was cancelled: an actor that may be there already, or is about to be, is not wanted. `false` where it is no
    /// creation.
    pub(in super::super) fn cancel_creation(&mut self, task: TaskId, failure: &Failure) -> bool {
        let actor = ActorId(task);
        let Some(creation) = self.actors.creations.open.get(&actor) else { return false };
        let (heard, job, create) = (creation.heard, creation.job, creation.create.clone());
        self.not_created(actor, failure.clone());
        match heard {
            Heard::No => {}
            // Not before it is known to be there: an end that overtakes it would find nothing.
            Heard::Perhaps => {
                self.actors.creations.cancelled.insert(actor, Cancelled { job, create });
            }
            Heard::Yes => self.end_cancelled(create),
        }
        true
    }

    fn end_cancelled(&mut self, create: CreateActor) {
        let head = self.parts.head.clone();
        self.own(spawn("end a cancelled actor", async move {
            for request in ends_of(&create) {
                while let Err(failure) = head.actors(&request).await {
                    if !failure.kind().is_retryable() {
                        // It has ended by itself.
                        tracing::debug!(%failure, "a cancelled actor is not there");
                        break;
                    }
                    clock::sleep(PAUSE).await;
                }
            }
        }));
    }

    /// Nobody holds a handle of the actor any more.
    pub(in super::super) fn actor_unreferenced(&mut self, actor: ActorId) {
        let creations = &mut self.actors.creations;
        if creations.living.contains_key(&actor) && creations.unreferenced.insert(actor) {
            self.parts.head.report_actors(ActorReport::Unreferenced(vec![actor]));
        }
    }

    /// A head was joined: it may not have heard of what was asked and said before.
    pub(super) fn create_again(&mut self) {
        let creations = &mut self.actors.creations;
        creations.waiting = creations.open.keys().chain(creations.cancelled.keys()).copied().collect();
        creations.not_before = Time::ZERO;
        if !creations.unreferenced.is_empty() {
            let unreferenced = creations.unreferenced.iter().copied().collect();
            self.parts.head.report_actors(ActorReport::Unreferenced(unreferenced));
        }
    }
}

/// What ends an actor for good: a child that is killed would be started again.
fn ends_of(create: &CreateActor) -> Vec<ActorRequest> {
    let stop =
        ActorRequest::Stop { target: ActorTarget::Id(create.actor), kill: true, grace: Duration::ZERO };
    let Target::Constructor(options) = &create.spec.template.options.target else { return vec![stop] };
    let Some(supervisor) = options.supervisor.map(ActorTarget::Id) else { return vec![stop] };
    let child = options.child_id(create.actor);
    vec![
        ActorRequest::TerminateChild { supervisor: supervisor.clone(), child: child.clone() },
        ActorRequest::DeleteChild { supervisor, child },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::actor::ActorOptions;
    use mobula_types::{FunctionId, TaskOptions, TaskTemplate};

    #[test]
    fn a_cancelled_child_is_not_started_again() {
        let actor = ActorId(TaskId { high: 1, low: 1 });
        let create = |supervisor| {
            let options = ActorOptions { supervisor, child: "a".into(), ..ActorOptions::default() };
            let options =
                TaskOptions { target: Target::Constructor(Arc::new(options)), ..TaskOptions::default() };
            let template = TaskTemplate { function: FunctionId::new("A::new", ""), signature: None, options };
            let (template, arguments) = (Arc::new(template), Payload::EMPTY);
            let spec = ActorSpec { job: JobId(1), template, arguments, inputs: Vec::new() };
            CreateActor { actor, spec: Arc::new(spec) }
        };
        assert!(matches!(&ends_of(&create(None))[..], [ActorRequest::Stop { kill: true, .. }]));
        let ends = ends_of(&create(Some(actor)));
        let [ActorRequest::TerminateChild { child, .. }, ActorRequest::DeleteChild { .. }] = &ends[..] else {
            panic!("{ends:?}");
        };
        assert_eq!(&**child, "a");
    }
}
