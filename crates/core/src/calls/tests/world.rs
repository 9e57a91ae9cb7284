//! Nodes with both machines, a network between them, workers and a head: all as simple as can be.

mod happenings;

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
            Reserve { .. } | Release { .. } => {}
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
