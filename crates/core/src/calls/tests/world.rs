//! Nodes with both machines, a network between them, workers and a head: all as simple as can be.

use crate::calls::{self, CallRouter, NewCall, ReadyCall, RouterOptions};
use crate::hosting::{self, ActorHost, HostOptions, TurnOrder};
use crate::tasks::Place;
use mobula_types::actor::*;
use mobula_types::frame::{AssignmentEnd, Input};
use mobula_types::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

pub(super) const JOB: JobId = JobId(1);
pub(super) const DRIVER: Caller = Caller::Driver(JOB);
pub(super) const NODES: usize = 3;
pub(super) const ACTORS: usize = 2;

/// A call as whoever made it knows it.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) home: usize,
    pub(super) caller: Caller,
    pub(super) actor: usize,
    pub(super) sequence: u64,
    pub(super) retries: u32,
    pub(super) has_input: bool,
    pub(super) attempt: Attempt,
    pub(super) is_ready: bool,
    pub(super) starts: u32,
    pub(super) end: Option<Outcome>,
}

#[derive(Debug)]
enum Message {
    ToRouter(calls::Event),
    ToHost(hosting::Event),
}

#[derive(Debug)]
struct Node {
    is_alive: bool,
    router: CallRouter,
    host: ActorHost,
    /// What workers and the head say, each in order.
    workers: VecDeque<hosting::Event>,
    head: VecDeque<Message>,
    /// Turns that wait in workers, by actor.
    mailboxes: BTreeMap<(WorkerId, u32), (Incarnation, VecDeque<TurnOrder>)>,
    fetches: Vec<(u64, Vec<Input>)>,
    /// Lanes' windows, and what is unanswered on them.
    windows: BTreeMap<LaneId, (usize, usize)>,
}

/// An actor as the head knows it.
#[derive(Debug)]
struct Granted {
    epoch: Epoch,
    node: usize,
    started: bool,
    watchers: BTreeSet<usize>,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) now: Time,
    nodes: Vec<Node>,
    network: BTreeMap<(usize, usize), VecDeque<Message>>,
    granted: Vec<Granted>,
    pub(super) calls: BTreeMap<TaskId, Known>,
    next_task: u64,
    sequences: BTreeMap<(Caller, usize), u64>,
    home_of_driver: usize,
    homes: BTreeSet<usize>,
    term: u32,
    /// Whether calls with retries may have been tried again.
    pub(super) has_faults: bool,
    /// Whether a home has calls of the driver that it will never be told of again.
    has_zombies: bool,
    /// The last start of each caller's calls at each incarnation.
    last_started: BTreeMap<(Incarnation, Caller), u64>,
}

pub(super) fn node_id(node: usize) -> NodeId {
    NodeId::new(format!("n{node}").as_str(), 1)
}

fn actor_id(actor: usize) -> ActorId {
    ActorId(TaskId { high: 77, low: actor as u64 })
}

fn template(target: Target) -> Arc<TaskTemplate> {
    let options = TaskOptions { target, ..TaskOptions::default() };
    Arc::new(TaskTemplate { function: FunctionId::new("f", "1"), signature: None, options })
}

impl World {
    pub(super) fn new() -> Self {
        let nodes = (0..NODES).map(|node| {
            let mut router = RouterOptions::new(node_id(node));
            router.window = 2;
            let mut host = HostOptions::new(node_id(node));
            (host.window, host.max_window) = (2, 6);
            Node {
                is_alive: true,
                router: CallRouter::new(router),
                host: ActorHost::new(host),
                workers: VecDeque::new(),
                head: VecDeque::new(),
                mailboxes: BTreeMap::new(),
                fetches: Vec::new(),
                windows: BTreeMap::new(),
            }
        });
        let mut world = World {
            now: Time::ZERO,
            nodes: nodes.collect(),
            network: BTreeMap::new(),
            granted: Vec::new(),
            calls: BTreeMap::new(),
            next_task: 0,
            sequences: BTreeMap::new(),
            home_of_driver: 0,
            homes: [0].into(),
            term: 1,
            has_faults: false,
            has_zombies: false,
            last_started: BTreeMap::new(),
        };
        for node in 0..NODES {
            world.tell_host(node, hosting::Event::JobOpened { job: JOB, has_executable: true });
        }
        for actor in 0..ACTORS {
            let node = NODES - 1 - actor % NODES;
            world.granted.push(Granted { epoch: Epoch(0), node, started: false, watchers: BTreeSet::new() });
            world.grant(actor, node);
        }
        world
    }

    fn tell_host(&mut self, node: usize, event: hosting::Event) {
        if !self.nodes[node].is_alive {
            return;
        }
        let mut effects = Vec::new();
        self.nodes[node].host.on_event(self.now, event, &mut effects);
        effects.into_iter().for_each(|effect| self.host_effect(node, effect));
    }

    fn tell_router(&mut self, node: usize, event: calls::Event) {
        if !self.nodes[node].is_alive {
            return;
        }
        let mut effects = Vec::new();
        self.nodes[node].router.on_event(self.now, event, &mut effects);
        effects.into_iter().for_each(|effect| self.router_effect(node, effect));
    }

    fn place(&self, from: usize, node: usize) -> Place {
        if from == node { Place::Local } else { Place::Peer(node_id(node)) }
    }

    fn index(&self, at: usize, place: &Place) -> usize {
        match place {
            Place::Local => at,
            Place::Peer(id) => (0..NODES).find(|node| node_id(*node) == *id).unwrap(),
        }
    }

    fn send(&mut self, from: usize, to: usize, message: Message) {
        if self.nodes[to].is_alive {
            self.network.entry((from, to)).or_default().push_back(message);
        } else {
            // Whoever sends to a node that is gone hears of it.
            self.nodes[from]
                .head
                .push_back(Message::ToRouter(calls::Event::PeerUnreachable { node: node_id(to) }));
        }
    }

    fn router_effect(&mut self, node: usize, effect: calls::Effect) {
        use calls::Effect::*;
        match effect {
            Locate { actor } => {
                let actor = actor.0.low as usize;
                self.granted[actor].watchers.insert(node);
                self.locate(actor, node);
            }
            Unlocate { actor } => {
                self.granted[actor.0.low as usize].watchers.remove(&node);
            }
            OpenLane { place, lane, caller, actor, job } => {
                let to = self.index(node, &place);
                self.nodes[node].windows.insert(lane, (2, 0));
                let from = self.place(to, node);
                let event = hosting::Event::LaneOpened { from, lane, caller, actor, job };
                self.send(node, to, Message::ToHost(event));
            }
            CloseLane { place, lane } => {
                let to = self.index(node, &place);
                let from = self.place(to, node);
                self.send(node, to, Message::ToHost(hosting::Event::LaneClosed { from, lane }));
            }
            Send { place, call } => {
                let (window, unanswered) = self.nodes[node].windows.get_mut(&call.lane).unwrap();
                *unanswered += 1;
                assert!(*unanswered <= *window, "the window of {:?} is {window}", call.lane);
                let to = self.index(node, &place);
                let from = self.place(to, node);
                self.send(node, to, Message::ToHost(hosting::Event::Called { from, call }));
            }
            Cancel { place, lane, sequence, failure } => {
                let to = self.index(node, &place);
                let from = self.place(to, node);
                let event = hosting::Event::Cancelled { from, lane, sequence, failure };
                self.send(node, to, Message::ToHost(event));
            }
            End { task, attempt, place: _, end } => self.ended(node, task, attempt, end),
        }
    }

    fn ended(&mut self, node: usize, task: TaskId, attempt: Attempt, end: AssignmentEnd) {
        let Some(known) = self.calls.get_mut(&task).filter(|known| known.home == node) else { return };
        assert_eq!(known.attempt, attempt);
        assert!(known.is_ready, "it was not with the router");
        match end {
            AssignmentEnd::Ran { outcome, .. } => {
                assert!(known.end.is_none(), "{task} ends twice");
                if let Outcome::Failed(failure) = &outcome
                    && failure.kind() == FailureKind::ActorDied
                    && !failure.detail().may_have_run
                {
                    assert_eq!(known.starts, 0, "{task} ran, and is said not to have");
                }
                known.end = Some(outcome);
            }
            AssignmentEnd::InputsUnavailable { .. } => {
                known.is_ready = false;
                known.attempt.number += 1;
            }
            other => panic!("{other:?}"),
        }
    }

    fn host_effect(&mut self, node: usize, effect: hosting::Effect) {
        use hosting::Effect::*;
        let entry = &mut self.nodes[node];
        match effect {
            StartWorker { worker, .. } => {
                entry.workers.push_back(hosting::Event::WorkerStarted { worker });
            }
            Retire { worker } | Kill { worker, .. } => {
                let failure = Failure::new(FailureKind::WorkerDied, "it was to go");
                entry.workers.push_back(hosting::Event::WorkerLost { worker, failure });
                entry.mailboxes.retain(|(other, _), _| *other != worker);
            }
            Host { worker, key, start } => {
                let before = entry.mailboxes.insert((worker, key), (start.incarnation, VecDeque::new()));
                assert!(before.is_none(), "the key is in use");
                entry.workers.push_back(hosting::Event::ActorStarted { worker, key });
            }
            Stop { worker, key, grace, reason } => self.stop_in_worker(node, worker, key, grace, reason),
            Turn(order) => {
                if let Some((_, mailbox)) = entry.mailboxes.get_mut(&(order.worker, order.key)) {
                    mailbox.push_back(order);
                }
            }
            CancelTurn { handle, failure, .. } => {
                for ((worker, _), (_, mailbox)) in &mut entry.mailboxes {
                    if let Some(position) = mailbox.iter().position(|order| order.handle == handle) {
                        mailbox.remove(position);
                        let event = done(*worker, handle, Outcome::Failed(failure.clone()), false);
                        entry.workers.push_back(event);
                    }
                }
            }
            Fetch { handle, inputs, .. } => entry.fetches.push((handle, inputs)),
            CancelFetch { handle } => entry.fetches.retain(|(other, _)| *other != handle),
            Answer { to, lane, sequence, end, window, .. } => {
                let to = self.index(node, &to);
                let place = self.place(to, node);
                let event = calls::Event::Ended { place, lane, sequence, end, window };
                self.send(node, to, Message::ToRouter(event));
            }
            Report(report) => self.reported(node, report),
        }
    }

    fn stop_in_worker(
        &mut self,
        node: usize,
        worker: WorkerId,
        key: u32,
        grace: Option<Duration>,
        reason: ExitReason,
    ) {
        if grace == Some(Duration::ZERO) {
            self.exit_in_worker(node, worker, key, reason);
        } else if self.nodes[node].mailboxes.contains_key(&(worker, key)) {
            while self.run_turn(node, worker, key, true) {}
            self.exit_in_worker(node, worker, key, reason);
        }
    }

    /// An actor exits; what it has not started comes back first.
    fn exit_in_worker(&mut self, node: usize, worker: WorkerId, key: u32, reason: ExitReason) {
        let entry = &mut self.nodes[node];
        let Some((_, mailbox)) = entry.mailboxes.remove(&(worker, key)) else { return };
        let handles = mailbox.into_iter().map(|order| order.handle).collect();
        entry.workers.push_back(hosting::Event::Returned { worker, handles });
        entry.workers.push_back(hosting::Event::ActorExited { worker, key, reason: Some(reason) });
    }

    fn run_turn(&mut self, node: usize, worker: WorkerId, key: u32, succeeds: bool) -> bool {
        let entry = &mut self.nodes[node];
        let Some((incarnation, mailbox)) = entry.mailboxes.get_mut(&(worker, key)) else { return false };
        let Some(order) = mailbox.pop_front() else { return false };
        let incarnation = *incarnation;
        let outcome = match succeeds {
            true => Outcome::Value(ResultValue::inline(Payload::EMPTY)),
            false => Outcome::Failed(Failure::new(FailureKind::TaskFailed, "an error")),
        };
        entry.workers.push_back(done(worker, order.handle, outcome, !succeeds));
        self.started(incarnation, &order);
        true
    }

    fn started(&mut self, incarnation: Incarnation, order: &TurnOrder) {
        let known = self.calls.get_mut(&order.task).unwrap();
        known.starts += 1;
        assert!(known.starts == 1 || known.retries > 0, "{} starts twice", order.task);
        assert_eq!(known.caller, order.caller);
        // What may run again may do so after later ones.
        if known.starts > 1 || known.retries > 0 && self.has_faults {
            return;
        }
        let last = self.last_started.entry((incarnation, known.caller)).or_default();
        assert!(known.sequence > *last, "{} of {:?} starts after {last}", known.sequence, known.caller);
        *last = known.sequence;
    }

    fn reported(&mut self, node: usize, report: ActorReport) {
        match report {
            ActorReport::Started(started) => {
                for incarnation in started {
                    let actor = incarnation.actor.0.low as usize;
                    let granted = &mut self.granted[actor];
                    if granted.epoch == incarnation.epoch {
                        granted.started = true;
                        self.tell_watchers(actor);
                    }
                }
            }
            ActorReport::Exited(exits) => {
                let all = exits.iter().map(|exit| exit.incarnation).collect();
                for exit in exits {
                    let actor = exit.incarnation.actor.0.low as usize;
                    if self.granted[actor].epoch == exit.incarnation.epoch {
                        let next = (self.granted[actor].node + 1) % NODES;
                        self.grant(actor, next);
                    }
                }
                self.nodes[node].head.push_back(Message::ToHost(hosting::Event::ExitsRecorded(all)));
            }
            other => panic!("{other:?}"),
        }
    }

    fn grant(&mut self, actor: usize, node: usize) {
        let node = (0..NODES).map(|offset| (node + offset) % NODES).find(|node| self.nodes[*node].is_alive);
        let Some(node) = node else { return };
        let granted = &mut self.granted[actor];
        granted.epoch = granted.epoch.next();
        (granted.node, granted.started) = (node, false);
        let incarnation = Incarnation { actor: actor_id(actor), epoch: granted.epoch };
        let options = Arc::new(ActorOptions { mailbox: 4, ..ActorOptions::default() });
        let template = template(Target::Constructor(options));
        let spec = ActorSpec { job: JOB, template, arguments: Payload::EMPTY, inputs: Vec::new() };
        let start = StartActor { incarnation, spec: Arc::new(spec) };
        self.nodes[node].head.push_back(Message::ToHost(hosting::Event::Start(start)));
        self.tell_watchers(actor);
    }

    fn tell_watchers(&mut self, actor: usize) {
        for node in self.granted[actor].watchers.clone() {
            self.locate(actor, node);
        }
    }

    fn locate(&mut self, actor: usize, node: usize) {
        let granted = &self.granted[actor];
        let incarnation = Incarnation { actor: actor_id(actor), epoch: granted.epoch };
        let location = match granted.started {
            true => Location::At { node: node_id(granted.node), incarnation },
            false => Location::Pending { last: None },
        };
        let location = ActorLocation { actor: actor_id(actor), location };
        self.nodes[node].head.push_back(Message::ToRouter(calls::Event::Located(location)));
    }
}

fn done(worker: WorkerId, handle: u64, outcome: Outcome, retryable: bool) -> hosting::Event {
    hosting::Event::Done { worker, handle, outcome, retryable, micros: 1, borrows: Vec::new() }
}

/// What befalls it.
impl World {
    pub(super) fn call(&mut self, caller: usize, actor: usize, retries: u32, has_input: bool) {
        let caller = match caller {
            0 => DRIVER,
            caller => Caller::Task(TaskId { high: 9, low: caller as u64 }, Attempt::default()),
        };
        let home = match caller {
            DRIVER => self.home_of_driver,
            Caller::Task(task, _) => task.low as usize % NODES,
            Caller::Driver(_) | Caller::Actor(_) => 0,
        };
        if !self.nodes[home].is_alive {
            return;
        }
        self.next_task += 1;
        let task = TaskId { high: 1, low: self.next_task };
        let sequence = self.sequences.entry((caller, actor)).or_default();
        *sequence += 1;
        let attempt = Attempt { owner_term: OwnerTerm(self.term), number: 0 };
        let known = Known {
            home,
            caller,
            actor,
            sequence: *sequence,
            retries,
            has_input,
            attempt,
            is_ready: false,
            starts: 0,
            end: None,
        };
        self.make(task, &known, false);
        self.calls.insert(task, known);
    }

    fn make(&mut self, task: TaskId, known: &Known, resent: bool) {
        let mine = |other: &&Known| other.caller == known.caller && other.actor == known.actor;
        let open = self.calls.values().filter(mine).filter(|other| other.end.is_none());
        let answered_below = open.map(|other| other.sequence).min().unwrap_or(known.sequence);
        let options = MethodOptions { cast: false, max_task_retries: known.retries };
        let call = NewCall {
            task,
            job: JOB,
            caller: known.caller,
            actor: actor_id(known.actor),
            sequence: known.sequence,
            answered_below,
            options,
            resent,
        };
        self.tell_router(known.home, calls::Event::Made(call));
    }

    /// The arguments of one of the calls without them are there.
    pub(super) fn ready(&mut self, which: usize) {
        let waiting = self.calls.iter().filter(|(_, known)| !known.is_ready && known.end.is_none());
        let waiting: Vec<TaskId> = waiting.map(|(task, _)| *task).collect();
        let Some(task) = waiting.get(which % waiting.len().max(1)).copied() else { return };
        let known = self.calls.get_mut(&task).unwrap();
        known.is_ready = true;
        let copy = mobula_types::outcome::StoredCopy { length: 1, checksum: 0, holders: vec![node_id(7)] };
        let input = Input {
            parameter: 0,
            shape: ArgumentShape::Whole,
            object: ObjectId::result(TaskId::default(), 0),
            value: StoredValue::Stored(Arc::new(copy)),
        };
        let inputs = if known.has_input { vec![input] } else { Vec::new() };
        let options = MethodOptions { cast: false, max_task_retries: known.retries };
        let template = template(Target::Method(options));
        let (attempt, arguments) = (known.attempt, Payload::EMPTY);
        let ready = ReadyCall { task, attempt, template, arguments, inputs, deadline: None };
        let home = known.home;
        self.tell_router(home, calls::Event::Ready(ready));
    }

    pub(super) fn cancel(&mut self, which: usize) {
        let ready = self.calls.iter().filter(|(_, known)| known.is_ready && known.end.is_none());
        let ready: Vec<TaskId> = ready.map(|(task, _)| *task).collect();
        let Some(task) = ready.get(which % ready.len().max(1)).copied() else { return };
        let Known { home, attempt, .. } = self.calls[&task];
        let failure = Failure::new(FailureKind::Cancelled, "by its user");
        self.tell_router(home, calls::Event::Cancel { task, attempt, failure });
    }

    /// One message of a path arrives.
    pub(super) fn deliver(&mut self, which: usize) -> bool {
        let paths: Vec<_> =
            self.network.iter().filter(|(_, queue)| !queue.is_empty()).map(|(path, _)| *path).collect();
        let Some(path) = paths.get(which % paths.len().max(1)).copied() else { return false };
        match self.network.get_mut(&path).and_then(VecDeque::pop_front) {
            Some(Message::ToHost(event)) => self.tell_host(path.1, event),
            Some(Message::ToRouter(event)) => self.arrived(path.1, event),
            None => {}
        }
        true
    }

    fn arrived(&mut self, node: usize, event: calls::Event) {
        if let calls::Event::Ended { lane, window: new, .. } = &event
            && let Some((window, unanswered)) = self.nodes[node].windows.get_mut(lane)
        {
            *unanswered -= 1;
            *window = *new as usize;
        }
        self.tell_router(node, event);
    }

    /// Something of a node's workers or of the head arrives there.
    pub(super) fn hear(&mut self, node: usize, of_head: bool) -> bool {
        let node = node % NODES;
        if of_head {
            match self.nodes[node].head.pop_front() {
                Some(Message::ToHost(event)) => self.tell_host(node, event),
                Some(Message::ToRouter(event)) => self.tell_router(node, event),
                None => return false,
            }
            return true;
        }
        let event = self.nodes[node].workers.pop_front();
        event.map(|event| self.tell_host(node, event)).is_some()
    }

    pub(super) fn fetched(&mut self, node: usize, succeeds: bool) -> bool {
        let node = node % NODES;
        let Some((handle, inputs)) = self.nodes[node].fetches.pop() else { return false };
        let failure = || Failure::new(FailureKind::Unavailable, "its holder cannot be reached");
        let inputs = if succeeds { Ok(inputs) } else { Err(failure()) };
        self.tell_host(node, hosting::Event::InputsReady { handle, inputs });
        true
    }

    /// An actor runs a turn.
    pub(super) fn run(&mut self, which: usize, succeeds: bool) -> bool {
        let full = |node: usize| {
            let mailboxes = self.nodes[node].mailboxes.iter().filter(|(_, (_, mailbox))| !mailbox.is_empty());
            mailboxes.map(move |(seat, _)| (node, *seat))
        };
        let all: Vec<_> = (0..NODES).filter(|node| self.nodes[*node].is_alive).flat_map(full).collect();
        let Some((node, (worker, key))) = all.get(which % all.len().max(1)).copied() else { return false };
        self.run_turn(node, worker, key, succeeds)
    }

    fn seats(&self) -> Vec<(usize, WorkerId, u32)> {
        let of_node =
            |node: usize| self.nodes[node].mailboxes.keys().map(move |(worker, key)| (node, *worker, *key));
        (0..NODES).filter(|node| self.nodes[*node].is_alive).flat_map(of_node).collect()
    }

    pub(super) fn exit(&mut self, which: usize) {
        let seats = self.seats();
        let Some((node, worker, key)) = seats.get(which % seats.len().max(1)).copied() else { return };
        self.exit_in_worker(node, worker, key, ExitReason::of(ExitKind::Panicked));
    }

    /// A worker ends in the middle of a turn of each of its actors.
    pub(super) fn crash(&mut self, which: usize) {
        let seats = self.seats();
        let Some((node, worker, _)) = seats.get(which % seats.len().max(1)).copied() else { return };
        let mailboxes = std::mem::take(&mut self.nodes[node].mailboxes);
        let (gone, rest): (Vec<_>, Vec<_>) =
            mailboxes.into_iter().partition(|((other, _), _)| *other == worker);
        self.nodes[node].mailboxes = rest.into_iter().collect();
        for (_, (incarnation, mailbox)) in gone {
            mailbox.front().into_iter().for_each(|order| self.started(incarnation, order));
        }
        let failure = Failure::new(FailureKind::WorkerDied, "killed");
        self.nodes[node].workers.push_back(hosting::Event::WorkerLost { worker, failure });
    }

    /// The head stops an actor, which starts again.
    pub(super) fn stop(&mut self, actor: usize, brutal: bool) {
        let granted = &self.granted[actor % ACTORS];
        let incarnation = Incarnation { actor: actor_id(actor % ACTORS), epoch: granted.epoch };
        let shutdown = if brutal { ChildShutdown::Brutal } else { ChildShutdown::default() };
        let reason = ExitReason::of(ExitKind::Shutdown);
        let event = hosting::Event::Stop { incarnation, shutdown, reason };
        let node = granted.node;
        self.nodes[node].head.push_back(Message::ToHost(event));
    }

    /// The session between two nodes is over.
    pub(super) fn part(&mut self, one: usize, other: usize) {
        let (one, other) = (one % NODES, other % NODES);
        if one == other {
            return;
        }
        for (here, there) in [(one, other), (other, one)] {
            self.network.remove(&(here, there));
            let node = node_id(there);
            self.tell_host(here, hosting::Event::PeerLost { node: node.clone() });
            self.tell_router(here, calls::Event::PeerUnreachable { node });
        }
    }

    /// A node dies, and that is known; one stays.
    pub(super) fn lose(&mut self, node: usize) {
        let node = node % NODES;
        if node == 1 || !self.nodes[node].is_alive {
            return;
        }
        self.nodes[node].is_alive = false;
        self.network.retain(|(from, to), _| *from != node && *to != node);
        self.forget(node, |known| known.caller != DRIVER);
        for other in (0..NODES).filter(|other| *other != node) {
            self.tell_host(other, hosting::Event::PeerLost { node: node_id(node) });
            self.tell_router(other, calls::Event::NodeLost { node: node_id(node) });
        }
        for actor in 0..ACTORS {
            if self.granted[actor].node == node {
                self.grant(actor, node);
            }
        }
        if self.home_of_driver == node {
            (0..NODES).for_each(|home| {
                if self.home_of_driver == node {
                    self.take_over(home)
                }
            });
        }
        if self.home_of_driver == node {
            // Nowhere to go: the job is at its end.
            self.forget(node, |_| true);
        }
    }

    /// Nobody waits for calls of a home that is lost.
    fn forget(&mut self, node: usize, of: impl Fn(&Known) -> bool) {
        for known in self.calls.values_mut().filter(|known| known.home == node && of(known)) {
            (known.home, known.end) = (NODES, Some(Outcome::Values(Vec::new())));
        }
    }

    /// The driver goes on through another node, and makes again what it has no answer of. What its home had answered last it
    /// may not have.
    pub(super) fn take_over(&mut self, home: usize) {
        let home = home % NODES;
        // A home that had it once would have to tell its own old calls from those: that is the engine's business.
        if !self.nodes[home].is_alive || !self.homes.insert(home) {
            return;
        }
        self.home_of_driver = home;
        self.term += 1;
        let attempt = Attempt { owner_term: OwnerTerm(self.term), number: 0 };
        let of_driver = self.calls.iter_mut().filter(|(_, known)| known.caller == DRIVER);
        let mut again = Vec::new();
        for (task, known) in of_driver {
            if known.end.is_none() {
                // The earlier home may live, and send what it has until it hears of this.
                self.has_zombies |= self.nodes[known.home].is_alive;
                (known.home, known.attempt, known.is_ready) = (home, attempt, false);
                again.push((*task, known.clone()));
            }
        }
        for node in 0..NODES {
            let owner_term = OwnerTerm(self.term);
            self.tell_host(node, hosting::Event::Adopted { job: JOB, owner_term });
        }
        for (task, known) in again {
            self.make(task, &known, true);
        }
    }

    pub(super) fn tick(&mut self, after: Duration) {
        self.now = self.now + after;
        for node in 0..NODES {
            self.tell_host(node, hosting::Event::Tick);
            self.tell_router(node, calls::Event::Tick);
        }
    }

    /// Everything that is under way gets to its end, and every call has one.
    pub(super) fn settle(&mut self) {
        for _ in 0..40 {
            loop {
                let waits = |known: &Known| !known.is_ready && known.end.is_none();
                let mut busy = self.calls.values().any(waits);
                self.ready(0);
                busy |= self.deliver(0) || self.run(0, true);
                for node in 0..NODES {
                    busy |= self.hear(node, true) || self.hear(node, false) || self.fetched(node, true);
                }
                if !busy {
                    break;
                }
            }
            self.tick(Duration::from_secs(1));
        }
        for (task, known) in &self.calls {
            assert!(known.end.is_some(), "{task} waits for ever: {known:?}");
        }
    }

    /// When nobody calls any more, nothing is left of it.
    pub(super) fn assert_forgets(&mut self) {
        for _ in 0..5 {
            self.tick(Duration::from_secs(70));
            while self.deliver(0) {}
        }
        for node in self.nodes.iter().filter(|node| node.is_alive) {
            if !self.has_zombies {
                node.router.assert_empty();
                node.host.assert_no_calls();
            }
        }
    }
}
