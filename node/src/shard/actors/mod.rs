//! Actors: the calls that are made through this node, the incarnations that it hosts, and what heads say of both.
//!
//! Two machines of `core` decide: the [`CallRouter`] for the callers here, the [`ActorHost`] for what was granted to this
//! node. A call of an actor on this node passes through both without a frame; one of another node's goes as frames of the
//! session with that node.

mod asks;
mod creation;
mod frames;
mod groups;
mod hosting;
mod isolation;
mod observers;
mod routing;
mod watches;

use super::Shard;
use crate::detached::DetachedJobs;
pub(crate) use creation::NewActor;
pub(crate) use frames::Parent;
pub(crate) use groups::FoundMember;
pub(crate) use hosting::BroughtInputs;

use creation::Creations;
use groups::GroupsOfNode;
use indexmap::IndexMap;
use mobula_core::calls::{self, CallRouter, RouterOptions};
use mobula_core::hosting::{self as host, ActorHost, HostOptions, Isolation};
use mobula_objects::Pin;
use mobula_runtime::TaskHandle;
use mobula_types::actor::{ActorOrder, ActorReport, StopActor};
use mobula_types::{NodeId, Time};
use observers::Observers;
use std::time::Duration;
use watches::Watches;

/// Everything of actors on a shard.
#[derive(Debug)]
pub(crate) struct Actors {
    router: CallRouter,
    pub(super) host: ActorHost,
    router_effects: Vec<calls::Effect>,
    host_effects: Vec<host::Effect>,
    groups: GroupsOfNode,
    pub(super) creations: Creations,
    watches: Watches,
    observers: Observers,
    detached: DetachedJobs,
    /// Questions to the head that were not answered yet.
    asked: usize,
    /// Inputs of turns on their way here.
    fetches: IndexMap<u64, TaskHandle<()>, foldhash::fast::FixedState>,
    /// Inputs of turns, kept here until those have ended.
    pins: IndexMap<u64, Vec<Pin>, foldhash::fast::FixedState>,
    isolation: Isolation,
    /// The end of the lease that workers were told of last.
    lease_end: Time,
}

impl Actors {
    /// Nothing is here yet.
    pub(crate) fn new(node: &NodeId, idle_worker: Duration) -> Self {
        let mut host_options = HostOptions::new(node.clone());
        host_options.idle_worker = idle_worker;
        Actors {
            router: CallRouter::new(RouterOptions::new(node.clone())),
            host: ActorHost::new(host_options),
            router_effects: Vec::new(),
            host_effects: Vec::new(),
            groups: GroupsOfNode::new(node),
            creations: Creations::default(),
            watches: Watches::default(),
            observers: Observers::default(),
            detached: DetachedJobs::default(),
            asked: 0,
            fetches: IndexMap::default(),
            pins: IndexMap::default(),
            isolation: Isolation::None,
            lease_end: Time::ZERO,
        }
    }

    /// A job has ended.
    pub(crate) fn job_ended(&mut self, job: mobula_types::JobId) {
        self.creations.job_ended(job);
        self.detached.forget(job);
    }

    /// Whether the machines want nothing.
    fn is_done(&self) -> bool {
        self.router_effects.is_empty() && self.host_effects.is_empty() && self.groups.is_done()
    }

    /// When something is due.
    pub(crate) fn next_deadline(&self) -> Time {
        let machines = self.router.next_deadline().min(self.host.next_deadline());
        let machines = machines.min(self.creations.next_deadline()).min(self.groups.next_deadline());
        machines.min(self.observers.next_deadline()).min(self.watches.next_deadline())
    }
}

impl Shard {
    pub(super) fn tell_router(&mut self, event: calls::Event) {
        self.actors.router.on_event(self.now, event, &mut self.actors.router_effects);
    }

    pub(super) fn tell_host(&mut self, event: host::Event) {
        self.actors.host.on_event(self.now, event, &mut self.actors.host_effects);
    }

    /// What is due now.
    pub(super) fn tick_actors(&mut self) {
        if self.now >= self.actors.router.next_deadline() {
            self.tell_router(calls::Event::Tick);
        }
        if self.now >= self.actors.host.next_deadline() {
            self.tell_host(host::Event::Tick);
        }
        self.tick_groups();
        self.tick_observers();
        self.tick_watches();
    }

    /// Performs everything that the machines want, until nothing more follows between them. `true` where the task engine was
    /// told something, and may want more.
    pub(super) fn perform_actor_effects(&mut self) -> bool {
        let mut told = false;
        while !self.actors.is_done() {
            let mut effects = std::mem::take(&mut self.actors.router_effects);
            for effect in effects.drain(..) {
                told |= matches!(effect, calls::Effect::End { .. });
                self.perform_router_effect(effect);
            }
            effects.append(&mut self.actors.router_effects);
            self.actors.router_effects = effects;
            let mut effects = std::mem::take(&mut self.actors.host_effects);
            for effect in effects.drain(..) {
                self.perform_host_effect(effect);
            }
            effects.append(&mut self.actors.host_effects);
            self.actors.host_effects = effects;
            self.perform_group_effects();
        }
        self.send_creations();
        told || !self.task_effects.is_empty()
    }

    /// What a head says of actors.
    pub(super) fn on_actor_order(&mut self, order: ActorOrder) {
        match order {
            ActorOrder::Start(starts) => {
                starts.into_iter().for_each(|start| self.tell_host(host::Event::Start(start)));
            }
            ActorOrder::Stops(stops) => {
                for StopActor { incarnation, shutdown, reason } in stops {
                    self.tell_host(host::Event::Stop { incarnation, shutdown, reason });
                }
            }
            ActorOrder::Located(locations) => {
                for location in locations {
                    self.creation_located(&location);
                    self.tell_router(calls::Event::Located(location));
                }
            }
            ActorOrder::ExitsRecorded(exits) => self.tell_host(host::Event::ExitsRecorded(exits)),
            ActorOrder::Downs(downs) => downs.into_iter().for_each(|down| self.on_down(down)),
            ActorOrder::Watching(watches) => {
                watches.into_iter().for_each(|bound| self.on_watching(bound.number, bound.epoch));
            }
            ActorOrder::Links(links) => links.into_iter().for_each(|link| self.on_link(link)),
            ActorOrder::LinkDowns(downs) => {
                downs.into_iter().for_each(|down| self.on_link_down(down.linked, down.exited, down.reason));
            }
            ActorOrder::Reconciled { unknown } => {
                unknown.iter().for_each(|incarnation| self.note_exit(*incarnation));
                self.tell_host(host::Event::Unknown { incarnations: unknown })
            }
            ActorOrder::Rosters(updates) => self.on_rosters(updates),
            ActorOrder::Changes { number, changes } => self.on_changes(number, changes),
        }
    }

    /// A head has this node as a member: it is told everything, and asked again what was not done yet.
    pub(super) fn tell_head_of_actors(&mut self) {
        let (actors, exits) = self.actors.host.inventory(self.now);
        let ignored = self.actors.host.ignored();
        let mut located = self.actors.router.located();
        located.extend(self.actors.creations.located());
        self.actors.watches.forget_links(self.now);
        let watches = self.actors.watches.all();
        let inventory = ActorReport::Inventory { actors, exits, ignored, located, watches, last: true };
        self.parts.head.report_actors(inventory);
        self.tell_head_of_groups();
        self.tell_head_of_observers();
        self.create_again();
    }
}
