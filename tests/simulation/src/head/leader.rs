//! A leading head: drives the membership and the supervision.

use super::links::Link;
use super::writer::Writer;
use super::{Asked, GRANTING, Io, LEADER_LEASE};
use crate::message::RegistryReply;
use crate::network::StreamId;
use crate::process::{Host, ProcessId};
use crate::registry::{Answer, Image, Key, Registry, Request, Trouble, Value};
use mobula_core::membership::{self, Inheritance, LinkKey, Membership, MembershipOptions, NodeWrite};
use mobula_core::supervision::{self, RequestKey, Supervision};
use mobula_types::{Failure, FailureKind, Generation, HeadTerm, NodeId, ProbeAnswer, Time};
use std::collections::BTreeMap;
use std::time::Duration;

/// How often it looks which heads there are.
const HEADS_INTERVAL: Duration = Duration::from_secs(30);

/// How a leadership ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Over {
    Deposed,
    /// A node has seen a later registry.
    LaterIncarnation(u64),
}

/// What a write is for.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Purpose {
    Admit { node: NodeId, lease: u64, is_new: bool },
    Lease { node: NodeId, lease: u64 },
    Node { node: NodeId, write: NodeWrite },
    Forget { node: NodeId },
    Actors { write: u64 },
}

/// A leader at work.
#[derive(Debug)]
pub(crate) struct Leader {
    pub(super) term: HeadTerm,
    lease: u64,
    renewed: Time,
    next_renewal: Time,
    next_heads: Time,
    pub(super) membership: Membership,
    pub(super) supervision: Supervision,
    pub(super) links: BTreeMap<LinkKey, Link>,
    pub(super) links_by_node: BTreeMap<NodeId, LinkKey>,
    pub(super) links_by_stream: BTreeMap<StreamId, LinkKey>,
    pub(super) parted: Vec<NodeId>,
    pub(super) last_link: u64,
    pub(super) requests: BTreeMap<RequestKey, (ProcessId, u64)>,
    pub(super) last_request: u64,
    pub(super) writer: Writer,
    pub(super) floor: Generation,
    watched: u64,
    incarnation_revision: u64,
    pub(super) over: Option<Over>,
}

impl Leader {
    pub(super) fn new(
        io: &mut Io<'_>,
        image: Image,
        term: HeadTerm,
        lease: u64,
        sent: Time,
        heads_were_away: bool,
    ) -> Self {
        let (now, wall_millis) = (io.now(), io.wall_millis());
        let floor = match image.entries.get(&Key::Floor).map(|entry| &entry.value) {
            Some(Value::Number(floor)) => Generation(*floor),
            _ => Generation(0),
        };
        let alive = |name| image.entries.contains_key(&Key::Alive(name));
        let nodes = image.entries.values().filter_map(|entry| match &entry.value {
            Value::Node(record) => Some((record.clone(), alive(record.registration.name.clone()))),
            _ => None,
        });
        let inheritance = Inheritance {
            nodes: nodes.collect(),
            generation_floor: floor,
            heads: heads_of(&image),
            heads_were_away,
            revision: image.revision,
        };
        let options = MembershipOptions {
            fast_death: io.context.plan.fast_death,
            node_lease: io.context.plan.node_lease,
            ..MembershipOptions::default()
        };
        let mut effects = Vec::new();
        let membership = Membership::lead(now, term, options, inheritance, &mut effects);
        let mut actor_effects = Vec::new();
        let options =
            supervision::SupervisionOptions { seed: io.context.random.next(), ..Default::default() };
        let of_actors = super::actors::inheritance(&image, io.context.plan.drivers, wall_millis);
        let supervision = Supervision::lead(now, options, of_actors, &mut actor_effects);
        let revisions = image.entries.iter().map(|(key, entry)| (key.clone(), entry.modified)).collect();
        let mut leader = Leader {
            term,
            lease,
            renewed: sent,
            next_renewal: now + LEADER_LEASE / 3,
            next_heads: now + HEADS_INTERVAL,
            membership,
            supervision,
            links: BTreeMap::new(),
            links_by_node: BTreeMap::new(),
            links_by_stream: BTreeMap::new(),
            parted: Vec::new(),
            last_link: 0,
            requests: BTreeMap::new(),
            last_request: 0,
            writer: Writer::new(term.revision, revisions),
            floor,
            watched: image.revision,
            incarnation_revision: image.entries.get(&Key::Incarnation).map_or(0, |entry| entry.modified),
            over: None,
        };
        leader.perform_all(io, effects);
        leader.perform_actors(io, actor_effects);
        leader
    }

    pub(crate) fn term(&self) -> HeadTerm {
        self.term
    }

    /// Whether it has found out that a node is dead, though that may not be written.
    pub(crate) fn takes_for_dead(&self, node: &NodeId) -> bool {
        self.membership.record(&node.name).is_none_or(|record| record.generation > node.generation)
            || self.membership.drainable(&node.name).is_err()
    }

    pub(super) fn created(&self) -> u64 {
        self.term.revision
    }

    pub(super) fn lease(&self) -> u64 {
        self.lease
    }

    pub(super) fn incarnation_revision(&self) -> u64 {
        self.incarnation_revision
    }

    /// Whether nobody else can lead yet, by this head's own clock.
    pub(super) fn may_grant(&self, now: Time) -> bool {
        now < self.renewed + GRANTING
    }

    /// The end of a turn.
    pub(super) fn settle(&mut self, io: &mut Io<'_>) {
        for node in std::mem::take(&mut self.parted) {
            // One that has joined over another link in the same turn is there.
            if !self.links_by_node.contains_key(&node) {
                self.tell_actors(io, supervision::Event::NodeParted { node });
            }
        }
        let now = io.now();
        if now >= self.membership.next_deadline() {
            self.tell_membership(io, membership::Event::Tick);
        }
        if now >= self.supervision.next_deadline() {
            self.tell_actors(io, supervision::Event::Tick);
        }
        self.writer.start(io);
        if let Err(problem) = self.supervision.check() {
            io.context.observer.broken("supervision", problem);
        }
        let deadline = self.membership.next_deadline().min(self.supervision.next_deadline());
        let deadline = deadline.min(self.next_renewal).min(self.next_heads).min(self.writer.next_try());
        io.context.wake(io.desk.id, deadline.max(now + Duration::from_micros(1)));
    }

    pub(super) fn tick(&mut self, io: &mut Io<'_>) {
        let now = io.now();
        if now >= self.next_renewal {
            self.next_renewal = Time::NEVER;
            io.ask(Request::RenewLease(self.lease), Asked::KeepLeading { sent: now });
        }
        if now >= self.next_heads {
            self.next_heads = now + HEADS_INTERVAL;
            // Heads stay in the registry for longer than a run takes.
            let heads = io.context.plan.heads;
            self.tell_membership(io, membership::Event::HeadsSeen { heads });
        }
    }

    pub(super) fn tell_membership(&mut self, io: &mut Io<'_>, event: membership::Event) {
        let mut effects = Vec::new();
        self.membership.on_event(io.now(), event, &mut effects);
        self.perform_all(io, effects);
    }

    pub(super) fn tell_actors(&mut self, io: &mut Io<'_>, event: supervision::Event) {
        let mut effects = Vec::new();
        let index = io.desk.index;
        io.context.note(|| format!("head {index} < {event:?}"));
        self.supervision.on_event(io.now(), io.wall_millis(), event, &mut effects);
        self.perform_actors(io, effects);
    }

    pub(super) fn leases_ended(&mut self, io: &mut Io<'_>, registry: &Registry) {
        for (revision, name) in registry.ended_after(self.watched) {
            self.watched = revision;
            io.context.note(|| format!("the lease of {name} has ended"));
            self.tell_membership(io, membership::Event::LeaseEnded { name, revision });
        }
    }

    pub(super) fn probed(&mut self, io: &mut Io<'_>, node: NodeId, answer: ProbeAnswer) {
        self.tell_membership(io, membership::Event::Probed { node, answer });
    }

    pub(super) fn probe(&mut self, io: &mut Io<'_>, node: NodeId) {
        let from = Host::Head(io.desk.index);
        let by = io.desk.id;
        io.context.start_probe(from, by, node);
    }

    pub(super) fn registry_answered(&mut self, io: &mut Io<'_>, asked: Asked, reply: RegistryReply) {
        match (asked, reply) {
            (Asked::KeepLeading { sent }, Ok(_)) => {
                let silence = sent.since(self.renewed);
                self.renewed = sent;
                self.next_renewal = io.now() + LEADER_LEASE / 3;
                if silence > LEADER_LEASE {
                    self.tell_membership(io, membership::Event::RegistryBack);
                }
            }
            (Asked::KeepLeading { .. }, Err(Trouble::LeaseNotFound)) => self.over = Some(Over::Deposed),
            (Asked::KeepLeading { .. }, Err(_)) => self.next_renewal = io.now() + Duration::from_millis(200),
            (Asked::Write, reply) => self.write_answered(io, reply),
            (Asked::Reread, reply) => self.reread(io, reply),
            (Asked::HeldLease { record }, Err(Trouble::LeaseNotFound)) => self.grant_lease(io, record),
            (Asked::HeldLease { record }, reply) => self.lease_renewed(io, *record, reply),
            (Asked::Admission { record }, reply) => self.lease_granted(io, *record, reply),
            (Asked::OtherLease { node }, reply) => {
                let lease_id = match reply {
                    Ok(Answer::Lease(lease)) => Some(lease),
                    _ => None,
                };
                self.tell_membership(io, membership::Event::LeaseGranted { node, lease_id });
            }
            _ => {}
        }
    }

    pub(super) fn purpose_written(&mut self, io: &mut Io<'_>, purpose: Purpose, revision: u64) {
        match purpose {
            Purpose::Admit { node, lease, is_new: _ } => {
                let event = membership::Event::Admitted { node, lease_id: lease, revision };
                self.tell_membership(io, event);
            }
            Purpose::Lease { node, lease } => {
                let event =
                    membership::Event::LeaseSwitched { node, lease_id: lease, revision: Some(revision) };
                self.tell_membership(io, event);
            }
            Purpose::Node { node, write } => {
                self.tell_membership(io, membership::Event::Written { node: node.clone(), write });
                match write {
                    NodeWrite::Drain => self.tell_actors(io, supervision::Event::NodeDraining { node }),
                    NodeWrite::Fenced => self.tell_actors(io, supervision::Event::NodeFenced { node }),
                    NodeWrite::Death => {}
                }
            }
            Purpose::Forget { node } => self.tell_membership(io, membership::Event::Forgotten { node }),
            Purpose::Actors { write } => self.tell_actors(io, supervision::Event::Written { write }),
        }
    }

    /// A write that cannot be made. Where that leaves a decision hanging, another election decides anew.
    pub(super) fn purpose_failed(&mut self, io: &mut Io<'_>, purpose: Purpose) {
        let failure = Failure::new(FailureKind::Unavailable, "the registry did not take it");
        match purpose {
            Purpose::Admit { node, lease, is_new } => {
                if is_new {
                    io.ask(Request::RevokeLease(lease), Asked::Nothing);
                }
                self.tell_membership(io, membership::Event::NotAdmitted { node, failure });
            }
            Purpose::Lease { node, lease } => {
                let event = membership::Event::LeaseSwitched { node, lease_id: lease, revision: None };
                self.tell_membership(io, event);
            }
            Purpose::Actors { write } => {
                self.tell_actors(io, supervision::Event::NotWritten { write, failure });
            }
            Purpose::Node { .. } | Purpose::Forget { .. } => self.over = Some(Over::Deposed),
        }
    }

    /// What has not come to an end, for people; nothing where all has.
    pub(crate) fn unfinished(&self) -> Option<String> {
        if self.supervision.outstanding_writes() > 0 {
            return Some(format!("{} writes wait", self.supervision.outstanding_writes()));
        }
        None
    }
}

fn heads_of(image: &Image) -> usize {
    image.entries.keys().filter(|key| matches!(key, Key::Head(_))).count()
}
