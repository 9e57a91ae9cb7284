//! Deadlines.

use super::world::*;
use crate::tasks::{Effect, Requester};
use mobula_types::{FailureKind, Time};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_task_whose_deadline_passes_is_cancelled_wherever_it_is() {
    let mut world = World::new(1);
    let deadline = world.now + SECOND;
    for number in 1..=2 {
        world.submit_with(number, |submit| submit.deadline = Some(deadline));
    }
    world.submit_with(3, |submit| {
        submit.deadline = Some(deadline);
        submit.references = vec![whole(result(1))];
    });
    assert_eq!(world.engine.next_deadline(), deadline);
    let effects = world.advance(SECOND);
    let kind = FailureKind::DeadlineExceeded;
    assert_eq!(failures(&effects)[..2], [(1, kind), (3, FailureKind::DependencyFailed)]);
    assert_eq!(failures(&effects)[2..], [(2, kind)]);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::CancelAssignment { force: true, .. })));
}

#[test]
fn a_deadline_is_forgotten_with_the_tasks_end() {
    let mut world = World::new(1);
    let deadline = world.now + SECOND;
    let effects = world.submit_with(1, |submit| submit.deadline = Some(deadline));
    assert_eq!(assigned(&effects)[0].1.deadline, Some(deadline));
    world.end_with(1, inline(b"9"));
    assert_eq!(world.engine.next_deadline(), Time::NEVER);
}

#[test]
fn children_inherit_the_earlier_deadline() {
    let mut world = World::new(4);
    let early = world.now + SECOND;
    let late = world.now + SECOND * 9;
    world.submit_with(1, |submit| submit.deadline = Some(early));
    for (child, own, expected) in
        [(2, None, early), (3, Some(late), early), (4, Some(world.now + SECOND / 2), world.now + SECOND / 2)]
    {
        let effects = world.submit_with(child, |submit| {
            submit.requester = Requester::Session(WORKER);
            submit.parent = Some(task(1));
            submit.deadline = own;
        });
        assert_eq!(assigned(&effects)[0].1.deadline, Some(expected));
    }
}
