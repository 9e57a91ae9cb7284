//! A head begins to lead: it takes up what an earlier one left, in the middle of its decisions.

use super::actor::{Actor, Phase};
use super::create::Job;
use super::dead::Dead;
use super::nodes::{Node, Standing};
use super::quarantine::Unreadable;
use super::records::last_exit;
use super::supervisor::{Child, ChildExit, Trial};
use super::write::{Key, Writes};
use super::{Effect, Supervision, SupervisionOptions};
use mobula_types::actor::{ActorRecord, ChildRecord, ChildState, SpecRecord, SupervisorRecord};
use mobula_types::{ActorId, ExitKind, ExitReason, Incarnation, JobId, NodeId, Time};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How a node stands as a head begins to lead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InheritedNode {
    /// It lives, as far as is known.
    Alive,
    /// It lives, and drains.
    Draining,
    /// Its death is written, and not every other node knows of it.
    Lost,
}

/// What the registry holds as a head begins to lead.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Inheritance {
    /// What people call the moment, in milliseconds since 1970.
    pub wall_millis: u64,
    /// The nodes. One that is not there is dead, and everybody knows.
    pub nodes: Vec<(NodeId, InheritedNode)>,
    /// Nodes of which only the leases have ended, whether or not everybody knows that they are dead.
    pub silent: Vec<NodeId>,
    /// The jobs that run, and whether each has an executable.
    pub jobs: Vec<(JobId, bool)>,
    /// Jobs that have ended, of which actors may be left, and whether each had an executable.
    pub ended_jobs: Vec<(JobId, bool)>,
    /// The specs.
    pub specs: Vec<SpecRecord>,
    /// The actors.
    pub actors: Vec<ActorRecord>,
    /// The supervisors, with what they are carrying out.
    pub supervisors: Vec<SupervisorRecord>,
    /// The owners of names; a name whose owner's record cannot be read stays taken.
    pub names: Vec<(Arc<str>, Arc<str>, ActorId)>,
    /// What is there of all this and cannot be read.
    pub unreadable: Unreadable,
}

impl Supervision {
    /// The actors and supervisors of a cluster as a head begins to lead over what the registry holds.
    pub fn lead(
        now: Time,
        options: SupervisionOptions,
        inheritance: Inheritance,
        effects: &mut Vec<Effect>,
    ) -> Self {
        let mut supervision = Supervision::new(now, inheritance.wall_millis, options);
        supervision.inherit(inheritance);
        supervision.finish(effects);
        supervision
    }

    fn new(now: Time, wall_millis: u64, options: SupervisionOptions) -> Self {
        Supervision {
            scatter: options.seed,
            options,
            now,
            wall_millis,
            actors: Default::default(),
            supervisors: Default::default(),
            specs: Default::default(),
            names: Default::default(),
            jobs: Default::default(),
            by_job: Default::default(),
            nodes: Default::default(),
            isolated: Default::default(),
            placer: Default::default(),
            pending: Default::default(),
            without_arguments: Default::default(),
            dead: Default::default(),
            quarantine: Default::default(),
            watches: Default::default(),
            observers: Default::default(),
            waiters: Default::default(),
            questions: Default::default(),
            unheard: Default::default(),
            batches: Default::default(),
            timers: Default::default(),
            advancing: Default::default(),
            moved: Default::default(),
            writes: Writes::new(),
            outbox: Default::default(),
        }
    }

    fn inherit(&mut self, mut inheritance: Inheritance) {
        for (node, stands) in std::mem::take(&mut inheritance.nodes) {
            let standing = if stands == InheritedNode::Lost { Standing::Lost } else { Standing::Parted };
            self.nodes.insert(node, Node::new(standing, stands == InheritedNode::Draining));
        }
        for node in std::mem::take(&mut inheritance.silent) {
            self.isolated.insert(node, BTreeSet::new());
        }
        let ended = std::mem::take(&mut inheritance.ended_jobs).into_iter().map(|job| (job, true));
        let jobs = std::mem::take(&mut inheritance.jobs).into_iter().map(|job| (job, false));
        for ((job, has_executable), ended) in jobs.chain(ended) {
            self.jobs.insert(job, Job { has_executable, ended, users: 0 });
        }
        for record in std::mem::take(&mut inheritance.specs) {
            self.specs.insert(record.key, record.spec);
        }
        self.set_apart(&mut inheritance);
        for (namespace, name, actor) in inheritance.names {
            self.names.insert((namespace, name), actor);
        }
        let roots = self.inherit_supervisors(&inheritance.supervisors);
        self.inherit_actors(&inheritance.actors);
        self.drop_orphans(&inheritance.supervisors, &inheritance.actors);
        self.inherit_deferred();
        for root in roots {
            self.set_depths(root, 0);
        }
        self.specs.all_unused(self.now + self.options.keep_specs);
        self.take_up();
    }

    fn inherit_supervisors(&mut self, records: &[SupervisorRecord]) -> Vec<ActorId> {
        let mut roots = Vec::new();
        for record in records {
            let id = record.supervisor;
            let supervisor = self.supervisor_of(record);
            self.supervisors.insert(id, supervisor);
            self.by_job.insert((record.job, id));
            self.jobs.entry(record.job).or_insert(Job { ended: true, ..Job::default() }).users += 1;
            if let Some((_, key)) = &record.pattern {
                self.use_known_spec(*key);
            }
            if record.child.is_none() {
                roots.push(id);
            }
        }
        for record in records {
            if let Some(child) = &record.child {
                let starts = record.decision.as_ref().is_some_and(|decision| decision.is_start);
                let is_first = record.last_reason.is_none() && (starts || !record.running);
                self.inherit_child(child, record.supervisor, true, is_first);
            }
        }
        roots
    }

    fn inherit_child(&mut self, record: &ChildRecord, actor: ActorId, is_supervisor: bool, is_first: bool) {
        let mut child = self.child_of(record, actor, is_supervisor);
        // One that was added may not have started yet.
        if is_first && !child.declared {
            child.trial = Trial::Added;
        }
        let Some(supervisor) = self.supervisors.get_mut(&record.supervisor) else { return };
        if supervisor.running && record.above < supervisor.epoch {
            child.wanted_anew();
        }
        if !child.removed {
            supervisor.by_id.insert(child.id.clone(), record.ordinal);
        }
        // A child may be on record of which its supervisor's record does not know yet.
        supervisor.next_ordinal = supervisor.next_ordinal.max(record.ordinal + 1);
        if child.restart_at > Time::ZERO {
            supervisor.paused.insert(record.ordinal);
            self.timers.insert((child.restart_at, record.supervisor, record.ordinal));
        }
        supervisor.children.insert(record.ordinal, child);
    }

    fn inherit_actors(&mut self, records: &[ActorRecord]) {
        for record in records {
            let id = record.actor;
            if record.dead {
                self.inherit_dead(record);
                continue;
            }
            let Some(spec) = self.use_known_spec(record.spec) else {
                self.mark(Key::Actor(id));
                continue;
            };
            let actor = self.actor_of(record, spec);
            if let Some(child) = &record.child {
                self.inherit_child(child, id, false, record.last_exit.is_none());
            }
            self.by_job.insert((record.job, id));
            self.jobs.entry(record.job).or_insert(Job { ended: true, ..Job::default() }).users += 1;
            if let Some(node) = record.node.as_ref().filter(|_| record.granted) {
                self.inherit_grant(id, &actor, node);
            }
            self.actors.insert(id, actor);
        }
    }

    /// Exits that an earlier head put off until a supervisor has started.
    fn inherit_deferred(&mut self) {
        let mut deferred = Vec::new();
        for (id, supervisor) in &self.supervisors {
            let above = supervisor.epoch;
            let exits = supervisor.children.iter().filter_map(|(ordinal, child)| {
                let at = child.deferred?;
                let (incarnation, reason) = self.last_exit_of(child)?;
                let (started, again) = (true, false);
                Some(ChildExit {
                    ordinal: *ordinal,
                    incarnation,
                    reason,
                    at,
                    started,
                    again,
                    above,
                    worker: None,
                })
            });
            let mut exits: Vec<ChildExit> = exits.collect();
            exits.sort_by_key(|exit| exit.at);
            deferred.push((*id, exits));
        }
        for (id, exits) in deferred {
            if let Some(supervisor) = self.supervisors.get_mut(&id) {
                supervisor.deferred = exits;
            }
        }
    }

    fn last_exit_of(&self, child: &Child) -> Option<(Incarnation, ExitReason)> {
        if child.is_supervisor {
            let below = self.supervisors.get(&child.actor)?;
            return Some((below.incarnation(child.actor), below.last.clone()?));
        }
        let (epoch, reason) = self.actors.get(&child.actor)?.last.clone()?;
        Some((Incarnation { actor: child.actor, epoch }, reason))
    }

    fn inherit_dead(&mut self, record: &ActorRecord) {
        let dead = Dead {
            incarnation: Incarnation { actor: record.actor, epoch: record.epoch },
            earlier: None,
            reason: last_exit(record).map_or_else(|| ExitReason::of(ExitKind::Lost), |(_, reason)| reason),
            info: None,
            write: 0,
            job: record.job,
            since_millis: record.since_millis,
            recorded: true,
        };
        self.remember(record.actor, dead);
    }

    fn inherit_grant(&mut self, id: ActorId, actor: &Actor, node: &NodeId) {
        let wish = self.wish(actor);
        let mut placer = std::mem::take(&mut self.placer);
        placer.inherit(node, &wish);
        self.placer = placer;
        // A node that nobody knows is dead and fenced; its actors are found to be lost below.
        if let Some(node) = self.nodes.get_mut(node) {
            node.actors.insert(id);
        }
    }

    /// What a tree had on record whose own record was never written: nobody was told of it.
    fn drop_orphans(&mut self, supervisors: &[SupervisorRecord], actors: &[ActorRecord]) {
        let above = supervisors.iter().map(|record| (record.supervisor, &record.child));
        let above = above.chain(actors.iter().map(|record| (record.actor, &record.child)));
        let mut orphans = BTreeSet::new();
        for (id, child) in above {
            if child.as_ref().is_some_and(|child| !self.supervisors.contains_key(&child.supervisor)) {
                orphans.insert(id);
            }
        }
        let reason = ExitReason::of(ExitKind::Lost);
        for id in orphans {
            if self.supervisors.contains_key(&id) {
                self.dissolve(id, &reason)
            } else {
                self.bury(id, reason.clone())
            }
        }
    }

    fn set_depths(&mut self, id: ActorId, depth: u32) {
        let Some(supervisor) = self.supervisors.get_mut(&id) else { return };
        supervisor.depth = depth;
        let children = supervisor.children.values();
        let below: Vec<ActorId> =
            children.filter(|child| child.is_supervisor).map(|child| child.actor).collect();
        for child in below {
            self.set_depths(child, depth + 1);
        }
    }

    /// Goes on from where the records stand.
    fn take_up(&mut self) {
        let all: Vec<ActorId> = self.actors.keys().copied().collect();
        self.inherit_isolated(&all);
        let lost = |actor: &super::actor::Actor| {
            let node = actor.node.as_ref().and_then(|node| self.nodes.get(node));
            let in_force = actor.is_granted() && actor.phase != Phase::Isolated;
            in_force && node.is_none_or(|node| node.standing == Standing::Lost)
        };
        let lost: Vec<ActorId> =
            self.actors.iter().filter(|(_, actor)| lost(actor)).map(|(id, _)| *id).collect();
        self.take_up_deferred();
        self.end_together(&lost, ExitKind::NodeLost);
        self.take_up_jobs();
        let supervisors: Vec<ActorId> = self.supervisors.keys().copied().collect();
        for id in supervisors {
            self.take_up_supervisor(id);
        }
        for id in all {
            let idle = |actor: &&super::actor::Actor| !actor.is_granted() && actor.child.is_none();
            if self.actors.get(&id).filter(idle).is_some() {
                self.launch(id);
            }
        }
        self.creatorless();
    }

    /// Exits that were put off, and whose supervisor has started since.
    fn take_up_deferred(&mut self) {
        let waits = |known: &super::supervisor::Supervisor| {
            let starts = known.decision.as_ref().is_some_and(|decision| decision.is_start);
            let goes_on = starts && known.running;
            !known.deferred.is_empty() && !goes_on
        };
        let due = self.supervisors.iter().filter(|(_, known)| waits(known));
        for id in due.map(|(id, _)| *id).collect::<Vec<ActorId>>() {
            self.decide_deferred(id);
        }
    }

    /// Jobs that ended while nobody led.
    fn take_up_jobs(&mut self) {
        let ended: Vec<JobId> = self.jobs.iter().filter(|(_, job)| job.ended).map(|(id, _)| *id).collect();
        for job in ended {
            self.job_ended(job);
        }
    }

    fn take_up_supervisor(&mut self, id: ActorId) {
        let Some(supervisor) = self.supervisors.get(&id) else { return };
        if !supervisor.running {
            if supervisor.parent.is_none() {
                self.start_supervisor(id);
            }
            return;
        }
        // What a decision is about, it goes on with itself.
        let below = supervisor.decision.as_ref().map_or(u64::MAX, |decision| decision.from);
        let waits = |ordinal: &u64, child: &Child| {
            let wanted = child.state == ChildState::Present && !child.removed;
            wanted && *ordinal < below && !supervisor.paused.contains(ordinal)
        };
        let children = supervisor.children.iter().filter(|(ordinal, child)| waits(ordinal, child));
        let children: Vec<(u64, ActorId, bool, bool)> = children
            .map(|(ordinal, child)| (*ordinal, child.actor, child.is_supervisor, child.terminating))
            .collect();
        for (ordinal, actor, is_supervisor, terminating) in children {
            if self.is_alive(actor, is_supervisor) {
                if terminating {
                    let shutdown = self.shutdown_of(actor);
                    self.stop_one(actor, is_supervisor, shutdown, ExitReason::of(ExitKind::Shutdown), 0);
                }
                continue;
            }
            self.launch_child(id, ordinal);
        }
        self.advance(id);
    }

    /// Actors whose arguments will never come.
    fn creatorless(&mut self) {
        let lives =
            |node: &NodeId| self.nodes.get(node).is_some_and(|known| known.standing != Standing::Lost);
        let gone = self.without_arguments.iter().filter(|id| {
            let creator = self.actors.get(*id).and_then(|actor| actor.creator.as_ref());
            !creator.is_some_and(lives)
        });
        for id in gone.copied().collect::<Vec<_>>() {
            self.bury(id, ExitReason::of(ExitKind::Lost));
        }
    }
}
