//! What the head is told of single tasks.

use super::world::*;
use crate::tasks::SnapshotFilter;
use mobula_types::{Failure, FailureKind, Outcome, TaskState};

#[test]
fn ends_are_kept_though_their_records_are_gone() {
    let mut world = World::new(2);
    world.submit(1);
    world.submit(2);
    world.end_with(1, inline(b"9"));
    world.release(&[result(1)]);
    world.end(2, ran(Outcome::Failed(Failure::new(FailureKind::TaskFailed, "no luck"))));
    let (ends, left_out) = world.engine.take_ends();
    let ends: Vec<_> = ends
        .into_iter()
        .map(|end| (end.task, end.state, end.node, end.failure.map(|failure| failure.kind())))
        .collect();
    let expected = [
        (task(1), TaskState::Succeeded, None, None),
        (task(2), TaskState::Failed, None, Some(FailureKind::TaskFailed)),
    ];
    assert_eq!((ends, left_out), (expected.map(|end| (end.0, end.1, end.2, end.3)).to_vec(), 0));
    assert_eq!(world.engine.take_ends(), (Vec::new(), 0), "each is told once");
}

#[test]
fn a_flood_of_ends_is_counted() {
    let mut world = World::new(1);
    for number in 1..=200 {
        world.submit(number);
        world.end_with(number, inline(b"9"));
    }
    let (ends, left_out) = world.engine.take_ends();
    assert_eq!((ends.len(), left_out), (128, 72));
    assert_eq!(ends[0].task, task(1));
}

#[test]
fn a_sample_goes_on_where_the_last_one_ended() {
    let mut world = World::new(1);
    for number in 1..=5 {
        world.submit(number);
    }
    world.end_with(1, inline(b"9"));
    let mut sampled = Vec::new();
    for _ in 0..2 {
        sampled.extend(world.engine.sample(2, |_, _| true).into_iter().map(|task| task.task));
    }
    assert_eq!(sampled, [task(2), task(3), task(4), task(5)]);
    assert_eq!(world.engine.sample(10, |_, _| true).len(), 4, "all that are open, and each once");
}

#[test]
fn what_was_handed_out_and_has_not_started_is_queued() {
    let mut world = World::new(0);
    world.tell(view([node(here(), 1), node(there(), 1)]));
    for number in 1..=2 {
        world.submit(number);
    }
    let stands = |state| {
        let filter = SnapshotFilter { state: Some(state), ..SnapshotFilter::default() };
        let mut tasks: Vec<_> =
            world.engine.tasks(&filter, 10, |_, _| false).into_iter().map(|task| task.node).collect();
        tasks.sort();
        tasks
    };
    assert_eq!(stands(TaskState::Running), [Some(there())], "only that node knows");
    assert_eq!(stands(TaskState::Queued), [Some(here()), Some(there())]);
}
