//! Ids, attempts and addresses. Hot messages hold them as bare numbers; the functions here take those apart.

use crate::error::{ConvertError, Required};
use crate::wire;
use mobula_types::actor::{ActorId, Epoch, Incarnation};
use mobula_types::{Attempt, HeadTerm, NodeId, ObjectAddress, ObjectId, ObjectIndex, OwnerTerm, TaskId};
use std::time::Duration;

impl From<NodeId> for wire::NodeId {
    fn from(node: NodeId) -> Self {
        wire::NodeId { name: node.name.as_str().to_owned(), generation: node.generation.0 }
    }
}

impl From<&NodeId> for wire::NodeId {
    fn from(node: &NodeId) -> Self {
        wire::NodeId { name: node.name.as_str().to_owned(), generation: node.generation.0 }
    }
}

impl TryFrom<wire::NodeId> for NodeId {
    type Error = ConvertError;
    fn try_from(node: wire::NodeId) -> Result<Self, ConvertError> {
        if node.name.is_empty() {
            return Err(ConvertError::missing("node_id.name"));
        }
        Ok(NodeId::new(node.name.as_str(), node.generation))
    }
}

/// Translates nodes, each of which must make sense.
pub(crate) fn nodes(nodes: Vec<wire::NodeId>) -> Result<Vec<NodeId>, ConvertError> {
    nodes.into_iter().map(NodeId::try_from).collect()
}

impl From<HeadTerm> for wire::HeadTerm {
    fn from(term: HeadTerm) -> Self {
        wire::HeadTerm { incarnation: term.incarnation, revision: term.revision }
    }
}

impl From<wire::HeadTerm> for HeadTerm {
    fn from(term: wire::HeadTerm) -> Self {
        HeadTerm { incarnation: term.incarnation, revision: term.revision }
    }
}

impl From<Attempt> for wire::Attempt {
    fn from(attempt: Attempt) -> Self {
        wire::Attempt { owner_term: attempt.owner_term.0, number: attempt.number }
    }
}

impl From<wire::Attempt> for Attempt {
    fn from(attempt: wire::Attempt) -> Self {
        self::attempt(attempt.owner_term, attempt.number)
    }
}

pub(crate) fn attempt(owner_term: u32, number: u32) -> Attempt {
    Attempt { owner_term: OwnerTerm(owner_term), number }
}

impl From<TaskId> for wire::TaskId {
    fn from(task: TaskId) -> Self {
        wire::TaskId { high: task.high, low: task.low }
    }
}

impl From<wire::TaskId> for TaskId {
    fn from(task: wire::TaskId) -> Self {
        TaskId { high: task.high, low: task.low }
    }
}

impl From<ActorId> for wire::TaskId {
    fn from(actor: ActorId) -> Self {
        actor.0.into()
    }
}

impl From<wire::TaskId> for ActorId {
    fn from(task: wire::TaskId) -> Self {
        ActorId(task.into())
    }
}

/// An actor that must be there.
pub(crate) fn actor(actor: Option<wire::TaskId>, field: &'static str) -> Result<ActorId, ConvertError> {
    actor.required(field).map(Into::into)
}

impl From<Incarnation> for wire::Incarnation {
    fn from(incarnation: Incarnation) -> Self {
        let TaskId { high, low } = incarnation.actor.0;
        wire::Incarnation { high, low, epoch: incarnation.epoch.0 }
    }
}

impl From<wire::Incarnation> for Incarnation {
    fn from(incarnation: wire::Incarnation) -> Self {
        let wire::Incarnation { high, low, epoch } = incarnation;
        Incarnation { actor: ActorId(TaskId { high, low }), epoch: Epoch(epoch) }
    }
}

/// An incarnation that must be there.
pub(crate) fn incarnation(
    incarnation: Option<wire::Incarnation>,
    field: &'static str,
) -> Result<Incarnation, ConvertError> {
    incarnation.required(field).map(Into::into)
}

impl From<ObjectId> for wire::ObjectId {
    fn from(object: ObjectId) -> Self {
        wire::ObjectId { high: object.task.high, low: object.task.low, index: object.index.to_bits() }
    }
}

impl TryFrom<wire::ObjectId> for ObjectId {
    type Error = ConvertError;
    fn try_from(object: wire::ObjectId) -> Result<Self, ConvertError> {
        object_id(object.high, object.low, object.index)
    }
}

#[inline]
pub(crate) fn object_id(high: u64, low: u64, index: u64) -> Result<ObjectId, ConvertError> {
    let index =
        ObjectIndex::from_bits(index).ok_or_else(|| ConvertError::unknown("object_id.index", index))?;
    Ok(ObjectId { task: TaskId { high, low }, index })
}

impl From<ObjectAddress> for wire::ObjectAddress {
    fn from(address: ObjectAddress) -> Self {
        let ObjectAddress { object, owner } = address;
        wire::ObjectAddress {
            high: object.task.high,
            low: object.task.low,
            index: object.index.to_bits(),
            owner: owner.map(Into::into),
        }
    }
}

impl TryFrom<wire::ObjectAddress> for ObjectAddress {
    type Error = ConvertError;
    fn try_from(address: wire::ObjectAddress) -> Result<Self, ConvertError> {
        let object = object_id(address.high, address.low, address.index)?;
        Ok(ObjectAddress { object, owner: address.owner.map(NodeId::try_from).transpose()? })
    }
}

/// Translates addresses, each of which must make sense.
pub(crate) fn addresses(addresses: Vec<wire::ObjectAddress>) -> Result<Vec<ObjectAddress>, ConvertError> {
    addresses.into_iter().map(ObjectAddress::try_from).collect()
}

/// An address that must be there.
pub(crate) fn address(
    address: Option<wire::ObjectAddress>,
    field: &'static str,
) -> Result<ObjectAddress, ConvertError> {
    address.required(field)?.try_into()
}

/// An object that must be there.
pub(crate) fn object(object: Option<wire::ObjectId>, field: &'static str) -> Result<ObjectId, ConvertError> {
    object.required(field)?.try_into()
}

/// Objects as (high, low, index) each.
pub(crate) fn pack_objects(objects: &[ObjectId]) -> Vec<u64> {
    let mut numbers = Vec::with_capacity(objects.len() * 3);
    for object in objects {
        numbers.extend([object.task.high, object.task.low, object.index.to_bits()]);
    }
    numbers
}

/// The objects that [`pack_objects`] packed.
pub(crate) fn unpack_objects(numbers: &[u64], field: &'static str) -> Result<Vec<ObjectId>, ConvertError> {
    let (triples, rest) = numbers.as_chunks::<3>();
    if !rest.is_empty() {
        return Err(ConvertError::new(field, format!("{} numbers are not triples", numbers.len())));
    }
    triples.iter().map(|[high, low, index]| object_id(*high, *low, *index)).collect()
}

/// A duration in whole nanoseconds, at most 584 years.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
