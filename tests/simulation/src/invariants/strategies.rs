//! Once nothing goes wrong any more, the children of every supervisor are as its strategy says: what is to run does, once,
//! on a living node; and nothing else runs.

use crate::registry::{Key, Value};
use crate::world::World;
use mobula_types::actor::{ActorRecord, ChildRecord, ChildState, Placement, RestartType, SupervisorRecord};
use mobula_types::{ExitReason, Incarnation};
use std::collections::BTreeMap;

/// Compares what runs with what is on record.
pub(super) fn check(world: &mut World) {
    let running = world.running();
    let mut problems = Vec::new();
    let mut recorded = Vec::new();
    for value in world.registry.entries().values().map(|entry| &entry.value) {
        match value {
            Value::Actor(record) => {
                let incarnation = Incarnation { actor: record.actor, epoch: record.epoch };
                let count = running.iter().filter(|running| running.actor == record.actor).count();
                if record.granted {
                    recorded.push(incarnation);
                    if count != 1 || !running.contains(&incarnation) {
                        problems.push(format!("{incarnation} is granted, and {count} of it run"));
                    }
                } else if count > 0 {
                    problems.push(format!("{incarnation} is not granted, and {count} of it run"));
                }
                problems.extend(child_problem(world, record));
            }
            Value::Supervisor(record) => {
                if record.running && record.decision.is_some() {
                    problems.push(format!("{:?} still carries out {:?}", record.supervisor, record.decision));
                }
                problems.extend(subtree_problem(world, record));
                problems.extend(placement_problem(world, record));
            }
            _ => {}
        }
    }
    for running in running.iter().filter(|running| !recorded.contains(running)) {
        problems.push(format!("{running} runs, and is not on record"));
    }
    for problem in problems {
        world.context.observer.broken("strategies", problem);
    }
}

/// A child that should run, and does not.
fn child_problem(world: &World, record: &ActorRecord) -> Option<String> {
    let child = record.child.as_ref()?;
    if record.granted {
        return None;
    }
    let abnormal = record.last_exit.is_some_and(|(_, kind)| ExitReason::of(kind).is_abnormal());
    match should_run(world, child, abnormal) {
        None => Some(format!("{:?} has no supervisor", record.actor)),
        Some(true) => Some(format!("{:?} is to run, and does not: {record:?}", record.actor)),
        Some(false) => None,
    }
}

/// A supervisor below another one that should run, and does not.
fn subtree_problem(world: &World, record: &SupervisorRecord) -> Option<String> {
    let child = record.child.as_ref()?;
    if record.running {
        return None;
    }
    let abnormal = record.last_reason.as_ref().is_some_and(ExitReason::is_abnormal);
    match should_run(world, child, abnormal) {
        None => Some(format!("{:?} has no supervisor", record.supervisor)),
        Some(true) => Some(format!("{:?} is to run, and does not: {record:?}", record.supervisor)),
        Some(false) => None,
    }
}

/// Whether a child is to run that has exited like that; `None` where there is no supervisor above it.
fn should_run(world: &World, child: &ChildRecord, abnormal: bool) -> Option<bool> {
    let Some(Value::Supervisor(above)) = world.registry.get(&Key::Supervisor(child.supervisor)) else {
        return None;
    };
    let wanted = child.state == ChildState::Present && !child.removed && !child.quarantined;
    let returns = match child.restart {
        RestartType::Permanent => true,
        RestartType::Transient => abnormal,
        RestartType::Temporary => false,
    };
    Some(above.running && wanted && returns)
}

/// Siblings that are to be apart, and are not.
fn placement_problem(world: &World, above: &SupervisorRecord) -> Option<String> {
    if above.placement != Placement::AntiAffinity {
        return None;
    }
    let mut taken = BTreeMap::new();
    for value in world.registry.entries().values().map(|entry| &entry.value) {
        let Value::Actor(record) = value else { continue };
        let is_child = record.child.as_ref().is_some_and(|child| child.supervisor == above.supervisor);
        let Some(node) = record.node.as_ref().filter(|_| is_child && record.granted) else { continue };
        if let Some(other) = taken.insert(node, record.actor) {
            return Some(format!("{:?} and {other:?} are both on {node}", record.actor));
        }
    }
    None
}
