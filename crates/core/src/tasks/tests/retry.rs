//! What is tried again, when, and what it costs.

use super::world::*;
use crate::tasks::{Effect, Event, SessionKey, SessionKind};
use mobula_types::frame::AssignmentEnd;
use mobula_types::{Failure, FailureKind, JobId, NodeId, Outcome, Time};
use std::time::Duration;

const MILLISECOND: Duration = Duration::from_millis(1);

fn fails(retryable: bool) -> AssignmentEnd {
    let failure = Failure::new(FailureKind::TaskFailed, "not now");
    AssignmentEnd::Ran { outcome: Outcome::Failed(failure), retryable, micros: 1, borrows: Vec::new() }
}

#[test]
fn a_worker_death_is_retried_after_a_pause_that_doubles() {
    let mut world = World::new(1);
    world.submit(1);
    for (retry, longest) in [100, 200, 400].into_iter().enumerate() {
        assert!(completed(&world.end(1, lost(true))).is_empty());
        let pause = world.engine.next_deadline().since(world.now);
        assert!(pause >= MILLISECOND * longest / 2 && pause <= MILLISECOND * longest, "{pause:?}");
        let effects = world.advance(pause);
        assert_eq!(assigned(&effects)[0].1.attempt.number, retry as u32 + 1);
    }
    let effects = world.end(1, lost(true));
    assert_eq!(failures(&effects), [(1, FailureKind::WorkerDied)], "three retries are used up");
}

#[test]
fn the_pause_has_a_limit() {
    let mut world = World::new(1);
    world.submit_with(1, |submit| submit.template = template("often", |options| options.max_retries = 50));
    for _ in 0..50 {
        world.end(1, lost(true));
        let pause = world.engine.next_deadline().since(world.now);
        assert!(pause <= Duration::from_secs(10));
        world.advance(pause);
    }
    assert_eq!(failures(&world.end(1, lost(true))).len(), 1);
}

#[test]
fn an_error_is_retried_only_where_retry_on_says_so() {
    let mut world = World::new(1);
    world.submit(1);
    assert!(completed(&world.end(1, fails(true))).is_empty());
    world.advance(MILLISECOND * 100);
    assert_eq!(failures(&world.end(1, fails(false))), [(1, FailureKind::TaskFailed)]);
}

#[test]
fn a_loss_that_is_not_charged_costs_nothing() {
    let mut world = World::new(1);
    world.submit_with(1, |submit| submit.template = template("once", |options| options.max_retries = 1));
    for number in 1..5 {
        let effects = world.end(1, lost(false));
        assert_eq!(assigned(&effects)[0].1.attempt.number, number);
    }
    assert!(failures(&world.end(1, lost(true))).is_empty());
    world.advance(MILLISECOND * 100);
    assert_eq!(failures(&world.end(1, lost(true))), [(1, FailureKind::WorkerDied)]);
}

#[test]
fn a_task_without_retries_starts_once() {
    for charged in [false, true] {
        let mut world = World::new(1);
        world.submit_with(1, |submit| submit.template = template("once", |options| options.max_retries = 0));
        assert_eq!(assigned(&world.end(1, AssignmentEnd::Returned)).len(), 1, "it had not started");
        let effects = world.end(1, lost(charged));
        assert_eq!(failures(&effects), [(1, FailureKind::WorkerDied)]);
        assert!(assigned(&effects).is_empty());
    }
}

#[test]
fn what_was_given_back_keeps_its_attempt() {
    let mut world = World::new(1);
    world.submit(1);
    let effects = world.end(1, AssignmentEnd::Returned);
    assert_eq!(assigned(&effects)[0].1.attempt.number, 0);
    assert_eq!(world.engine.task(task(1)).map(|task| task.retries), Some(0));
}

#[test]
fn a_refusal_goes_to_another_node_and_after_three_waits_here() {
    let mut world = World::new(1);
    world.tell(view([node(here(), 1), node(there(), 1), node(elsewhere(), 1)]));
    world.submit(1);
    let mut seen = vec![here()];
    for refusals in 1..=2 {
        let effects = world.end(1, AssignmentEnd::NoRoom { queued: 9 });
        let [(place, assignment)] = &assigned(&effects)[..] else { panic!("{effects:?}") };
        assert_eq!(assignment.refusals, refusals);
        let crate::tasks::Place::Peer(node) = place else { panic!("{place:?}") };
        assert!(!seen.contains(node));
        seen.push(node.clone());
    }
    assert!(assigned(&world.end(1, AssignmentEnd::NoRoom { queued: 9 })).is_empty());
    let effects = world.advance(Duration::from_millis(100));
    assert_eq!(numbers(&effects), [1], "it is tried again");
}

#[test]
fn nothing_is_retried_after_a_cancel() {
    let mut world = World::new(1);
    world.submit(1);
    world.end(1, lost(true));
    let requester = crate::tasks::Requester::Session(DRIVER);
    let cancel = Event::Cancel { requester, address: address(result(1)), force: false, recursive: true };
    assert_eq!(failures(&world.tell(cancel)), [(1, FailureKind::Cancelled)]);
    assert_eq!(world.engine.next_deadline(), Time::NEVER);
}

/// On which node a task is.
fn place_of(world: &World, number: u64) -> Option<NodeId> {
    world.engine.task(task(number)).and_then(|task| task.node)
}

fn cannot_run() -> AssignmentEnd {
    let failure = Failure::new(FailureKind::WorkerStartFailed, "no space left on device");
    AssignmentEnd::CannotRun { failure }
}

#[test]
fn a_task_that_one_node_cannot_run_is_tried_on_every_other_before_it_fails() {
    let mut world = World::new(1);
    world.tell(view([node(here(), 1), node(there(), 1), node(elsewhere(), 1)]));
    world.submit(1);
    let mut tried = Vec::new();
    let mut failed = Vec::new();
    while let Some(node) = place_of(&world, 1).filter(|_| failed.is_empty()) {
        tried.push(node);
        failed = failures(&world.end(1, cannot_run()));
    }
    assert_eq!(failed, [(1, FailureKind::WorkerStartFailed)]);
    let mut nodes = tried.clone();
    nodes.sort_unstable();
    nodes.dedup();
    // One was asked again, because there was no other left.
    assert_eq!((nodes.len(), tried.len()), (3, 4), "{tried:?}");
}

#[test]
fn a_task_that_one_node_cannot_run_waits_for_another_that_has_no_room() {
    let mut world = World::new(1);
    world.tell(view([node(here(), 1), node(there(), 1)]));
    world.submit(1);
    let unable = place_of(&world, 1).unwrap();
    for _ in 0..10 {
        let is_unable = place_of(&world, 1).as_ref() == Some(&unable);
        let end = if is_unable { cannot_run() } else { AssignmentEnd::NoRoom { queued: 3 } };
        assert_eq!(failures(&world.end(1, end)), []);
        while place_of(&world, 1).is_none() {
            world.advance(Duration::from_millis(100));
        }
    }
}

/// The sessions that are told what counts against a task.
fn told(effects: &[Effect]) -> Vec<SessionKey> {
    let told = |effect: &Effect| match effect {
        Effect::Charged { session, .. } => Some(*session),
        _ => None,
    };
    effects.iter().filter_map(told).collect()
}

#[test]
fn a_charge_is_told_to_the_drivers_of_the_job_alone_and_no_other_session_is_looked_at() {
    let mut world = World::new(1);
    let (second, broken, other) = (SessionKey(10), SessionKey(11), SessionKey(12));
    world.open_job(JobId(8), 1);
    world.open(second, Some(JOB), SessionKind::Driver);
    world.open(broken, Some(JOB), SessionKind::Driver);
    world.open(other, Some(JobId(8)), SessionKind::Driver);
    let drivers = |world: &World| -> Vec<usize> {
        world.engine.jobs.iter().map(|(_, job)| job.drivers.len()).collect()
    };
    assert_eq!(drivers(&world), [3, 1]);
    world.tell(Event::SessionLost { session: broken });
    world.submit(1);
    assert_eq!(told(&world.end(1, lost(true))), [DRIVER, second]);
    world.tell(Event::SessionClosed { session: second });
    world.advance(Duration::from_secs(60));
    world.tell(Event::Flush);
    assert_eq!(told(&world.end(1, lost(true))), [DRIVER]);
    assert_eq!(drivers(&world), [1, 1], "nothing stays of sessions that are over");
}
