//! A driver program: creates actors, starts trees, calls, watches, and goes on through another node where it has lost its
//! home.

use crate::context::Context;
use crate::message::{DriverCall, DriverFrame, HomeFrame, Packet};
use crate::network::{StreamId, StreamKind};
use crate::plan::{job_of, spec};
use crate::process::{Host, ProcessId};
use mobula_types::actor::{ActorOptions, ActorRequest, ActorTarget, MethodOptions};
use mobula_types::{ActorId, JobId, OwnerTerm, TaskId, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long after one home was lost another one is looked for.
const PAUSE: Duration = Duration::from_millis(300);
/// How long after a question failed it is asked again.
const AGAIN: Duration = Duration::from_millis(500);

#[derive(Clone, Debug)]
enum Act {
    Create(ActorId),
    Start(usize),
    Call { retries: u32, count: usize },
    Watch,
    Stop { kill: bool },
    Restart,
}

#[derive(Clone, Debug)]
struct Call {
    actor: ActorId,
    sequence: u64,
    options: MethodOptions,
    /// It was sent before, to an earlier home.
    sent: bool,
}

#[derive(Clone, Debug)]
struct Question {
    request: ActorRequest,
    /// When it is asked again; `NEVER` while an answer is waited for.
    ask_at: Time,
    /// How often it may fail before it is given up: a tree must start, other things need not succeed.
    insists: bool,
}

/// A driver.
#[derive(Debug)]
pub(crate) struct Driver {
    pub(crate) id: ProcessId,
    index: usize,
    job: JobId,
    term: OwnerTerm,
    home: usize,
    stream: Option<StreamId>,
    connect_at: Time,
    script: Vec<(Time, Act)>,
    calls: BTreeMap<TaskId, Call>,
    sequences: BTreeMap<ActorId, u64>,
    creations: BTreeSet<ActorId>,
    questions: BTreeMap<u64, Question>,
    last_task: u64,
    last_number: u64,
}

impl Driver {
    pub(crate) fn new(context: &mut Context, index: usize) -> Self {
        let id = context.start(Host::Driver(index));
        let job = job_of(index);
        let plan = context.plan.clone();
        let local = context.local(id);
        let within = plan.calm_at.since(Time::ZERO) + Duration::from_secs(5);
        let mut script = Vec::new();
        for number in 0..plan.singles {
            let actor = ActorId(TaskId::of_driver(job, 1_000_000 + number as u64));
            script.push((local + context.random.millis(100, 2_000), Act::Create(actor)));
        }
        for tree in 0..plan.trees[index].len() {
            script.push((local + context.random.millis(100, 2_000), Act::Start(tree)));
        }
        let mut any = |context: &mut Context, act: Act| {
            let after = context.random.micros(600_000, within.as_micros() as u64);
            script.push((local + after, act));
        };
        for _ in 0..plan.calls {
            let retries = if context.random.percent(15) { 2 } else { 0 };
            let count = context.random.between(1, 4);
            any(context, Act::Call { retries, count });
        }
        for _ in 0..plan.watches {
            any(context, Act::Watch);
        }
        if context.random.percent(30) {
            let kill = context.random.percent(50);
            any(context, Act::Stop { kill });
        }
        if context.random.percent(30) {
            any(context, Act::Restart);
        }
        script.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        let mut driver = Driver {
            id,
            index,
            job,
            term: OwnerTerm(0),
            home: context.random.below(plan.nodes),
            stream: None,
            connect_at: local + Duration::from_millis(50),
            script,
            calls: BTreeMap::new(),
            sequences: BTreeMap::new(),
            creations: BTreeSet::new(),
            questions: BTreeMap::new(),
            last_task: 0,
            last_number: 0,
        };
        driver.woken(context);
        driver
    }

    pub(crate) fn woken(&mut self, context: &mut Context) {
        let now = context.local(self.id);
        if self.stream.is_none() && self.connect_at <= now {
            self.connect(context);
        }
        while let Some((_, act)) = self.script.pop_if(|(at, _)| *at <= now) {
            self.act(context, act);
        }
        self.ask(context);
        let script = self.script.last().map_or(Time::NEVER, |(at, _)| *at);
        let connect = if self.stream.is_none() { self.connect_at } else { Time::NEVER };
        let asks = self.questions.values().map(|question| question.ask_at).min().unwrap_or(Time::NEVER);
        let asks = if self.stream.is_some() { asks } else { Time::NEVER };
        context.wake(self.id, script.min(connect).min(asks).max(now + Duration::from_micros(1)));
    }

    fn say(&self, context: &mut Context, frame: DriverFrame) {
        if let Some(stream) = self.stream {
            context.send(stream, self.id, Packet::Driver(frame));
        }
    }

    /// Opens a session with its home, and says again what was not answered.
    fn connect(&mut self, context: &mut Context) {
        let stream = context.open_stream(StreamKind::Session, self.id, Host::Node(self.home));
        let (index, home, term) = (self.index, self.home, self.term);
        context.note(|| format!("driver {index} goes through n{home} in term {}", term.0));
        self.stream = Some(stream);
        self.say(context, DriverFrame::Hello { job: self.job, term: self.term });
        let creations: Vec<ActorId> = self.creations.iter().copied().collect();
        creations.into_iter().for_each(|actor| self.say_create(context, actor));
        let mut calls: Vec<(TaskId, Call)> =
            self.calls.iter().map(|(task, call)| (*task, call.clone())).collect();
        calls.sort_by_key(|(_, call)| (call.actor, call.sequence));
        for (task, _) in calls {
            self.say_call(context, task);
        }
        let now = context.local(self.id);
        self.questions.values_mut().for_each(|question| question.ask_at = now);
    }

    fn act(&mut self, context: &mut Context, act: Act) {
        match act {
            Act::Create(actor) => {
                self.creations.insert(actor);
                self.say_create(context, actor);
            }
            Act::Start(tree) => {
                let spec = context.plan.trees[self.index][tree].clone();
                let supervisor = ActorId(TaskId::of_driver(self.job, 2_000_000 + tree as u64));
                let request = ActorRequest::StartSupervisor {
                    supervisor,
                    namespace: "default".into(),
                    name: "".into(),
                    job: self.job,
                    detached: false,
                    spec,
                };
                self.question(context, request, true);
            }
            Act::Call { retries, count } => {
                let Some(actor) = context.observer.any_actor(&mut context.random) else { return };
                for _ in 0..count {
                    self.call(context, actor, retries);
                }
            }
            Act::Watch => {
                let Some(target) = context.observer.any_actor(&mut context.random) else { return };
                self.say(context, DriverFrame::Watch(target));
            }
            Act::Stop { kill } => {
                let Some(actor) = context.observer.any_actor(&mut context.random) else { return };
                let target = ActorTarget::Id(actor);
                let grace = Duration::from_secs(1);
                self.question(context, ActorRequest::Stop { target, kill, grace }, false);
            }
            Act::Restart => {
                let Some(actor) = context.observer.any_actor(&mut context.random) else { return };
                self.question(context, ActorRequest::Restart(ActorTarget::Id(actor)), false);
            }
        }
    }

    fn question(&mut self, context: &mut Context, request: ActorRequest, insists: bool) {
        self.last_number += 1;
        let ask_at = context.local(self.id);
        self.questions.insert(self.last_number, Question { request, ask_at, insists });
    }

    fn ask(&mut self, context: &mut Context) {
        if self.stream.is_none() {
            return;
        }
        let now = context.local(self.id);
        let due = self.questions.iter().filter(|(_, question)| question.ask_at <= now);
        for number in due.map(|(number, _)| *number).collect::<Vec<_>>() {
            let Some(question) = self.questions.get_mut(&number) else { continue };
            question.ask_at = Time::NEVER;
            let request = question.request.clone();
            self.say(context, DriverFrame::Ask { number, request });
        }
    }

    fn call(&mut self, context: &mut Context, actor: ActorId, max_task_retries: u32) {
        self.last_task += 1;
        let task = TaskId::of_driver(self.job, self.last_task);
        let sequence = self.sequences.entry(actor).or_default();
        *sequence += 1;
        let options = MethodOptions { max_task_retries, ..MethodOptions::default() };
        let call = Call { actor, sequence: *sequence, options, sent: false };
        context.observer.call_made(task, self.job, actor, *sequence, max_task_retries);
        self.calls.insert(task, call);
        self.say_call(context, task);
        if context.random.percent(3) {
            self.say(context, DriverFrame::Cancel(task));
        }
    }

    fn say_create(&self, context: &mut Context, actor: ActorId) {
        let spec = spec(self.job, "single", ActorOptions::default());
        self.say(context, DriverFrame::Create { actor, spec });
    }

    fn say_call(&mut self, context: &mut Context, task: TaskId) {
        if self.stream.is_none() {
            return;
        }
        let Some(call) = self.calls.get_mut(&task) else { return };
        let resent = std::mem::replace(&mut call.sent, true);
        let Call { actor, sequence, options, .. } = call.clone();
        let to_same = self.calls.values().filter(|other| other.actor == actor);
        let answered_below = to_same.map(|other| other.sequence).min().unwrap_or(sequence);
        let late = context.random.percent(if context.forgets_soon() { 60 } else { 10 });
        let arguments_after = if late { context.random.millis(1, 3_000) } else { Duration::ZERO };
        let call = DriverCall { task, actor, sequence, answered_below, options, resent, arguments_after };
        self.say(context, DriverFrame::Call(call));
    }

    pub(crate) fn received(&mut self, context: &mut Context, stream: StreamId, packet: Packet) {
        let Packet::Home(frame) = packet else { return };
        if self.stream != Some(stream) {
            return;
        }
        match frame {
            HomeFrame::Ended { task, outcome } => {
                if self.calls.remove(&task).is_some() {
                    let index = self.index;
                    context.note(|| format!("driver {index} hears of call {}: {outcome:?}", task.low));
                    context.observer.call_ended(task, &outcome);
                }
            }
            HomeFrame::Created(actor) => {
                self.creations.remove(&actor);
            }
            HomeFrame::Answered { number, answer } => self.answered(context, number, answer),
            HomeFrame::Watching(number) => {
                if let Some(home) = context.other_end(stream, self.id) {
                    context.observer.watching(home, number, self.index);
                }
            }
            HomeFrame::Down(down) => {
                if let Some(home) = context.other_end(stream, self.id) {
                    context.observer.down(home, &down);
                }
            }
        }
        self.woken(context);
    }

    fn answered(
        &mut self,
        context: &mut Context,
        number: u64,
        answer: Result<mobula_types::actor::ActorAnswer, mobula_types::Failure>,
    ) {
        let now = context.local(self.id);
        let Some(question) = self.questions.get_mut(&number) else { return };
        let index = self.index;
        context.note(|| format!("driver {index} is answered: {answer:?}"));
        match answer {
            Err(failure) if failure.kind().is_retryable() && question.insists => {
                question.ask_at = now + AGAIN;
            }
            _ => drop(self.questions.remove(&number)),
        }
    }

    pub(crate) fn stream_ended(&mut self, context: &mut Context, stream: StreamId) {
        if self.stream != Some(stream) {
            return;
        }
        // The home is lost: the driver goes on through another node.
        self.stream = None;
        context.observer.session_over(self.index);
        let living: Vec<usize> = (0..context.plan.nodes)
            .filter(|slot| *slot != self.home && context.at.contains_key(&Host::Node(*slot)))
            .collect();
        if let Some(home) = context.random.pick(&living) {
            self.home = *home;
        }
        self.term = OwnerTerm(self.term.0 + 1);
        self.connect_at = context.local(self.id) + PAUSE;
        self.woken(context);
    }

    /// What has not come to an end, for people.
    pub(crate) fn unfinished(&self) -> Option<String> {
        if let Some((task, call)) = self.calls.iter().next() {
            let (low, count) = (task.low, self.calls.len());
            return Some(format!("{count} calls of driver {} wait, call {low} first: {call:?}", self.index));
        }
        if let Some(actor) = self.creations.iter().next() {
            return Some(format!("the creation of {actor:?} waits"));
        }
        let question = self.questions.values().next()?;
        Some(format!("driver {} waits for an answer to {:?}", self.index, question.request))
    }
}
