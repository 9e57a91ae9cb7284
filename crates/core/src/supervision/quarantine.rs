//! Records that cannot be read, and what hangs from them: left alone. Nothing of them is written, started or stopped, their
//! names and ids stay taken, and what runs under them goes on. Whoever mends the records has the next head take them up.

use super::lead::Inheritance;
use super::nodes::Standing;
use super::outbox::Said;
use super::{Job, Supervision};
use mobula_types::actor::{ActorLocation, ActorState, Location, SpecKey};
use mobula_types::{ActorId, ExitReason, Failure, FailureKind, Incarnation, NodeId};
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};

/// What is in the registry and cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Unreadable {
    /// Actors.
    pub actors: Vec<ActorId>,
    /// Supervisors. What is below them is left alone too.
    pub supervisors: Vec<ActorId>,
    /// Specs. Actors that were started from them are left alone too.
    pub specs: Vec<SpecKey>,
}

/// The actors and supervisors that are left alone: as many as the registry had when this head began to lead.
#[derive(Clone, Default, Debug)]
pub(super) struct Quarantine {
    left_alone: BTreeMap<ActorId, LeftAlone>,
}

/// What a head comes to know of one of them.
#[derive(Clone, Default, Debug)]
struct LeftAlone {
    /// The incarnation that a node says it has.
    found: Option<(NodeId, Incarnation, ActorState)>,
    /// Why it exited, where that was reported.
    exit: Option<(Incarnation, ExitReason)>,
    /// Nodes that are told where it is.
    listeners: SmallVec<[NodeId; 1]>,
}

impl Supervision {
    /// Takes from an inheritance what is left alone.
    pub(super) fn set_apart(&mut self, inheritance: &mut Inheritance) {
        let unreadable = std::mem::take(&mut inheritance.unreadable);
        let specs: BTreeSet<SpecKey> = unreadable.specs.into_iter().collect();
        let mut apart: BTreeSet<ActorId> = unreadable.actors.into_iter().collect();
        apart.extend(unreadable.supervisors);
        if apart.is_empty() && specs.is_empty() {
            return;
        }
        // What the unreadable were started from is not known, so whatever is there stays.
        self.specs.keep_all();
        loop {
            let before = apart.len();
            for record in &inheritance.supervisors {
                let below = record.child.as_ref().is_some_and(|child| apart.contains(&child.supervisor));
                if below || record.pattern.as_ref().is_some_and(|(_, spec)| specs.contains(spec)) {
                    apart.insert(record.supervisor);
                }
            }
            // As many times as trees have levels.
            if apart.len() == before {
                break;
            }
        }
        for record in inheritance.actors.iter().filter(|record| !record.dead) {
            let below = record.child.as_ref().is_some_and(|child| apart.contains(&child.supervisor));
            if below || specs.contains(&record.spec) {
                apart.insert(record.actor);
            }
        }
        let jobs = inheritance.actors.iter().map(|record| (record.actor, record.job));
        let jobs = jobs.chain(inheritance.supervisors.iter().map(|record| (record.supervisor, record.job)));
        for (_, job) in jobs.filter(|(id, _)| apart.contains(id)) {
            self.jobs.entry(job).or_insert(Job { ended: true, ..Job::default() }).users += 1;
        }
        inheritance.actors.retain(|record| !apart.contains(&record.actor));
        inheritance.supervisors.retain(|record| !apart.contains(&record.supervisor));
        self.quarantine.left_alone = apart.into_iter().map(|id| (id, LeftAlone::default())).collect();
    }

    /// The actors and supervisors that are left alone, because their records or those above them cannot be read.
    pub fn left_alone(&self) -> impl ExactSizeIterator<Item = ActorId> {
        self.quarantine.left_alone.keys().copied()
    }

    pub(super) fn is_left_alone(&self, id: ActorId) -> bool {
        self.quarantine.left_alone.contains_key(&id)
    }

    /// Why nothing can be done with one that is left alone.
    pub(super) fn check_readable(&self, id: ActorId) -> Result<(), Failure> {
        if !self.is_left_alone(id) {
            return Ok(());
        }
        let text = format!(
            "the record of {id}, or of what it belongs to, cannot be read: it is left alone; restore it in the registry"
        );
        Err(Failure::new(FailureKind::Unavailable, text))
    }

    /// A node says that it has one.
    pub(super) fn found(&mut self, node: &NodeId, incarnation: Incarnation, state: ActorState) {
        let Some(known) = self.quarantine.left_alone.get_mut(&incarnation.actor) else { return };
        let older = |(_, of, _): &(NodeId, Incarnation, ActorState)| of.epoch <= incarnation.epoch;
        if known.found.as_ref().is_none_or(older) {
            known.found = Some((node.clone(), incarnation, state));
            self.observers.touch(incarnation.actor);
            self.tell_left_alone(incarnation.actor);
        }
    }

    /// A node says that one has exited: whoever watches hears of it.
    pub(super) fn left_alone_exited(&mut self, incarnation: Incarnation, reason: &ExitReason) {
        let Some(known) = self.quarantine.left_alone.get_mut(&incarnation.actor) else { return };
        if known.exit.as_ref().is_some_and(|(said, _)| *said == incarnation) {
            return;
        }
        known.found = known.found.take().filter(|(_, found, _)| *found != incarnation);
        known.exit = Some((incarnation, reason.clone()));
        self.observers.touch(incarnation.actor);
        self.say_downs(incarnation, reason, 0);
        self.tell_left_alone(incarnation.actor);
    }

    /// A node is lost, and what it had of them.
    pub(super) fn left_alone_lost(&mut self, node: &NodeId, reason: &ExitReason) {
        let there = self.quarantine.left_alone.values().filter_map(|known| known.found.as_ref());
        let there = there.filter(|(of, ..)| of == node).map(|(_, incarnation, _)| *incarnation);
        for incarnation in there.collect::<Vec<_>>() {
            self.left_alone_exited(incarnation, reason);
        }
    }

    pub(super) fn listen_to_left_alone(&mut self, node: &NodeId, id: ActorId) {
        if let Some(known) = self.quarantine.left_alone.get_mut(&id) {
            known.listeners.retain(|listener| listener != node);
            known.listeners.push(node.clone());
        }
    }

    fn tell_left_alone(&mut self, id: ActorId) {
        let known = self.quarantine.left_alone.get(&id);
        let Some(location) = self.location_of_left_alone(id) else { return };
        let listeners = known.map(|known| known.listeners.clone()).unwrap_or_default();
        for node in listeners {
            let location = ActorLocation { actor: id, location: location.clone() };
            self.say(0, Said::Located(node, location));
        }
    }

    pub(super) fn location_of_left_alone(&self, id: ActorId) -> Option<Location> {
        let known = self.quarantine.left_alone.get(&id)?;
        Some(match (&known.found, &known.exit) {
            (Some((node, incarnation, ActorState::Running)), _) if self.is_there(node) => {
                Location::At { node: node.clone(), incarnation: *incarnation }
            }
            (None, Some((incarnation, reason))) => {
                Location::Dead { incarnation: *incarnation, reason: reason.clone() }
            }
            (_, exit) => Location::Pending { last: exit.clone() },
        })
    }

    fn is_there(&self, node: &NodeId) -> bool {
        self.nodes.get(node).is_some_and(|known| known.standing != Standing::Lost)
    }

    /// The incarnation of one that is left alone, and why it exited if it did.
    pub(super) fn moment_of_left_alone(
        &self,
        id: ActorId,
    ) -> Option<(Option<Incarnation>, Option<ExitReason>)> {
        let known = self.quarantine.left_alone.get(&id)?;
        Some(match (&known.found, &known.exit) {
            (Some((_, incarnation, _)), _) => (Some(*incarnation), None),
            (None, Some((incarnation, reason))) => (Some(*incarnation), Some(reason.clone())),
            (None, None) => (None, None),
        })
    }

    /// What nodes have said last of one that is left alone; `None` where none has said anything.
    pub(super) fn said_of_left_alone(
        &self,
        id: ActorId,
    ) -> Option<(Incarnation, Option<NodeId>, ActorState, Option<ExitReason>)> {
        let known = self.quarantine.left_alone.get(&id)?;
        let last = known.exit.as_ref().map(|(_, reason)| reason.clone());
        match (&known.found, &known.exit) {
            (Some((node, incarnation, state)), _) => Some((*incarnation, Some(node.clone()), *state, last)),
            (None, Some((incarnation, _))) => Some((*incarnation, None, ActorState::Dead, last)),
            (None, None) => None,
        }
    }
}
