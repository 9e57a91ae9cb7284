//! Once nothing goes wrong any more, the children of every supervisor are as its strategy says: what is to run does, once,
//! on a living node; and nothing else runs.

use crate::registry::{Key, Value};
use crate::world::World;
use mobula_types::Incarnation;
use mobula_types::actor::{ActorRecord, ChildRecord, ChildState, RestartType};

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
            Value::Supervisor(record) if record.running && record.decision.is_some() => {
                problems.push(format!("{:?} still carries out {:?}", record.supervisor, record.decision));
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
    let child: &ChildRecord = record.child.as_ref()?;
    let Some(Value::Supervisor(above)) = world.registry.get(&Key::Supervisor(child.supervisor)) else {
        return Some(format!("{:?} has no supervisor", record.actor));
    };
    let wanted = child.state == ChildState::Present && !child.removed && !child.quarantined;
    if !above.running || !wanted || record.granted {
        return None;
    }
    let abnormal = record.last_exit.is_some_and(|(_, kind)| mobula_types::ExitReason::of(kind).is_abnormal());
    let runs = match child.restart {
        RestartType::Permanent => true,
        RestartType::Transient => abnormal,
        RestartType::Temporary => false,
    };
    runs.then(|| format!("{:?} is to run, and does not: {record:?}", record.actor))
}
