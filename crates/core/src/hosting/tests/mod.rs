//! A hosting machine, event by event; together with routers it is tried in `calls::tests`.

mod calls;
mod exits;
mod lives;
mod told;

use super::*;
use crate::calls::HostedCall;
use crate::tasks::Place;
use mobula_types::actor::*;
use mobula_types::*;
use std::sync::Arc;
use std::time::Duration;

const JOB: JobId = JobId(1);
const LANE: LaneId = LaneId(7);

struct Host {
    host: ActorHost,
    now: Time,
}

fn node(name: &str) -> NodeId {
    NodeId::new(name, 1)
}

fn home() -> Place {
    Place::Peer(node("home"))
}

fn incarnation(actor: u64, epoch: u64) -> Incarnation {
    let actor = ActorId(TaskId { high: 5, low: actor });
    Incarnation { actor, epoch: Epoch(epoch) }
}

fn template(target: Target, isolated: bool) -> Arc<TaskTemplate> {
    let resources = Resources::default();
    let options = TaskOptions { target, isolated, resources, ..TaskOptions::default() };
    Arc::new(TaskTemplate { function: FunctionId::new("f", "1"), signature: None, options })
}

fn start_with(actor: u64, epoch: u64, isolated: bool, options: ActorOptions) -> StartActor {
    let template = template(Target::Constructor(Arc::new(options)), isolated);
    let spec = ActorSpec { job: JOB, template, arguments: Payload::EMPTY, inputs: Vec::new() };
    StartActor { incarnation: incarnation(actor, epoch), spec: Arc::new(spec) }
}

fn start(actor: u64, epoch: u64) -> StartActor {
    start_with(actor, epoch, false, ActorOptions::default())
}

fn value() -> Outcome {
    Outcome::Value(ResultValue::inline(Payload::from(&[1_u8][..])))
}

fn failure() -> Failure {
    Failure::new(FailureKind::WorkerDied, "SIGKILL")
}

fn exited(actor: u64, epoch: u64, reason: ExitReason, started: bool) -> Effect {
    exited_in(None, incarnation(actor, epoch), reason, started)
}

/// The first incarnation of an actor exited with its worker.
fn exited_with(worker: WorkerId, actor: u64, reason: ExitReason, started: bool) -> Effect {
    exited_in(Some(worker), incarnation(actor, 1), reason, started)
}

fn exited_in(
    worker: Option<WorkerId>,
    incarnation: Incarnation,
    reason: ExitReason,
    started: bool,
) -> Effect {
    Effect::Report(ActorReport::Exited(vec![ExitReport {
        incarnation,
        reason,
        age: Duration::ZERO,
        started,
        worker,
    }]))
}

impl Host {
    fn new() -> Self {
        let mut host = Host { host: ActorHost::new(HostOptions::new(node("here"))), now: Time::ZERO };
        host.event(Event::JobOpened { job: JOB, has_executable: true });
        host
    }

    fn event(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.host.on_event(self.now, event, &mut effects);
        effects
    }

    fn pass(&mut self, time: Duration) -> Vec<Effect> {
        self.now = self.now + time;
        self.event(Event::Tick)
    }

    /// Starts an actor and its worker, if that is a new one.
    fn run(&mut self, start: StartActor) -> (WorkerId, u32) {
        let mut effects = self.event(Event::Start(start));
        if let Some(Effect::StartWorker { worker, .. }) = effects.first() {
            effects = self.event(Event::WorkerStarted { worker: *worker });
        }
        let [Effect::Host { worker, key, .. }] = &effects[..] else { panic!("{effects:?}") };
        let (worker, key) = (*worker, *key);
        let started = self.event(Event::ActorStarted { worker, key });
        assert!(matches!(started[..], [Effect::Report(ActorReport::Started(_)), ..]), "{started:?}");
        (worker, key)
    }

    /// A machine with one actor that runs, and a lane to it.
    fn with_actor(options: ActorOptions) -> (Self, WorkerId, u32) {
        let mut host = Host::new();
        let (worker, key) = host.run(start_with(1, 1, false, options));
        host.open(home(), LANE, Caller::Driver(JOB));
        (host, worker, key)
    }

    fn open(&mut self, from: Place, lane: LaneId, caller: Caller) {
        let actor = incarnation(1, 1).actor;
        assert_eq!(self.event(Event::LaneOpened { from, lane, caller, actor, job: JOB }), []);
    }

    fn call(&mut self, sequence: u64) -> Vec<Effect> {
        self.call_with(home(), LANE, sequence, |_| {})
    }

    fn call_with(
        &mut self,
        from: Place,
        lane: LaneId,
        sequence: u64,
        change: impl FnOnce(&mut HostedCall),
    ) -> Vec<Effect> {
        let mut call = HostedCall {
            lane,
            sequence,
            epoch: Epoch(1),
            task: TaskId::of_driver(JOB, sequence),
            attempt: Attempt::default(),
            template: template(Target::Method(MethodOptions::default()), false),
            arguments: Payload::EMPTY,
            inputs: Vec::new(),
            deadline: None,
            answered_below: 0,
            resent: false,
        };
        change(&mut call);
        self.event(Event::Called { from, call })
    }

    fn done(&mut self, worker: WorkerId, handle: u64) -> Vec<Effect> {
        let (outcome, borrows) = (value(), Vec::new());
        self.event(Event::Done { worker, handle, outcome, retryable: false, micros: 1, borrows })
    }
}

/// The handles and sequence numbers of turns, by their tasks.
fn turns(effects: &[Effect]) -> Vec<(u64, u64)> {
    let turns = effects.iter().filter_map(|effect| match effect {
        Effect::Turn(order) => Some((order.handle, order.task.low)),
        _ => None,
    });
    turns.collect()
}

/// What becomes of which calls, in a word.
fn answers(effects: &[Effect]) -> Vec<(u64, &'static str)> {
    let answers = effects.iter().filter_map(|effect| match effect {
        Effect::Answer { sequence, end, .. } => Some((
            *sequence,
            match end {
                CallEnd::Ran { .. } => "ran",
                CallEnd::NotStarted { .. } => "not started",
                CallEnd::Died { .. } => "died",
                CallEnd::Refused { .. } => "refused",
                CallEnd::InputsUnavailable { .. } => "inputs",
            },
        )),
        _ => None,
    });
    answers.collect()
}
