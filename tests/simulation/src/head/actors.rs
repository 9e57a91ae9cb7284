//! Drives the supervision.

use super::Io;
use super::leader::{Leader, Purpose};
use crate::message::{Datagram, HeadOrder};
use crate::mutation::Mutation;
use crate::plan::job_of;
use crate::process::{Host, ProcessId};
use crate::registry::{Image, Key, Value, operation};
use mobula_core::supervision::{Effect, Event, Inheritance, InheritedNode, RequestKey};
use mobula_types::actor::{ActorOrder, ActorReport, ActorRequest};
use mobula_types::{NodeId, NodeState};

/// What the supervision starts from.
pub(super) fn inheritance(image: &Image, drivers: usize, wall_millis: u64) -> Inheritance {
    let mut inheritance = Inheritance { wall_millis, ..Inheritance::default() };
    inheritance.jobs = (0..drivers).map(|driver| (job_of(driver), true)).collect();
    for (key, entry) in &image.entries {
        match &entry.value {
            Value::Node(record) => {
                let stands = match (record.state, record.fenced) {
                    (NodeState::Dead, true) => continue,
                    (NodeState::Dead, false) => InheritedNode::Lost,
                    (NodeState::Draining, _) => InheritedNode::Draining,
                    (NodeState::Alive, _) => InheritedNode::Alive,
                };
                inheritance.nodes.push((record.id(), stands));
            }
            Value::Actor(record) => inheritance.actors.push(record.clone()),
            Value::Spec(record) => inheritance.specs.push(record.clone()),
            Value::Supervisor(record) => inheritance.supervisors.push((**record).clone()),
            Value::Name(actor) => {
                if let Key::Name(namespace, name) = key {
                    inheritance.names.push((namespace.clone(), name.clone(), *actor));
                }
            }
            Value::Number(_) | Value::Alive(_) => {}
        }
    }
    inheritance
}

impl Leader {
    pub(super) fn perform_actors(&mut self, io: &mut Io<'_>, effects: Vec<Effect>) {
        for effect in effects {
            let index = io.desk.index;
            io.context.note(|| format!("head {index} > {effect:?}"));
            match effect {
                Effect::Write { write, changes, may_fail } => {
                    let operations = changes.into_iter().map(operation).collect();
                    self.write(operations, may_fail, Purpose::Actors { write });
                }
                Effect::Answer { request, answer } => {
                    if let Some((by, number)) = self.requests.remove(&request) {
                        let answered = Datagram::Answered { number, answer };
                        io.context.post(Host::Head(io.desk.index), by, answered);
                    }
                }
                Effect::Order { node, order } => self.order(io, &node, order),
            }
        }
    }

    /// Without a stream it is not lost: the node's inventory brings it up again.
    fn order(&mut self, io: &mut Io<'_>, node: &NodeId, order: ActorOrder) {
        if let ActorOrder::Start(starts) = &order {
            let term = self.term;
            starts.iter().for_each(|start| io.context.observer.granted(start.incarnation, node, term));
        }
        if let Some(link) = self.links_by_node.get(node).copied() {
            self.tell(io, link, HeadOrder::Actors(order));
        }
    }

    pub(super) fn asked(
        &mut self,
        io: &mut Io<'_>,
        by: (ProcessId, u64),
        asker: Option<NodeId>,
        ask: ActorRequest,
    ) {
        self.last_request += 1;
        let request = RequestKey(self.last_request);
        self.requests.insert(request, by);
        self.tell_actors(io, Event::Request { request, asker, question: None, ask });
    }

    pub(super) fn actor_report(&mut self, io: &mut Io<'_>, node: NodeId, mut report: ActorReport) {
        if io.context.mutated(Mutation::EarlyAcknowledgement) {
            self.acknowledge_early(io, &node, &report);
        }
        if io.context.mutated(Mutation::EpochOfExits)
            && let ActorReport::Exited(exits) | ActorReport::Inventory { exits, .. } = &mut report
        {
            for exit in exits {
                if let Some(latest) = io.context.observer.latest_grant(exit.incarnation.actor) {
                    exit.incarnation = latest;
                }
            }
        }
        if let ActorReport::Inventory { watches, .. } = &report {
            watches
                .iter()
                .for_each(|watch| io.context.observer.watch_heard(&node, watch.number, watch.target));
        }
        if let ActorReport::Watch(watch) = &report {
            io.context.observer.watch_heard(&node, watch.number, watch.target);
        }
        self.tell_actors(io, Event::Reported { node, report });
    }

    /// What a head must not do: a node forgets what the registry does not know yet.
    fn acknowledge_early(&mut self, io: &mut Io<'_>, node: &NodeId, report: &ActorReport) {
        let (ActorReport::Exited(exits) | ActorReport::Inventory { exits, .. }) = report else { return };
        let recorded = exits.iter().map(|exit| exit.incarnation).collect();
        self.order(io, node, ActorOrder::ExitsRecorded(recorded));
    }
}
