//! Faults as they happen, and what puts an end to them.

use crate::agenda::Happening;
use crate::head::Head;
use crate::network::Partition;
use crate::node::{Ending, Node};
use crate::plan::Fault;
use crate::process::{Host, ProcessId};
use crate::world::{Orphan, World};
use mobula_core::membership;
use mobula_types::Time;
use std::time::Duration;

/// How long it takes to start a process anew.
const START: Duration = Duration::from_millis(200);

impl World {
    pub(crate) fn fault(&mut self, fault: Fault) {
        if self.context.calm {
            return;
        }
        self.context.note(|| format!("FAULT {fault:?}"));
        match fault {
            Fault::CrashNode { slot, silent, lingering, back_after } => {
                if self.nodes[slot].is_some() {
                    self.end_node(slot, silent, lingering);
                    let at = self.context.now + back_after;
                    self.context.agenda.add(at, Happening::StartNode(slot));
                }
            }
            Fault::CrashHead { index, silent, back_after } => {
                if let Some(head) = self.heads[index].take() {
                    self.context.end_process(head.id(), silent);
                    let at = self.context.now + back_after;
                    self.context.agenda.add(at, Happening::StartHead(index));
                }
            }
            Fault::CrashWorker { slot } => {
                let Some(node) = &mut self.nodes[slot] else { return };
                if let Some(worker) = node.workers.any() {
                    node.workers.kill(worker);
                    let process = node.id;
                    let at = self.context.now;
                    self.context.agenda.add(at, Happening::Worker { process, worker });
                }
            }
            Fault::Pause { host, lasts } => {
                let Some(process) = self.context.at.get(&host).copied() else { return };
                if !self.context.process(process).paused {
                    self.context.pause(process, true);
                    self.context.agenda.add(self.context.now + lasts, Happening::Resume(process));
                }
            }
            Fault::Partition { from, to, both, refuses, lasts } => {
                let mut pairs = Vec::new();
                for one in &from {
                    for other in &to {
                        pairs.push((*one, *other));
                        if both {
                            pairs.push((*other, *one));
                        }
                    }
                }
                let number = self.context.network.part(Partition { pairs, refuses });
                self.context.look_at_streams();
                self.context.agenda.add(self.context.now + lasts, Happening::Heal(number));
            }
            Fault::RegistryTrouble { lasts } => {
                let until = self.context.now + lasts;
                self.context.registry_trouble_until = until.max(self.context.registry_trouble_until);
            }
            Fault::Backup => self.backup = Some(self.registry.clone()),
            Fault::Restore => self.restore(),
            Fault::Depose { lasts } => {
                let leads = |head: &Option<Head>| head.as_ref().is_some_and(|head| head.leader().is_some());
                let Some(index) = self.heads.iter().position(leads) else { return };
                let (leader, registry) = (Host::Head(index), Host::Registry);
                let pairs = vec![(leader, registry), (registry, leader)];
                let number = self.context.network.part(Partition { pairs, refuses: false });
                self.context.look_at_streams();
                self.context.agenda.add(self.context.now + lasts, Happening::Heal(number));
            }
            Fault::BreakLink { slot } => {
                if let Some(process) = self.context.at.get(&Host::Node(slot)).copied() {
                    self.context.break_links(process);
                }
            }
            Fault::Drain { slot } => {
                let name = crate::node::name_of(slot);
                if let Some(head) = self.heads.iter_mut().flatten().find(|head| head.leader().is_some()) {
                    head.tell_membership(&mut self.context, membership::Event::Drain { name });
                }
            }
        }
    }

    /// The registry is as it was, but that it counts as a later one. Nobody holds on to what it was in between.
    fn restore(&mut self) {
        let Some(backup) = self.backup.take() else { return };
        let now = self.context.local(self.registry_process);
        self.registry = backup.restored(now, &self.registry);
        self.context.observer.restored();
        self.watch_leases();
    }

    /// A node's process ends. Its workers follow, some a while later.
    pub(crate) fn end_node(&mut self, slot: usize, silent: bool, lingering: Duration) {
        let Some(mut node) = self.nodes[slot].take() else { return };
        let process = node.id;
        self.context.end_process(process, silent);
        for (worker, left) in node.take_workers() {
            let until = self.context.now + lingering;
            self.orphans.insert((process, worker), Orphan { worker: left, slot, until });
            self.context.agenda.add(self.context.now, Happening::Worker { process, worker });
        }
    }

    /// Ends the nodes that have found out that they are to end.
    pub(crate) fn end_nodes(&mut self) {
        for slot in 0..self.nodes.len() {
            let Some(ending) = self.nodes[slot].as_ref().and_then(|node| node.ending) else { continue };
            self.context.note(|| format!("n{slot} ends: {ending:?}"));
            self.end_node(slot, false, Duration::ZERO);
            let after = match ending {
                Ending::Fenced => START,
                Ending::Left => START * 10,
            };
            self.context.agenda.add(self.context.now + after, Happening::StartNode(slot));
        }
    }

    pub(crate) fn start_head(&mut self, index: usize) {
        if self.heads[index].is_none() {
            self.context.note(|| format!("head {index} starts"));
            self.heads[index] = Some(Head::new(&mut self.context, index));
            self.context.look_at_streams();
        }
    }

    pub(crate) fn start_node(&mut self, slot: usize) {
        if self.nodes[slot].is_some() {
            return;
        }
        // Workers hold the lock on the data folder until they have ended.
        let now = self.context.now;
        let left: Option<Time> =
            self.orphans.values().filter(|orphan| orphan.slot == slot).map(|orphan| orphan.until).max();
        if let Some(until) = left.filter(|until| *until > now) {
            return self.context.agenda.add(until + START, Happening::StartNode(slot));
        }
        self.context.note(|| format!("n{slot} starts"));
        self.nodes[slot] = Some(Node::new(&mut self.context, slot));
        self.context.look_at_streams();
    }

    pub(crate) fn resume(&mut self, process: ProcessId) {
        if !self.context.process(process).paused {
            return;
        }
        self.context.note(|| format!("{process:?} goes on"));
        self.context.pause(process, false);
        let held = std::mem::take(&mut self.context.process_mut(process).held);
        for happening in held {
            self.context.agenda.add(self.context.now, happening);
        }
    }

    /// From now on everything works.
    pub(crate) fn calm(&mut self) {
        self.context.note(|| "CALM".to_owned());
        self.context.calm = true;
        self.context.registry_trouble_until = Time::ZERO;
        self.context.network.heal_all();
        self.context.look_at_streams();
        let hosts: Vec<(Host, ProcessId)> =
            self.context.at.iter().map(|(host, process)| (*host, *process)).collect();
        for (_, process) in hosts {
            self.resume(process);
        }
        for index in 0..self.heads.len() {
            self.context.agenda.add(self.context.now + START, Happening::StartHead(index));
        }
        for slot in 0..self.nodes.len() {
            self.context.agenda.add(self.context.now + START, Happening::StartNode(slot));
        }
    }
}
