//! What must be so whatever goes wrong: one invariant in each file, and who watches for them.

mod at_most_once;
mod call_order;
mod exactly_one_down;
mod exits_as_they_were;
mod fenced_nodes;
mod links;
mod nothing_waits;
mod one_incarnation;
mod strategies;

use crate::process::ProcessId;
use crate::random::Random;
use at_most_once::AtMostOnce;
use call_order::CallOrder;
use exactly_one_down::ExactlyOneDown;
use exits_as_they_were::ExitsAsTheyWere;
use fenced_nodes::FencedNodes;
use links::Links;
use mobula_types::actor::{ActorReport, Down};
use mobula_types::{ActorId, Attempt, Epoch, HeadTerm, Incarnation, JobId, NodeId, Outcome, TaskId};
use one_incarnation::OneIncarnation;
use std::collections::BTreeMap;

/// An invariant that did not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Its name: that of its file.
    pub invariant: &'static str,
    /// What was found.
    pub problem: String,
}

/// Sees everything, and takes no part.
#[derive(Default, Debug)]
pub(crate) struct Observer {
    violation: Option<Violation>,
    /// How often the registry was restored.
    era: u64,
    /// Which registry each node has heard of last.
    heard: BTreeMap<ProcessId, u64>,
    one_incarnation: OneIncarnation,
    call_order: CallOrder,
    at_most_once: AtMostOnce,
    exactly_one_down: ExactlyOneDown,
    exits: ExitsAsTheyWere,
    fenced: FencedNodes,
    links: Links,
}

impl Observer {
    /// The first violation is kept: those that follow may follow from it.
    pub(crate) fn broken(&mut self, invariant: &'static str, problem: String) {
        self.violation.get_or_insert(Violation { invariant, problem });
    }

    fn check(&mut self, invariant: &'static str, result: Result<(), String>) {
        if let Err(problem) = result {
            self.broken(invariant, problem);
        }
    }

    pub(crate) fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// The registry was restored from a backup: what it has forgotten may be granted again.
    pub(crate) fn restored(&mut self) {
        self.era += 1;
        self.one_incarnation.restored();
        self.exits.restored();
        self.fenced.restored();
        self.exactly_one_down.restored();
        self.links.restored();
        self.call_order.restored();
        self.at_most_once.restored();
    }

    /// A node hears from a head of that term.
    pub(crate) fn hears(&mut self, process: ProcessId, term: HeadTerm) {
        self.heard.insert(process, term.incarnation);
    }

    /// Whether a node has not heard yet that the registry was restored: it gives up what it has when it does.
    pub(crate) fn is_of_earlier_registry(&self, process: ProcessId) -> bool {
        self.heard.get(&process).is_some_and(|heard| *heard <= self.era)
    }

    pub(crate) fn leads(&mut self, term: HeadTerm) {
        let result = self.fenced.leads(term);
        self.check("fenced_nodes", result);
    }

    pub(crate) fn node_started(&mut self, node: NodeId, process: ProcessId) {
        self.exits.node_started(node.clone(), process);
        self.exactly_one_down.node_started(node, process);
    }

    pub(crate) fn granted(&mut self, incarnation: Incarnation, node: &NodeId, term: HeadTerm) {
        if term.incarnation <= self.era {
            return;
        }
        let result = self.one_incarnation.granted(incarnation, node);
        self.check("one_incarnation", result);
    }

    /// The latest incarnation of an actor that was granted.
    pub(crate) fn latest_grant(&self, actor: ActorId) -> Option<Incarnation> {
        self.one_incarnation.latest_grant(actor)
    }

    /// Any actor that was granted once.
    pub(crate) fn any_actor(&self, random: &mut Random) -> Option<ActorId> {
        self.one_incarnation.any_actor(random)
    }

    /// A constructor begins.
    pub(crate) fn begins(&mut self, incarnation: Incarnation, process: ProcessId) {
        if self.is_of_earlier_registry(process) {
            return;
        }
        self.exactly_one_down.begins(incarnation);
        let result = self.one_incarnation.begins(incarnation, process);
        self.check("one_incarnation", result);
    }

    /// Incarnations that have begun since this was asked last.
    pub(crate) fn take_begun(&mut self) -> Vec<Incarnation> {
        self.one_incarnation.take_begun()
    }

    pub(crate) fn ends(&mut self, incarnation: Incarnation) {
        self.one_incarnation.ends(incarnation);
    }

    pub(crate) fn reported(&mut self, process: ProcessId, report: &ActorReport) {
        if !self.is_of_earlier_registry(process) {
            self.exits.reported(report);
            self.links.reported(report);
        }
    }

    pub(crate) fn told_dead(&mut self, node: NodeId) {
        self.fenced.told_dead(node);
    }

    pub(crate) fn call_made(
        &mut self,
        task: TaskId,
        job: JobId,
        actor: ActorId,
        sequence: u64,
        retries: u32,
    ) {
        self.call_order.made(task, job, actor, sequence, retries);
        self.at_most_once.made(task, retries);
    }

    /// Whom a call is for.
    pub(crate) fn target_of(&self, task: TaskId) -> Option<ActorId> {
        self.call_order.target_of(task)
    }

    pub(crate) fn call_sent(&mut self, task: TaskId, _attempt: Attempt, epoch: Epoch) {
        self.call_order.sent(task, epoch);
    }

    pub(crate) fn turn_begins(
        &mut self,
        incarnation: Incarnation,
        task: TaskId,
        _attempt: Attempt,
        process: ProcessId,
    ) {
        if self.is_of_earlier_registry(process) {
            return self.at_most_once.begins_in_vain(incarnation, task);
        }
        let result = self.one_incarnation.turn_begins(incarnation);
        self.check("one_incarnation", result);
        let result = self.call_order.begins(incarnation, task);
        self.check("call_order", result);
        let result = self.at_most_once.begins(incarnation, task);
        self.check("at_most_once", result);
    }

    pub(crate) fn call_ended(&mut self, task: TaskId, outcome: &Outcome) {
        let result = self.at_most_once.ended(task, outcome);
        self.check("at_most_once", result);
    }

    pub(crate) fn watching(&mut self, home: ProcessId, number: u64, driver: usize) {
        self.exactly_one_down.watching(home, number, driver);
    }

    /// A node was told which incarnation a watch is of.
    pub(crate) fn watch_bound(&mut self, home: ProcessId, number: u64, epoch: Epoch) {
        let result = self.exactly_one_down.bound(home, number, epoch);
        self.check("exactly_one_down", result);
    }

    /// A node was told that an actor of its is linked with another one.
    pub(crate) fn linked(&mut self, key: (ProcessId, u64), watcher: Incarnation, target: Incarnation) {
        if !self.is_of_earlier_registry(key.0) {
            self.links.linked(key, watcher, target);
        }
    }

    /// A leader has heard of a watch.
    pub(crate) fn watch_heard(&mut self, node: &NodeId, number: u64, target: ActorId) {
        let epoch = self.exits.recorded_epoch(target);
        self.exactly_one_down.heard(node, number, target, epoch);
    }

    pub(crate) fn down(&mut self, home: ProcessId, down: &Down) {
        let result = self.exactly_one_down.down(home, down);
        self.check("exactly_one_down", result);
    }

    pub(crate) fn session_over(&mut self, driver: usize) {
        self.exactly_one_down.session_over(driver);
    }
}
