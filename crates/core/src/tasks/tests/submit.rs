//! A task from its submit to the release of its result.

use super::world::*;
use crate::tasks::{Assignment, Effect, Event, Place, Requester};
use mobula_types::{Attempt, FailureKind, JobId, ObjectId, Outcome, Payload};

#[test]
fn a_submit_is_assigned_at_the_next_flush() {
    let mut world = World::new(2);
    let submit = world.submission(1);
    let expected = Assignment {
        task: task(1),
        attempt: Attempt::default(),
        job: JOB,
        template: submit.template.clone(),
        arguments: Payload::from(&[1][..]),
        inputs: Vec::new(),
        deadline: None,
        refusals: 0,
    };
    assert_eq!(world.tell(submit.event(world.now)), []);
    assert_eq!(world.tell(Event::Flush), [Effect::Assign { place: Place::Local, assignment: expected }]);
    assert_eq!(world.tell(Event::Flush), []);
}

#[test]
fn its_end_is_told_to_who_submitted_it() {
    let mut world = World::new(2);
    world.submit(1);
    let outcome = Outcome::Value(inline(b"9"));
    assert_eq!(
        world.end(1, ran(outcome.clone())),
        [Effect::Completed { session: DRIVER, task: task(1), outcome: outcome.clone() }]
    );
    assert_eq!(
        world.get(result(1)),
        [Effect::Got { requester: Requester::Session(DRIVER), object: result(1), outcome }]
    );
    assert_eq!(world.release(&[result(1)]), []);
    assert!(world.is_empty());
}

#[test]
fn a_result_that_was_released_before_is_not_kept() {
    let mut world = World::new(2);
    world.submit(1);
    world.release(&[result(1)]);
    assert_eq!(completed(&world.end_with(1, inline(b"9"))).len(), 1);
    assert!(world.is_empty());
}

#[test]
fn several_results_are_several_objects() {
    let mut world = World::new(2);
    world.submit_with(1, |submit| submit.template = template("pair", |options| options.num_returns = 2));
    world.end(1, ran(Outcome::Values(vec![inline(b"a"), inline(b"b")])));
    let second = ObjectId::result(task(1), 1);
    assert_eq!(got(&world.get(second)), [(second, Outcome::Value(inline(b"b")))]);
    world.release(&[result(1), second]);
    assert!(world.is_empty());
}

#[test]
fn a_task_without_results_leaves_nothing() {
    let mut world = World::new(2);
    world.submit_with(1, |submit| submit.template = template("nothing", |options| options.num_returns = 0));
    let effects = world.end(1, ran(Outcome::Values(Vec::new())));
    assert_eq!(completed(&effects), [(DRIVER, 1, Outcome::Values(Vec::new()))]);
    assert!(world.is_empty());
}

#[test]
fn a_wrong_number_of_values_is_a_failure() {
    let mut world = World::new(2);
    world.submit(1);
    let effects = world.end(1, ran(Outcome::Values(vec![stored(&[here()]), inline(b"b")])));
    assert_eq!(failures(&effects), [(1, FailureKind::BadValue)]);
    assert_eq!(freed(&effects), [(Place::Local, vec![result(1)])]);
}

#[test]
fn a_second_submit_of_an_id_runs_nothing_and_is_answered_too() {
    let mut world = World::new(2);
    world.submit(1);
    assert_eq!(world.submit(1), []);
    assert_eq!(completed(&world.end_with(1, inline(b"9"))).len(), 2);
    let again = world.submit(1);
    assert_eq!(completed(&again), [(DRIVER, 1, Outcome::Value(inline(b"9")))]);
    assert!(assigned(&again).is_empty());
    world.release(&[result(1), result(1)]);
    assert!(!world.is_empty(), "it was given three times");
    world.release(&[result(1)]);
    assert!(world.is_empty());
}

#[test]
fn what_may_not_be_is_refused() {
    let mut world = World::new(2);
    let unknown = world.submit_with(1, |submit| submit.job = JobId(99));
    assert_eq!(failures(&unknown), [(1, FailureKind::PermissionDenied)]);
    let requester = Requester::Call { job: JobId(99), call: 5 };
    let object = result(1);
    let effects = world.submit_with(1, |submit| {
        submit.job = JobId(99);
        submit.requester = requester.clone();
    });
    let [Effect::SubmitDone { requester: told, failure: Some(failure), .. }] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!((told, failure.kind()), (&requester, FailureKind::JobEnded));
    world.open_job(JobId(99), 1);
    world.submit(1);
    let other = Requester::Call { job: JobId(99), call: 6 };
    let effects = world.tell(Event::Wanted { requester: other, address: address(object) });
    let [(_, Outcome::Failed(failure))] = &got(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(failure.kind(), FailureKind::ObjectLost, "another job's object is none");
    let many = world.submit_with(2, |submit| {
        submit.template = template("many", |options| options.num_returns = u32::MAX);
    });
    assert_eq!(failures(&many), [(2, FailureKind::InvalidArgument)]);
}

#[test]
fn a_thin_call_holds_what_it_submitted_until_a_call_releases_it() {
    let mut world = World::new(2);
    let call = |call| Requester::Call { job: JOB, call };
    let effects = world.submit_with(1, |submit| submit.requester = call(1));
    assert_eq!(effects[0], Effect::SubmitDone { requester: call(1), task: task(1), failure: None });
    assert_eq!(assigned(&effects).len(), 1);
    assert!(completed(&world.end_with(1, inline(b"9"))).is_empty());
    let wanted = |requester| Event::Wanted { requester, address: address(result(1)) };
    assert_eq!(got(&world.tell(wanted(call(2)))), [(result(1), Outcome::Value(inline(b"9")))]);
    world.tell(wanted(call(3)));
    world.tell(Event::Released { requester: call(4), objects: vec![address(result(1))] });
    assert!(world.is_empty());
}

#[test]
fn a_call_that_waits_no_more_is_forgotten() {
    let mut world = World::new(2);
    world.submit(1);
    let call = |call| Requester::Call { job: JOB, call };
    for number in 1..=3 {
        assert_eq!(world.tell(Event::Wanted { requester: call(number), address: address(result(1)) }), []);
    }
    let withdrawn = Event::Withdrawn { requester: call(2), object: result(1) };
    assert_eq!(world.tell(withdrawn.clone()), []);
    assert_eq!(world.tell(withdrawn), [], "it is gone already");
    let effects = world.end_with(1, inline(b"9"));
    let told: Vec<&Requester> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Got { requester, .. } => Some(requester),
            _ => None,
        })
        .collect();
    assert_eq!(told, [&call(1), &call(3)]);
    // The calls hold it together, and its driver.
    world.tell(Event::Released { requester: call(4), objects: vec![address(result(1))] });
    assert!(!world.is_empty());
    world.release(&[result(1)]);
    assert!(world.is_empty());
}

#[test]
fn a_call_that_waits_no_more_may_ask_again() {
    let mut world = World::new(2);
    let call = |call| Requester::Call { job: JOB, call };
    world.submit_with(1, |submit| submit.requester = call(1));
    let wanted = |requester| Event::Wanted { requester, address: address(result(1)) };
    world.tell(wanted(call(2)));
    world.tell(Event::Withdrawn { requester: call(2), object: result(1) });
    assert_eq!(world.tell(wanted(call(3))), []);
    let effects = world.end_with(1, inline(b"9"));
    assert_eq!(got(&effects), [(result(1), Outcome::Value(inline(b"9")))]);
}

#[test]
fn a_stale_end_changes_nothing() {
    let mut world = World::new(2);
    world.submit(1);
    let stale = world.ended(1, ran(Outcome::Value(stored(&[here()]))));
    world.end(1, lost(false));
    let effects = world.tell(stale.clone());
    assert_eq!(effects, [Effect::Free { place: Place::Local, objects: vec![result(1)] }]);
    assert_eq!(completed(&world.end_with(1, inline(b"9"))).len(), 1);
    assert!(completed(&world.tell(stale)).is_empty());
}
