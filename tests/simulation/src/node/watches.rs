//! Who on this node watches which actors: sessions of drivers.

use super::Node;
use crate::context::Context;
use crate::message::HomeFrame;
use mobula_types::actor::{ActorReport, Down, Watch, WatchKind};
use mobula_types::{ActorId, Epoch, JobId};
use std::collections::BTreeMap;

/// The watches of this node.
#[derive(Default, Debug)]
pub(super) struct Watches {
    known: BTreeMap<u64, (JobId, Watch)>,
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
}

impl Node {
    pub(super) fn watch(&mut self, context: &mut Context, job: JobId, target: ActorId) -> u64 {
        self.watches.last += 1;
        let number = self.watches.last;
        let watch = Watch { number, watcher: None, target, epoch: None, kind: WatchKind::Monitor };
        self.watches.known.insert(number, (job, watch));
        self.report_actors(context, ActorReport::Watch(watch));
        number
    }

    /// Something watched has exited: the watch is over, and one that is over already hears nothing.
    pub(super) fn on_down(&mut self, context: &mut Context, down: Down) {
        if let Some((job, _)) = self.watches.known.remove(&down.number) {
            self.tell_driver(context, job, HomeFrame::Down(down));
        }
    }

    pub(super) fn end_watches(&mut self, context: &mut Context, of: JobId) {
        let over = self.watches.known.iter().filter(|(_, (job, _))| *job == of);
        for number in over.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.watches.known.remove(&number);
            self.report_actors(context, ActorReport::Unwatch { number });
        }
    }
}
