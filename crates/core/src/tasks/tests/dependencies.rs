//! Arguments that are references.

use super::world::*;
use crate::tasks::{Effect, Event, Requester};
use mobula_types::frame::Input;
use mobula_types::{
    ArgumentRef, ArgumentShape, FailureKind, ObjectAddress, ObjectId, ObjectIndex, Outcome, StoredValue,
};

/// A world in which a task is heavy past 100 bytes, and fails past 1,000.
fn small_world(cpus: u64) -> World {
    World::with(cpus, |options| {
        (options.heavy_inline, options.heavy_under_way, options.most_inline) = (100, 500, 1_000);
    })
}

/// Puts values of so many bytes each, and submits a task of all of them.
fn submit_of(world: &mut World, number: u64, sizes: &[usize]) -> Vec<Effect> {
    let objects: Vec<ObjectId> = sizes
        .iter()
        .enumerate()
        .map(|(position, size)| {
            let index = ObjectIndex::driver_put(number * 100 + position as u64);
            let object = ObjectId { task: task(0), index };
            let requester = Requester::Session(DRIVER);
            world.tell(Event::Put { requester, job: JOB, object, value: inline(&vec![7; *size]) });
            object
        })
        .collect();
    world.submit_with(number, |submit| {
        submit.references = objects.iter().map(|object| whole(*object)).collect()
    })
}

#[test]
fn too_many_bytes_of_small_values_fail_their_task_alone() {
    let mut world = small_world(2);
    let effects = submit_of(&mut world, 1, &[400, 400, 400]);
    assert_eq!(failures(&effects), [(1, FailureKind::TooLarge)]);
    assert_eq!(numbers(&submit_of(&mut world, 2, &[50])), [2]);
}

#[test]
fn too_many_arguments_fail_their_task_alone_however_small() {
    let mut world = World::with(2, |options| options.most_frame = 1_000);
    let effects = submit_of(&mut world, 1, &[1; 10]);
    assert_eq!(failures(&effects), [(1, FailureKind::TooLarge)]);
    assert_eq!(numbers(&submit_of(&mut world, 2, &[1; 5])), [2]);
}

#[test]
fn heavy_tasks_are_under_way_within_a_bound() {
    let mut world = small_world(8);
    assert_eq!(numbers(&submit_of(&mut world, 1, &[200, 200])), [1]);
    assert_eq!(numbers(&submit_of(&mut world, 2, &[200, 200])), [], "together they are too much");
    let other = world.submit_with(3, |submit| submit.template = template("other", |_| {}));
    assert_eq!(numbers(&other), [3], "others go on");
    assert_eq!(numbers(&world.end_with(1, inline(b"9"))), [2]);
    world.end_with(2, inline(b"9"));
    assert_eq!(world.engine.heavy_under_way, 0);
}

#[test]
fn a_task_waits_for_its_arguments_and_gets_their_values() {
    let mut world = World::new(2);
    world.submit(1);
    let waiting = world.submit_with(2, |submit| submit.references = vec![whole(result(1))]);
    assert!(assigned(&waiting).is_empty());
    assert_eq!(world.engine.task(task(2)).map(|task| task.missing), Some(1));
    let effects = world.end_with(1, inline(b"9"));
    let input = Input {
        parameter: 0,
        shape: ArgumentShape::Whole,
        object: result(1),
        value: StoredValue::Inline((&b"9"[..]).into()),
    };
    assert_eq!(assigned(&effects)[0].1.inputs, [input]);
}

#[test]
fn elements_come_in_order_and_an_empty_list_needs_nothing() {
    let mut world = World::new(2);
    world.submit(1);
    let element = |parameter, shape, object| ArgumentRef { parameter, shape, address: address(object) };
    world.submit_with(2, |submit| {
        submit.references = vec![
            element(0, ArgumentShape::Element, result(1)),
            element(0, ArgumentShape::Element, result(1)),
            element(1, ArgumentShape::EmptyVec, ObjectId::default()),
        ];
    });
    let effects = world.end_with(1, inline(b"9"));
    let shapes: Vec<_> = assigned(&effects)[0].1.inputs.iter().map(|input| input.shape).collect();
    assert_eq!(shapes, [ArgumentShape::Element, ArgumentShape::Element, ArgumentShape::EmptyVec]);
}

#[test]
fn a_failed_argument_fails_the_task_with_the_cause() {
    let mut world = World::new(2);
    world.submit(1);
    world.submit_with(2, |submit| submit.references = vec![whole(result(1))]);
    world.submit_with(3, |submit| submit.references = vec![whole(result(2))]);
    let failure = mobula_types::Failure::new(FailureKind::TaskPanicked, "index out of bounds");
    let effects = world.end(1, ran(Outcome::Failed(failure.clone())));
    let kinds = [
        (1, FailureKind::TaskPanicked),
        (2, FailureKind::DependencyFailed),
        (3, FailureKind::DependencyFailed),
    ];
    assert_eq!(failures(&effects), kinds);
    let (_, _, Outcome::Failed(last)) = &completed(&effects)[2] else { panic!("{effects:?}") };
    assert_eq!(last.root_cause(), &failure);
    // A task that is submitted after the failure fails at once.
    let late = world.submit_with(4, |submit| submit.references = vec![whole(result(1))]);
    assert_eq!(failures(&late), [(4, FailureKind::DependencyFailed)]);
    world.release(&[result(1), result(2), result(3), result(4)]);
    assert!(world.is_empty());
}

#[test]
fn a_chain_of_any_length_fails_without_a_deep_stack() {
    let mut world = World::new(1);
    let mut effects = Vec::new();
    world.submit(1);
    for number in 2..20_000 {
        let mut submit = world.submission(number);
        submit.references = vec![whole(result(number - 1))];
        world.engine.on_event(world.now, submit.event(world.now), &mut effects);
    }
    effects.clear();
    let event =
        world.ended(1, ran(Outcome::Failed(mobula_types::Failure::new(FailureKind::TaskFailed, "no"))));
    world.engine.on_event(world.now, event, &mut effects);
    assert_eq!(failures(&effects).len(), 19_999);
}

#[test]
fn an_argument_that_nobody_knows_fails_the_task() {
    let mut world = World::new(2);
    let effects = world.submit_with(1, |submit| submit.references = vec![whole(result(77))]);
    assert_eq!(failures(&effects), [(1, FailureKind::DependencyFailed)]);
}

#[test]
fn arguments_live_until_the_task_has_ended() {
    let mut world = World::new(1);
    let object = ObjectId { task: task(0), index: ObjectIndex::driver_put(1) };
    let requester = Requester::Session(DRIVER);
    world.tell(Event::Put { requester, job: JOB, object, value: stored(&[here()]) });
    world.submit_with(1, |submit| submit.contained = vec![address(object)]);
    assert_eq!(world.release(&[object]), []);
    let effects = world.end_with(1, inline(b"9"));
    assert_eq!(freed(&effects), [(crate::tasks::Place::Local, vec![object])]);
}

#[test]
fn another_nodes_object_is_borrowed_resolved_and_given_back() {
    let mut world = World::new(2);
    let object = ObjectId::result(mobula_types::TaskId::from_hash(9), 0);
    let foreign = ObjectAddress { object, owner: Some(there()) };
    let reference = ArgumentRef { parameter: 0, shape: ArgumentShape::Whole, address: foreign };
    let effects = world.submit_with(1, |submit| submit.references = vec![reference]);
    assert_eq!(
        effects,
        [
            Effect::Borrow { owner: there(), objects: vec![object] },
            Effect::Resolve { owner: there(), object }
        ]
    );
    let outcome = Outcome::Value(stored(&[there()]));
    let effects = world.tell_and_flush(Event::Resolved { owner: there(), object, outcome });
    let [(_, assignment)] = &assigned(&effects)[..] else { panic!("{effects:?}") };
    assert!(matches!(&assignment.inputs[0].value, StoredValue::Stored(copy) if copy.holders == [there()]));
    let effects = world.end_with(1, inline(b"9"));
    assert!(effects.contains(&Effect::Unborrow { owner: there(), objects: vec![object] }));
    world.release(&[result(1)]);
    assert!(world.is_empty());
}
