//! At most one incarnation of an actor holds a valid lease, and none begins anything once a later one has begun.

use super::Observer;
use crate::process::ProcessId;
use crate::random::Random;
use crate::world::World;
use mobula_types::{ActorId, Epoch, Incarnation, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// What was granted and what has begun.
#[derive(Default, Debug)]
pub(super) struct OneIncarnation {
    granted: BTreeMap<Incarnation, NodeId>,
    latest: BTreeMap<ActorId, Epoch>,
    begun: BTreeMap<ActorId, (Epoch, ProcessId)>,
    fresh: Vec<Incarnation>,
    ended: BTreeSet<Incarnation>,
    actors: Vec<ActorId>,
}

impl OneIncarnation {
    /// What was granted before does not count any more: its nodes fence themselves as they hear of the later registry.
    pub(super) fn restored(&mut self) {
        self.granted.clear();
        self.latest.clear();
        self.begun.clear();
        self.fresh.clear();
    }

    pub(super) fn granted(&mut self, incarnation: Incarnation, node: &NodeId) -> Result<(), String> {
        let latest = self.latest.entry(incarnation.actor).or_insert_with(|| {
            self.actors.push(incarnation.actor);
            Epoch(0)
        });
        *latest = incarnation.epoch.max(*latest);
        let before = self.granted.insert(incarnation, node.clone());
        match before.filter(|before| before != node) {
            Some(before) => Err(format!("{incarnation} is granted to {node}, and was to {before}")),
            None => Ok(()),
        }
    }

    pub(super) fn latest_grant(&self, actor: ActorId) -> Option<Incarnation> {
        self.latest.get(&actor).map(|epoch| Incarnation { actor, epoch: *epoch })
    }

    pub(super) fn any_actor(&self, random: &mut Random) -> Option<ActorId> {
        random.pick(&self.actors).copied()
    }

    pub(super) fn begins(&mut self, incarnation: Incarnation, process: ProcessId) -> Result<(), String> {
        self.turn_begins(incarnation)?;
        let before = self.begun.insert(incarnation.actor, (incarnation.epoch, process));
        self.fresh.push(incarnation);
        match before {
            Some((epoch, before)) if epoch == incarnation.epoch => {
                Err(format!("{incarnation} begins in {process:?}, and has begun in {before:?}"))
            }
            _ => Ok(()),
        }
    }

    /// An incarnation begins something.
    pub(super) fn turn_begins(&self, incarnation: Incarnation) -> Result<(), String> {
        match self.begun.get(&incarnation.actor) {
            Some((later, _)) if *later > incarnation.epoch => {
                Err(format!("{incarnation} begins something, and epoch {later} has begun"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn ends(&mut self, incarnation: Incarnation) {
        self.ended.insert(incarnation);
    }

    pub(super) fn take_begun(&mut self) -> Vec<Incarnation> {
        std::mem::take(&mut self.fresh)
    }
}

/// Whether some other incarnation of what has just begun is hosted by a node whose lease lasts by its own clock.
pub(super) fn check(world: &mut World) {
    let begun = world.context.observer.take_begun();
    if begun.is_empty() {
        return;
    }
    let mut problems = Vec::new();
    for node in world.nodes.iter().flatten() {
        if world.context.observer.is_of_earlier_registry(node.id) {
            continue;
        }
        for hosted in node.hosted(&world.context) {
            let other = |begun: &&Incarnation| {
                begun.actor == hosted.incarnation.actor && begun.epoch > hosted.incarnation.epoch
            };
            if let Some(begun) = begun.iter().find(other) {
                let on = node.machines.as_ref().map(|machines| machines.node.clone());
                problems.push(format!("{begun} has begun, and {} is on {on:?}", hosted.incarnation));
            }
        }
    }
    for problem in problems {
        world.context.observer.broken("one_incarnation", problem);
    }
}

impl Observer {
    /// What has to do with the whole world, after everything that happens.
    pub(crate) fn look(world: &mut World) {
        check(world);
        super::fenced_nodes::check(world);
    }

    /// What must be so once everything has come to rest.
    pub(crate) fn look_at_the_end(world: &mut World) {
        super::nothing_waits::check(world);
        super::strategies::check(world);
        super::exactly_one_down::check(world);
        super::links::check(world);
    }
}
