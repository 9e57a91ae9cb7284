//! A small cluster for tests: a registry that writes when it is told to, nodes that start and stop actors when they are
//! told to, and a head that may be replaced.

use super::records::{Records, readable};
use super::specs::{JOB, SECOND, Step};
use super::test_node::TestNode;
use crate::supervision::*;
use mobula_types::actor::*;
use mobula_types::view::NodeLoad;
use mobula_types::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

pub(super) struct World {
    pub(super) machine: Supervision,
    options: SupervisionOptions,
    /// What heads find that they cannot read.
    pub(super) unreadable: Unreadable,
    pub(super) now: Time,
    pub(super) records: Records,
    pub(super) writes: VecDeque<(u64, Vec<RecordChange>, bool)>,
    pub(super) nodes: BTreeMap<NodeId, TestNode>,
    pub(super) states: BTreeMap<NodeId, InheritedNode>,
    pub(super) answers: BTreeMap<RequestKey, Result<ActorAnswer, Failure>>,
    pub(super) trace: Vec<Step>,
    /// Where each epoch was granted.
    granted: BTreeMap<Incarnation, NodeId>,
    pub(super) classes: BTreeMap<ActorId, String>,
    /// Classes whose constructors fail, or want no actor.
    pub(super) failing: BTreeSet<String>,
    pub(super) ignoring: BTreeSet<String>,
    next_request: u64,
    pub(super) view: ClusterView,
    pub(super) silent: Vec<NodeId>,
    random: u64,
    /// How many orders there were.
    pub(super) orders: usize,
    /// Whether everything that happens is printed: where `SUPERVISION_TRACE` is set.
    verbose: bool,
    /// What was asked of this head.
    pub(super) asked: Vec<RequestKey>,
}

pub(super) fn node(number: u64) -> NodeId {
    NodeId::new(&*format!("n{number}"), 1)
}

impl World {
    pub(super) fn new(nodes: u64) -> Self {
        World::seeded(nodes, 1)
    }

    pub(super) fn seeded(nodes: u64, seed: u64) -> Self {
        World::with_options(nodes, seed, SupervisionOptions::default())
    }

    /// One whose turns take many writes, so that heads change between two of them.
    pub(super) fn with_small_writes(nodes: u64, seed: u64) -> Self {
        World::with_options(
            nodes,
            seed,
            SupervisionOptions { write_limit: 9, ..SupervisionOptions::default() },
        )
    }

    fn with_options(nodes: u64, seed: u64, options: SupervisionOptions) -> Self {
        let now = Time::ZERO + SECOND * 1000;
        let inheritance = Inheritance { wall_millis: wall(now), ..Inheritance::default() };
        let machine = Supervision::lead(now, options.clone(), inheritance, &mut Vec::new());
        let mut world = World {
            machine,
            options,
            unreadable: Unreadable::default(),
            now,
            records: Records::default(),
            writes: VecDeque::new(),
            nodes: BTreeMap::new(),
            states: BTreeMap::new(),
            answers: BTreeMap::new(),
            trace: Vec::new(),
            granted: BTreeMap::new(),
            classes: BTreeMap::new(),
            failing: BTreeSet::new(),
            ignoring: BTreeSet::new(),
            next_request: 0,
            view: ClusterView::default(),
            silent: Vec::new(),
            random: seed,
            orders: 0,
            verbose: std::env::var_os("SUPERVISION_TRACE").is_some(),
            asked: Vec::new(),
        };
        world.tell(Event::JobOpened { job: JOB, has_executable: true });
        (1..=nodes).for_each(|number| world.add_node(node(number)));
        world
    }

    pub(super) fn random(&mut self, below: usize) -> usize {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.random >> 33) as usize) % below.max(1)
    }

    pub(super) fn add_node(&mut self, id: NodeId) {
        self.add_node_with(id, Resources::cpus(4));
    }

    pub(super) fn add_node_with(&mut self, id: NodeId, resources: Resources) {
        let info = NodeInfo {
            id: id.clone(),
            address: "".into(),
            resources,
            labels: [(Arc::from("name"), id.name.0.clone())].into_iter().collect(),
            state: NodeState::Alive,
            functions: Vec::new(),
            object_store_memory: 0,
            version: "".into(),
            load: NodeLoad::default(),
        };
        self.view.nodes.insert(id.name.clone(), Arc::new(info));
        self.nodes.insert(id.clone(), TestNode::default());
        self.states.insert(id.clone(), InheritedNode::Alive);
        self.tell(Event::View(Arc::new(self.view.clone())));
        self.join(&id);
    }

    /// A node joins the head, and tells what it has.
    pub(super) fn join(&mut self, id: &NodeId) {
        self.tell(Event::NodeJoined { node: id.clone() });
        let now = self.now;
        let Some(known) = self.nodes.get_mut(id) else { return };
        known.connected = true;
        known.inbox.clear();
        let (observations, inventory) = (known.observations.clone(), known.inventory(now));
        for report in inventory {
            self.tell(Event::Reported { node: id.clone(), report });
        }
        if !observations.is_empty() {
            let report = ActorReport::Observe(observations);
            self.tell(Event::Reported { node: id.clone(), report });
        }
    }

    pub(super) fn part(&mut self, id: &NodeId) {
        if let Some(known) = self.nodes.get_mut(id) {
            known.connected = false;
            known.inbox.clear();
        }
        self.tell(Event::NodeParted { node: id.clone() });
    }

    pub(super) fn lose(&mut self, id: &NodeId) {
        self.die(id, Event::NodeLost { node: id.clone() });
    }
    pub(super) fn die(&mut self, id: &NodeId, event: Event) {
        self.nodes.remove(id);
        self.states.insert(id.clone(), InheritedNode::Lost);
        self.view.nodes.remove(&id.name);
        self.tell(event);
    }

    pub(super) fn fence(&mut self, id: &NodeId) {
        if self.states.get(id) == Some(&InheritedNode::Lost) {
            self.states.remove(id);
            self.tell(Event::NodeFenced { node: id.clone() });
        }
    }

    pub(super) fn drain(&mut self, id: &NodeId) {
        self.states.insert(id.clone(), InheritedNode::Draining);
        self.tell(Event::NodeDraining { node: id.clone() });
    }

    /// Another head leads: it knows what is durable.
    pub(super) fn fail_over(&mut self) {
        self.writes.clear();
        self.asked.clear();
        let records = self.records.clone();
        let inheritance = Inheritance {
            wall_millis: wall(self.now),
            nodes: self.states.iter().map(|(node, state)| (node.clone(), *state)).collect(),
            silent: self.silent.clone(),
            jobs: vec![(JOB, true)],
            ended_jobs: Vec::new(),
            specs: readable(records.specs, &self.unreadable.specs),
            actors: readable(records.actors, &self.unreadable.actors),
            supervisors: readable(records.supervisors, &self.unreadable.supervisors),
            names: records
                .names
                .into_iter()
                .map(|((namespace, name), actor)| (namespace, name, actor))
                .collect(),
            unreadable: self.unreadable.clone(),
        };
        let mut effects = Vec::new();
        self.machine = Supervision::lead(self.now, self.options.clone(), inheritance, &mut effects);
        for known in self.nodes.values_mut() {
            known.connected = false;
            known.inbox.clear();
        }
        self.perform(effects);
        self.tell(Event::View(Arc::new(self.view.clone())));
    }

    pub(super) fn join_all(&mut self) {
        let away = self.nodes.iter().filter(|(_, known)| !known.connected);
        for id in away.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.join(&id);
        }
    }

    pub(super) fn tell(&mut self, event: Event) {
        let mut effects = Vec::new();
        if self.verbose {
            eprintln!("> {event:?}");
        }
        self.machine.on_event(self.now, wall(self.now), event, &mut effects);
        if let Err(problem) = self.machine.check() {
            if self.verbose {
                effects.iter().for_each(|effect| eprintln!("    {effect:?}"));
            }
            panic!("{problem}; {:?}", self.trace);
        }
        self.perform(effects);
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        if self.verbose {
            effects.iter().for_each(|effect| eprintln!("    {effect:?}"));
        }
        for effect in effects {
            match effect {
                Effect::Write { write, changes, may_fail } => {
                    assert!(may_fail || changes.len() <= self.options.write_limit);
                    self.writes.push_back((write, changes, may_fail));
                }
                Effect::Order { node, order } => {
                    self.orders += 1;
                    self.check_order(&node, &order);
                    if let Some(known) = self.nodes.get_mut(&node).filter(|known| known.connected) {
                        known.inbox.push_back(order);
                    }
                }
                Effect::Answer { request, answer } => {
                    assert!(self.answers.insert(request, answer).is_none(), "answered twice");
                }
            }
        }
    }

    /// What is granted is durable, and no epoch is granted to two nodes.
    fn check_order(&mut self, node: &NodeId, order: &ActorOrder) {
        let ActorOrder::Start(starts) = order else { return };
        assert_eq!(self.states.get(node), Some(&InheritedNode::Alive), "granted where it must not be");
        for start in starts {
            let record = &self.records.actors[&start.incarnation.actor];
            assert_eq!(
                (record.epoch, record.node.as_ref()),
                (start.incarnation.epoch, Some(node)),
                "not durable"
            );
            let before = self.granted.insert(start.incarnation, node.clone());
            assert!(before.is_none_or(|before| before == *node), "an epoch is granted twice");
            self.classes.insert(start.incarnation.actor, start.spec.template.function.name.to_string());
        }
    }

    pub(super) fn ask(&mut self, ask: ActorRequest) -> RequestKey {
        self.ask_from(None, ask)
    }

    pub(super) fn ask_from(&mut self, asker: Option<NodeId>, ask: ActorRequest) -> RequestKey {
        self.ask_as(asker, None, ask)
    }

    pub(super) fn question(&mut self, question: Question, ask: ActorRequest) -> RequestKey {
        self.ask_as(None, Some(question), ask)
    }

    fn ask_as(&mut self, asker: Option<NodeId>, question: Option<Question>, ask: ActorRequest) -> RequestKey {
        self.next_request += 1;
        let request = RequestKey(self.next_request);
        self.asked.push(request);
        self.tell(Event::Request { request, asker, question, ask });
        request
    }

    pub(super) fn answer(&mut self, request: RequestKey) -> Result<ActorAnswer, Failure> {
        self.asked.retain(|asked| *asked != request);
        self.answers.remove(&request).expect("an answer")
    }

    /// Nobody waits for that answer any more.
    pub(super) fn gone(&mut self, request: RequestKey) {
        self.asked.retain(|asked| *asked != request);
        self.tell(Event::RequestGone { request });
    }

    /// The oldest write becomes durable.
    pub(super) fn commit(&mut self) -> bool {
        let Some((write, changes, _)) = self.writes.pop_front() else { return false };
        changes.into_iter().for_each(|change| self.records.apply(change));
        self.tell(Event::Written { write });
        true
    }

    pub(super) fn refuse_write(&mut self) {
        let (write, _, may_fail) = self.writes.pop_front().expect("a write");
        assert!(may_fail);
        let failure = Failure::new(FailureKind::StoreFull, "no room");
        self.tell(Event::NotWritten { write, failure });
    }

    /// A node takes its next order.
    pub(super) fn deliver(&mut self, id: &NodeId) -> bool {
        let Some(known) = self.nodes.get_mut(id) else { return false };
        let Some(order) = known.inbox.pop_front() else { return false };
        match order {
            ActorOrder::Start(starts) => {
                for start in starts {
                    let exited = known.exits.iter().any(|(exit, _)| exit.incarnation == start.incarnation);
                    let is_here = known.actors.contains_key(&start.incarnation);
                    if exited || is_here || known.ignored.contains(&start.incarnation) {
                        continue;
                    }
                    known.actors.insert(start.incarnation, ActorState::Starting);
                    self.trace.push(Step::Start(self.classes[&start.incarnation.actor].clone()));
                }
            }
            ActorOrder::Stops(stops) => {
                let mut absent = Vec::new();
                for StopActor { incarnation, reason, .. } in stops {
                    if known.actors.contains_key(&incarnation) {
                        known.stops.insert(incarnation, reason);
                    } else if !known.exits.iter().any(|(exit, _)| exit.incarnation == incarnation) {
                        absent.push(incarnation);
                    }
                }
                let lost = || ExitReason::of(ExitKind::Lost);
                absent.into_iter().for_each(|one| self.report_exit(id, one, lost(), false));
            }
            ActorOrder::Located(located) => {
                known.located.extend(located.into_iter().map(|one| (one.actor, one.location)));
            }
            ActorOrder::ExitsRecorded(exits) => {
                known.ignored.retain(|ignored| !exits.contains(ignored));
                known.exits.retain(|(exit, _)| !exits.contains(&exit.incarnation));
            }
            ActorOrder::Downs(downs) => {
                for down in downs {
                    assert!(known.watches.remove(&down.number).is_some(), "a second Down");
                    known.downs.push(down);
                }
            }
            ActorOrder::Watching(watches) => known.bind(&watches),
            ActorOrder::Links(links) => known.take_links(&links),
            ActorOrder::Changes { number, changes } => known.take_changes(number, changes),
            ActorOrder::Rosters(_) => unreachable!("groups are not the supervision's"),
            ActorOrder::LinkDowns(downs) => {
                known.link_downs.extend(downs.into_iter().map(|down| (down.linked, down.exited)));
            }
            ActorOrder::Reconciled { unknown } => {
                known.actors.retain(|incarnation, _| !unknown.contains(incarnation));
            }
        }
        true
    }

    fn report_exit(&mut self, id: &NodeId, incarnation: Incarnation, reason: ExitReason, started: bool) {
        let now = self.now;
        let Some(known) = self.nodes.get_mut(id) else { return };
        known.actors.remove(&incarnation);
        known.stops.remove(&incarnation);
        let exit = ExitReport { incarnation, reason, age: Duration::ZERO, started, worker: None };
        known.exits.push((exit.clone(), now));
        if known.connected {
            let report = ActorReport::Exited(vec![exit]);
            self.tell(Event::Reported { node: id.clone(), report });
        }
    }

    /// An actor that is starting has started, or one that is told to stop has stopped.
    pub(super) fn progress(&mut self, id: &NodeId) -> bool {
        let Some(known) = self.nodes.get_mut(id) else { return false };
        if let Some((incarnation, reason)) = known.stops.pop_first() {
            if let Some(state) = known.actors.get(&incarnation).copied() {
                self.trace.push(Step::Stop(self.classes[&incarnation.actor].clone()));
                self.report_exit(id, incarnation, reason, state == ActorState::Running);
            }
            return true;
        }
        let starting = known.actors.iter().find(|(_, state)| **state == ActorState::Starting);
        let Some(incarnation) = starting.map(|(incarnation, _)| *incarnation) else { return false };
        let class = &self.classes[&incarnation.actor];
        if self.failing.contains(class) {
            let failure = Failure::new(FailureKind::TaskPanicked, "no such file");
            self.report_exit(
                id,
                incarnation,
                ExitReason::failed(ExitKind::ConstructorFailed, failure),
                false,
            );
            return true;
        }
        let report = if self.ignoring.contains(class) {
            known.actors.remove(&incarnation);
            known.ignored.insert(incarnation);
            ActorReport::Ignored(incarnation)
        } else {
            known.actors.insert(incarnation, ActorState::Running);
            ActorReport::Started(vec![incarnation])
        };
        if known.connected {
            self.tell(Event::Reported { node: id.clone(), report });
        }
        true
    }

    /// One thing happens, of those that can. Whether one could.
    pub(super) fn step(&mut self) -> bool {
        let ids: Vec<NodeId> = self.nodes.keys().cloned().collect();
        let choices = 1 + 2 * ids.len();
        let first = self.random(choices);
        (0..choices).any(|offset| match (first + offset) % choices {
            0 => self.commit(),
            choice if choice % 2 == 1 => self.deliver(&ids[(choice - 1) / 2]),
            choice => self.progress(&ids[(choice - 1) / 2]),
        })
    }

    /// Until nothing can happen any more but time.
    pub(super) fn settle(&mut self) {
        for _ in 0..100_000 {
            if !self.step() {
                return;
            }
        }
        panic!("it goes on for ever");
    }

    /// Until nothing can happen any more within `time`.
    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.settle();
            let next = self.machine.next_deadline();
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            self.tell(Event::Tick);
        }
        self.now = self.now.max(end);
    }

    /// An actor exits by itself.
    pub(super) fn exit(&mut self, class: &str, kind: ExitKind) {
        self.exit_for(class, ExitReason::of(kind));
    }

    pub(super) fn exit_for(&mut self, class: &str, reason: ExitReason) {
        let (id, incarnation) = self.running(class).unwrap_or_else(|| panic!("{class} does not run"));
        self.report_exit(&id, incarnation, reason, true);
    }

    /// All actors that run on the first node exit at once, in one report.
    pub(super) fn exit_all(&mut self, kind: ExitKind) {
        let worker = (kind == ExitKind::WorkerDied).then_some(WorkerId(1));
        let now = self.now;
        let Some((id, known)) = self.nodes.iter_mut().next() else { return };
        let report = |incarnation: &Incarnation| ExitReport {
            incarnation: *incarnation,
            reason: ExitReason::of(kind),
            age: Duration::ZERO,
            started: true,
            worker,
        };
        let exits: Vec<ExitReport> = known.actors.keys().map(report).collect();
        known.actors.clear();
        known.exits.extend(exits.iter().map(|exit| (exit.clone(), now)));
        let (node, report) = (id.clone(), ActorReport::Exited(exits));
        self.tell(Event::Reported { node, report });
    }

    /// Actors that are on record, and not as dead.
    pub(super) fn living(&self) -> Vec<ActorId> {
        let living = self.records.actors.values().filter(|record| !record.dead);
        living.map(|record| record.actor).collect()
    }

    pub(super) fn take_trace(&mut self) -> Vec<Step> {
        std::mem::take(&mut self.trace)
    }
}

fn wall(now: Time) -> u64 {
    1_700_000_000_000 + now.since(Time::ZERO).as_millis() as u64
}
