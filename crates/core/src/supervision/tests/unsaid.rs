//! While the registry is away, what is repeated to a head takes no more room the second time.

use super::specs::*;
use super::world::*;
use crate::supervision::{Event, RequestKey};
use mobula_types::actor::*;

const ACTORS: u64 = 100;

fn creations() -> ActorRequest {
    ActorRequest::Create(
        (1..=ACTORS).map(|number| CreateActor { actor: id(number), spec: spec("a") }).collect(),
    )
}

#[test]
fn creations_that_are_asked_for_again_wait_once() {
    let mut world = World::new(1);
    let mut request = world.ask_from(Some(node(1)), creations());
    let mut waiting = Vec::new();
    for _ in 0..5 {
        world.gone(request);
        request = world.ask_from(Some(node(1)), creations());
        waiting.push(world.machine.writes.unsaid());
    }
    assert!(waiting.iter().all(|count| *count == waiting[0]), "{waiting:?}");
    world.settle();
    let Ok(ActorAnswer::Created(created)) = world.answer(request) else { panic!() };
    assert!(created.iter().all(Result::is_ok));
    assert_eq!(world.nodes[&node(1)].actors.len(), ACTORS as usize);
    assert_eq!(world.machine.writes.unsaid(), 0);
}

#[test]
fn exits_that_are_reported_again_are_acknowledged_once() {
    let mut world = World::new(1);
    world.ask(create(1, spec("a")));
    world.settle();
    world.exit("a", ExitKind::Panicked);
    let waiting = world.machine.writes.unsaid();
    let exits: Vec<ExitReport> = world.nodes[&node(1)].exits.iter().map(|(exit, _)| exit.clone()).collect();
    for _ in 0..5 {
        world.tell(Event::Reported { node: node(1), report: ActorReport::Exited(exits.clone()) });
    }
    assert_eq!(world.machine.writes.unsaid(), waiting);
    world.commit();
    let recorded = world.nodes[&node(1)].inbox.iter().filter_map(|order| match order {
        ActorOrder::ExitsRecorded(exits) => Some(exits.len()),
        _ => None,
    });
    assert_eq!(recorded.sum::<usize>(), 1);
}

#[test]
fn answers_that_nobody_waits_for_are_not_kept() {
    let mut world = World::new(1);
    world.ask(create(1, spec("a")));
    let waiting = world.machine.writes.unsaid();
    let requests: Vec<RequestKey> =
        (0..5).map(|_| world.ask(ActorRequest::Find(ActorTarget::Id(id(1))))).collect();
    assert_eq!(world.machine.writes.unsaid(), waiting + 5);
    requests.into_iter().for_each(|request| world.gone(request));
    assert_eq!(world.machine.writes.unsaid(), waiting);
    world.settle();
    assert_eq!(world.alive(), ["a"]);
}
