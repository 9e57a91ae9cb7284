//! What the registry holds of actors is read as it was written, and an actor's record is small.

use mobula_proto::actor_registry::{decode_actor, decode_supervisor, encode_actor, encode_supervisor};
use mobula_types::actor::{
    ActorRecord, AutoShutdown, ChildRecord, ChildShutdown, ChildState, DecisionEnd, DecisionRecord, Epoch,
    ExitCause, ExitKind, ExitReason, Incarnation, Intensity, Placement, RestartType, SpecKey,
    SupervisorRecord, SupervisorStrategy,
};
use mobula_types::{ActorId, Failure, FailureKind, JobId, NodeId, TaskId};
use std::time::Duration;

fn id(low: u64) -> ActorId {
    ActorId(TaskId { high: u64::MAX / 3, low })
}

fn child() -> ChildRecord {
    ChildRecord {
        supervisor: id(u64::MAX / 5),
        ordinal: 70,
        id: "worker".into(),
        restart: RestartType::Transient,
        shutdown: ChildShutdown::Within(Duration::from_secs(5)),
        significant: true,
        declared: true,
        removed: false,
        state: ChildState::Present,
        terminating: false,
        quarantined: false,
        failures: 2,
        restart_at_millis: 0,
        above: Epoch(4),
        deferred_millis: 0,
    }
}

fn actor() -> ActorRecord {
    ActorRecord {
        actor: id(u64::MAX / 7),
        dead: false,
        job: JobId(u64::MAX / 11),
        spec: SpecKey(u128::MAX / 13),
        epoch: Epoch(3),
        node: Some(NodeId::new("host-17.example:7421", 5)),
        granted: true,
        last_exit: Some((Epoch(2), ExitKind::Panicked)),
        last_reason: None,
        creator: None,
        again: false,
        restarts: 2,
        losses_millis: Vec::new(),
        child: Some(child()),
        since_millis: 1_700_000_000_000,
    }
}

fn reason() -> ExitReason {
    let failure = Failure::new(FailureKind::TaskPanicked, "index out of bounds: the length is 3");
    let incarnation = Incarnation { actor: id(9), epoch: Epoch(1) };
    let reason = ExitReason::failed(ExitKind::Panicked, failure);
    ExitReason::of(ExitKind::Linked).caused_by(ExitCause { incarnation, name: "first".into(), reason })
}

#[test]
fn an_actor_is_read_as_it_was_written_and_is_small() {
    let usual = actor();
    let bytes = encode_actor(&usual);
    assert!(bytes.len() <= 200, "{} bytes", bytes.len());
    assert_eq!(decode_actor(bytes).unwrap(), usual);
    let child = Some(ChildRecord { deferred_millis: 1_700_000_000_123, ..child() });
    let told = ActorRecord { last_reason: Some(reason()), child, ..actor() };
    assert_eq!(decode_actor(encode_actor(&told)).unwrap(), told);
}

#[test]
fn a_supervisor_is_read_as_it_was_written() {
    let cause = Some((Incarnation { actor: id(9), epoch: Epoch(1) }, reason()));
    let decision = DecisionRecord {
        number: 8,
        cause,
        from: 3,
        stops: true,
        end: DecisionEnd::Exit(reason()),
        is_start: false,
        not_before_millis: 5,
    };
    let record = SupervisorRecord {
        supervisor: id(1),
        namespace: "default".into(),
        name: "tree".into(),
        job: JobId(7),
        detached: true,
        child: None,
        strategy: SupervisorStrategy::SimpleOneForOne,
        intensity: Intensity { max_restarts: 3, within: Duration::from_secs(5) },
        auto_shutdown: AutoShutdown::AllSignificant,
        placement: Placement::Spread,
        pattern: Some((child(), SpecKey(6))),
        epoch: Epoch(2),
        running: true,
        next_ordinal: 71,
        restarts_millis: vec![1, 2],
        worker_ends: vec![u64::MAX, 1],
        restarts: 9,
        last_reason: Some(reason()),
        decision: Some(decision),
        since_millis: 4,
    };
    assert_eq!(decode_supervisor(encode_supervisor(&record)).unwrap(), record);
}
