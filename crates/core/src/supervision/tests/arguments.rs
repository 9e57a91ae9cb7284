//! What actors are constructed from: each from its own arguments, of which the registry has those of children alone.

use super::specs::*;
use super::world::*;
use mobula_types::actor::*;
use mobula_types::frame::Input;
use mobula_types::outcome::StoredCopy;
use mobula_types::*;
use std::sync::Arc;

fn input(value: StoredValue) -> Input {
    Input { parameter: 0, shape: ArgumentShape::Whole, object: ObjectId::default(), value }
}

fn inline(bytes: usize) -> Input {
    input(StoredValue::Inline(Payload::from(vec![7; bytes])))
}

fn stored() -> Input {
    input(StoredValue::Stored(Arc::new(StoredCopy { length: 1, checksum: 2, holders: vec![node(1)] })))
}

/// An actor whose only argument is a reference.
fn refers_to(class: &str, input: Input) -> Arc<ActorSpec> {
    Arc::new(ActorSpec { arguments: Payload::EMPTY, inputs: vec![input], ..(*spec(class)).clone() })
}

/// What the nodes were told to start, in the order in which that was decided.
fn starts(world: &World) -> Vec<StartActor> {
    let orders = world.nodes.values().flat_map(|node| &node.inbox);
    let starts = orders.filter_map(|order| match order {
        ActorOrder::Start(starts) => Some(starts.clone()),
        _ => None,
    });
    let mut starts: Vec<StartActor> = starts.flatten().collect();
    starts.sort_by_key(|start| start.incarnation);
    starts
}

#[test]
fn actors_that_differ_in_their_references_alone_are_each_constructed_from_their_own() {
    let mut world = World::new(1);
    let specs = [inline(200), inline(300), stored()].map(|input| refers_to("a", input));
    for (number, spec) in (1..).zip(&specs) {
        world.ask(create(number, spec.clone()));
    }
    while world.commit() {}
    let told: Vec<Arc<ActorSpec>> = starts(&world).into_iter().map(|start| start.spec).collect();
    assert_eq!(told, specs);
    let [spec] = &world.records.specs.values().collect::<Vec<_>>()[..] else { panic!("one spec for all") };
    assert!(spec.spec.inputs.is_empty(), "the registry keeps no references");
}

#[test]
fn references_come_again_with_a_creation_that_is_repeated_to_the_next_head() {
    let mut world = World::new(1);
    let spec = refers_to("a", inline(200));
    world.ask_from(Some(node(1)), create(1, spec.clone()));
    world.commit();
    world.fail_over();
    world.join_all();
    world.settle();
    assert!(world.alive().is_empty(), "nobody knows its arguments");
    world.ask_from(Some(node(1)), create(1, spec.clone()));
    while world.commit() {}
    assert_eq!(starts(&world).into_iter().map(|start| start.spec).collect::<Vec<_>>(), [spec]);
}

#[test]
fn what_is_moved_has_small_arguments_its_references_among_them() {
    for (input, moves) in [(inline(4096), true), (inline(4097), false), (stored(), false)] {
        let mut world = World::new(2);
        world.ask(create(1, refers_to("a", input)));
        world.settle();
        let (home, _) = world.running("a").unwrap();
        world.drain(&home);
        world.settle();
        assert_eq!(world.running("a").is_some_and(|(now, _)| now != home), moves);
    }
}

#[test]
fn a_child_refers_to_nothing() {
    let mut world = World::new(1);
    let of = |spec: Arc<ActorSpec>| ChildSpec { kind: ChildKind::Actor(spec), ..child("a") };
    let bad = of(refers_to("a", inline(1)));
    let request = world.ask(start_tree(1, "", tree(SupervisorStrategy::OneForOne, vec![bad.clone()])));
    assert_eq!(world.answer(request).unwrap_err().kind(), FailureKind::InvalidArgument);
    for (number, strategy) in [(2, SupervisorStrategy::OneForOne), (3, SupervisorStrategy::SimpleOneForOne)] {
        world.ask(start_tree(number, "", tree(strategy, vec![child("a")])));
        world.settle();
        let ask = ActorRequest::StartChild {
            supervisor: ActorTarget::Id(id(number)),
            actor: id(10 + number),
            child: ChildSpec { id: "b".into(), ..bad.clone() },
        };
        let request = world.ask(ask);
        assert_eq!(world.answer(request).unwrap_err().kind(), FailureKind::InvalidArgument);
        let options = ActorOptions { supervisor: Some(id(number)), ..options() };
        let spawned = ActorSpec { inputs: vec![stored()], ..(*spec_with("a", options)).clone() };
        let created = super::single::created(&mut world, 20 + number, spawned.into());
        assert_eq!(created.unwrap_err().kind(), FailureKind::InvalidArgument);
    }
}
