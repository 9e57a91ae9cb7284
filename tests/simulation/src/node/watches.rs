//! Who on this node watches which actors: sessions of drivers, and actors that are linked with others.

use super::Node;
use crate::context::Context;
use crate::message::HomeFrame;
use mobula_types::actor::{ActorReport, Down, LinkChange, Watch, WatchKind};
use mobula_types::{ActorId, Epoch, ExitReason, Incarnation, JobId, Time};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long heads are told of the links of actors that have exited: longer than a failover takes.
const LINKS_KEPT: Duration = Duration::from_secs(60);

/// Who watches.
#[derive(Debug)]
enum Watcher {
    /// A driver.
    Job(JobId),
    /// An actor of this node, until it has exited: heads are told of the link for a while longer.
    Linked { told_until: Time },
}

/// The watches of this node.
#[derive(Default, Debug)]
pub(super) struct Watches {
    known: BTreeMap<u64, (Watcher, Watch)>,
    last: u64,
}

impl Watches {
    /// Which incarnation a watch is of.
    pub(super) fn bind(&mut self, number: u64, epoch: Epoch) {
        if let Some((_, watch)) = self.known.get_mut(&number) {
            watch.epoch = Some(epoch);
        }
    }

    /// All, as a head is told of them.
    pub(super) fn all(&self) -> Vec<Watch> {
        self.known.values().map(|(_, watch)| *watch).collect()
    }

    fn add(&mut self, watcher: Watcher, of: Option<Incarnation>, target: ActorId) -> Watch {
        self.last += 1;
        let kind = if of.is_some() { WatchKind::Link } else { WatchKind::Monitor };
        let watch = Watch { number: self.last, watcher: of, target, epoch: None, kind };
        self.known.insert(self.last, (watcher, watch));
        watch
    }
}

impl Node {
    pub(super) fn watch(&mut self, context: &mut Context, job: JobId, target: ActorId) -> u64 {
        let watch = self.watches.add(Watcher::Job(job), None, target);
        self.report_actors(context, ActorReport::Watch(watch));
        watch.number
    }

    /// An actor of this node links itself with another one.
    pub(super) fn link_actor(&mut self, context: &mut Context, incarnation: Incarnation) {
        let Some(target) = context.observer.any_actor(&mut context.random) else { return };
        if target != incarnation.actor {
            let told_until = Time::NEVER;
            let watch = self.watches.add(Watcher::Linked { told_until }, Some(incarnation), target);
            self.report_actors(context, ActorReport::Watch(watch));
        }
    }

    /// An actor has linked itself with one of this node: both nodes know of the link from now on.
    pub(super) fn on_link(&mut self, context: &mut Context, link: LinkChange) {
        let LinkChange { linked, by, holds: _ } = link;
        let is_here = self.machines.as_ref().is_some_and(|machines| machines.host.seat_of(linked).is_some());
        let is_this = |watch: &Watch| {
            watch.watcher == Some(linked) && watch.target == by.actor && watch.epoch == Some(by.epoch)
        };
        if !is_here || self.watches.known.values().any(|(_, watch)| is_this(watch)) {
            return;
        }
        let told_until = Time::NEVER;
        let watch = self.watches.add(Watcher::Linked { told_until }, Some(linked), by.actor);
        self.watches.bind(watch.number, by.epoch);
        context.observer.linked((self.id, watch.number), linked, by);
        self.report_actors(context, ActorReport::Watch(Watch { epoch: Some(by.epoch), ..watch }));
    }

    /// Something watched has exited: the watch is over, and one that is over already hears nothing.
    pub(super) fn on_down(&mut self, context: &mut Context, down: Down) {
        match self.watches.known.remove(&down.number) {
            Some((Watcher::Job(job), _)) => self.tell_driver(context, job, HomeFrame::Down(down)),
            Some((Watcher::Linked { .. }, Watch { watcher: Some(linked), .. })) => {
                self.on_link_down(context, linked, &down.reason);
            }
            _ => {}
        }
    }

    /// What an actor of this node is linked with has exited: it exits too, where that was abnormal.
    pub(super) fn on_link_down(&mut self, context: &mut Context, linked: Incarnation, reason: &ExitReason) {
        let seat = self.machines.as_ref().and_then(|machines| machines.host.seat_of(linked));
        if let Some((worker, key)) = seat.filter(|_| reason.is_abnormal()) {
            self.workers.unlink(worker, key);
            self.work(context, worker);
        }
    }

    /// An actor of this node has exited. A head that leads later has to hear of its links, to tell the others.
    pub(super) fn linked_gone(&mut self, context: &mut Context, exited: Incarnation) {
        let now = context.local(self.id);
        self.watches.known.retain(|_, (watcher, _)| match watcher {
            Watcher::Linked { told_until } => now < *told_until,
            Watcher::Job(_) => true,
        });
        for (watcher, watch) in self.watches.known.values_mut() {
            if let Watcher::Linked { told_until } = watcher
                && watch.watcher == Some(exited)
            {
                *told_until = (*told_until).min(now + LINKS_KEPT);
            }
        }
    }

    pub(super) fn end_watches(&mut self, context: &mut Context, of: JobId) {
        let of_job = |watcher: &Watcher| matches!(watcher, Watcher::Job(job) if *job == of);
        let over = self.watches.known.iter().filter(|(_, (watcher, _))| of_job(watcher));
        for number in over.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.watches.known.remove(&number);
            self.report_actors(context, ActorReport::Unwatch { number });
        }
    }
}
