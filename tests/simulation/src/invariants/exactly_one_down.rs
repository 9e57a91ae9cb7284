//! Who watches an incarnation and lives on is told of its exit, once.
//!
//! Nodes do not know which incarnation a watch is of before their head has told them: what is asked for is the `Down` of that
//! one, or else of the one that was the latest when the node told its head of the watch last. A head may name a later one as
//! long as the one before has begun nothing.

use crate::process::ProcessId;
use crate::world::World;
use mobula_types::actor::Down;
use mobula_types::{ActorId, Epoch, Incarnation, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// A watch: the process of its node, and its number there.
type WatchKey = (ProcessId, u64);

#[derive(Debug)]
struct Watch {
    driver: usize,
    over: bool,
    downs: usize,
}

/// The watches of drivers.
#[derive(Default, Debug)]
pub(super) struct ExactlyOneDown {
    watches: BTreeMap<WatchKey, Watch>,
    /// What was watched, and which incarnation was the latest on record, when a leader heard of a watch. The leader may have
    /// granted one more by then.
    heard: BTreeMap<WatchKey, (ActorId, Epoch)>,
    /// Which incarnation each is of, as its node was told last.
    bound: BTreeMap<WatchKey, Epoch>,
    begun: BTreeSet<Incarnation>,
    processes: BTreeMap<NodeId, ProcessId>,
}

impl ExactlyOneDown {
    pub(super) fn restored(&mut self) {
        self.heard.clear();
        self.bound.clear();
        self.begun.clear();
    }

    pub(super) fn begins(&mut self, incarnation: Incarnation) {
        self.begun.insert(incarnation);
    }

    pub(super) fn bound(&mut self, home: ProcessId, number: u64, epoch: Epoch) -> Result<(), String> {
        let before = self.bound.insert((home, number), epoch);
        let Some((actor, heard)) = self.heard.get_mut(&(home, number)) else { return Ok(()) };
        *heard = epoch.max(*heard);
        let Some(before) = before else { return Ok(()) };
        let (first, end) =
            (Incarnation { actor: *actor, epoch: before }, Incarnation { actor: *actor, epoch });
        match self.begun.range(first..end.max(first)).next() {
            Some(begun) => {
                Err(format!("watch {number} of {begun} is of {end} now, without a word of its exit"))
            }
            None => Ok(()),
        }
    }

    pub(super) fn node_started(&mut self, node: NodeId, process: ProcessId) {
        self.processes.insert(node, process);
    }

    pub(super) fn watching(&mut self, home: ProcessId, number: u64, driver: usize) {
        self.watches.entry((home, number)).or_insert(Watch { driver, over: false, downs: 0 });
    }

    pub(super) fn heard(&mut self, node: &NodeId, number: u64, target: ActorId, epoch: Epoch) {
        if let Some(process) = self.processes.get(node) {
            self.heard.insert((*process, number), (target, epoch));
        }
    }

    pub(super) fn down(&mut self, home: ProcessId, down: &Down) -> Result<(), String> {
        let Some(watch) = self.watches.get_mut(&(home, down.number)) else {
            return Err(format!("{down:?} comes for no watch of {home:?}"));
        };
        watch.downs += 1;
        if watch.downs > 1 {
            return Err(format!("{down:?} is told again"));
        }
        Ok(())
    }

    pub(super) fn session_over(&mut self, driver: usize) {
        self.watches.values_mut().filter(|watch| watch.driver == driver).for_each(|watch| watch.over = true);
    }
}

/// A living watch without a `Down` watches what has not exited since.
pub(super) fn check(world: &mut World) {
    let hosted = world.running();
    let watches = &world.context.observer.exactly_one_down;
    let waiting = watches.watches.iter().filter(|(_, watch)| !watch.over && watch.downs == 0);
    let missed = waiting.filter_map(|(key, _)| {
        let (target, epoch) = watches.heard.get(key)?;
        let lives = hosted.iter().any(|running| running.actor == *target && running.epoch.0 <= epoch.0 + 1);
        (!lives).then(|| format!("watch {} of {target:?} (epoch {epoch}) hears of no exit", key.1))
    });
    let missed: Vec<String> = missed.collect();
    for problem in missed {
        world.context.observer.broken("exactly_one_down", problem);
    }
}
