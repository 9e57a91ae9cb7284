//! Grants: which incarnation runs where, and how it is told to start and to stop.

use super::Supervision;
use super::actor::{Actor, Phase, Stop};
use super::nodes::Standing;
use super::outbox::Said;
use super::place::Wish;
use super::supervisor::Trial;
use mobula_types::actor::{ActorSpec, ChildShutdown, Placement, StopActor};
use mobula_types::frame::Input;
use mobula_types::{ActorId, ExitKind, ExitReason, Incarnation, NodeId, StoredValue};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;

/// Actors that wait for a node, those alike together: where one finds none, the others need not try.
#[derive(Clone, Default, Debug)]
pub(super) struct Pending {
    groups: BTreeMap<Alike, BTreeSet<ActorId>>,
    /// Whether there may be room for one of them.
    pub(super) retry: bool,
}

/// What placement follows from: a hash of what the actor needs, and its supervisor where that has wishes.
type Alike = (u64, Option<ActorId>);

impl Supervision {
    pub(super) fn wish<'a>(&self, actor: &'a Actor) -> Wish<'a> {
        let placement = |id: ActorId| self.supervisors.get(&id).map(|supervisor| supervisor.rules.placement);
        Wish {
            spec: &actor.spec,
            has_executable: self.jobs.get(&actor.spec.job).is_some_and(|job| job.has_executable),
            supervisor: actor
                .child
                .map(|(supervisor, _)| (supervisor, placement(supervisor).unwrap_or_default())),
            before: actor.node.as_ref(),
        }
    }

    fn alike(&self, actor: &Actor) -> Alike {
        let wish = self.wish(actor);
        let supervisor = wish.supervisor.filter(|(_, placement)| *placement != Placement::Default);
        let options = &actor.spec.template.options;
        let function = &actor.spec.template.function;
        let needs = (&options.resources, &options.strategy, actor.spec.job, function);
        (foldhash::fast::FixedState::default().hash_one(needs), supervisor.map(|(supervisor, _)| supervisor))
    }

    /// Grants an actor its next epoch, now or as soon as it can be.
    pub(super) fn launch(&mut self, id: ActorId) {
        let Some(actor) = self.actors.get(&id) else { return };
        if actor.is_granted() || self.is_to_stop(actor.child) {
            return;
        }
        if self.is_kept(id, actor) {
            return self.set_phase(id, Phase::Idle);
        }
        if let Some(node) = self.unfenced(actor) {
            self.set_phase(id, Phase::Idle);
            if let Some(node) = self.nodes.get_mut(&node) {
                node.after_fence.insert(id);
            }
            return;
        }
        if !actor.has_arguments {
            if let Some((_, reason)) = actor.last.as_ref().filter(|_| actor.child.is_none()) {
                // It was to be moved, by a head that knew its arguments. Its creation is over, and nobody makes it again.
                return self.bury(id, reason.clone());
            }
            self.set_phase(id, Phase::Pending);
            self.without_arguments.insert(id);
            return;
        }
        match self.placer.choose(&self.wish(actor)) {
            Some(node) => self.grant(id, node),
            None => {
                let alike = self.alike(actor);
                self.pending.groups.entry(alike).or_default().insert(id);
                self.set_phase(id, Phase::Pending);
            }
        }
    }

    /// Whether a supervisor above a child is stopping what the child is or is in: what is stopped soon is not started before.
    pub(super) fn is_to_stop(&self, child: Option<(ActorId, u64)>) -> bool {
        let above = |(id, ordinal)| self.supervisors.get(&id).map(|supervisor| (supervisor, ordinal));
        let mut next = child.and_then(above);
        while let Some((supervisor, ordinal)) = next {
            if supervisor.is_stopping(ordinal) {
                return true;
            }
            next = supervisor.parent.and_then(above);
        }
        false
    }

    /// The node that its last incarnation was lost with, while that may still run.
    fn unfenced(&self, actor: &Actor) -> Option<NodeId> {
        let (epoch, reason) = actor.last.as_ref()?;
        let node = actor.node.as_ref()?;
        let lost = *epoch == actor.epoch && reason.kind() == ExitKind::NodeLost;
        let waits = lost && self.nodes.get(node).is_some_and(|known| known.standing == Standing::Lost);
        waits.then(|| node.clone())
    }

    pub(super) fn set_phase(&mut self, id: ActorId, phase: Phase) {
        let wall = self.wall_millis;
        if let Some(actor) = self.actors.get_mut(&id)
            && actor.phase != phase
        {
            actor.phase = phase;
            actor.since_millis = wall;
            self.observers.touch(id);
        }
    }

    fn grant(&mut self, id: ActorId, node: NodeId) {
        self.no_longer_pending(id);
        let Some(actor) = self.actors.get(&id) else { return };
        let (child, wish) = (actor.child, self.wish(actor));
        let mut placer = std::mem::take(&mut self.placer);
        placer.take(&node, &wish);
        self.placer = placer;
        if let Some(known) = self.nodes.get_mut(&node) {
            known.actors.insert(id);
        }
        let Some(actor) = self.actors.get_mut(&id) else { return };
        actor.epoch = actor.epoch.next();
        actor.restarts += u64::from(actor.epoch.0 > 1);
        actor.node = Some(node);
        actor.stop = None;
        actor.again = false;
        let epoch = actor.epoch;
        self.set_phase(id, Phase::Granted);
        self.no_longer_deferred(child);
        self.mark_actor(id);
        self.rebind_watches(id, epoch);
        self.granted(id);
    }

    /// Where its turn has come, it starts.
    fn granted(&mut self, id: ActorId) {
        let Some((supervisor, ordinal)) = self.actors.get(&id).and_then(|actor| actor.child) else {
            return self.order_start(id);
        };
        let Some(supervisor) = self.supervisors.get(&supervisor) else { return };
        let turn = supervisor.decision.as_ref().is_none_or(|decision| decision.cursor == ordinal);
        let waits = supervisor.is_stopping(ordinal) || (supervisor.is_starting(ordinal) && !turn);
        if !waits {
            self.order_start(id);
        }
    }

    pub(super) fn order_start(&mut self, id: ActorId) {
        self.set_phase(id, Phase::Starting);
        let Some(actor) = self.actors.get(&id) else { return };
        let (write, incarnation) = (actor.write.max(self.write_of_supervisor(actor)), actor.incarnation(id));
        self.say(write, Said::Start(incarnation));
    }

    fn write_of_supervisor(&self, actor: &Actor) -> u64 {
        let supervisor = actor.child.and_then(|(supervisor, _)| self.supervisors.get(&supervisor));
        supervisor.map_or(0, |supervisor| supervisor.write)
    }

    /// Takes it from those that wait for a node.
    pub(super) fn no_longer_pending(&mut self, id: ActorId) {
        self.without_arguments.remove(&id);
        let Some(actor) = self.actors.get(&id).filter(|actor| actor.phase == Phase::Pending) else { return };
        let alike = self.alike(actor);
        if let Some(group) = self.pending.groups.get_mut(&alike) {
            group.remove(&id);
            if group.is_empty() {
                self.pending.groups.remove(&alike);
            }
        }
    }

    /// Gives up waiting for a node, or a grant that no node knows of. Whether nothing is in force any more.
    pub(super) fn withdraw(&mut self, id: ActorId) -> bool {
        match self.actors.get(&id).map(|actor| actor.phase) {
            Some(Phase::Pending) => {
                self.no_longer_pending(id);
                self.set_phase(id, Phase::Idle);
                true
            }
            Some(Phase::Granted) => {
                self.grant_over(id);
                self.mark_actor(id);
                true
            }
            Some(Phase::Isolated) => {
                self.give_up_isolated(id);
                true
            }
            Some(Phase::Idle) | None => true,
            Some(Phase::Starting | Phase::Running | Phase::Unknown) => false,
        }
    }

    /// The node has nothing of it any more.
    pub(super) fn grant_over(&mut self, id: ActorId) {
        let Some(actor) = self.actors.get(&id) else { return };
        let wish = self.wish(actor);
        let mut placer = std::mem::take(&mut self.placer);
        if let Some(node) = &actor.node {
            placer.give_back(node, &wish);
        }
        self.placer = placer;
        // What needs nothing and is in nobody's way makes no room by going.
        let placed = wish.supervisor.is_some_and(|(_, placement)| placement != Placement::Default);
        self.pending.retry |= placed || !wish.spec.template.options.resources.is_empty();
        if let Some(node) = actor.node.as_ref().and_then(|node| self.nodes.get_mut(node)) {
            node.actors.remove(&id);
        }
        self.set_phase(id, Phase::Idle);
    }

    /// Tries again to place those that wait, if that may help.
    pub(super) fn place_pending(&mut self) {
        if !std::mem::take(&mut self.pending.retry) {
            return;
        }
        let mut next = self.pending.groups.keys().next().copied();
        while let Some(alike) = next {
            while let Some(id) = self.pending.groups.get(&alike).and_then(|group| group.first().copied()) {
                let Some(actor) = self.actors.get(&id) else { break };
                match self.placer.choose(&self.wish(actor)) {
                    Some(node) => self.grant(id, node),
                    None => break,
                }
            }
            let after = (std::ops::Bound::Excluded(alike), std::ops::Bound::Unbounded);
            next = self.pending.groups.range(after).next().map(|(alike, _)| *alike);
        }
    }

    /// Tells an actor to stop; where it was told before, only what leaves it less time counts. Whether there will be an exit:
    /// nothing that runs, nothing that exits.
    pub(super) fn order_stop(
        &mut self,
        id: ActorId,
        shutdown: ChildShutdown,
        reason: ExitReason,
        after: u64,
    ) -> bool {
        if self.withdraw(id) {
            return false;
        }
        let stop = Stop::new(self.now, shutdown, reason);
        let Some(actor) = self.actors.get_mut(&id) else { return false };
        if actor.stop.as_ref().is_some_and(|before| before.dead_at <= stop.dead_at) {
            return true;
        }
        actor.stop = Some(Box::new(stop));
        actor.since_millis = self.wall_millis;
        self.observers.touch(id);
        self.say_stop(id, after);
        true
    }

    /// Says the order to stop that is in force, once more.
    pub(super) fn say_stop(&mut self, id: ActorId, after: u64) {
        let Some(actor) = self.actors.get(&id) else { return };
        let (Some(stop), Some(node)) = (&actor.stop, &actor.node) else { return };
        let order = StopActor {
            incarnation: actor.incarnation(id),
            shutdown: stop.shutdown,
            reason: stop.reason.clone(),
        };
        let (node, after) = (node.clone(), after.max(actor.write));
        self.say(after, Said::Stop(node, order));
    }

    /// An incarnation has started.
    pub(super) fn started(&mut self, incarnation: Incarnation) {
        let (id, now, keep) = (incarnation.actor, self.now, self.options.keep_arguments);
        let Some(actor) = self.actors.get_mut(&id).filter(|actor| actor.epoch == incarnation.epoch) else {
            return;
        };
        if !matches!(actor.phase, Phase::Starting | Phase::Unknown) {
            return;
        }
        actor.started = now;
        let child = actor.child;
        if child.is_none() && actor.has_arguments && !are_kept(&actor.spec, keep) {
            actor.has_arguments = false;
            let kept = self.specs.get(actor.key).cloned();
            actor.spec = kept.unwrap_or_else(|| actor.spec.clone());
        }
        self.set_phase(id, Phase::Running);
        self.moved.insert(id);
        self.say_links(id);
        if let Some((supervisor, ordinal)) = child {
            self.child_started(supervisor, ordinal);
        }
    }

    /// A constructor wanted no actor.
    pub(super) fn ignored(&mut self, incarnation: Incarnation) {
        let id = incarnation.actor;
        let Some(actor) = self.actors.get(&id) else { return };
        if actor.epoch != incarnation.epoch || !matches!(actor.phase, Phase::Starting | Phase::Unknown) {
            return;
        }
        let child = actor.child;
        let reason = ExitReason::of(ExitKind::Normal);
        self.grant_over(id);
        if let Some(actor) = self.actors.get_mut(&id) {
            actor.last = Some((incarnation.epoch, reason.clone()));
            actor.stop = None;
        }
        let Some((supervisor, ordinal)) = child else {
            return self.bury(id, reason);
        };
        self.moved.insert(id);
        if let Some(child) = self.child_mut(supervisor, ordinal) {
            child.state = mobula_types::actor::ChildState::Ignored;
            child.terminating = false;
        }
        let write = self.mark_actor(id);
        self.say_downs(incarnation, &reason, write);
        self.child_started(supervisor, ordinal);
    }

    /// A child has started, or wanted none.
    pub(super) fn child_started(&mut self, supervisor: ActorId, ordinal: u64) {
        let Some(child) = self.child_mut(supervisor, ordinal) else { return };
        child.trial = Trial::None;
        let id = child.actor;
        self.answer_started(supervisor, ordinal, id);
        self.advance(supervisor);
    }
}

/// Whether an actor without a supervisor keeps its arguments beyond its start: those that are here, and are small. A stored
/// value may be gone once its creation is over.
fn are_kept(spec: &ActorSpec, most: usize) -> bool {
    let inline = |input: &Input| match &input.value {
        StoredValue::Inline(payload) => Some(payload.len()),
        StoredValue::Stored(_) => None,
    };
    let inputs: Option<usize> = spec.inputs.iter().map(inline).sum();
    inputs.is_some_and(|inputs| spec.arguments.len() + inputs <= most)
}
