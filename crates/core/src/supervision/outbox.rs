//! What is said, to nodes and to those who ask, gathered over a turn: one order of a kind to each node.

use super::actor::Phase;
use super::nodes::Standing;
use super::{Effect, RequestKey, Supervision};
use indexmap::IndexMap;
use mobula_types::actor::{ActorAnswer, ActorLocation, ActorOrder, StartActor, StateChange};
use mobula_types::{ActorId, Failure, Incarnation, NodeId};

type PerNode<T> = IndexMap<NodeId, Vec<T>, foldhash::fast::FixedState>;

/// Changes for an observer in one message: each may have a reason of 64 KiB, with its causes.
const MOST_CHANGES: usize = 128;

/// Something that is said when its write is durable.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Said {
    /// Start this incarnation, if that is still wanted.
    Start(Incarnation),
    /// An exit is recorded.
    Recorded(NodeId, Incarnation),
    Located(NodeId, ActorLocation),
    Order(NodeId, ActorOrder),
    /// For an observer of that node.
    Changed(NodeId, u64, StateChange),
    Answer {
        request: RequestKey,
        answer: Result<ActorAnswer, Failure>,
    },
    /// One of the creations of a request.
    Created {
        request: RequestKey,
        index: usize,
        created: Result<ActorId, Failure>,
    },
}

/// What is said in this turn.
#[derive(Clone, Default, Debug)]
pub(super) struct Outbox {
    recorded: PerNode<Incarnation>,
    starts: PerNode<StartActor>,
    orders: Vec<(NodeId, ActorOrder)>,
    located: PerNode<ActorLocation>,
    changes: IndexMap<(NodeId, u64), Vec<StateChange>, foldhash::fast::FixedState>,
    answers: Vec<(RequestKey, Result<ActorAnswer, Failure>)>,
}

impl Supervision {
    /// Says it in this turn. What is for a node that does not listen is not kept: its inventory brings it up again.
    pub(super) fn release(&mut self, said: Said) {
        match said {
            Said::Start(incarnation) => self.release_start(incarnation),
            Said::Recorded(node, incarnation) if self.listens(&node) => {
                self.outbox.recorded.entry(node).or_default().push(incarnation);
            }
            Said::Located(node, location) if self.listens(&node) => {
                self.outbox.located.entry(node).or_default().push(location);
            }
            // It may have asked already, on its way here, for what its inventory does not have: an actor that it creates.
            Said::Located(node, location) => {
                if let Some(known) =
                    self.nodes.get_mut(&node).filter(|known| known.standing != Standing::Lost)
                {
                    known.untold.insert(location.actor);
                }
            }
            Said::Order(node, order) if self.listens(&node) => self.outbox.orders.push((node, order)),
            Said::Changed(node, number, change) if self.listens(&node) => {
                self.outbox.changes.entry((node, number)).or_default().push(change);
            }
            Said::Recorded(..) | Said::Order(..) | Said::Changed(..) => {}
            Said::Answer { request, answer } => self.outbox.answers.push((request, answer)),
            Said::Created { request, index, created } => self.created_one(request, index, created),
        }
    }

    fn release_start(&mut self, incarnation: Incarnation) {
        let Some(actor) = self.actors.get(&incarnation.actor) else { return };
        // What is to stop already need not start: the order to stop has its exit reported.
        let wanted =
            actor.epoch == incarnation.epoch && actor.phase == Phase::Starting && actor.stop.is_none();
        let Some(node) = actor.node.clone().filter(|node| wanted && self.listens(node)) else { return };
        let start = StartActor { incarnation, spec: actor.spec.clone() };
        self.outbox.starts.entry(node).or_default().push(start);
    }

    fn listens(&self, node: &NodeId) -> bool {
        self.nodes.get(node).is_some_and(|known| known.standing == Standing::Joined)
    }

    pub(super) fn answer(&mut self, after: u64, request: RequestKey, answer: Result<ActorAnswer, Failure>) {
        self.say(after, Said::Answer { request, answer });
    }

    /// What was gathered, as effects.
    pub(super) fn empty_outbox(&mut self, effects: &mut Vec<Effect>) {
        let outbox = std::mem::take(&mut self.outbox);
        let mut order = |node, order| effects.push(Effect::Order { node, order });
        outbox.recorded.into_iter().for_each(|(node, exits)| order(node, ActorOrder::ExitsRecorded(exits)));
        outbox.starts.into_iter().for_each(|(node, starts)| order(node, ActorOrder::Start(starts)));
        outbox.orders.into_iter().for_each(|(node, one)| order(node, one));
        outbox.located.into_iter().for_each(|(node, located)| order(node, ActorOrder::Located(located)));
        for ((node, number), changes) in outbox.changes {
            let parts = changes.chunks(MOST_CHANGES).map(|part| part.to_vec());
            parts.for_each(|changes| order(node.clone(), ActorOrder::Changes { number, changes }));
        }
        let answers = outbox.answers.into_iter();
        effects.extend(answers.map(|(request, answer)| Effect::Answer { request, answer }));
    }
}
