//! The node's link to its heads: joins whichever leads, renews its lease through any, and passes on what is said.

use super::lease::{HeldLease, LeaseClock, OfferedLease};
use super::{Ending, Machines, Node, name_of};
use crate::context::Context;
use crate::message::{Datagram, HeadMessage, HeadOrder, JoinRequest, NodeReport, Packet};
use crate::mutation::Mutation;
use crate::network::{StreamId, StreamKind};
use crate::plan::job_of;
use crate::process::Host;
use mobula_core::calls::{CallRouter, RouterOptions};
use mobula_core::hosting::{self as host, ActorHost, HostOptions, Isolation};
use mobula_types::actor::{ActorOrder, ActorReport, StopActor, WatchBound};
use mobula_types::{HeadTerm, NodeId, NodeRegistration, ProbeAnswer, Resources, TermHeard, Time};
use std::collections::BTreeMap;
use std::time::Duration;

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long a head may take to grant.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug)]
enum State {
    Pausing { until: Time },
    Joining { stream: StreamId, sent: Time },
    Member { stream: StreamId },
}

/// The link.
#[derive(Debug)]
pub(super) struct Link {
    state: State,
    pause: Duration,
    head: usize,
    previous: Option<NodeId>,
    seen_term: HeadTerm,
    lease: Option<HeldLease>,
    pub(super) stage: Isolation,
    /// Renewals under way: of which lease, and when they were sent.
    renewals: BTreeMap<u64, (u64, Time)>,
    next_renewal: Time,
    last_number: u64,
    /// The head that is joined has been told everything.
    inventoried: bool,
    ignores_lease: bool,
}

impl Link {
    pub(super) fn new(head: usize, ignores_lease: bool) -> Self {
        Link {
            state: State::Pausing { until: Time::ZERO },
            pause: FIRST_PAUSE,
            head,
            previous: None,
            seen_term: HeadTerm::default(),
            lease: None,
            stage: Isolation::None,
            renewals: BTreeMap::new(),
            next_renewal: Time::ZERO,
            last_number: 0,
            inventoried: false,
            ignores_lease,
        }
    }

    pub(super) fn next_deadline(&self, now: Time) -> Time {
        let state = match self.state {
            State::Pausing { until } => until,
            State::Joining { sent, .. } => sent + PATIENCE,
            State::Member { .. } => Time::NEVER,
        };
        let renewal = if self.lease.is_some() { self.next_renewal } else { Time::NEVER };
        let stage = if self.ignores_lease { Time::NEVER } else { self.isolation(now).1 };
        state.min(renewal).min(stage)
    }

    pub(super) fn isolation(&self, now: Time) -> (Isolation, Time) {
        match &self.lease {
            Some(lease) => {
                let counted = lease.counted();
                Isolation::of(counted.end(), counted.length, now)
            }
            None => (self.stage, Time::NEVER),
        }
    }

    pub(super) fn lease_lasts(&self, now: Time) -> bool {
        self.lease.as_ref().is_some_and(|lease| now < lease.counted().end())
    }

    pub(super) fn lease_end(&self) -> Time {
        self.lease.as_ref().map_or(Time::NEVER, |lease| lease.counted().end())
    }

    /// The head that is asked what only a leader answers.
    pub(super) fn likely_head(&self, context: &mut Context) -> usize {
        match self.state {
            State::Member { .. } => self.head,
            _ => context.random.below(context.plan.heads),
        }
    }

    /// The number of something that a head is asked outside of the stream.
    pub(super) fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}

impl Node {
    pub(super) fn tick_link(&mut self, context: &mut Context) {
        let now = context.local(self.id);
        match self.link.state {
            State::Pausing { until } if until <= now => self.join(context),
            State::Joining { stream, sent } if sent + PATIENCE <= now => {
                context.close(stream, self.id);
                self.part(context);
            }
            _ => {}
        }
        if self.link.next_renewal <= now {
            self.renew(context);
        }
    }

    fn join(&mut self, context: &mut Context) {
        let stream = context.open_stream(StreamKind::Link, self.id, Host::Head(self.link.head));
        let registration = NodeRegistration {
            name: name_of(self.slot),
            address: "".into(),
            own_address: "".into(),
            resources: Resources::cpus(4),
            labels: Default::default(),
            functions: Vec::new(),
            object_store_memory: 0,
            version: "".into(),
            // The lock on it is held by this process or by workers that an earlier one left.
            data_folder: Some(self.slot as u128 + 1),
        };
        let request = JoinRequest {
            registration,
            previous: self.link.previous.clone(),
            seen_term: self.link.seen_term,
            peers: self.peers.open_with(),
        };
        self.link.state = State::Joining { stream, sent: context.local(self.id) };
        self.link.inventoried = false;
        self.send(context, stream, Packet::Join(Box::new(request)));
    }

    /// No head is joined: another one is tried, after a pause.
    fn part(&mut self, context: &mut Context) {
        let now = context.local(self.id);
        self.link.state = State::Pausing { until: now + self.link.pause };
        self.link.pause = (self.link.pause * 2).min(LONGEST_PAUSE);
        self.link.head = (self.link.head + 1) % context.plan.heads;
        self.link.inventoried = false;
    }

    fn stream(&self) -> Option<StreamId> {
        match self.link.state {
            State::Joining { stream, .. } | State::Member { stream } => Some(stream),
            State::Pausing { .. } => None,
        }
    }

    pub(super) fn refused(&mut self, context: &mut Context, stream: StreamId) {
        if self.stream() == Some(stream) {
            context.close(stream, self.id);
            self.part(context);
        }
    }

    pub(super) fn link_ended(&mut self, context: &mut Context, stream: StreamId) {
        if self.stream() == Some(stream) {
            self.part(context);
        }
    }

    fn renew(&mut self, context: &mut Context) {
        let now = context.local(self.id);
        let Some(lease) = &self.link.lease else { return };
        let mut leases = vec![lease.id];
        leases.extend(lease.offered.as_ref().map(|offered| offered.id));
        self.link.next_renewal = now + lease.counted().beat();
        self.link.renewals.retain(|_, (_, sent)| now.since(*sent) < PATIENCE);
        for lease in leases {
            let number = self.link.number();
            self.link.renewals.insert(number, (lease, now));
            let head = context.random.below(context.plan.heads);
            if let Some(to) = context.at.get(&Host::Head(head)).copied() {
                context.post(self.host(), to, Datagram::Renew { by: self.id, number, lease });
            }
        }
    }

    pub(super) fn renewed(&mut self, context: &mut Context, number: u64, known: bool) {
        let Some((id, sent)) = self.link.renewals.remove(&number) else { return };
        let Some(lease) = &mut self.link.lease else { return };
        if known {
            if lease.renewed(id, sent) {
                self.report(context, NodeReport::LeaseAcknowledged(id));
            }
        } else if lease.offered.take_if(|offered| offered.id == id).is_none()
            && lease.id == id
            && let State::Member { stream } = self.link.state
        {
            // The registry knows it no more: the node joins again for another.
            context.close(stream, self.id);
            self.part(context);
        }
    }

    pub(super) fn head_says(&mut self, context: &mut Context, stream: StreamId, message: HeadMessage) {
        if self.stream() != Some(stream) {
            return;
        }
        let HeadMessage { term, order } = message;
        match term.heard_after(self.link.seen_term) {
            TermHeard::Outdated if !context.mutated(Mutation::Term) => {
                context.close(stream, self.id);
                return self.part(context);
            }
            TermHeard::Restored => return self.ending = Some(Ending::Fenced),
            TermHeard::Outdated | TermHeard::InForce => {}
        }
        self.link.seen_term = term;
        context.observer.hears(self.id, term);
        match order {
            HeadOrder::Granted { node, lease, lease_id } => self.granted(context, node, lease, lease_id),
            HeadOrder::View(delta) => self.view_changed(context, &delta),
            HeadOrder::Fence(node) => {
                self.cut_off(context, node.clone());
                self.report(context, NodeReport::FenceAcknowledged(node));
            }
            HeadOrder::ConfirmDeath(about) if self.peers.is_open(&about) => {
                self.report(context, NodeReport::DeathAnswer { about, answer: ProbeAnswer::Reachable });
            }
            HeadOrder::ConfirmDeath(about) => context.start_probe(self.host(), self.id, about),
            HeadOrder::LeaseOffered { lease_id, length } => {
                if let Some(held) = &mut self.link.lease {
                    held.offered = Some(OfferedLease { id: lease_id, length, clock: None });
                    self.link.next_renewal = Time::ZERO;
                }
            }
            HeadOrder::LeaseInForce(lease_id) => {
                if let Some(held) = &mut self.link.lease {
                    held.in_force(lease_id);
                }
            }
            HeadOrder::Actors(order) => self.actor_order(context, order),
            HeadOrder::Drain => {
                if self.draining_since.is_none() {
                    self.draining_since = Some(context.local(self.id));
                    self.tell_host(context, host::Event::Draining);
                }
            }
            HeadOrder::Fenced(failure) => {
                let node =
                    self.link.lease.as_ref().map(|held| held.node.clone()).or(self.link.previous.clone());
                context.note(|| format!("{node:?} is told that it is dead: {failure:?}"));
                if let Some(node) = node {
                    context.observer.told_dead(node);
                }
                let left = self.draining_since.is_some();
                self.ending = Some(if left { Ending::Left } else { Ending::Fenced });
            }
        }
    }

    fn granted(&mut self, context: &mut Context, node: NodeId, length: Duration, lease_id: u64) {
        let State::Joining { stream, sent } = self.link.state else { return };
        self.link.state = State::Member { stream };
        self.link.pause = FIRST_PAUSE;
        self.link.lease = Some(HeldLease::new(node.clone(), lease_id, LeaseClock::new(sent, length)));
        self.link.previous = Some(node.clone());
        self.link.next_renewal = context.local(self.id);
        if self.machines.is_none() {
            let mut options = HostOptions::new(node.clone());
            options.report_again = Duration::from_millis(500);
            let mut routing = RouterOptions::new(node.clone());
            if context.forgets_soon() {
                options.orphaned_answers = Duration::from_secs(1);
                routing.idle = Duration::from_millis(200);
            }
            self.machines = Some(Machines {
                router: CallRouter::new(routing),
                host: ActorHost::new(options),
                node: node.clone(),
                router_effects: Vec::new(),
                host_effects: Vec::new(),
            });
            context.observer.node_started(node, self.id);
        }
        self.look_at_lease(context);
        for driver in 0..context.plan.drivers {
            let job = job_of(driver);
            self.tell_host(context, host::Event::JobOpened { job, has_executable: true });
        }
        self.tell_everything(context);
    }

    fn tell_everything(&mut self, context: &mut Context) {
        let now = context.local(self.id);
        let Some(machines) = &self.machines else { return };
        let (actors, exits) = machines.host.inventory(now);
        let ignored = machines.host.ignored();
        let located = machines.router.located();
        let watches = self.watches.all();
        self.link.inventoried = true;
        self.report_actors(
            context,
            ActorReport::Inventory { actors, exits, ignored, located, watches, last: true },
        );
        self.create_again(context);
    }

    pub(super) fn report(&mut self, context: &mut Context, report: NodeReport) {
        if let State::Member { stream } = self.link.state {
            self.send(context, stream, Packet::Report(report));
        }
    }

    /// To each head the inventory is said first: what is said before it, that contains.
    pub(super) fn report_actors(&mut self, context: &mut Context, report: ActorReport) {
        if self.link.inventoried {
            self.report(context, NodeReport::Actors(report));
        }
    }

    fn actor_order(&mut self, context: &mut Context, order: ActorOrder) {
        match order {
            ActorOrder::Start(starts) => {
                starts.into_iter().for_each(|start| self.tell_host(context, host::Event::Start(start)));
            }
            ActorOrder::Stops(stops) => {
                for StopActor { incarnation, shutdown, reason } in stops {
                    self.tell_host(context, host::Event::Stop { incarnation, shutdown, reason });
                }
            }
            ActorOrder::Located(locations) => {
                for location in locations {
                    self.creation_located(context, &location);
                    self.tell_router(context, mobula_core::calls::Event::Located(location));
                }
            }
            ActorOrder::ExitsRecorded(exits) => self.tell_host(context, host::Event::ExitsRecorded(exits)),
            ActorOrder::Downs(downs) => downs.into_iter().for_each(|down| self.on_down(context, down)),
            ActorOrder::Watching(watches) => {
                for WatchBound { number, epoch } in watches {
                    context.observer.watch_bound(self.id, number, epoch);
                    self.watches.bind(number, epoch);
                }
            }
            ActorOrder::Links(links) => links.into_iter().for_each(|link| self.on_link(context, link)),
            ActorOrder::LinkDowns(downs) => {
                for down in downs {
                    self.on_link_down(context, down.linked, &down.reason);
                }
            }
            // Nobody here groups actors or observes them.
            ActorOrder::Rosters(_) | ActorOrder::Changes { .. } => {}
            ActorOrder::Reconciled { unknown } => {
                self.tell_host(context, host::Event::Unknown { incarnations: unknown });
            }
        }
    }
}
