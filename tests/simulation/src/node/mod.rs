//! A node's process: its link to the heads, its sessions, and the machines for the calls made here and the actors hosted
//! here.

mod calls;
mod creations;
mod drivers;
mod hosting;
mod lease;
mod link;
mod peers;
mod watches;
mod workers;

use crate::agenda::Happening;
use crate::context::Context;
use crate::message::{Datagram, Packet};
use crate::network::StreamId;
use crate::process::{Host, ProcessId};
use creations::Creations;
use drivers::Drivers;
use link::Link;
use mobula_core::calls::{self as calling, CallRouter};
use mobula_core::hosting::{self as host, ActorHost};
use mobula_types::{ClusterView, NodeId, NodeName, ProbeAnswer, Time, WorkerId};
use peers::Peers;
use std::collections::BTreeMap;
use std::time::Duration;
use watches::Watches;
pub(crate) use workers::Worker;
use workers::Workers;

/// Why a node's process is to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    /// Its generation is dead.
    Fenced,
    /// It has left the cluster after it was drained.
    Left,
}

/// The machines of a node, from its first grant on.
#[derive(Debug)]
pub(crate) struct Machines {
    pub(crate) node: NodeId,
    pub(crate) router: CallRouter,
    pub(crate) host: ActorHost,
    router_effects: Vec<calling::Effect>,
    host_effects: Vec<host::Effect>,
}

/// A node's process.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: ProcessId,
    slot: usize,
    link: Link,
    pub(crate) machines: Option<Machines>,
    view: ClusterView,
    peers: Peers,
    drivers: Drivers,
    creations: Creations,
    watches: Watches,
    pub(crate) workers: Workers,
    draining_since: Option<Time>,
    pub(crate) ending: Option<Ending>,
}

/// The name of the node at a place.
pub(crate) fn name_of(slot: usize) -> NodeName {
    NodeName::from(format!("n{slot}").as_str())
}

/// The place of a node.
pub(crate) fn slot_of(node: &NodeId) -> usize {
    node.name.0.trim_start_matches('n').parse().unwrap_or(0)
}

impl Node {
    pub(crate) fn new(context: &mut Context, slot: usize) -> Self {
        let id = context.start(Host::Node(slot));
        let ignores_lease = context.mutated(crate::mutation::Mutation::Lease);
        let link = Link::new(context.random.below(context.plan.heads), ignores_lease);
        let mut node = Node {
            id,
            slot,
            link,
            machines: None,
            view: ClusterView::default(),
            peers: Peers::default(),
            drivers: Drivers::default(),
            creations: Creations::default(),
            watches: Watches::default(),
            workers: Workers::new(context.random.next()),
            draining_since: None,
            ending: None,
        };
        node.settle(context);
        node
    }

    fn host(&self) -> Host {
        Host::Node(self.slot)
    }

    fn send(&self, context: &mut Context, stream: StreamId, packet: Packet) {
        context.send(stream, self.id, packet);
    }

    fn tell_router(&mut self, context: &mut Context, event: calling::Event) {
        let now = context.local(self.id);
        let slot = self.slot;
        context.note(|| format!("n{slot} router < {event:?}"));
        if let Some(machines) = &mut self.machines {
            machines.router.on_event(now, event, &mut machines.router_effects);
        }
    }

    fn tell_host(&mut self, context: &mut Context, event: host::Event) {
        let now = context.local(self.id);
        let slot = self.slot;
        context.note(|| format!("n{slot} host < {event:?}"));
        if let Some(machines) = &mut self.machines {
            machines.host.on_event(now, event, &mut machines.host_effects);
        }
    }

    /// The end of a turn: what is due, what follows, and when to look again.
    fn settle(&mut self, context: &mut Context) {
        let now = context.local(self.id);
        self.tick_link(context);
        self.look_at_lease(context);
        if let Some(machines) = &self.machines {
            let (router, host) = (machines.router.next_deadline(), machines.host.next_deadline());
            if router <= now {
                self.tell_router(context, calling::Event::Tick);
            }
            if host <= now {
                self.tell_host(context, host::Event::Tick);
            }
        }
        self.make_ready(context);
        self.perform(context);
        self.end_drain(context);
        let deadline = self.next_deadline(now).max(now + Duration::from_micros(1));
        context.wake(self.id, deadline);
    }

    fn next_deadline(&self, now: Time) -> Time {
        let machines = self.machines.as_ref();
        let machines = machines.map_or(Time::NEVER, |machines| {
            machines.router.next_deadline().min(machines.host.next_deadline())
        });
        let drain = self.draining_since.map_or(Time::NEVER, |_| now + Duration::from_secs(1));
        let deadline =
            machines.min(self.link.next_deadline(now)).min(self.drivers.next_deadline()).min(drain);
        deadline.min(self.creations.next_deadline())
    }

    /// Performs what the machines want, until nothing more follows between them.
    fn perform(&mut self, context: &mut Context) {
        loop {
            let Some(machines) = &mut self.machines else { return };
            let router = std::mem::take(&mut machines.router_effects);
            let host = std::mem::take(&mut machines.host_effects);
            if router.is_empty() && host.is_empty() && !self.give_up_unreachable(context) {
                return self.ask_heads(context);
            }
            let slot = self.slot;
            for effect in router {
                context.note(|| format!("n{slot} router > {effect:?}"));
                self.perform_router(context, effect);
            }
            for effect in host {
                context.note(|| format!("n{slot} host > {effect:?}"));
                self.perform_host(context, effect);
            }
        }
    }

    pub(crate) fn woken(&mut self, context: &mut Context) {
        self.settle(context);
    }

    pub(crate) fn received(&mut self, context: &mut Context, stream: StreamId, packet: Packet) {
        match packet {
            Packet::Head(message) => self.head_says(context, stream, message),
            Packet::Refused => self.refused(context, stream),
            Packet::Peer(frame) => self.peer_says(context, stream, frame),
            Packet::Driver(frame) => self.driver_says(context, stream, frame),
            Packet::Join(_) | Packet::Report(_) | Packet::Home(_) => {}
        }
        self.settle(context);
    }

    pub(crate) fn stream_ended(&mut self, context: &mut Context, stream: StreamId) {
        self.link_ended(context, stream);
        self.peer_ended(context, stream);
        self.driver_gone(context, stream);
        self.settle(context);
    }

    pub(crate) fn datagram(&mut self, context: &mut Context, datagram: Datagram) {
        match datagram {
            Datagram::Renewed { number, known } => self.renewed(context, number, known),
            Datagram::Answered { number, answer } => self.head_answered(context, number, answer),
            Datagram::Renew { .. } | Datagram::Ask { .. } => {}
        }
        self.settle(context);
    }

    pub(crate) fn probed(&mut self, context: &mut Context, about: NodeId, answer: ProbeAnswer) {
        self.report(context, crate::message::NodeReport::DeathAnswer { about, answer });
        self.settle(context);
    }

    /// Something goes on in a worker of this node.
    pub(crate) fn worker_due(&mut self, context: &mut Context, worker: WorkerId) {
        self.work(context, worker);
        self.settle(context);
    }

    /// A drained node leaves once it has nothing any more.
    fn end_drain(&mut self, context: &mut Context) {
        let Some(since) = self.draining_since else { return };
        let empty = self.machines.as_ref().is_none_or(|machines| machines.host.actor_count() == 0);
        let waited = context.local(self.id).since(since);
        if (empty && waited > Duration::from_secs(3)) || waited > Duration::from_secs(20) {
            self.report(context, crate::message::NodeReport::Leave);
            self.draining_since = Some(context.local(self.id));
        }
    }

    /// What has not come to an end here, for people.
    pub(crate) fn unfinished(&self) -> Option<String> {
        let machines = self.machines.as_ref()?;
        if machines.router.pending() > 0 {
            return Some(format!(
                "{} calls wait in the router of {}",
                machines.router.pending(),
                machines.node
            ));
        }
        let pending: u32 = machines.host.actors().map(|actor| actor.pending).sum();
        (pending > 0).then(|| format!("{pending} calls wait for actors on {}", machines.node))
    }

    /// The incarnations that it hosts, and whether its lease lasts by its own clock.
    pub(crate) fn hosted(&self, context: &Context) -> Vec<mobula_core::hosting::ActorSnapshot> {
        let now = context.local(self.id);
        match &self.machines {
            Some(machines) if self.link.lease_lasts(now) => machines.host.actors().collect(),
            _ => Vec::new(),
        }
    }

    /// Workers that are left when the process ends.
    pub(crate) fn take_workers(&mut self) -> BTreeMap<WorkerId, workers::Worker> {
        self.workers.take()
    }

    fn worker_happens(&self, context: &mut Context, worker: WorkerId, after: Duration) {
        let happening = Happening::Worker { process: self.id, worker };
        context.agenda.add(context.now + after, happening);
    }
}
