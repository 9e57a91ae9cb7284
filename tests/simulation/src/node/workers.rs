//! Worker processes: scripted actors that start after a while, fail, want no actor, take calls one after the other, panic,
//! end by themselves, or do not end when they are told to.

use crate::context::Context;
use crate::mutation::Mutation;
use crate::process::ProcessId;
use crate::random::Random;
use mobula_core::hosting::TurnOrder;
use mobula_types::actor::ExitKind;
use mobula_types::{
    ExitReason, Failure, FailureKind, Incarnation, Outcome, Payload, ResultValue, Time, WorkerId,
};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// What a worker says to its node.
#[derive(Clone, Debug)]
pub(crate) enum Says {
    Ready,
    Failed,
    Started(u32),
    Exited(u32, Option<ExitReason>),
    Done(u64, Outcome),
    Returned(Vec<u64>),
    Ended,
}

/// What an actor does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Constructing { until: Time },
    Running,
}

#[derive(Debug)]
struct Actor {
    incarnation: Incarnation,
    phase: Phase,
    queue: VecDeque<TurnOrder>,
    turn: Option<(u64, Time)>,
    /// It ends by itself then.
    exits_at: Time,
    /// What it is linked with has exited.
    unlinked: bool,
    /// It was told to stop: what with, and by when.
    stop: Option<(ExitReason, Time)>,
    /// It does not listen to that.
    deaf: bool,
}

/// A worker process.
#[derive(Debug)]
pub(crate) struct Worker {
    /// When it is there; `NEVER` once it is.
    ready_at: Time,
    fails: bool,
    killed: bool,
    actors: BTreeMap<u32, Actor>,
    /// The end of the node's lease, as the worker heard last.
    lease_end: Time,
    /// When it goes on, in the time of the world.
    wakes_at: Time,
}

/// The workers of a node.
#[derive(Debug)]
pub(crate) struct Workers {
    workers: BTreeMap<WorkerId, Worker>,
    random: Random,
}

impl Workers {
    pub(super) fn new(seed: u64) -> Self {
        Workers { workers: BTreeMap::new(), random: Random::new(seed) }
    }

    pub(super) fn take(&mut self) -> BTreeMap<WorkerId, Worker> {
        std::mem::take(&mut self.workers)
    }

    /// One of them, for a fault.
    pub(crate) fn any(&mut self) -> Option<WorkerId> {
        let all: Vec<WorkerId> = self.workers.keys().copied().collect();
        self.random.pick(&all).copied()
    }

    pub(super) fn start(
        &mut self,
        context: &mut Context,
        process: ProcessId,
        worker: WorkerId,
        lease_end: Time,
    ) {
        let takes = self.random.millis(5, 200);
        let fails = !context.calm && self.random.percent(3);
        let ready_at = context.local(process) + takes;
        let started = Worker {
            ready_at,
            fails,
            killed: false,
            actors: BTreeMap::new(),
            lease_end,
            wakes_at: Time::ZERO,
        };
        self.workers.insert(worker, started);
        let at = context.process(process).clock().world(ready_at);
        context.agenda.add(at, crate::agenda::Happening::Worker { process, worker });
    }

    pub(super) fn host(
        &mut self,
        context: &mut Context,
        worker: WorkerId,
        key: u32,
        incarnation: Incarnation,
    ) {
        let Some(hosting) = self.workers.get_mut(&worker) else { return };
        let actor = Actor {
            incarnation,
            // Decided when it begins.
            phase: Phase::Constructing { until: Time::ZERO },
            queue: VecDeque::new(),
            turn: None,
            exits_at: Time::NEVER,
            unlinked: false,
            stop: None,
            deaf: !context.calm && self.random.percent(3),
        };
        hosting.actors.insert(key, actor);
    }

    pub(super) fn turn(&mut self, worker: WorkerId, order: TurnOrder) {
        let hosting = self.workers.get_mut(&worker);
        if let Some(actor) = hosting.and_then(|hosting| hosting.actors.get_mut(&order.key)) {
            actor.queue.push_back(order);
        }
    }

    pub(super) fn stop(
        &mut self,
        context: &mut Context,
        worker: WorkerId,
        key: u32,
        until: Option<Time>,
        reason: ExitReason,
    ) {
        let hosting = self.workers.get_mut(&worker);
        if let Some(actor) = hosting.and_then(|hosting| hosting.actors.get_mut(&key)) {
            actor.stop = Some((reason, until.unwrap_or(Time::NEVER)));
            actor.deaf &= !context.calm;
        }
    }

    /// What an actor is linked with has exited: it ends once it has started, or its turn is over.
    pub(super) fn unlink(&mut self, worker: WorkerId, key: u32) {
        let hosting = self.workers.get_mut(&worker);
        if let Some(actor) = hosting.and_then(|hosting| hosting.actors.get_mut(&key)) {
            actor.unlinked = true;
        }
    }

    pub(super) fn cancel(&mut self, worker: WorkerId, handle: u64, _failure: Failure) {
        let Some(hosting) = self.workers.get_mut(&worker) else { return };
        for actor in hosting.actors.values_mut() {
            if let Some(position) = actor.queue.iter().position(|turn| turn.handle == handle) {
                // It stays where it is, and ends as soon as it is its turn.
                actor.queue[position].deadline = Some(Time::ZERO);
            }
        }
    }

    pub(crate) fn kill(&mut self, worker: WorkerId) {
        if let Some(worker) = self.workers.get_mut(&worker) {
            worker.killed = true;
        }
    }

    /// Lets a worker go on. Gives what it says, and after how long it wants to go on again.
    pub(super) fn work(
        &mut self,
        context: &mut Context,
        process: ProcessId,
        id: WorkerId,
        lease_end: Time,
    ) -> (Vec<Says>, Option<Duration>) {
        let Some(worker) = self.workers.get_mut(&id) else { return (Vec::new(), None) };
        worker.lease_end = lease_end;
        let (says, next) = worker.work(context, process, &mut self.random);
        if says.iter().any(|said| matches!(said, Says::Ended | Says::Failed)) {
            self.workers.remove(&id);
        }
        (says, next)
    }
}

impl Worker {
    /// One look at everything that it has to do.
    pub(crate) fn work(
        &mut self,
        context: &mut Context,
        process: ProcessId,
        random: &mut Random,
    ) -> (Vec<Says>, Option<Duration>) {
        let now = context.local(process);
        let mut says = Vec::new();
        let lease_end = if context.mutated(Mutation::Lease) { Time::NEVER } else { self.lease_end };
        if self.killed || now >= lease_end {
            return (vec![Says::Ended], None);
        }
        if self.ready_at != Time::NEVER {
            if now < self.ready_at {
                return (says, None);
            }
            self.ready_at = Time::NEVER;
            says.push(if self.fails { Says::Failed } else { Says::Ready });
            if self.fails {
                return (says, None);
            }
        }
        let mut next = lease_end;
        let mut gone = Vec::new();
        for (key, actor) in &mut self.actors {
            let mut turn = Step { context, process, random, now, key: *key, says: &mut says };
            if turn.go_on(actor) {
                gone.push(*key);
            } else {
                next = next.min(actor.next(now));
            }
        }
        gone.iter().for_each(|key| drop(self.actors.remove(key)));
        let at = context.process(process).clock().world(next).max(context.now + Duration::from_micros(1));
        let known = self.wakes_at > context.now && self.wakes_at <= at;
        if next == Time::NEVER || known {
            return (says, None);
        }
        self.wakes_at = at;
        (says, Some(at.since(context.now)))
    }
}

impl Actor {
    fn next(&self, now: Time) -> Time {
        if self.deaf && self.stop.is_some() && self.phase == Phase::Running {
            return Time::NEVER;
        }
        let phase = match self.phase {
            Phase::Constructing { until } => until,
            Phase::Running => Time::NEVER,
        };
        let turn = self.turn.map_or(self.exits_at, |(_, until)| until);
        let stop = self.stop.as_ref().filter(|_| !self.deaf).map_or(Time::NEVER, |(_, until)| *until);
        phase.min(turn).min(stop).max(now)
    }
}

/// One look at one actor.
struct Step<'a> {
    context: &'a mut Context,
    process: ProcessId,
    random: &'a mut Random,
    now: Time,
    key: u32,
    says: &'a mut Vec<Says>,
}

impl Step<'_> {
    /// `true` where the actor is gone.
    fn go_on(&mut self, actor: &mut Actor) -> bool {
        if let Phase::Constructing { until } = actor.phase {
            if until == Time::ZERO {
                self.context.observer.begins(actor.incarnation, self.process);
                let slow = !self.context.calm && self.random.percent(5);
                let takes = if slow { self.random.millis(500, 4_000) } else { self.random.millis(1, 40) };
                actor.phase = Phase::Constructing { until: self.now + takes };
                return false;
            }
            if actor.stop.is_some() && !actor.deaf {
                return self.exit(actor, None);
            }
            if self.now < until {
                return false;
            }
            if let Some(gone) = self.constructed(actor) {
                return gone;
            }
        }
        loop {
            if let Some((handle, until)) = actor.turn {
                if actor.deaf && actor.stop.is_some() {
                    return false;
                }
                let killed = actor.stop.as_ref().is_some_and(|(_, by)| *by <= self.now) && !actor.deaf;
                if killed {
                    return self.exit(actor, None);
                }
                if self.now < until {
                    return false;
                }
                actor.turn = None;
                if !self.context.calm && self.random.percent(2) {
                    let failure = Failure::new(FailureKind::TaskPanicked, "a scripted panic");
                    self.says.push(Says::Done(handle, Outcome::Failed(failure.clone())));
                    return self.exit(actor, Some(ExitReason::failed(ExitKind::Panicked, failure)));
                }
                self.says.push(Says::Done(handle, Outcome::Value(ResultValue::inline(Payload::EMPTY))));
            }
            if actor.unlinked {
                return self.exit(actor, Some(ExitReason::of(ExitKind::Linked)));
            }
            if self.now >= actor.exits_at {
                let kinds = [ExitKind::Normal, ExitKind::Error, ExitKind::Panicked];
                let kind = *self.random.pick(&kinds).unwrap_or(&ExitKind::Error);
                return self.exit(actor, Some(ExitReason::of(kind)));
            }
            if let Some((_, by)) = &actor.stop
                && !actor.deaf
                && (actor.queue.is_empty() || *by <= self.now)
            {
                return self.exit(actor, None);
            }
            if actor.deaf && actor.stop.is_some() {
                return false;
            }
            let Some(turn) = actor.queue.pop_front() else { return false };
            self.begin_turn(actor, &turn);
        }
    }

    fn constructed(&mut self, actor: &mut Actor) -> Option<bool> {
        if !self.context.calm {
            match self.random.below(100) {
                0..4 => {
                    let failure = Failure::new(FailureKind::ConstructorFailed, "a scripted failure");
                    let reason = ExitReason::failed(ExitKind::ConstructorFailed, failure);
                    return Some(self.exit(actor, Some(reason)));
                }
                4..6 => {
                    self.context.observer.ends(actor.incarnation);
                    self.says.push(Says::Exited(self.key, None));
                    return Some(true);
                }
                6..16 => actor.exits_at = self.now + self.random.millis(100, 15_000),
                _ => {}
            }
        }
        actor.phase = Phase::Running;
        self.says.push(Says::Started(self.key));
        None
    }

    fn begin_turn(&mut self, actor: &mut Actor, turn: &TurnOrder) {
        if turn.deadline == Some(Time::ZERO) {
            let failure = Failure::new(FailureKind::Cancelled, "it was cancelled while it waited");
            self.says.push(Says::Done(turn.handle, Outcome::Failed(failure)));
            return;
        }
        let incarnation = actor.incarnation;
        self.context.note(|| format!("{incarnation:?} begins call {}", turn.task.low));
        self.context.observer.turn_begins(incarnation, turn.task, turn.attempt, self.process);
        let slow = self.random.percent(4);
        let takes = if slow { self.random.millis(100, 3_000) } else { self.random.micros(100, 20_000) };
        actor.turn = Some((turn.handle, self.now + takes));
    }

    /// The actor ends, with its own reason or the one that it was told.
    fn exit(&mut self, actor: &mut Actor, own: Option<ExitReason>) -> bool {
        let told = actor.stop.take().map(|(reason, _)| reason);
        let reason = own.or(told).unwrap_or(ExitReason::of(ExitKind::Normal));
        // What ran is told of before the exit; what has not been taken in is not.
        if let Some((handle, _)) = actor.turn.take() {
            let failure = reason.to_failure(actor.incarnation, true);
            self.says.push(Says::Done(handle, Outcome::Failed(failure)));
        }
        if self.random.percent(50) && !actor.queue.is_empty() {
            self.says.push(Says::Returned(actor.queue.iter().map(|turn| turn.handle).collect()));
        }
        self.context.observer.ends(actor.incarnation);
        self.says.push(Says::Exited(self.key, Some(reason)));
        true
    }
}
