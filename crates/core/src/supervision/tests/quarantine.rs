//! Records that cannot be read.

use super::specs::*;
use super::world::*;
use crate::supervision::Event;
use mobula_types::actor::*;
use mobula_types::{ActorId, Epoch, ExitKind, FailureKind};

fn named(class: &str) -> ChildSpec {
    let options = ActorOptions { name: class.into(), ..options() };
    ChildSpec { kind: ChildKind::Actor(spec_with(class, options)), ..child(class) }
}

/// A tree `a`, `b`, below `inner` `c`, `d`, and a free actor `free`; all have names.
fn world() -> World {
    let mut world = World::new(2);
    let inner = tree(SupervisorStrategy::OneForOne, vec![named("c"), named("d")]);
    let spec = tree(SupervisorStrategy::OneForAll, vec![named("a"), named("b"), below("inner", inner)]);
    world.ask(start_tree(1, "tree", spec));
    world.ask(create(9, spec_with("free", ActorOptions { name: "free".into(), ..options() })));
    world.settle();
    world.take_trace();
    world
}

fn of_class(world: &World, class: &str) -> ActorId {
    world.running(class).unwrap().1.actor
}

/// Another head reads the registry and comes to rest; what was written is not written again.
fn change_heads(world: &mut World) {
    let before = world.records.clone();
    world.fail_over();
    world.join_all();
    world.run(SECOND * 600);
    let (actors, supervisors) = (&world.unreadable.actors, &world.unreadable.supervisors);
    for id in actors {
        assert_eq!(before.actors.get(id), world.records.actors.get(id));
    }
    for id in supervisors {
        assert_eq!(before.supervisors.get(id), world.records.supervisors.get(id));
    }
    assert_eq!(before.names, world.records.names);
    assert_eq!(before.specs.len(), world.records.specs.len());
}

#[test]
fn an_unreadable_actor_is_left_alone_and_its_name_stays_taken() {
    let mut world = world();
    let (free, b) = (of_class(&world, "free"), of_class(&world, "b"));
    world.unreadable.actors = vec![free, b];
    change_heads(&mut world);
    assert_eq!(world.alive(), ["a", "b", "c", "d", "free"]);
    assert_eq!(world.take_trace(), steps(""));
    assert_eq!(world.machine.left_alone().len(), 2);
    let again = world.ask(create(10, spec_with("other", ActorOptions { name: "free".into(), ..options() })));
    let Ok(ActorAnswer::Created(created)) = world.answer(again) else { panic!() };
    assert_eq!(created[0].as_ref().unwrap_err().kind(), FailureKind::Unavailable);
    let found = world.ask(ActorRequest::Find(ActorTarget::Id(free)));
    assert!(world.answer(found).unwrap_err().message().contains("cannot be read"));
    // Its siblings go on as their supervisor says, without it.
    world.exit("c", ExitKind::Panicked);
    world.exit("a", ExitKind::Panicked);
    world.settle();
    assert_eq!(world.alive(), ["a", "b", "c", "d", "free"]);
    // Nobody starts it again, and its node keeps the exit.
    world.exit("free", ExitKind::Panicked);
    world.settle();
    assert_eq!(world.alive(), ["a", "b", "c", "d"]);
    assert_eq!(world.nodes.values().map(|known| known.exits.len()).sum::<usize>(), 1);
    // Once the record can be read the exit counts.
    world.unreadable = Default::default();
    world.fail_over();
    world.join_all();
    world.settle();
    assert_eq!(world.alive(), ["a", "b", "c", "d"]);
    assert!(!world.living().contains(&free));
    let last = world.records.actors[&free].last_exit.unwrap();
    assert_eq!(last, (Epoch(1), ExitKind::Panicked));
    assert!(world.nodes.values().all(|known| known.exits.is_empty()));
}

#[test]
fn what_is_below_an_unreadable_supervisor_is_left_alone() {
    let mut world = world();
    let inner = *world.records.supervisors.keys().find(|known| **known != id(1)).unwrap();
    for unreadable in [inner, id(1)] {
        world.unreadable.supervisors = vec![unreadable];
        change_heads(&mut world);
        assert_eq!(world.alive(), ["a", "b", "c", "d", "free"]);
        assert_eq!(world.take_trace(), steps(""));
    }
    assert_eq!(world.machine.left_alone().len(), 6);
    let again = world.ask(start_tree(1, "tree", tree(SupervisorStrategy::OneForOne, vec![child("x")])));
    assert_eq!(world.answer(again).unwrap_err().kind(), FailureKind::Unavailable);
    world.unreadable = Default::default();
    change_heads(&mut world);
    assert_eq!(world.machine.left_alone().len(), 0);
    world.exit("d", ExitKind::Panicked);
    world.settle();
    assert_eq!(world.take_trace(), steps("+d"));
}

#[test]
fn actors_of_an_unreadable_spec_are_left_alone() {
    let mut world = world();
    let b = of_class(&world, "b");
    world.unreadable.specs = vec![world.records.actors[&b].spec];
    change_heads(&mut world);
    assert_eq!(world.alive(), ["a", "b", "c", "d", "free"]);
    assert_eq!(world.machine.left_alone().collect::<Vec<_>>(), [b]);
}

#[test]
fn an_unreadable_actor_is_still_found_by_its_callers_and_watchers() {
    let mut world = world();
    let (on, incarnation) = world.running("free").unwrap();
    world.unreadable.actors = vec![incarnation.actor];
    change_heads(&mut world);
    let target = incarnation.actor;
    let watch = Watch { number: 5, watcher: None, target, kind: WatchKind::Monitor, epoch: None };
    world.nodes.get_mut(&node(2)).unwrap().watches.insert(5, watch);
    for report in [ActorReport::Locate(vec![target]), ActorReport::Watch(watch)] {
        world.tell(Event::Reported { node: node(2), report });
    }
    world.settle();
    let location = Location::At { node: on, incarnation };
    assert_eq!(world.nodes[&node(2)].located.get(&incarnation.actor), Some(&location));
    world.exit("free", ExitKind::Panicked);
    world.settle();
    assert_eq!(world.nodes[&node(2)].downs.len(), 1);
    let location = &world.nodes[&node(2)].located[&incarnation.actor];
    assert!(matches!(location, Location::Dead { .. }), "{location:?}");
}
