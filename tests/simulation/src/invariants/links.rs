//! Of two actors that are linked, none lives on once the other one has exited abnormally.

use crate::process::ProcessId;
use crate::world::World;
use mobula_types::Incarnation;
use mobula_types::actor::ActorReport;
use std::collections::{BTreeMap, BTreeSet};

/// The links that their nodes were told of.
#[derive(Default, Debug)]
pub(super) struct Links {
    /// By the node's process and the number of the watch: who has linked itself, and with whom.
    links: BTreeMap<(ProcessId, u64), (Incarnation, Incarnation)>,
    /// What has exited normally, as its node says.
    ended: BTreeSet<Incarnation>,
}

impl Links {
    pub(super) fn restored(&mut self) {
        self.links.clear();
        self.ended.clear();
    }

    pub(super) fn linked(&mut self, key: (ProcessId, u64), watcher: Incarnation, target: Incarnation) {
        self.links.insert(key, (watcher, target));
    }

    pub(super) fn reported(&mut self, report: &ActorReport) {
        if let ActorReport::Exited(exits) = report {
            let normal = exits.iter().filter(|exit| !exit.reason.is_abnormal());
            self.ended.extend(normal.map(|exit| exit.incarnation));
        }
        if let ActorReport::Ignored(incarnation) = report {
            self.ended.insert(*incarnation);
        }
    }
}

pub(super) fn check(world: &mut World) {
    let running: BTreeSet<Incarnation> = world.running().into_iter().collect();
    let links = &world.context.observer.links;
    let exited =
        |incarnation: &Incarnation| !running.contains(incarnation) && !links.ended.contains(incarnation);
    let pairs = links.links.values().flat_map(|(one, other)| [(*one, *other), (*other, *one)]);
    let left = pairs.filter(|(lives, gone)| running.contains(lives) && exited(gone));
    let problems: Vec<String> = left
        .map(|(lives, gone)| format!("{lives} is linked with {gone}, which has exited, and lives on"))
        .collect();
    for problem in problems {
        world.context.observer.broken("links", problem);
    }
}
