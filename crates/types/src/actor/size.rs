//! How many bytes things of actors take when they are encoded: bounds from above, cheap to compute, for whoever cuts
//! messages and writes to a size.

use super::exit::ExitReason;
use super::group::{GroupReport, RosterNews, RosterPart, RosterUpdate};
use super::id::{ActorId, Incarnation};
use super::observer::{Observation, StateChange};
use super::options::Target;
use super::order::{
    ActorLocation, ActorOrder, ActorReport, Down, ExitReport, HostedActor, LinkChange, LinkDown, Location,
    StartActor, StopActor, Watch, WatchBound,
};
use super::record::{ActorRecord, ChildRecord, DecisionEnd, RecordChange, SupervisorRecord};
use super::request::CreateActor;
use super::spec::ActorSpec;
use super::tree::{ChildKind, ChildSpec, SupervisorSpec};
use crate::labels::LabelCondition;
use crate::{Failure, NodeId, StoredValue, Strategy, TaskTemplate};
use std::sync::Arc;

/// What a field of bounded size takes, with its tag.
const FIELD: usize = 12;
/// What the id of an actor takes.
const ACTOR: usize = 2 * FIELD;
/// What an incarnation takes.
const INCARNATION: usize = ACTOR + 2 * FIELD;
/// What an entry of a roster takes.
const ENTRY: usize = 2 * INCARNATION;
/// What a roster takes: its namespace and name have 200 bytes each at most.
const ROSTER: usize = 512;
/// The most bytes of a message of a node or a head about actors. A message takes 16 MiB; this is what a stream is held up by
/// one.
pub(super) const MESSAGE: usize = 1024 * 1024;

/// What can be encoded.
pub trait EncodedSize {
    /// How many bytes it takes at most, with its tag and length.
    fn encoded_size(&self) -> usize;
}

/// Cuts a list into parts of at most `count` entries, and of at most 1 MiB each where no entry alone is larger.
pub fn in_parts<T: EncodedSize>(list: Vec<T>, count: usize) -> Vec<Vec<T>> {
    in_parts_by(list, count, MESSAGE, |_, one| one.encoded_size())
}

/// Cuts a list into parts of at most so many bytes each where no entry alone is larger.
pub fn in_parts_of<T: EncodedSize>(list: Vec<T>, bytes: usize) -> Vec<Vec<T>> {
    in_parts_by(list, usize::MAX, bytes, |_, one| one.encoded_size())
}

/// As [`in_parts`], for orders to start, in which incarnations share their specs.
pub fn starts_in_parts(list: Vec<StartActor>, count: usize) -> Vec<Vec<StartActor>> {
    in_parts_by(list, count, MESSAGE, |before, one| {
        let shares = before.is_some_and(|before| Arc::ptr_eq(&before.spec, &one.spec));
        INCARNATION + if shares { FIELD } else { one.spec.encoded_size() }
    })
}

fn in_parts_by<T>(
    list: Vec<T>,
    count: usize,
    most: usize,
    size_of: impl Fn(Option<&T>, &T) -> usize,
) -> Vec<Vec<T>> {
    let mut parts = Vec::new();
    let (mut part, mut bytes) = (Vec::new(), 0);
    for one in list {
        let mut size = size_of(part.last(), &one);
        if !part.is_empty() && (bytes + size > most || part.len() >= count) {
            parts.push(std::mem::take(&mut part));
            (bytes, size) = (0, size_of(None, &one));
        }
        bytes += size;
        part.push(one);
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

fn text(text: &str) -> usize {
    FIELD + text.len()
}

fn sum<T: EncodedSize>(list: &[T]) -> usize {
    list.iter().map(T::encoded_size).sum()
}

impl EncodedSize for ActorId {
    fn encoded_size(&self) -> usize {
        ACTOR
    }
}

impl EncodedSize for Incarnation {
    fn encoded_size(&self) -> usize {
        INCARNATION
    }
}

impl EncodedSize for NodeId {
    fn encoded_size(&self) -> usize {
        2 * FIELD + text(self.name.as_str())
    }
}

impl EncodedSize for Failure {
    fn encoded_size(&self) -> usize {
        let detail = self.detail();
        let texts = [&detail.function, &detail.place, &detail.exit];
        let texts: usize = texts.into_iter().flatten().map(|one| text(one)).sum();
        let user =
            detail.user.as_ref().map_or(0, |user| 2 * FIELD + user.type_name.len() + user.payload.len());
        let node = detail.node.as_ref().map_or(0, NodeId::encoded_size);
        let ids = 2 * INCARNATION + 6 * FIELD;
        let cause = detail.cause.as_ref().map_or(0, Failure::encoded_size);
        FIELD + text(&detail.message) + texts + user + node + ids + cause
    }
}

impl EncodedSize for ExitReason {
    fn encoded_size(&self) -> usize {
        let failure = self.failure().map_or(0, Failure::encoded_size);
        let cause = self
            .cause()
            .map_or(0, |cause| FIELD + INCARNATION + text(&cause.name) + cause.reason.encoded_size());
        2 * FIELD + failure + cause
    }
}

impl EncodedSize for TaskTemplate {
    fn encoded_size(&self) -> usize {
        let options = &self.options;
        let function = text(&self.function.name) + text(&self.function.version);
        let resources: usize = options.resources.custom.keys().map(|name| 2 * FIELD + text(name)).sum();
        let strategy = match &options.strategy {
            Strategy::Default | Strategy::Spread => 0,
            Strategy::NodeAffinity { node, .. } => text(node.as_str()),
            Strategy::Labels(labels) => labels.conditions.iter().map(condition).sum(),
        };
        let target = match &options.target {
            Target::Constructor(actor) => {
                let groups: usize = actor.groups.iter().map(|(name, _)| 2 * FIELD + text(name)).sum();
                text(&actor.namespace) + text(&actor.name) + text(&actor.child) + ACTOR + groups + 12 * FIELD
            }
            _ => 8 * FIELD,
        };
        function + text(&options.name) + resources + strategy + target + 20 * FIELD
    }
}

fn condition(condition: &LabelCondition) -> usize {
    let (key, values) = match condition {
        LabelCondition::Equals(key, value) | LabelCondition::NotEquals(key, value) => (key, text(value)),
        LabelCondition::In(key, values) | LabelCondition::NotIn(key, values) => {
            (key, values.iter().map(|value| text(value)).sum())
        }
        LabelCondition::Exists(key) => (key, 0),
    };
    3 * FIELD + text(key) + values
}

impl EncodedSize for ActorSpec {
    fn encoded_size(&self) -> usize {
        let inputs = self.inputs.iter().map(|input| match &input.value {
            StoredValue::Inline(payload) => INCARNATION + 4 * FIELD + payload.len(),
            StoredValue::Stored(copy) => {
                INCARNATION + 4 * FIELD + copy.holders.iter().map(NodeId::encoded_size).sum::<usize>()
            }
        });
        let inputs: usize = inputs.sum();
        3 * FIELD + self.template.encoded_size() + FIELD + self.arguments.len() + inputs
    }
}

impl EncodedSize for CreateActor {
    fn encoded_size(&self) -> usize {
        FIELD + ACTOR + self.spec.encoded_size()
    }
}

impl EncodedSize for ChildSpec {
    fn encoded_size(&self) -> usize {
        let kind = match &self.kind {
            ChildKind::Actor(spec) => spec.encoded_size(),
            ChildKind::Supervisor(spec) => spec.encoded_size(),
        };
        text(&self.id) + 5 * FIELD + kind
    }
}

impl EncodedSize for SupervisorSpec {
    fn encoded_size(&self) -> usize {
        8 * FIELD + self.children.iter().map(ChildSpec::encoded_size).sum::<usize>()
    }
}

impl EncodedSize for ActorOrder {
    fn encoded_size(&self) -> usize {
        FIELD
            + match self {
                ActorOrder::Start(starts) => starts.iter().map(|start| start.spec.encoded_size()).sum(),
                ActorOrder::Stops(stops) => sum(stops),
                ActorOrder::Located(located) => sum(located),
                ActorOrder::ExitsRecorded(exits) => sum(exits),
                ActorOrder::Downs(downs) => sum(downs),
                ActorOrder::Watching(watches) => sum(watches),
                ActorOrder::Links(links) => sum(links),
                ActorOrder::LinkDowns(downs) => sum(downs),
                ActorOrder::Reconciled { unknown } => sum(unknown),
                ActorOrder::Rosters(updates) => sum(updates),
                ActorOrder::Changes { changes, .. } => sum(changes),
            }
    }
}

impl EncodedSize for RosterUpdate {
    fn encoded_size(&self) -> usize {
        let news = match &self.news {
            RosterNews::Full(nodes) => {
                nodes.iter().map(|(node, entries)| node.encoded_size() + ENTRY * entries.len()).sum()
            }
            RosterNews::Changed { node, added, removed } => {
                node.encoded_size() + ENTRY * (added.len() + removed.len())
            }
            RosterNews::Lost(node) => node.encoded_size(),
        };
        ROSTER + news
    }
}

impl EncodedSize for StopActor {
    fn encoded_size(&self) -> usize {
        INCARNATION + 3 * FIELD + self.reason.encoded_size()
    }
}

impl EncodedSize for Down {
    fn encoded_size(&self) -> usize {
        2 * FIELD + INCARNATION + self.reason.encoded_size()
    }
}

impl EncodedSize for LinkChange {
    fn encoded_size(&self) -> usize {
        2 * FIELD + 2 * INCARNATION
    }
}

impl EncodedSize for LinkDown {
    fn encoded_size(&self) -> usize {
        2 * FIELD + 2 * INCARNATION + self.reason.encoded_size()
    }
}

impl EncodedSize for WatchBound {
    fn encoded_size(&self) -> usize {
        3 * FIELD
    }
}

impl EncodedSize for ActorLocation {
    fn encoded_size(&self) -> usize {
        let location = match &self.location {
            Location::Pending { last: None } => 0,
            Location::Pending { last: Some((_, reason)) } | Location::Dead { reason, .. } => {
                INCARNATION + reason.encoded_size()
            }
            Location::At { node, .. } => INCARNATION + node.encoded_size(),
        };
        ACTOR + 3 * FIELD + location
    }
}

impl EncodedSize for StateChange {
    fn encoded_size(&self) -> usize {
        let node = self.node.as_ref().map_or(0, NodeId::encoded_size);
        let reason = self.reason.as_ref().map_or(0, ExitReason::encoded_size);
        let below = self.below.as_ref().map_or(0, |below| ACTOR * below.len());
        2 * ACTOR + text(&self.name) + text(&self.child) + node + reason + below + 9 * FIELD
    }
}

impl EncodedSize for ActorReport {
    fn encoded_size(&self) -> usize {
        FIELD
            + match self {
                ActorReport::Inventory { actors, exits, ignored, located, watches, last: _ } => {
                    FIELD + sum(actors) + sum(exits) + sum(ignored) + sum(located) + sum(watches)
                }
                ActorReport::Started(list) => sum(list),
                ActorReport::Exited(list) => sum(list),
                ActorReport::Locate(list) | ActorReport::Unlocate(list) | ActorReport::Unreferenced(list) => {
                    sum(list)
                }
                ActorReport::Observe(list) => sum(list),
                ActorReport::Ignored(_) => INCARNATION,
                ActorReport::Watch(watch) => watch.encoded_size(),
                ActorReport::Unwatch { .. } | ActorReport::Unobserve { .. } => FIELD,
                ActorReport::Groups(report) => report.encoded_size(),
            }
    }
}

impl EncodedSize for GroupReport {
    fn encoded_size(&self) -> usize {
        let part = |part: &RosterPart| ROSTER + ENTRY * part.entries.len();
        match self {
            GroupReport::All { held, followed } => {
                held.iter().map(part).sum::<usize>() + (ROSTER + FIELD) * followed.len()
            }
            GroupReport::Changed(changes) => (ROSTER + ENTRY + FIELD) * changes.len(),
            GroupReport::Follow(_) | GroupReport::Unfollow(_) => ROSTER + FIELD,
        }
    }
}

impl EncodedSize for Observation {
    fn encoded_size(&self) -> usize {
        ACTOR + 3 * FIELD
    }
}

impl EncodedSize for ExitReport {
    fn encoded_size(&self) -> usize {
        INCARNATION + self.reason.encoded_size() + 4 * FIELD
    }
}

impl EncodedSize for HostedActor {
    fn encoded_size(&self) -> usize {
        INCARNATION + 2 * FIELD
    }
}

impl EncodedSize for Watch {
    fn encoded_size(&self) -> usize {
        INCARNATION + ACTOR + 5 * FIELD
    }
}

impl EncodedSize for RecordChange {
    fn encoded_size(&self) -> usize {
        match self {
            RecordChange::PutActor(record) => record.encoded_size(),
            RecordChange::PutSpec(record) => 3 * FIELD + record.spec.encoded_size(),
            RecordChange::PutSupervisor(record) => record.encoded_size(),
            RecordChange::PutName { namespace, name, .. } => ACTOR + text(namespace) + text(name),
            RecordChange::DeleteName { namespace, name } => text(namespace) + text(name),
            RecordChange::DeleteActor(_)
            | RecordChange::DeleteSpec(_)
            | RecordChange::DeleteSupervisor(_) => ACTOR,
        }
    }
}

impl EncodedSize for ActorRecord {
    fn encoded_size(&self) -> usize {
        let nodes =
            [&self.node, &self.creator].into_iter().flatten().map(NodeId::encoded_size).sum::<usize>();
        let reason = self.last_reason.as_ref().map_or(0, ExitReason::encoded_size);
        let child = self.child.as_ref().map_or(0, ChildRecord::encoded_size);
        ACTOR + 16 * FIELD + nodes + reason + child + FIELD * self.losses_millis.len()
    }
}

impl EncodedSize for ChildRecord {
    fn encoded_size(&self) -> usize {
        ACTOR + text(&self.id) + 18 * FIELD
    }
}

impl EncodedSize for SupervisorRecord {
    fn encoded_size(&self) -> usize {
        let children = [self.child.as_ref(), self.pattern.as_ref().map(|(record, _)| record)];
        let children: usize = children.into_iter().flatten().map(ChildRecord::encoded_size).sum();
        let reason = self.last_reason.as_ref().map_or(0, ExitReason::encoded_size);
        let decision = self.decision.as_ref().map_or(0, |decision| {
            let cause = decision.cause.as_ref().map_or(0, |(_, reason)| INCARNATION + reason.encoded_size());
            let end = match &decision.end {
                DecisionEnd::Start => 0,
                DecisionEnd::Exit(reason) | DecisionEnd::StartFailed(reason) => reason.encoded_size(),
            };
            10 * FIELD + cause + end
        });
        let windows = FIELD * (self.restarts_millis.len() + self.worker_ends.len());
        let own = ACTOR + text(&self.namespace) + text(&self.name) + 24 * FIELD;
        own + children + reason + decision + windows
    }
}
