//! Cancels.

use super::world::*;
use crate::tasks::{Effect, Event, Place, Requester};
use mobula_types::{Failure, FailureKind, ObjectAddress, ObjectId, Outcome, TaskId};

fn cancel(number: u64, force: bool, recursive: bool) -> Event {
    let requester = Requester::Session(DRIVER);
    Event::Cancel { requester, address: address(result(number)), force, recursive }
}

#[test]
fn a_queued_task_is_dropped() {
    let mut world = World::new(1);
    world.submit(1);
    world.submit(2);
    assert_eq!(failures(&world.tell(cancel(2, false, true))), [(2, FailureKind::Cancelled)]);
    assert!(assigned(&world.end_with(1, inline(b"9"))).is_empty());
    world.release(&[result(1), result(2)]);
    assert!(world.is_empty());
}

#[test]
fn a_running_task_is_told_and_its_end_changes_nothing() {
    let mut world = World::new(1);
    world.submit(1);
    let attempt = world.attempt(1);
    let effects = world.tell(cancel(1, true, true));
    let [Effect::CancelAssignment { place: Place::Local, task: told, attempt: of, force: true, failure }, _] =
        &effects[..]
    else {
        panic!("{effects:?}")
    };
    assert_eq!((*told, *of, failure.kind()), (task(1), attempt, FailureKind::Cancelled));
    assert_eq!(failures(&effects), [(1, FailureKind::Cancelled)]);
    // The slot is taken until the executor has answered.
    assert!(assigned(&world.submit(2)).is_empty());
    let effects = world.end_with(1, stored(&[here()]));
    assert_eq!(freed(&effects), [(Place::Local, vec![result(1)])]);
    assert_eq!(numbers(&effects), [2]);
    let effects = world.get(result(1));
    assert!(
        matches!(&got(&effects)[0].1, Outcome::Failed(failure) if failure.kind() == FailureKind::Cancelled)
    );
}

#[test]
fn what_has_finished_is_left_alone() {
    let mut world = World::new(1);
    world.submit(1);
    world.end_with(1, inline(b"9"));
    assert_eq!(world.tell(cancel(1, true, true)), []);
    assert_eq!(got(&world.get(result(1))), [(result(1), Outcome::Value(inline(b"9")))]);
}

#[test]
fn a_waiting_task_is_dropped_and_its_argument_is_not() {
    let mut world = World::new(1);
    world.submit(1);
    world.submit_with(2, |submit| submit.references = vec![whole(result(1))]);
    assert_eq!(failures(&world.tell(cancel(2, false, true))), [(2, FailureKind::Cancelled)]);
    assert_eq!(completed(&world.end_with(1, inline(b"9"))).len(), 1);
}

#[test]
fn dependents_of_a_cancelled_task_fail_with_it_as_the_cause() {
    let mut world = World::new(1);
    world.submit(1);
    world.submit_with(2, |submit| submit.references = vec![whole(result(1))]);
    let effects = world.tell(cancel(1, false, true));
    assert_eq!(failures(&effects), [(1, FailureKind::Cancelled), (2, FailureKind::DependencyFailed)]);
}

#[test]
fn children_are_cancelled_unless_told_otherwise() {
    for recursive in [true, false] {
        let mut world = World::new(4);
        world.submit(1);
        for (child, parent) in [(2, 1), (3, 2), (4, 1)] {
            world.submit_with(child, |submit| {
                submit.requester = Requester::Session(WORKER);
                submit.parent = Some(task(parent));
            });
        }
        let effects = world.tell(cancel(1, false, recursive));
        let mut ended: Vec<u64> = failures(&effects).iter().map(|(number, _)| *number).collect();
        ended.sort_unstable();
        assert_eq!(ended, if recursive { vec![1, 2, 3, 4] } else { vec![1] });
    }
}

#[test]
fn what_a_cancelled_parent_still_submits_is_cancelled() {
    let mut world = World::new(2);
    world.submit(1);
    world.tell(cancel(1, false, true));
    let effects = world.submit_with(2, |submit| {
        submit.requester = Requester::Session(WORKER);
        submit.parent = Some(task(1));
    });
    assert_eq!(failures(&effects), [(2, FailureKind::Cancelled)]);
    assert!(assigned(&effects).is_empty());
}

#[test]
fn another_nodes_task_is_cancelled_at_its_owner() {
    let mut world = World::new(1);
    let object = ObjectId::result(TaskId::from_hash(3), 0);
    let address = ObjectAddress { object, owner: Some(there()) };
    let requester = Requester::Session(DRIVER);
    let effects = world.tell(Event::Cancel { requester, address, force: true, recursive: false });
    assert_eq!(effects, [Effect::CancelRemote { owner: there(), object, force: true, recursive: false }]);
}

#[test]
fn children_of_another_nodes_task_are_cancelled_with_its_run_here() {
    let mut world = World::new(2);
    let parent = TaskId::from_hash(77);
    world.submit_with(1, |submit| {
        submit.requester = Requester::Session(WORKER);
        submit.parent = Some(parent);
    });
    let failure = Failure::new(FailureKind::Cancelled, "by its owner");
    let effects = world.tell(Event::ParentEnded { task: parent, cancel: Some(failure), force: false });
    assert_eq!(failures(&effects), [(1, FailureKind::Cancelled)]);
}
