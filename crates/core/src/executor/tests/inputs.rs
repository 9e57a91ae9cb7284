//! Inputs that are fetched before a run waits for resources.

use super::*;
use mobula_types::frame::Input;
use mobula_types::outcome::{CopyVersion, StoredCopy};
use mobula_types::{ArgumentShape, ObjectId, StoredValue};

fn input(number: u64, holder: &str) -> Input {
    let copy = StoredCopy { length: 1 << 20, checksum: 5, holders: vec![NodeId::new(holder, 1)] };
    Input {
        parameter: 0,
        shape: ArgumentShape::Whole,
        object: ObjectId::result(task(number), 0),
        value: StoredValue::Stored(Arc::new(copy)),
    }
}

fn assign_with_input(world: &mut World, number: u64, holder: &str) {
    let mut assignment = world.assignment(number, JOB, &template("embedded", Resources::cpus(1)));
    assignment.inputs = vec![input(900, holder)];
    world.event(Event::Assigned { owner: Owner::Local, assignment });
}

fn fetches(world: &mut World) -> Vec<RunKey> {
    world.take(|effect| match effect {
        Effect::Fetch { run, .. } => Some(*run),
        _ => None,
    })
}

#[test]
fn what_is_here_is_not_fetched() {
    let mut world = World::embedded(1);
    assign_with_input(&mut world, 1, "here");
    assert_eq!(fetches(&mut world), []);
    assert_eq!(world.flush_runs().len(), 1);
}

#[test]
fn a_run_waits_for_its_inputs_and_holds_nothing_meanwhile() {
    let mut world = World::embedded(1);
    assign_with_input(&mut world, 1, "there");
    world.assign_many(1, &template("embedded", Resources::cpus(1)));
    let run = fetches(&mut world).remove(0);
    world.numbered = 10;
    let other = world.assign("embedded", Resources::cpus(1));
    let first = world.flush_runs();
    assert_eq!(tasks_of(&first), [other]);
    let here = vec![input(900, "here")];
    world.event(Event::InputsReady { run, inputs: here.clone() });
    world.done(&first[0], 10_000);
    let orders = world.flush_runs();
    assert_eq!((orders[0].task, &orders[0].inputs), (task(1), &here));
}

#[test]
fn only_so_many_fetch_at_once_in_their_order() {
    let mut world = World::embedded(1);
    (1..=10).for_each(|number| assign_with_input(&mut world, number, "there"));
    let runs = fetches(&mut world);
    assert_eq!(runs.len(), 8);
    world.cancel(task(3), false);
    let cancelled = world.take(|effect| match effect {
        Effect::CancelFetch { run } => Some(*run),
        _ => None,
    });
    assert_eq!(cancelled, [runs[2]]);
    assert_eq!(fetches(&mut world).len(), 1);
    world.event(Event::InputsReady { run: runs[2], inputs: Vec::new() });
    world.event(Event::InputsReady { run: runs[0], inputs: vec![input(900, "here")] });
    assert_eq!(tasks_of(&world.flush_runs()), [task(1)], "a late answer changes nothing");
    assert_eq!(fetches(&mut world).len(), 1);
}

#[test]
fn inputs_that_cannot_be_brought_now_are_not_lost() {
    let mut world = World::embedded(1);
    assign_with_input(&mut world, 1, "there");
    let run = fetches(&mut world).remove(0);
    let failure = failure(FailureKind::Unavailable);
    world.event(Event::InputsUnavailable { run, failure: failure.clone() });
    world.event(Event::InputsUnavailable { run, failure: failure.clone() });
    assert_eq!(world.reports(), [(task(1), AssignmentEnd::InputsUnavailable { failure })]);
}

#[test]
fn a_lost_input_is_reported_with_its_version_and_holder() {
    let mut world = World::embedded(1);
    assign_with_input(&mut world, 1, "there");
    let run = fetches(&mut world).remove(0);
    let (object, holder) = (ObjectId::result(task(900), 0), NodeId::new("there", 1));
    world.event(Event::InputLost { run, object, holder: holder.clone() });
    world.event(Event::InputLost { run, object, holder: holder.clone() });
    let version = CopyVersion { length: 1 << 20, checksum: 5 };
    assert_eq!(world.reports(), [(task(1), AssignmentEnd::InputLost { object, version, holder })]);
    assert_eq!(world.take(|effect| matches!(effect, Effect::CancelFetch { .. }).then_some(())), []);
}

#[test]
fn an_input_that_a_worker_cannot_read_is_the_owners_business() {
    for is_here in [false, true] {
        let mut world = World::embedded(1);
        assign_with_input(&mut world, 1, "here");
        let order = world.flush_runs().remove(0);
        let object = ObjectId::result(task(900), 0);
        let failure = failure(FailureKind::NotFound);
        let unreadable = Event::Unreadable {
            worker: order.worker,
            handle: order.handle,
            object,
            is_here,
            failure: failure.clone(),
        };
        world.event(unreadable.clone());
        world.event(unreadable);
        let version = CopyVersion { length: 1 << 20, checksum: 5 };
        let end = if is_here {
            AssignmentEnd::InputsUnavailable { failure }
        } else {
            AssignmentEnd::InputLost { object, version, holder: NodeId::new("here", 1) }
        };
        assert_eq!(world.reports(), [(task(1), end)]);
        // Its slot is free again.
        assign_with_input(&mut world, 2, "here");
        assert_eq!(world.flush_runs().len(), 1);
    }
}
