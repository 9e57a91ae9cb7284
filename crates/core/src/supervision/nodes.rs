//! Nodes come, part, drain and die, and tell what they have.

use super::Supervision;
use super::actor::Phase;
use super::inventory::Inventory;
use super::outbox::Said;
use mobula_types::actor::{ActorReport, ActorState, ChildShutdown, ExitReport, HostedActor, LinkDown, Watch};
use mobula_types::{ActorId, ClusterView, ExitKind, ExitReason, Incarnation, NodeId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How a node stands towards this head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// It lives, as far as is known, and cannot be told anything.
    Parted,
    /// It has joined; what it has is not known yet, and nothing is decided about that.
    Joining,
    /// It takes part.
    Joined,
    /// It is dead, and not everybody knows.
    Lost,
}

/// A node that may have actors.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) standing: Standing,
    pub(super) draining: bool,
    /// Actors whose grant is in force there.
    pub(super) actors: BTreeSet<ActorId>,
    /// Actors that start again once the node is fenced.
    pub(super) after_fence: BTreeSet<ActorId>,
    /// The latest ends of links of its actors, and the writes that have them. It is told of them again when it joins again,
    /// and knows those that it has heard of.
    pub(super) link_downs: VecDeque<(u64, LinkDown)>,
    /// Actors of whose places it could not be told: of those that it asked for before.
    pub(super) untold: BTreeSet<ActorId>,
    /// What has come of its inventory.
    pub(super) parts: Inventory,
}

impl Node {
    pub(super) fn new(standing: Standing, draining: bool) -> Self {
        let (actors, after_fence, untold) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        Node {
            standing,
            draining,
            actors,
            after_fence,
            link_downs: VecDeque::new(),
            untold,
            parts: Inventory::default(),
        }
    }
}

impl Supervision {
    pub(super) fn view_changed(&mut self, view: &ClusterView) {
        let changed = self.placer.set_view(view);
        if !changed.any {
            return;
        }
        let mut placer = std::mem::take(&mut self.placer);
        for node in &changed.new {
            for id in self.nodes.get(node).into_iter().flat_map(|known| &known.actors) {
                if let Some(actor) = self.actors.get(id) {
                    placer.adopt(node, &self.wish(actor));
                }
            }
        }
        for (node, known) in &self.nodes {
            placer.set_joined(node, known.standing == Standing::Joined && !known.draining);
        }
        self.placer = placer;
        self.pending.retry = true;
    }

    pub(super) fn node_joined(&mut self, node: NodeId) {
        let known = self.nodes.entry(node.clone()).or_insert_with(|| Node::new(Standing::Joining, false));
        if known.standing != Standing::Lost {
            known.standing = Standing::Joining;
            known.parts = Inventory::default();
            self.placer.set_joined(&node, false);
        }
        self.earlier_ones_are_gone(&node);
    }

    pub(super) fn node_parted(&mut self, node: &NodeId) {
        if let Some(known) = self.nodes.get_mut(node).filter(|known| known.standing != Standing::Lost) {
            known.standing = Standing::Parted;
            known.parts = Inventory::default();
            self.placer.set_joined(node, false);
        }
    }

    pub(super) fn reported(&mut self, node: &NodeId, report: ActorReport) {
        let standing = self.nodes.get(node).map(|known| known.standing);
        match (standing, report) {
            (_, ActorReport::Inventory { actors, exits, ignored, located, watches, last }) => {
                let part = Inventory { actors, exits, ignored, located, watches };
                self.inventory_part(node, part, last);
            }
            (Some(Standing::Joined), report) => self.report(node, report),
            // Its inventory says it again; a dead node says nothing that counts.
            _ => {}
        }
    }

    fn report(&mut self, node: &NodeId, report: ActorReport) {
        match report {
            ActorReport::Started(incarnations) => {
                for incarnation in incarnations {
                    if self.is_in_force(incarnation, node) {
                        self.started(incarnation);
                    }
                    self.found(node, incarnation, ActorState::Running);
                }
            }
            ActorReport::Ignored(incarnation) => self.ignored_reported(node, incarnation),
            ActorReport::Exited(exits) => self.exits_reported(node, exits),
            ActorReport::Locate(actors) => actors.into_iter().for_each(|id| self.locate(node, id)),
            ActorReport::Unlocate(actors) => actors.into_iter().for_each(|id| self.unlocate(node, id)),
            ActorReport::Unreferenced(actors) => actors.into_iter().for_each(|id| self.unreferenced(id)),
            ActorReport::Watch(watch) => self.watch(node, watch),
            ActorReport::Unwatch { number } => self.unwatch(node, number),
            ActorReport::Observe(all) => all.into_iter().for_each(|one| self.observe(node, one)),
            ActorReport::Unobserve { number } => self.unobserve(node, number),
            // Groups are kept beside this machine.
            ActorReport::Inventory { .. } | ActorReport::Groups(_) => {}
        }
    }

    pub(super) fn inventory(
        &mut self,
        node: &NodeId,
        actors: Vec<HostedActor>,
        (exits, ignored): (Vec<ExitReport>, Vec<Incarnation>),
        located: Vec<ActorId>,
        watches: Vec<Watch>,
    ) {
        let Some(known) = self.nodes.get_mut(node) else { return };
        known.standing = Standing::Joined;
        let (open, draining) = (!known.draining, known.draining);
        let mut link_downs = std::mem::take(&mut known.link_downs);
        let mut untold = std::mem::take(&mut known.untold);
        untold.extend(located);
        self.placer.set_joined(node, open);
        self.pending.retry = true;
        // What it observes, it says again in a moment.
        self.unobserve_node(node);
        // Watches first: an exit that is told here ends them.
        watches.into_iter().for_each(|watch| self.watch(node, watch));
        let exited: BTreeSet<Incarnation> = exits.iter().map(|exit| exit.incarnation).collect();
        let hosted: BTreeMap<Incarnation, ActorState> =
            actors.iter().map(|hosted| (hosted.incarnation, hosted.state)).collect();
        let in_force = |incarnation: &&Incarnation| self.is_in_force(**incarnation, node);
        let known =
            |incarnation: &&Incarnation| in_force(incarnation) || self.is_left_alone(incarnation.actor);
        let unknown = hosted.keys().filter(|incarnation| !known(incarnation)).copied().collect();
        self.say(0, Said::Reconciled(node.clone(), unknown));
        for (incarnation, state) in &hosted {
            self.found(node, *incarnation, *state);
            if *state != ActorState::Starting && self.is_in_force(*incarnation, node) {
                self.started(*incarnation);
                self.say_links(incarnation.actor);
            }
        }
        ignored.into_iter().for_each(|incarnation| self.ignored_reported(node, incarnation));
        self.exits_reported(node, exits);
        self.absent(node, &hosted, &exited);
        self.stop_again(node, &hosted);
        link_downs.retain(|(_, down)| self.is_in_force(down.linked, node));
        for (write, down) in &link_downs {
            self.say(*write, Said::LinkDown(node.clone(), down.clone()));
        }
        if let Some(known) = self.nodes.get_mut(node) {
            known.link_downs.extend(link_downs);
        }
        untold.into_iter().for_each(|id| self.locate(node, id));
        if draining {
            self.drain_actors(node);
        }
    }

    /// What was granted to the node, and it has not: it starts now where the order may have been lost, and else is lost.
    fn absent(
        &mut self,
        node: &NodeId,
        hosted: &BTreeMap<Incarnation, ActorState>,
        exited: &BTreeSet<Incarnation>,
    ) {
        let Some(known) = self.nodes.get(node) else { return };
        let (granted, draining) = (known.actors.iter().copied().collect::<Vec<ActorId>>(), known.draining);
        let mut lost = Vec::new();
        for id in granted {
            let Some(actor) = self.actors.get(&id) else { continue };
            let incarnation = actor.incarnation(id);
            if hosted.contains_key(&incarnation) || exited.contains(&incarnation) {
                continue;
            }
            match actor.phase {
                Phase::Starting if actor.stop.is_none() && draining => {
                    self.grant_over(id);
                    self.mark_actor(id);
                    self.launch(id);
                }
                Phase::Starting if actor.stop.is_none() => {
                    let write = actor.write;
                    self.say(write, Said::Start(incarnation));
                }
                // No exit of it is kept there, so it never started, and its arguments come again.
                Phase::Unknown if actor.child.is_none() && !actor.has_arguments => {
                    self.grant_over(id);
                    self.mark_actor(id);
                    self.launch(id);
                }
                Phase::Starting | Phase::Running | Phase::Unknown => {
                    lost.push(id);
                }
                Phase::Granted | Phase::Idle | Phase::Pending | Phase::Isolated => {}
            }
        }
        self.end_together(&lost, ExitKind::Lost);
    }

    /// Orders to stop that may have been lost.
    fn stop_again(&mut self, node: &NodeId, hosted: &BTreeMap<Incarnation, ActorState>) {
        for incarnation in hosted.keys() {
            if !self.is_in_force(*incarnation, node) {
                continue;
            }
            let Some(actor) = self.actors.get_mut(&incarnation.actor) else { continue };
            if actor.phase == Phase::Unknown {
                actor.phase = Phase::Starting;
                self.observers.touch(incarnation.actor);
            }
            // An earlier head wanted it moved; whoever asked for that asks again.
            actor.again &= actor.stop.is_some();
            if let Some(stop) = &mut actor.stop {
                stop.again(self.now);
            }
            self.say_stop(incarnation.actor, 0);
        }
    }

    pub(super) fn node_draining(&mut self, node: &NodeId) {
        let known = self.nodes.entry(node.clone()).or_insert_with(|| Node::new(Standing::Parted, true));
        known.draining = true;
        let joined = known.standing == Standing::Joined;
        self.placer.set_joined(node, false);
        if joined {
            self.drain_actors(node);
        } else {
            self.move_untold(node);
        }
    }

    /// What a node has not heard of yet, and is to have no more, goes elsewhere: its turn to start may come before the node has
    /// joined again.
    fn move_untold(&mut self, node: &NodeId) {
        let granted = self.nodes.get(node).into_iter().flat_map(|known| &known.actors);
        let is_untold =
            |id: &&ActorId| self.actors.get(id).is_some_and(|actor| actor.phase == Phase::Granted);
        for id in granted.filter(is_untold).copied().collect::<Vec<ActorId>>() {
            self.withdraw(id);
            self.launch(id);
        }
    }

    /// Moves what a draining node has. Nobody counts that as a restart.
    fn drain_actors(&mut self, node: &NodeId) {
        let Some(known) = self.nodes.get(node) else { return };
        let granted: Vec<ActorId> = known.actors.iter().copied().collect();
        for id in granted {
            let Some(actor) = self.actors.get(&id) else { continue };
            let shutdown = self.shutdown_of(id);
            if actor.phase == Phase::Granted {
                self.withdraw(id);
                self.launch(id);
                continue;
            }
            let moves = (actor.child.is_some() || self.may_move(id)) && actor.stop.is_none();
            if let Some(actor) = self.actors.get_mut(&id)
                && moves
            {
                actor.again = true;
                self.mark_actor(id);
            }
            let write = self.write_of(id);
            self.order_stop(id, shutdown, ExitReason::of(ExitKind::Drained), write);
        }
    }

    /// How an actor is stopped: as its supervisor says, or as it says itself.
    pub(super) fn shutdown_of(&self, id: ActorId) -> ChildShutdown {
        let Some(actor) = self.actors.get(&id) else { return ChildShutdown::default() };
        let child =
            actor.child.and_then(|(above, ordinal)| self.supervisors.get(&above)?.children.get(&ordinal));
        child.map_or_else(|| actor.own_shutdown(), |child| child.shutdown)
    }

    /// A node is dead: what it had has exited, all at once. Where that is not proven, what keeps on may still run.
    pub(super) fn node_lost(&mut self, node: &NodeId, proven: bool) {
        let known = self.nodes.entry(node.clone()).or_insert_with(|| Node::new(Standing::Lost, false));
        known.standing = Standing::Lost;
        known.parts = Inventory::default();
        known.link_downs.clear();
        known.untold = BTreeSet::new();
        let granted: Vec<ActorId> = known.actors.iter().copied().collect();
        self.placer.set_joined(node, false);
        self.unobserve_node(node);
        let granted: Vec<ActorId> =
            granted.into_iter().filter(|id| proven || !self.isolate(*id, node)).collect();
        let untold = |id: &ActorId| self.actors.get(id).is_some_and(|actor| actor.phase == Phase::Granted);
        let (untold, told): (Vec<ActorId>, Vec<ActorId>) = granted.into_iter().partition(untold);
        for id in untold {
            self.withdraw(id);
            self.launch(id);
        }
        self.end_together(&told, ExitKind::NodeLost);
        self.left_alone_lost(node, &ExitReason::of(ExitKind::NodeLost));
        // Last: whom its actors were linked to has been told of their exits.
        self.unwatch_node(node);
        self.creators_gone(node);
    }

    /// Nobody will send the arguments again of what a dead node's programs created.
    fn creators_gone(&mut self, node: &NodeId) {
        let by = |id: &&ActorId| {
            self.actors
                .get(*id)
                .is_some_and(|actor| actor.creator.as_ref().is_none_or(|creator| creator == node))
        };
        let gone: Vec<ActorId> = self.without_arguments.iter().filter(by).copied().collect();
        for id in gone {
            self.bury(id, ExitReason::of(ExitKind::Lost));
        }
    }

    pub(super) fn node_fenced(&mut self, node: &NodeId) {
        let Some(known) = self.nodes.remove(node) else { return };
        for id in known.after_fence {
            self.launch_if_wanted(id);
        }
    }

    /// What had to wait for the end of its latest incarnation may start again.
    pub(super) fn launch_if_wanted(&mut self, id: ActorId) {
        let Some(actor) = self.actors.get(&id).filter(|actor| actor.phase == Phase::Idle) else { return };
        match actor.child {
            Some((supervisor, ordinal)) if self.is_wanted(supervisor, ordinal) => {
                self.launch(id);
                self.advance(supervisor);
            }
            Some(_) => {}
            None => self.launch(id),
        }
    }

    /// Whether a child is to run now, as far as its supervisor goes.
    fn is_wanted(&self, supervisor: ActorId, ordinal: u64) -> bool {
        let Some(supervisor) = self.supervisors.get(&supervisor) else { return false };
        let Some(child) = supervisor.children.get(&ordinal) else { return false };
        let present = child.state == mobula_types::actor::ChildState::Present && !child.removed;
        let later = supervisor.decision.as_ref().is_some_and(|decision| {
            let concerned = ordinal >= decision.from;
            concerned
                && (supervisor.is_stopping(ordinal)
                    || ordinal >= decision.ahead
                    || decision.not_before > self.now)
        });
        let waits = later || supervisor.paused.contains(&ordinal);
        supervisor.running && present && !waits
    }
}
