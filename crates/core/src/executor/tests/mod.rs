//! An executor with the driver and the workers around it, played by the tests.

mod admission;
mod ahead;
mod cancel;
mod fairness;
mod functions;
mod inputs;
mod lost;
mod nested;
mod owners;
mod random;
mod simulated;
mod waiting;
mod workers;

use super::{Effect, Event, Executor, ExecutorOptions, LastRun, Owner, RunKey, RunOrder};
use crate::assignment::Assignment;
use mobula_types::frame::AssignmentEnd;
use mobula_types::{
    Attempt, Failure, FailureKind, FunctionId, FunctionInfo, FunctionKind, JobId, NodeId, Outcome, OwnerTerm,
    Payload, Quantity, Resources, ResultValue, TaskId, TaskOptions, TaskTemplate, Time, WorkerId,
};
use std::sync::Arc;
use std::time::Duration;

const JOB: JobId = JobId(1);
const OTHER_JOB: JobId = JobId(2);
const EMBEDDED: WorkerId = WorkerId(1000);

fn info(name: &str) -> FunctionInfo {
    FunctionInfo {
        id: FunctionId::new(name, "1"),
        signature: 7,
        signature_text: "fn(u64) -> u64".into(),
        kind: FunctionKind::Blocking,
        place: "lib.rs:1".into(),
    }
}

fn template(name: &str, resources: Resources) -> Arc<TaskTemplate> {
    template_with(name, |options| options.resources = resources)
}

fn template_with(name: &str, change: impl FnOnce(&mut TaskOptions)) -> Arc<TaskTemplate> {
    let mut options = TaskOptions::default();
    change(&mut options);
    Arc::new(TaskTemplate { function: FunctionId::new(name, "1"), signature: Some(7), options })
}

fn cpus(tenths: u64) -> Resources {
    Resources { cpu: Quantity::from_steps(tenths * 1000), ..Resources::default() }
}

fn done(value: u8) -> Outcome {
    Outcome::Value(ResultValue::inline(Payload::from(&[value][..])))
}

fn task(number: u64) -> TaskId {
    TaskId::of_driver(JOB, number)
}

fn failure(kind: FailureKind) -> Failure {
    Failure::new(kind, "told by the test")
}

/// An executor and what it has asked for since the last look.
struct World {
    executor: Executor,
    now: Time,
    effects: Vec<Effect>,
    numbered: u64,
}

impl World {
    /// A node with so many CPUs, 8 custom `disk`, and nothing else.
    fn with_options(cpu: u64, change: impl FnOnce(&mut ExecutorOptions)) -> World {
        let mut resources = Resources::cpus(cpu);
        resources.custom.insert("disk".into(), Quantity::whole(8));
        let mut options = ExecutorOptions::new(NodeId::new("here", 1), resources);
        change(&mut options);
        let now = Time::from_nanos(1_000_000_000);
        World { executor: Executor::new(options), now, effects: Vec::new(), numbered: 0 }
    }

    /// A node that embeds `embedded` on as many slots as it has CPUs; a job without an executable is open.
    fn embedded(cpu: u64) -> World {
        let mut world = World::with_options(cpu, |_| {});
        let functions = Arc::new([info("embedded")]);
        world.event(Event::EmbeddedStarted { worker: EMBEDDED, functions, slots: cpu as u32 });
        world.event(Event::JobOpened { job: JOB, has_executable: false, weight: 1 });
        world
    }

    /// A node with a job that has an executable; no worker has been started.
    fn processes(cpu: u64) -> World {
        let mut world = World::with_options(cpu, |_| {});
        world.event(Event::JobOpened { job: JOB, has_executable: true, weight: 1 });
        world
    }

    /// The same, with a worker for each CPU that is ready and idle.
    fn warm(cpu: u64) -> World {
        let mut world = World::processes(cpu);
        let tasks: Vec<TaskId> = (0..cpu).map(|_| world.assign("square", Resources::cpus(1))).collect();
        for worker in world.flush_and_start() {
            world.start(worker);
        }
        world.flush();
        for order in world.runs() {
            world.done(&order, 500);
        }
        assert_eq!(world.reports().len(), tasks.len());
        world.flush();
        world.effects.clear();
        world
    }

    fn event(&mut self, event: Event) {
        self.executor.on_event(self.now, event, &mut self.effects);
    }

    fn flush(&mut self) {
        self.event(Event::Flush);
    }

    fn pass_time(&mut self, duration: Duration) {
        self.now = self.now + duration;
        self.event(Event::Tick);
    }

    /// Goes to the next deadline, and says whether there was one.
    fn next_tick(&mut self) -> bool {
        let next = self.executor.next_deadline();
        if next == Time::NEVER {
            return false;
        }
        self.now = self.now.max(next);
        self.event(Event::Tick);
        true
    }

    fn assign_with(&mut self, owner: Owner, job: JobId, template: &Arc<TaskTemplate>) -> TaskId {
        self.numbered += 1;
        let assignment = self.assignment(self.numbered, job, template);
        let task = assignment.task;
        self.event(Event::Assigned { owner, assignment });
        task
    }

    fn assignment(&self, number: u64, job: JobId, template: &Arc<TaskTemplate>) -> Assignment {
        Assignment {
            task: task(number),
            attempt: Attempt::default(),
            job,
            template: template.clone(),
            arguments: Payload::EMPTY,
            inputs: Vec::new(),
            deadline: None,
            refusals: 0,
        }
    }

    fn assign(&mut self, function: &str, resources: Resources) -> TaskId {
        self.assign_with(Owner::Local, JOB, &template(function, resources))
    }

    fn assign_many(&mut self, count: usize, template: &Arc<TaskTemplate>) -> Vec<TaskId> {
        (0..count).map(|_| self.assign_with(Owner::Local, JOB, template)).collect()
    }

    fn start(&mut self, worker: WorkerId) {
        self.event(Event::WorkerStarted { worker, functions: Arc::new([info("square"), info("cube")]) });
    }

    /// Flushes and takes the workers that were asked for.
    fn flush_and_start(&mut self) -> Vec<WorkerId> {
        self.flush();
        self.take(|effect| match effect {
            Effect::StartWorker { worker, .. } => Some(*worker),
            _ => None,
        })
    }

    fn done(&mut self, order: &RunOrder, micros: u32) {
        self.event(Event::Done {
            worker: order.worker,
            handle: order.handle,
            outcome: done(1),
            retryable: false,
            micros,
            borrows: Vec::new(),
        });
    }

    fn blocked(&mut self, order: &RunOrder) {
        self.event(Event::Blocked { worker: order.worker, handle: order.handle });
    }

    fn unblocked(&mut self, order: &RunOrder) {
        self.event(Event::Unblocked { worker: order.worker, handle: order.handle });
    }

    fn returned(&mut self, orders: &[RunOrder]) {
        let worker = orders[0].worker;
        let handles = orders.iter().map(|order| order.handle).collect();
        self.event(Event::Returned { worker, handles });
    }

    fn cancel(&mut self, task: TaskId, force: bool) {
        let failure = failure(FailureKind::Cancelled);
        self.event(Event::Cancel { owner: Owner::Local, task, attempt: Attempt::default(), failure, force });
    }

    /// Takes the effects of one kind out.
    fn take<T>(&mut self, pick: impl Fn(&Effect) -> Option<T>) -> Vec<T> {
        let mut taken = Vec::new();
        self.effects.retain(|effect| match pick(effect) {
            Some(found) => {
                taken.push(found);
                false
            }
            None => true,
        });
        taken
    }

    fn runs(&mut self) -> Vec<RunOrder> {
        self.take(|effect| match effect {
            Effect::Run(order) => Some(order.clone()),
            _ => None,
        })
    }

    fn flush_runs(&mut self) -> Vec<RunOrder> {
        self.flush();
        self.runs()
    }

    fn reports(&mut self) -> Vec<(TaskId, AssignmentEnd)> {
        self.take(|effect| match effect {
            Effect::Report { task, end, .. } => Some((*task, end.clone())),
            _ => None,
        })
    }

    fn recalls(&mut self) -> Vec<(WorkerId, Vec<u64>)> {
        self.take(|effect| match effect {
            Effect::RecallRuns { worker, handles } => Some((*worker, handles.clone())),
            _ => None,
        })
    }

    fn resumed(&mut self) -> Vec<u64> {
        self.take(|effect| match effect {
            Effect::Resume { handle, .. } => Some(*handle),
            _ => None,
        })
    }

    fn used_cpus(&self) -> f64 {
        self.executor.load().used.cpu.as_f64()
    }

    /// Runs so many tasks of a template that the window of its function is open: each takes `micros`.
    fn teach(&mut self, template: &Arc<TaskTemplate>, micros: u32) {
        self.assign_many(16, template);
        for _ in 0..32 {
            for order in self.flush_runs() {
                self.done(&order, micros);
            }
        }
        assert_eq!(self.reports().len(), 16);
        self.recalls();
    }
}

/// How a failed run's failure is classified.
fn kind_of(end: &AssignmentEnd) -> FailureKind {
    match end {
        AssignmentEnd::Ran { outcome: Outcome::Failed(failure), .. }
        | AssignmentEnd::Lost { failure, .. }
        | AssignmentEnd::CannotRun { failure } => failure.kind(),
        other => panic!("not a failure: {other:?}"),
    }
}

/// What a slot that runs this has noted.
fn running(order: &RunOrder) -> LastRun {
    LastRun { handle: order.handle, over: false }
}

fn tasks_of(orders: &[RunOrder]) -> Vec<TaskId> {
    orders.iter().map(|order| order.task).collect()
}
