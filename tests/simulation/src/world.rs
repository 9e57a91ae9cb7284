//! The world: everything that there is, and what happens in it.

use crate::agenda::Happening;
use crate::context::Context;
use crate::driver::Driver;
use crate::head::{Head, Leader};
use crate::invariants::{Observer, Violation};
use crate::message::RegistryReply;
use crate::mutation::Mutation;
use crate::network::StreamId;
use crate::node::{Node, Worker, slot_of};
use crate::plan::Plan;
use crate::process::{Host, ProcessId};
use crate::random::Random;
use crate::registry::{Registry, Request};
use crate::trace::Trace;
use mobula_core::hosting::ActorSnapshot;
use mobula_types::actor::ActorState;
use mobula_types::{Incarnation, NodeId, Time, WorkerId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Far more than ever happens in a world that comes to rest.
const MOST_HAPPENINGS: u64 = 60_000;
/// How long the registry may take to answer.
const REGISTRY_PATIENCE: Duration = Duration::from_secs(2);

/// A worker whose node is gone.
#[derive(Debug)]
pub(crate) struct Orphan {
    pub(crate) worker: Worker,
    pub(crate) slot: usize,
    pub(crate) until: Time,
}

/// The world.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) context: Context,
    pub(crate) registry: Registry,
    pub(crate) registry_process: ProcessId,
    pub(crate) backup: Option<Registry>,
    ended_leases: usize,
    pub(crate) heads: Vec<Option<Head>>,
    pub(crate) nodes: Vec<Option<Node>>,
    pub(crate) drivers: Vec<Driver>,
    pub(crate) orphans: BTreeMap<(ProcessId, WorkerId), Orphan>,
}

impl World {
    pub(crate) fn new(seed: u64, mutation: Option<Mutation>, keeps_lines: bool) -> Self {
        let mut random = Random::new(seed);
        let plan = Arc::new(Plan::draw(&mut random));
        let mut context = Context::new(plan.clone(), random, Trace::new(keeps_lines), mutation);
        let registry_process = context.start(Host::Registry);
        context.note(|| format!("{plan:?}"));
        let mut world = World {
            registry: Registry::new(),
            registry_process,
            backup: None,
            ended_leases: 0,
            heads: (0..plan.heads).map(|_| None).collect(),
            nodes: (0..plan.nodes).map(|_| None).collect(),
            drivers: Vec::new(),
            orphans: BTreeMap::new(),
            context,
        };
        let agenda = &mut world.context.agenda;
        for index in 0..plan.heads {
            agenda.add(Time::from_nanos(1 + 20_000_000 * index as u64), Happening::StartHead(index));
        }
        for slot in 0..plan.nodes {
            agenda.add(Time::from_nanos(30_000_000 + 10_000_000 * slot as u64), Happening::StartNode(slot));
        }
        for (at, fault) in &plan.faults {
            agenda.add(*at, Happening::Fault(fault.clone()));
        }
        agenda.add(plan.calm_at, Happening::Calm);
        for index in 0..plan.drivers {
            let driver = Driver::new(&mut world.context, index);
            world.drivers.push(driver);
        }
        world
    }

    /// Lets everything happen. Gives the first invariant that does not hold.
    pub(crate) fn run(&mut self) -> Result<(), Violation> {
        let end = self.context.plan.end_at;
        let mut happened = 0_u64;
        while let Some((at, happening)) = self.context.agenda.next(end) {
            self.context.now = at;
            self.happens(happening);
            Observer::look(self);
            happened += 1;
            if happened > MOST_HAPPENINGS {
                let problem = format!("it has not come to rest after {MOST_HAPPENINGS} happenings");
                self.context.observer.broken("nothing_waits", problem);
            }
            if let Some(violation) = self.context.observer.violation() {
                return Err(violation.clone());
            }
        }
        Observer::look_at_the_end(self);
        match self.context.observer.violation() {
            Some(violation) => Err(violation.clone()),
            None => Ok(()),
        }
    }

    /// Takes the trace out of a world that has come to its end.
    pub(crate) fn into_trace(self) -> Trace {
        self.context.trace
    }

    fn happens(&mut self, happening: Happening) {
        let (process, kind) = self.process_of(&happening);
        if let Some(process) = process {
            let known = self.context.process_mut(process);
            if !known.alive && !matches!(happening, Happening::Worker { .. }) {
                return;
            }
            // The workers of a process that is stopped go on.
            if known.paused && known.alive && !matches!(happening, Happening::Resume(_)) {
                return known.held.push(happening);
            }
        }
        let now = self.context.now;
        self.context.trace.event(now, kind ^ process.map_or(0, |process| process.0 as u64) << 8);
        self.perform(happening);
        self.end_nodes();
    }

    /// Whose happening it is, and of what kind.
    fn process_of(&self, happening: &Happening) -> (Option<ProcessId>, u64) {
        let end = |stream: &StreamId, end: usize| {
            self.context.network.streams.get(stream).and_then(|stream| stream.ends[end])
        };
        match happening {
            Happening::Wake(process) => (Some(*process), 1),
            Happening::Datagram { to, .. } => (Some(*to), 2),
            Happening::StreamDue { stream, end: at } => (end(stream, *at), 3),
            Happening::StreamCheck { stream, end: at } => (end(stream, *at), 4),
            Happening::StreamEnded { stream, end: at } => (end(stream, *at), 5),
            Happening::RegistryAsked { .. } => (None, 6),
            Happening::RegistryAnswered { to, .. } => (Some(*to), 7),
            Happening::LeasesDue => (None, 8),
            Happening::WatchDue(process) => (Some(*process), 9),
            Happening::Probed { by, .. } => (Some(*by), 10),
            Happening::Worker { process, .. } => (Some(*process), 11),
            Happening::Fault(_) => (None, 12),
            Happening::Heal(_) => (None, 13),
            Happening::Resume(process) => (Some(*process), 14),
            Happening::StartHead(_) => (None, 15),
            Happening::StartNode(_) => (None, 16),
            Happening::Calm => (None, 17),
        }
    }

    fn perform(&mut self, happening: Happening) {
        match happening {
            Happening::Wake(process) => {
                let now = self.context.now;
                let known = self.context.process_mut(process);
                if known.wake_at <= now {
                    known.wake_at = Time::NEVER;
                }
                self.wake(process);
            }
            Happening::Datagram { to, datagram } => match self.context.process(to).host {
                Host::Head(index) => self.with_head(index, |head, context| head.datagram(context, datagram)),
                Host::Node(slot) => self.with_node(slot, |node, context| node.datagram(context, datagram)),
                Host::Registry | Host::Driver(_) => {}
            },
            Happening::StreamDue { stream, end } => self.stream_due(stream, end),
            Happening::StreamCheck { stream, end } => {
                if self.context.is_given_up(stream, end) {
                    self.stream_ended(stream, end);
                } else {
                    self.context.check_again(stream, end);
                }
            }
            Happening::StreamEnded { stream, end } => self.stream_ended(stream, end),
            Happening::RegistryAsked { by, number, request, replies } => {
                self.registry_asked(by, number, request, replies);
            }
            Happening::RegistryAnswered { to, number, reply } => {
                if let Host::Head(index) = self.context.process(to).host {
                    self.with_head(index, |head, context| head.registry_answered(context, number, reply));
                }
            }
            Happening::LeasesDue => self.leases_due(),
            Happening::WatchDue(process) => {
                if let Host::Head(index) = self.context.process(process).host
                    && let Some(mut head) = self.heads[index].take()
                {
                    head.watch_due(&mut self.context, &self.registry);
                    self.heads[index] = Some(head);
                }
            }
            Happening::Probed { by, node, answer } => match self.context.process(by).host {
                Host::Head(index) => {
                    self.with_head(index, |head, context| head.probed(context, node, answer))
                }
                Host::Node(slot) => self.with_node(slot, |own, context| own.probed(context, node, answer)),
                Host::Registry | Host::Driver(_) => {}
            },
            Happening::Worker { process, worker } => self.worker_due(process, worker),
            Happening::Fault(fault) => self.fault(fault),
            Happening::Heal(number) => {
                self.context.network.heal(number);
                self.context.look_at_streams();
            }
            Happening::Resume(process) => self.resume(process),
            Happening::StartHead(index) => self.start_head(index),
            Happening::StartNode(slot) => self.start_node(slot),
            Happening::Calm => self.calm(),
        }
    }

    fn with_head(&mut self, index: usize, act: impl FnOnce(&mut Head, &mut Context)) {
        if let Some(mut head) = self.heads[index].take() {
            act(&mut head, &mut self.context);
            self.heads[index] = Some(head);
        }
    }

    fn with_node(&mut self, slot: usize, act: impl FnOnce(&mut Node, &mut Context)) {
        if let Some(mut node) = self.nodes[slot].take() {
            act(&mut node, &mut self.context);
            self.nodes[slot] = Some(node);
        }
    }

    fn wake(&mut self, process: ProcessId) {
        match self.context.process(process).host {
            Host::Head(index) => self.with_head(index, |head, context| head.woken(context)),
            Host::Node(slot) => self.with_node(slot, |node, context| node.woken(context)),
            Host::Driver(index) => self.drivers[index].woken(&mut self.context),
            Host::Registry => {}
        }
    }

    fn stream_due(&mut self, stream: StreamId, end: usize) {
        let Some((to, packet)) = self.context.receive(stream, end) else { return };
        match self.context.process(to).host {
            Host::Head(index) => {
                self.with_head(index, |head, context| head.received(context, stream, packet));
            }
            Host::Node(slot) => self.with_node(slot, |node, context| node.received(context, stream, packet)),
            Host::Driver(index) => self.drivers[index].received(&mut self.context, stream, packet),
            Host::Registry => {}
        }
    }

    fn stream_ended(&mut self, stream: StreamId, end: usize) {
        let Some(process) = self.context.stream_ended(stream, end) else { return };
        if !self.context.process(process).alive {
            return;
        }
        match self.context.process(process).host {
            Host::Head(index) => self.with_head(index, |head, context| head.stream_ended(context, stream)),
            Host::Node(slot) => self.with_node(slot, |node, context| node.stream_ended(context, stream)),
            Host::Driver(index) => self.drivers[index].stream_ended(&mut self.context, stream),
            Host::Registry => {}
        }
    }

    fn registry_asked(&mut self, by: ProcessId, number: u64, request: Request, replies: bool) {
        let now = self.context.local(self.registry_process);
        self.registry.expire(now);
        let operations = match &request {
            Request::Commit(transaction) => transaction.operations.clone(),
            _ => Vec::new(),
        };
        let answer = self.registry.answer(now, request);
        if answer.is_ok() {
            Observer::written(self, &operations);
        }
        self.watch_leases();
        let host = self.context.process(by).host;
        if replies && !self.context.network.is_blocked(Host::Registry, host) {
            let at = self.context.now + self.context.delay();
            self.context.agenda.add(at, Happening::RegistryAnswered { to: by, number, reply: answer });
        }
    }

    fn leases_due(&mut self) {
        let now = self.context.local(self.registry_process);
        self.registry.expire(now);
        self.watch_leases();
    }

    /// Tells heads of ends of leases, and looks again when the next one is due.
    pub(crate) fn watch_leases(&mut self) {
        let next = self.registry.next_expiry();
        let clock = self.context.process(self.registry_process).clock();
        let known = self.context.process(self.registry_process).wake_at;
        let at = clock.world(next);
        if next != Time::NEVER && (at < known || known <= self.context.now) {
            self.context.process_mut(self.registry_process).wake_at = at;
            self.context.agenda.add(at, Happening::LeasesDue);
        }
        if self.registry.ended() != self.ended_leases {
            self.ended_leases = self.registry.ended();
            let heads: Vec<ProcessId> = self.heads.iter().flatten().map(Head::id).collect();
            for head in heads {
                let at = self.context.now + self.context.delay();
                self.context.agenda.add(at, Happening::WatchDue(head));
            }
        }
    }

    fn worker_due(&mut self, process: ProcessId, worker: WorkerId) {
        if let Host::Node(slot) = self.context.process(process).host
            && self.nodes[slot].as_ref().is_some_and(|node| node.id == process)
        {
            return self.with_node(slot, |node, context| node.worker_due(context, worker));
        }
        let Some(mut orphan) = self.orphans.remove(&(process, worker)) else { return };
        if self.context.now >= orphan.until {
            return;
        }
        let mut random = Random::new(self.context.random.next());
        let (_, next) = orphan.worker.work(&mut self.context, process, &mut random);
        let next = next.unwrap_or(Duration::from_secs(3600));
        let at = (self.context.now + next).min(orphan.until);
        self.context.agenda.add(at, Happening::Worker { process, worker });
        self.orphans.insert((process, worker), orphan);
    }

    /// What runs on nodes whose leases last.
    pub(crate) fn running(&self) -> Vec<Incarnation> {
        let all = self.nodes.iter().flatten().flat_map(|node| node.hosted(&self.context));
        let runs = |hosted: &ActorSnapshot| hosted.state == ActorState::Running;
        all.filter(runs).map(|hosted| hosted.incarnation).collect()
    }

    /// The head that leads, as far as heads themselves know.
    pub(crate) fn leader(&self) -> Option<&Leader> {
        self.heads.iter().flatten().filter_map(Head::leader).max_by_key(|leader| leader.term())
    }

    /// Whether the head of the highest term takes a node for dead.
    pub(crate) fn leader_says_dead(&self, node: &NodeId) -> bool {
        self.leader().is_some_and(|leader| leader.takes_for_dead(node))
    }
}

impl Context {
    /// Sends a request to the registry; after a while without an answer its outcome is unknown.
    pub(crate) fn ask_registry(&mut self, by: ProcessId, number: u64, request: Request) {
        let host = self.process(by).host;
        let late = RegistryReply::Err(crate::registry::Trouble::Unknown);
        let at = self.now + REGISTRY_PATIENCE;
        self.agenda.add(at, Happening::RegistryAnswered { to: by, number, reply: late });
        if self.network.is_blocked(host, Host::Registry) {
            return;
        }
        let mut delay = self.delay();
        let mut replies = true;
        if self.now < self.registry_trouble_until && self.random.percent(40) {
            match self.random.below(3) {
                0 => return,
                1 => delay += self.random.millis(500, 6_000),
                _ => {}
            }
            replies = false;
        }
        self.agenda.add(self.now + delay, Happening::RegistryAsked { by, number, request, replies });
    }

    /// Tries to connect to a node's own address.
    pub(crate) fn start_probe(&mut self, from: Host, by: ProcessId, node: NodeId) {
        let to = Host::Node(slot_of(&node));
        let last = self.last_at(to);
        let answer = self.probe(from, to, last);
        let after = match answer {
            mobula_types::ProbeAnswer::Unknown => Duration::from_millis(1_000),
            _ => self.delay(),
        };
        self.agenda.add(self.now + after, Happening::Probed { by, node, answer });
    }
}
