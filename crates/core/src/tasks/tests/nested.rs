//! Tasks that submit tasks.

use super::world::*;
use crate::tasks::{Effect, Event, Requester, SessionKey, SessionKind};
use mobula_types::{FailureKind, Outcome, Quantity, Resources};
use std::time::Duration;

fn child(world: &mut World, number: u64, parent: u64, session: SessionKey) -> Vec<Effect> {
    world.submit_with(number, |submit| {
        submit.requester = Requester::Session(session);
        submit.parent = Some(task(parent));
    })
}

#[test]
fn a_waiting_parent_lends_its_cpu_to_its_children() {
    let mut world = World::new(1);
    world.submit(1);
    assert!(assigned(&child(&mut world, 2, 1, WORKER)).is_empty());
    let effects = world.tell_and_flush(Event::Blocked { job: JOB, task: task(1) });
    assert_eq!(numbers(&effects), [2]);
    world.end_with(2, inline(b"9"));
    world.tell(Event::Unblocked { job: JOB, task: task(1) });
    assert!(assigned(&world.submit(3)).is_empty(), "the parent has it again");
    assert_eq!(numbers(&world.end_with(1, inline(b"9"))), [3]);
}

#[test]
fn too_many_waiting_tasks_are_too_deep() {
    let mut world = World::with(8, |options| options.max_waiting = 2);
    world.submit(1);
    world.tell(Event::Blocked { job: JOB, task: task(1) });
    child(&mut world, 2, 1, WORKER);
    world.tell(Event::Blocked { job: JOB, task: task(2) });
    let effects = child(&mut world, 3, 2, WORKER);
    assert_eq!(failures(&effects), [(3, FailureKind::TooDeep)]);
    assert_eq!(numbers(&world.submit(4)), [4], "a driver may go on");
    world.tell(Event::Unblocked { job: JOB, task: task(2) });
    assert_eq!(numbers(&child(&mut world, 5, 2, WORKER)), [5]);
}

#[test]
fn a_wait_for_what_the_parent_holds_is_a_deadlock() {
    let mut world = World::new(4);
    let mut large = node(here(), 4);
    large.resources.gpu = Quantity::ONE;
    world.tell(view([large]));
    let gpu = || {
        template("gpu", |options| {
            options.resources = Resources { gpu: Quantity::ONE, ..Resources::cpus(1) };
        })
    };
    world.submit_with(1, |submit| submit.template = gpu());
    let effects = world.submit_with(2, |submit| {
        submit.template = gpu();
        submit.requester = Requester::Session(WORKER);
        submit.parent = Some(task(1));
    });
    assert!(failures(&effects).is_empty(), "the parent may yet end");
    let effects = world.tell_and_flush(Event::Blocked { job: JOB, task: task(1) });
    assert_eq!(failures(&effects), [(2, FailureKind::WouldDeadlock)]);
}

#[test]
fn a_parent_that_runs_again_finds_its_children() {
    let mut world = World::new(4);
    world.submit(1);
    for number in 2..=4 {
        child(&mut world, number, 1, WORKER);
    }
    world.end_with(2, inline(b"two"));
    let failure = mobula_types::Failure::new(FailureKind::TaskFailed, "no");
    world.end(3, ran(Outcome::Failed(failure)));
    // The worker dies: its session ends before its task's assignment does.
    world.tell(Event::SessionClosed { session: WORKER });
    world.end(1, lost(true));
    world.advance(Duration::from_millis(100));
    let worker = SessionKey(3);
    world.open(worker, Some(JOB), SessionKind::Worker);
    let again = child(&mut world, 2, 1, worker);
    assert_eq!(completed(&again), [(worker, 2, Outcome::Value(inline(b"two")))], "it had succeeded");
    assert_eq!(numbers(&child(&mut world, 3, 1, worker)), [3], "it had failed");
    assert!(child(&mut world, 4, 1, worker).is_empty(), "it still runs");
    assert_eq!(
        completed(&world.end_with(4, inline(b"four"))),
        [(worker, 4, Outcome::Value(inline(b"four")))]
    );
    world.end_with(3, inline(b"three"));
    world.end_with(1, inline(b"one"));
    let objects = (2..=4).map(|number| address(result(number))).collect();
    world.tell(Event::Released { requester: Requester::Session(worker), objects });
    world.release(&[result(1)]);
    assert!(world.is_empty());
}

#[test]
fn children_that_the_last_attempt_did_not_submit_are_cancelled_with_the_parents_end() {
    let mut world = World::new(4);
    world.submit(1);
    child(&mut world, 2, 1, WORKER);
    world.tell(Event::SessionClosed { session: WORKER });
    world.end(1, lost(true));
    world.advance(Duration::from_millis(100));
    let effects = world.end_with(1, inline(b"one"));
    assert!(effects.iter().any(
        |effect| matches!(effect, Effect::CancelAssignment { task: cancelled, .. } if *cancelled == task(2))
    ));
}

#[test]
fn children_that_were_submitted_by_the_last_attempt_outlive_the_parent() {
    let mut world = World::new(4);
    world.submit(1);
    child(&mut world, 2, 1, WORKER);
    world.end_with(1, containing(&[address(result(2))]));
    assert_eq!(completed(&world.end_with(2, inline(b"two"))).len(), 1);
}
