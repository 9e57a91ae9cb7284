//! The choice among the nodes that could run a task.

use super::feasible::Missing;
use super::model::NodeModel;
use super::{Placement, PlacementRequest};
use mobula_types::{NodeName, Strategy};
use std::cmp::Reverse;

/// Half full, in millionths.
const HALF: u64 = 500_000;

/// A node, what fits into what is free there, and how many bytes of the arguments it holds.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    name: &'a NodeName,
    node: &'a NodeModel,
    room: u64,
    bytes: u64,
    local: bool,
}

impl Placement {
    /// The node and how many of the tasks it gets; `None` to wait.
    pub(super) fn solve(&self, request: &PlacementRequest<'_>) -> Result<Option<(NodeName, u32)>, Missing> {
        if self.nodes.is_empty() {
            return Ok(None);
        }
        let nodes = self.feasible(request)?;
        let wanted = u64::from(request.wanted.max(1));
        if let [(name, node)] = nodes[..] {
            return Ok(self.only(name, node, request, wanted));
        }
        let free = self.candidates(&nodes, request, |node| node.fit(request.resources, wanted));
        let chosen = match (free.is_empty(), request.strategy) {
            (true, _) => {
                let queues = self
                    .candidates(&nodes, request, |node| node.room_ahead(request.resources, request.ahead));
                shortest_queue(&queues, wanted).or_else(|| {
                    let room = |node: &NodeModel| node.room_beside(request.resources, request.due);
                    shortest_queue(&self.candidates(&nodes, request, room), wanted)
                })
            }
            (false, Strategy::Spread) => fewest_tasks(&free, request, wanted),
            (false, _) => pack_then_level(&free, request, wanted),
        };
        Ok(chosen.map(|(name, count)| (name.clone(), count.clamp(1, wanted) as u32)))
    }

    /// With one node there is nothing to weigh: what is free and what may queue is given at once.
    fn only(
        &self,
        name: &NodeName,
        node: &NodeModel,
        request: &PlacementRequest<'_>,
        wanted: u64,
    ) -> Option<(NodeName, u32)> {
        let free = node.fit(request.resources, wanted);
        let ahead = node.room_ahead(request.resources, request.ahead);
        let count = match free.max(ahead) {
            0 => node.room_beside(request.resources, request.due),
            count => count,
        };
        let count = count.min(wanted);
        (count > 0).then(|| (name.clone(), count as u32))
    }

    /// The nodes with room that hold the most bytes of the arguments: all of them where there are no large arguments.
    fn candidates<'a>(
        &self,
        nodes: &[(&'a NodeName, &'a NodeModel)],
        request: &PlacementRequest<'_>,
        room: impl Fn(&NodeModel) -> u64,
    ) -> Vec<Candidate<'a>> {
        let bytes_on = |node: &NodeModel| {
            request.locality.iter().filter(|(id, _)| *id == node.info.id).map(|(_, bytes)| *bytes).sum()
        };
        let mut found: Vec<Candidate<'a>> = nodes
            .iter()
            .map(|(name, node)| Candidate {
                name,
                node,
                room: room(node),
                bytes: bytes_on(node),
                local: node.info.id == self.local,
            })
            .filter(|candidate| candidate.room > 0)
            .collect();
        let most = found.iter().map(|candidate| candidate.bytes).max().unwrap_or(0);
        if !matches!(request.strategy, Strategy::Spread) {
            found.retain(|candidate| candidate.bytes == most);
        }
        found
    }
}

/// Until it is half full, the local node, then the fullest of the others; then the least full, up to the next one
/// or its share of the tasks.
fn pack_then_level<'a>(
    free: &[Candidate<'a>],
    request: &PlacementRequest<'_>,
    wanted: u64,
) -> Option<(&'a NodeName, u64)> {
    let need = request.resources;
    let below_half = free.iter().filter(|candidate| candidate.node.fullness(need, 1) <= HALF);
    let packed = below_half.min_by_key(|candidate| {
        (!candidate.local, Reverse(candidate.node.fullness(need, 0)), candidate.name)
    });
    if let Some(candidate) = packed {
        let count = largest(candidate.room, |count| candidate.node.fullness(need, count) <= HALF);
        return Some((candidate.name, count));
    }
    let order = |candidate: &&Candidate<'a>| {
        (candidate.node.fullness(need, 0), candidate.node.level(), !candidate.local, candidate.name)
    };
    let least = free.iter().min_by_key(order)?;
    let next = free.iter().filter(|other| other.name != least.name).min_by_key(order);
    let level = next.map_or(u64::MAX, |next| next.node.fullness(need, 0));
    let count = largest(least.room, |count| least.node.fullness(need, count) <= level);
    Some((least.name, count.max(fair_share(least, free, wanted)).min(least.room)))
}

/// The node with the fewest tasks of the function; of those, the one that has waited longest for its turn. Up to the next
/// one's number, or its share.
fn fewest_tasks<'a>(
    free: &[Candidate<'a>],
    request: &PlacementRequest<'_>,
    wanted: u64,
) -> Option<(&'a NodeName, u64)> {
    let of = request.spread_key();
    let tasks = |candidate: &Candidate<'_>| candidate.node.spread(&of);
    let fewest =
        free.iter().min_by_key(|candidate| (tasks(candidate), candidate.node.last_turn, candidate.name))?;
    let others = free.iter().filter(|other| other.name != fewest.name);
    let next = others.map(tasks).min().unwrap_or(u64::MAX);
    let count = next.saturating_sub(tasks(fewest)).max(fair_share(fewest, free, wanted));
    Some((fewest.name, count.clamp(1, fewest.room)))
}

/// The node whose queue is shortest for its size, up to one task per slot more than the next one's, or
/// its share.
fn shortest_queue<'a>(queues: &[Candidate<'a>], wanted: u64) -> Option<(&'a NodeName, u64)> {
    let shortest =
        queues.iter().min_by_key(|candidate| (candidate.node.level(), !candidate.local, candidate.name))?;
    let others = queues.iter().filter(|other| other.name != shortest.name);
    let next = others.map(|other| other.node.level()).min().unwrap_or(u64::MAX / 2);
    let slots = shortest.node.slots();
    let difference = next.saturating_sub(shortest.node.level()) as u128 * u128::from(slots) / 1000;
    let count = u64::try_from(difference).unwrap_or(u64::MAX).saturating_add(slots);
    Some((shortest.name, count.max(fair_share(shortest, queues, wanted)).clamp(1, shortest.room)))
}

/// A candidate's part of the tasks by its size, so that many tasks need few calls.
fn fair_share(candidate: &Candidate<'_>, candidates: &[Candidate<'_>], wanted: u64) -> u64 {
    let slots: u64 = candidates.iter().map(|candidate| candidate.node.slots()).sum();
    wanted.saturating_mul(candidate.node.slots()) / slots.max(1)
}

/// The largest count from 1 to `most` for which it holds; 1 where it never does. It must hold for all smaller ones.
fn largest(most: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (1, most.max(1));
    while low < high {
        let middle = high - (high - low) / 2;
        if holds(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}
