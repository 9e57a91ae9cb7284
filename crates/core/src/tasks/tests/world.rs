//! An engine with short words to speak to it.

use crate::tasks::{
    Assignment, Effect, EngineOptions, Event, Place, Requester, SessionKey, SessionKind, TaskEngine,
};
use mobula_types::frame::{AssignmentEnd, Progress, Reoffer, SubmitExtras};
use mobula_types::outcome::{CopyVersion, StoredCopy};
use mobula_types::view::NodeLoad;
use mobula_types::{
    ArgumentRef, ArgumentShape, Attempt, ClusterView, Failure, FailureKind, FunctionId, JobId, NodeId,
    NodeInfo, NodeState, ObjectAddress, ObjectId, Outcome, OwnerTerm, Payload, Resources, ResultValue,
    StoredValue, TaskId, TaskOptions, TaskTemplate, Time,
};
use std::sync::Arc;
use std::time::Duration;

pub(super) const JOB: JobId = JobId(7);
pub(super) const DRIVER: SessionKey = SessionKey(1);
pub(super) const WORKER: SessionKey = SessionKey(2);

pub(super) struct World {
    pub(super) engine: TaskEngine,
    pub(super) now: Time,
    template: Arc<TaskTemplate>,
}

pub(super) fn here() -> NodeId {
    NodeId::new("here", 1)
}

pub(super) fn there() -> NodeId {
    NodeId::new("there", 1)
}

pub(super) fn elsewhere() -> NodeId {
    NodeId::new("elsewhere", 1)
}

pub(super) fn task(number: u64) -> TaskId {
    TaskId::of_driver(JOB, number)
}

pub(super) fn result(number: u64) -> ObjectId {
    ObjectId::result(task(number), 0)
}

pub(super) fn address(object: ObjectId) -> ObjectAddress {
    ObjectAddress::at_home(object)
}

pub(super) fn template(name: &str, change: impl FnOnce(&mut TaskOptions)) -> Arc<TaskTemplate> {
    let mut options = TaskOptions::default();
    change(&mut options);
    Arc::new(TaskTemplate { function: FunctionId::new(name, "1"), signature: None, options })
}

pub(super) fn inline(bytes: &[u8]) -> ResultValue {
    ResultValue::inline(Payload::from(bytes))
}

/// The end of a task that took ten microseconds.
pub(super) fn quick() -> AssignmentEnd {
    let outcome = Outcome::Value(inline(b"9"));
    AssignmentEnd::Ran { outcome, retryable: false, micros: 10, borrows: Vec::new() }
}

/// A value that lies in the stores of these nodes.
pub(super) fn stored(holders: &[NodeId]) -> ResultValue {
    let copy = StoredCopy { length: 4 << 20, checksum: 5, holders: holders.to_vec() };
    ResultValue { value: StoredValue::Stored(Arc::new(copy)), contained: None }
}

/// The version of every [`stored`] value.
pub(super) fn version() -> CopyVersion {
    CopyVersion { length: 4 << 20, checksum: 5 }
}

pub(super) fn containing(objects: &[ObjectAddress]) -> ResultValue {
    ResultValue { contained: Some(objects.into()), ..inline(b"refs") }
}

pub(super) fn whole(object: ObjectId) -> ArgumentRef {
    ArgumentRef { parameter: 0, shape: ArgumentShape::Whole, address: address(object) }
}

pub(super) fn ran(outcome: Outcome) -> AssignmentEnd {
    AssignmentEnd::Ran { outcome, retryable: false, micros: 50_000, borrows: Vec::new() }
}

pub(super) fn lost(charged: bool) -> AssignmentEnd {
    AssignmentEnd::Lost { failure: Failure::new(FailureKind::WorkerDied, "signal 9"), charged }
}

pub(super) fn node(id: NodeId, cpus: u64) -> NodeInfo {
    NodeInfo {
        id,
        address: "http://127.0.0.1:1".into(),
        resources: Resources::cpus(cpus),
        labels: Default::default(),
        state: NodeState::Alive,
        functions: Vec::new(),
        object_store_memory: 1 << 30,
        version: "1".into(),
        load: NodeLoad::default(),
    }
}

pub(super) fn view(nodes: impl IntoIterator<Item = NodeInfo>) -> Event {
    let nodes = nodes.into_iter().map(|node| (node.id.name.clone(), Arc::new(node))).collect();
    Event::View(Arc::new(ClusterView { version: Default::default(), nodes }))
}

impl World {
    /// An open job, its driver and a worker, on a node with that many CPUs.
    pub(super) fn new(cpus: u64) -> Self {
        World::with(cpus, |_| {})
    }

    pub(super) fn with(cpus: u64, change: impl FnOnce(&mut EngineOptions)) -> Self {
        let mut options = EngineOptions::new(here());
        change(&mut options);
        let mut world = World {
            engine: TaskEngine::new(options),
            now: Time::from_nanos(1_000_000_000),
            template: template("square", |_| {}),
        };
        world.tell(view([node(here(), cpus)]));
        world.open_job(JOB, 1);
        world.open(DRIVER, Some(JOB), SessionKind::Driver);
        world.open(WORKER, Some(JOB), SessionKind::Worker);
        world
    }

    pub(super) fn open_job(&mut self, job: JobId, weight: u32) {
        let owner_term = OwnerTerm(0);
        self.tell(Event::JobOpened { job, has_executable: true, weight, owner_term });
    }

    pub(super) fn open(&mut self, session: SessionKey, job: Option<JobId>, kind: SessionKind) {
        self.tell(Event::SessionOpened { session, job, kind });
    }

    /// Tells the engine one event, and checks every invariant after it.
    pub(super) fn tell(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        let said = format!("{event:?}");
        self.engine.on_event(self.now, event, &mut effects);
        if let Err(problem) = self.engine.check() {
            panic!("after {said}: {problem}");
        }
        effects
    }

    /// Tells the engine one of many events, without looking at everything after it.
    pub(super) fn tell_quietly(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.engine.on_event(self.now, event, &mut effects);
        effects
    }

    /// Tells it one event, and then lets it place what is ready.
    pub(super) fn tell_and_flush(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = self.tell(event);
        effects.extend(self.tell(Event::Flush));
        effects
    }

    pub(super) fn advance(&mut self, by: Duration) -> Vec<Effect> {
        self.now = self.now + by;
        self.tell(Event::Tick)
    }

    /// A submit of the driver that a test may change.
    pub(super) fn submission(&self, number: u64) -> Submit {
        Submit {
            requester: Requester::Session(DRIVER),
            job: JOB,
            task: task(number),
            template: self.template.clone(),
            arguments: Payload::from(&[number as u8][..]),
            references: Vec::new(),
            contained: Vec::new(),
            deadline: None,
            parent: None,
            reoffer: None,
        }
    }

    pub(super) fn submit(&mut self, number: u64) -> Vec<Effect> {
        let submit = self.submission(number);
        self.tell_and_flush(submit.event(self.now))
    }

    pub(super) fn submit_with(&mut self, number: u64, change: impl FnOnce(&mut Submit)) -> Vec<Effect> {
        let mut submit = self.submission(number);
        change(&mut submit);
        self.tell_and_flush(submit.event(self.now))
    }

    /// The end of a task's attempt, where it is now.
    pub(super) fn end(&mut self, number: u64, end: AssignmentEnd) -> Vec<Effect> {
        let event = self.ended(number, end);
        self.tell_and_flush(event)
    }

    pub(super) fn ended(&self, number: u64, end: AssignmentEnd) -> Event {
        let snapshot = self.engine.task(task(number)).expect("the task is on record");
        let node = snapshot.node.expect("the task is somewhere");
        let place = if node == here() { Place::Local } else { Place::Peer(node) };
        Event::Ended { place, task: task(number), attempt: snapshot.attempt, end }
    }

    pub(super) fn end_with(&mut self, number: u64, value: ResultValue) -> Vec<Effect> {
        self.end(number, ran(Outcome::Value(value)))
    }

    pub(super) fn release(&mut self, objects: &[ObjectId]) -> Vec<Effect> {
        let objects = objects.iter().copied().map(address).collect();
        self.tell_and_flush(Event::Released { requester: Requester::Session(DRIVER), objects })
    }

    pub(super) fn get(&mut self, object: ObjectId) -> Vec<Effect> {
        self.tell_and_flush(Event::Wanted { requester: Requester::Session(DRIVER), address: address(object) })
    }

    pub(super) fn is_empty(&self) -> bool {
        let sizes = self.engine.sizes();
        (sizes.tasks, sizes.objects, sizes.store_bytes, sizes.lineage_bytes) == (0, 0, 0, 0)
    }

    pub(super) fn attempt(&self, number: u64) -> Attempt {
        self.engine.task(task(number)).expect("the task is on record").attempt
    }
}

/// What [`Event::Submitted`] says.
pub(super) struct Submit {
    pub(super) requester: Requester,
    pub(super) job: JobId,
    pub(super) task: TaskId,
    pub(super) template: Arc<TaskTemplate>,
    pub(super) arguments: Payload,
    pub(super) references: Vec<ArgumentRef>,
    pub(super) contained: Vec<ObjectAddress>,
    pub(super) deadline: Option<Time>,
    pub(super) parent: Option<TaskId>,
    pub(super) reoffer: Option<Reoffer>,
}

/// A task that the lost owner had, and that counts nothing against it yet.
pub(super) fn offered() -> Option<Reoffer> {
    Some(Reoffer { progress: Progress::Offered, ..Reoffer::default() })
}

impl Submit {
    pub(super) fn event(self, now: Time) -> Event {
        let deadline = self.deadline.map(|deadline| deadline.since(now));
        let extras = SubmitExtras {
            references: self.references,
            contained: self.contained,
            deadline,
            reoffer: self.reoffer,
        };
        Event::Submitted {
            requester: self.requester,
            job: self.job,
            task: self.task,
            template: self.template,
            arguments: self.arguments,
            parent: self.parent,
            extras: extras.boxed(),
        }
    }
}

/// The assignments among effects.
pub(super) fn assigned<'a>(effects: &'a [Effect]) -> Vec<(Place, &'a Assignment)> {
    let assignment = |effect: &'a Effect| match effect {
        Effect::Assign { place, assignment } => Some((place.clone(), assignment)),
        _ => None,
    };
    effects.iter().filter_map(assignment).collect()
}

/// The numbers of the driver's tasks that were assigned.
pub(super) fn numbers(effects: &[Effect]) -> Vec<u64> {
    assigned(effects).iter().map(|(_, assignment)| assignment.task.low).collect()
}

/// How tasks ended, as their submitters were told.
pub(super) fn completed(effects: &[Effect]) -> Vec<(SessionKey, u64, Outcome)> {
    let completed = |effect: &Effect| match effect {
        Effect::Completed { session, task, outcome } => Some((*session, task.low, outcome.clone())),
        _ => None,
    };
    effects.iter().filter_map(completed).collect()
}

/// With what kinds of failure tasks ended.
pub(super) fn failures(effects: &[Effect]) -> Vec<(u64, FailureKind)> {
    let failed = |(_, number, outcome): (SessionKey, u64, Outcome)| match outcome {
        Outcome::Failed(failure) => Some((number, failure.kind())),
        _ => None,
    };
    completed(effects).into_iter().filter_map(failed).collect()
}

/// The answers to `Wanted`.
pub(super) fn got(effects: &[Effect]) -> Vec<(ObjectId, Outcome)> {
    let got = |effect: &Effect| match effect {
        Effect::Got { object, outcome, .. } => Some((*object, outcome.clone())),
        _ => None,
    };
    effects.iter().filter_map(got).collect()
}

/// The copies that are dropped.
pub(super) fn freed(effects: &[Effect]) -> Vec<(Place, Vec<ObjectId>)> {
    let freed = |effect: &Effect| match effect {
        Effect::Free { place, objects } => Some((place.clone(), objects.clone())),
        _ => None,
    };
    effects.iter().filter_map(freed).collect()
}
