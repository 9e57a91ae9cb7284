//! What is said, to nodes and to those who ask, gathered over a turn: one order of a kind to each node.

use super::actor::Phase;
use super::nodes::Standing;
use super::{Effect, RequestKey, Supervision};
use indexmap::IndexMap;
use mobula_types::actor::{
    ActorAnswer, ActorLocation, ActorOrder, Down, EncodedSize, LinkChange, LinkDown, StartActor, StateChange,
    StopActor, WatchBound, in_parts, starts_in_parts,
};
use mobula_types::{ActorId, Failure, Incarnation, NodeId};

type PerNode<T> = IndexMap<NodeId, Vec<T>, foldhash::fast::FixedState>;

/// The most entries of one message. Its size is bounded beside that.
const MOST_ENTRIES: usize = 10_000;
/// The most incarnations to start in one message.
const MOST_STARTS: usize = 1000;

/// Something that is said when its write is durable.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Said {
    /// Start this incarnation, if that is still wanted.
    Start(Incarnation),
    /// An exit is recorded.
    Recorded(NodeId, Incarnation),
    Located(NodeId, ActorLocation),
    /// These are not the cluster's any more.
    Reconciled(NodeId, Vec<Incarnation>),
    Stop(NodeId, StopActor),
    Watching(NodeId, WatchBound),
    Down(NodeId, Down),
    Link(NodeId, LinkChange),
    LinkDown(NodeId, LinkDown),
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
    reconciled: PerNode<Incarnation>,
    watching: PerNode<WatchBound>,
    downs: PerNode<Down>,
    links: PerNode<LinkChange>,
    link_downs: PerNode<LinkDown>,
    stops: PerNode<StopActor>,
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
            Said::Reconciled(node, unknown) if self.listens(&node) => {
                self.outbox.reconciled.entry(node).or_default().extend(unknown);
            }
            Said::Stop(node, stop) if self.listens(&node) => {
                self.outbox.stops.entry(node).or_default().push(stop);
            }
            Said::Watching(node, bound) if self.listens(&node) => {
                self.outbox.watching.entry(node).or_default().push(bound);
            }
            Said::Down(node, down) if self.listens(&node) => {
                self.outbox.downs.entry(node).or_default().push(down);
            }
            Said::Link(node, link) if self.listens(&node) => {
                self.outbox.links.entry(node).or_default().push(link);
            }
            Said::LinkDown(node, down) if self.listens(&node) => {
                self.outbox.link_downs.entry(node).or_default().push(down);
            }
            Said::Changed(node, number, change) if self.listens(&node) => {
                self.outbox.changes.entry((node, number)).or_default().push(change);
            }
            Said::Recorded(..)
            | Said::Reconciled(..)
            | Said::Stop(..)
            | Said::Watching(..)
            | Said::Down(..)
            | Said::Link(..)
            | Said::LinkDown(..)
            | Said::Changed(..) => {}
            Said::Answer { request, answer } => {
                let until = self.now + self.options.keep_questions;
                let askers = self.questions.answered(request, &answer, until).into_iter();
                self.outbox.answers.extend(askers.map(|asker| (asker, answer.clone())));
            }
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

    /// What was gathered, as effects. A watch is registered before it ends, and who is linked hears of an exit before it is
    /// stopped for it.
    pub(super) fn empty_outbox(&mut self, effects: &mut Vec<Effect>) {
        let outbox = std::mem::take(&mut self.outbox);
        orders(outbox.recorded, ActorOrder::ExitsRecorded, effects);
        for (node, starts) in outbox.starts {
            let parts = starts_in_parts(starts, MOST_STARTS).into_iter();
            effects.extend(
                parts.map(|part| Effect::Order { node: node.clone(), order: ActorOrder::Start(part) }),
            );
        }
        // Also an empty one says that the node's inventory was compared.
        for (node, unknown) in outbox.reconciled {
            let empty = unknown.is_empty().then(Vec::new);
            let parts = in_parts(unknown, MOST_ENTRIES).into_iter().chain(empty);
            let order = |unknown| ActorOrder::Reconciled { unknown };
            effects.extend(parts.map(|part| Effect::Order { node: node.clone(), order: order(part) }));
        }
        orders(outbox.watching, ActorOrder::Watching, effects);
        orders(outbox.links, ActorOrder::Links, effects);
        orders(outbox.downs, ActorOrder::Downs, effects);
        orders(outbox.link_downs, ActorOrder::LinkDowns, effects);
        orders(outbox.stops, ActorOrder::Stops, effects);
        orders(outbox.located, ActorOrder::Located, effects);
        for ((node, number), changes) in outbox.changes {
            orders([(node, changes)], |changes| ActorOrder::Changes { number, changes }, effects);
        }
        let answers = outbox.answers.into_iter();
        effects.extend(answers.map(|(request, answer)| Effect::Answer { request, answer }));
    }
}

/// One order of a kind for each node, cut where it would be too large.
fn orders<T: EncodedSize>(
    lists: impl IntoIterator<Item = (NodeId, Vec<T>)>,
    order: impl Fn(Vec<T>) -> ActorOrder,
    effects: &mut Vec<Effect>,
) {
    for (node, list) in lists {
        let parts = in_parts(list, MOST_ENTRIES).into_iter();
        effects.extend(parts.map(|part| Effect::Order { node: node.clone(), order: order(part) }));
    }
}
