//! Records of actors and supervisors in the registry: bytes to facts and back.

use crate::actor::exit::{kind_from_wire, kind_to_wire, reason};
use crate::actor::{enums, options};
use crate::error::{ConvertError, Required};
use crate::identity::{actor, incarnation, nanos};
use crate::registry::{RecordError, decode, encode, other_kind};
use crate::wire::{self, record::Kind, stored_decision::End};
use bytes::Bytes;
use mobula_types::actor::{
    ActorRecord, ActorSpec, ChildRecord, DecisionEnd, DecisionRecord, Intensity, SpecKey, SpecRecord,
    SupervisorRecord,
};
use mobula_types::{ActorId, Epoch, JobId, NodeId};
use std::sync::Arc;
use std::time::Duration;

/// The bytes of an actor's record.
pub fn encode_actor(record: &ActorRecord) -> Bytes {
    let (last_exit_epoch, last_exit) = match record.last_exit {
        Some((epoch, kind)) => (epoch.0, kind_to_wire(kind)),
        None => (0, 0),
    };
    encode(Kind::Actor(Box::new(wire::StoredActor {
        actor: Some(record.actor.into()),
        job: record.job.0,
        spec: key_bytes(record.spec),
        epoch: record.epoch.0,
        node: record.node.as_ref().map(Into::into),
        granted: record.granted,
        last_exit_epoch,
        last_exit,
        creator: record.creator.as_ref().map(Into::into),
        again: record.again,
        restarts: record.restarts,
        losses_millis: record.losses_millis.clone(),
        child: record.child.as_ref().map(child_to_wire),
        since_millis: record.since_millis,
        dead: record.dead,
        last_reason: record.last_reason.as_ref().map(Into::into),
    })))
}

/// An actor's record.
///
/// # Errors
/// Where the bytes are not one, or of a later version.
pub fn decode_actor(bytes: Bytes) -> Result<ActorRecord, RecordError> {
    let Kind::Actor(record) = decode(bytes)? else { return Err(other_kind("actor")) };
    let last_exit = (record.last_exit_epoch > 0)
        .then(|| (Epoch(record.last_exit_epoch), kind_from_wire(record.last_exit)));
    Ok(ActorRecord {
        actor: actor(record.actor, "stored_actor.actor")?,
        dead: record.dead,
        job: JobId(record.job),
        spec: key(&record.spec, "stored_actor.spec")?,
        epoch: Epoch(record.epoch),
        node: record.node.map(NodeId::try_from).transpose()?,
        granted: record.granted,
        last_exit,
        last_reason: record.last_reason.map(TryInto::try_into).transpose()?,
        creator: record.creator.map(NodeId::try_from).transpose()?,
        again: record.again,
        restarts: record.restarts,
        losses_millis: record.losses_millis,
        child: record.child.map(child_from_wire).transpose()?,
        since_millis: record.since_millis,
    })
}

/// The bytes of a spec's record.
pub fn encode_spec(record: &SpecRecord) -> Bytes {
    let spec = Some(wire::ActorSpecs::from(&record.spec));
    encode(Kind::Spec(wire::StoredSpec { key: key_bytes(record.key), spec }))
}

/// A spec's record.
///
/// # Errors
/// Where the bytes are not one, or of a later version.
pub fn decode_spec(bytes: Bytes) -> Result<SpecRecord, RecordError> {
    let Kind::Spec(record) = decode(bytes)? else { return Err(other_kind("spec")) };
    let spec: Arc<ActorSpec> = record.spec.required("stored_spec.spec")?.try_into()?;
    Ok(SpecRecord { key: key(&record.key, "stored_spec.key")?, spec })
}

/// The bytes of a supervisor's record.
pub fn encode_supervisor(record: &SupervisorRecord) -> Bytes {
    let (pattern, pattern_spec) = match &record.pattern {
        Some((child, spec)) => (Some(child_to_wire(child)), key_bytes(*spec)),
        None => (None, Bytes::new()),
    };
    encode(Kind::Supervisor(Box::new(wire::StoredSupervisor {
        supervisor: Some(record.supervisor.into()),
        namespace: record.namespace.as_ref().into(),
        name: record.name.as_ref().into(),
        job: record.job.0,
        detached: record.detached,
        child: record.child.as_ref().map(child_to_wire),
        strategy: enums::strategy_to_wire(record.strategy),
        max_restarts: record.intensity.max_restarts,
        within_nanos: nanos(record.intensity.within),
        auto_shutdown: enums::auto_shutdown_to_wire(record.auto_shutdown),
        placement: enums::placement_to_wire(record.placement),
        pattern,
        pattern_spec,
        epoch: record.epoch.0,
        running: record.running,
        next_ordinal: record.next_ordinal,
        restarts_millis: record.restarts_millis.clone(),
        restarts: record.restarts,
        worker_ends: record.worker_ends.clone(),
        decision: record.decision.as_ref().map(decision_to_wire),
        since_millis: record.since_millis,
        last_reason: record.last_reason.as_ref().map(Into::into),
    })))
}

/// A supervisor's record.
///
/// # Errors
/// Where the bytes are not one, or of a later version.
pub fn decode_supervisor(bytes: Bytes) -> Result<SupervisorRecord, RecordError> {
    let Kind::Supervisor(record) = decode(bytes)? else { return Err(other_kind("supervisor")) };
    let pattern = match record.pattern {
        Some(child) => {
            Some((child_from_wire(child)?, key(&record.pattern_spec, "stored_supervisor.pattern_spec")?))
        }
        None => None,
    };
    let within = Duration::from_nanos(record.within_nanos);
    Ok(SupervisorRecord {
        supervisor: actor(record.supervisor, "stored_supervisor.supervisor")?,
        namespace: record.namespace.into(),
        name: record.name.into(),
        job: JobId(record.job),
        detached: record.detached,
        child: record.child.map(child_from_wire).transpose()?,
        strategy: enums::strategy_from_wire(record.strategy, "stored_supervisor.strategy")?,
        intensity: Intensity { max_restarts: record.max_restarts, within },
        auto_shutdown: enums::auto_shutdown_from_wire(
            record.auto_shutdown,
            "stored_supervisor.auto_shutdown",
        )?,
        placement: enums::placement_from_wire(record.placement, "stored_supervisor.placement")?,
        pattern,
        epoch: Epoch(record.epoch),
        running: record.running,
        next_ordinal: record.next_ordinal,
        restarts_millis: record.restarts_millis,
        worker_ends: record.worker_ends,
        restarts: record.restarts,
        last_reason: record.last_reason.map(TryInto::try_into).transpose()?,
        decision: record.decision.map(decision_from_wire).transpose()?,
        since_millis: record.since_millis,
    })
}

/// The bytes of what says whose a name is.
pub fn encode_name(owner: ActorId) -> Bytes {
    encode(Kind::Name(wire::StoredName { actor: Some(owner.into()) }))
}

/// Whose a name is.
///
/// # Errors
/// Where the bytes do not say that, or of a later version.
pub fn decode_name(bytes: Bytes) -> Result<ActorId, RecordError> {
    let Kind::Name(record) = decode(bytes)? else { return Err(other_kind("name")) };
    Ok(actor(record.actor, "stored_name.actor")?)
}

fn child_to_wire(child: &ChildRecord) -> wire::StoredChild {
    wire::StoredChild {
        supervisor: Some(child.supervisor.into()),
        ordinal: child.ordinal,
        id: child.id.as_ref().into(),
        restart: enums::restart_to_wire(child.restart),
        shutdown: Some(child.shutdown.into()),
        significant: child.significant,
        declared: child.declared,
        removed: child.removed,
        state: enums::child_state_to_wire(child.state),
        terminating: child.terminating,
        quarantined: child.quarantined,
        failures: child.failures,
        restart_at_millis: child.restart_at_millis,
        above: child.above.0,
        deferred_millis: child.deferred_millis,
    }
}

fn child_from_wire(child: wire::StoredChild) -> Result<ChildRecord, ConvertError> {
    Ok(ChildRecord {
        supervisor: actor(child.supervisor, "stored_child.supervisor")?,
        ordinal: child.ordinal,
        id: child.id.into(),
        restart: enums::restart_from_wire(child.restart, "stored_child.restart")?,
        shutdown: options::shutdown(child.shutdown),
        significant: child.significant,
        declared: child.declared,
        removed: child.removed,
        state: enums::child_state_from_wire(child.state, "stored_child.state")?,
        terminating: child.terminating,
        quarantined: child.quarantined,
        failures: child.failures,
        restart_at_millis: child.restart_at_millis,
        above: Epoch(child.above),
        deferred_millis: child.deferred_millis,
    })
}

fn decision_to_wire(decision: &DecisionRecord) -> wire::StoredDecision {
    let (cause, cause_reason) = match &decision.cause {
        Some((incarnation, reason)) => (Some((*incarnation).into()), Some(reason.into())),
        None => (None, None),
    };
    wire::StoredDecision {
        number: decision.number,
        cause,
        cause_reason,
        from: decision.from,
        stops: decision.stops,
        end: Some(match &decision.end {
            DecisionEnd::Start => End::Start(wire::Empty {}),
            DecisionEnd::Exit(reason) => End::Exit(reason.into()),
            DecisionEnd::StartFailed(reason) => End::StartFailed(reason.into()),
        }),
        is_start: decision.is_start,
        not_before_millis: decision.not_before_millis,
    }
}

fn decision_from_wire(decision: wire::StoredDecision) -> Result<DecisionRecord, ConvertError> {
    let cause = match decision.cause {
        Some(cause) => Some((
            incarnation(Some(cause), "stored_decision.cause")?,
            reason(decision.cause_reason, "stored_decision.cause_reason")?,
        )),
        None => None,
    };
    Ok(DecisionRecord {
        number: decision.number,
        cause,
        from: decision.from,
        stops: decision.stops,
        end: match decision.end.required("stored_decision.end")? {
            End::Start(_) => DecisionEnd::Start,
            End::Exit(reason) => DecisionEnd::Exit(reason.try_into()?),
            End::StartFailed(reason) => DecisionEnd::StartFailed(reason.try_into()?),
        },
        is_start: decision.is_start,
        not_before_millis: decision.not_before_millis,
    })
}

fn key_bytes(key: SpecKey) -> Bytes {
    Bytes::copy_from_slice(&key.0.to_be_bytes())
}

fn key(bytes: &[u8], field: &'static str) -> Result<SpecKey, ConvertError> {
    let bytes = <[u8; 16]>::try_from(bytes).map_err(|_| ConvertError::unknown(field, bytes.len()))?;
    Ok(SpecKey(u128::from_be_bytes(bytes)))
}
