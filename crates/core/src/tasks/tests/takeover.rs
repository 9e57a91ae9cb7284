//! What is adopted from a lost owner.

use super::world::*;
use crate::tasks::{CallTarget, Effect, Event, Place, Requester, SessionKind};
use mobula_types::actor::{Caller, MethodOptions, Target};
use mobula_types::frame::{Charges, FoundJob, Progress, Reoffer, SubmitExtras};
use mobula_types::outcome::StoredCopy;
use mobula_types::{
    ActorId, Attempt, FailureKind, JobId, ObjectId, ObjectIndex, Outcome, OwnerTerm, Payload, ResultValue,
    StoredValue, TaskId,
};
use std::sync::Arc;
use std::time::Duration;

const TERM: OwnerTerm = OwnerTerm(1);
const TAKEN: JobId = JOB;

/// A node that takes a job over in a cluster of two.
fn taking_over() -> (World, Vec<Effect>) {
    let mut world = World::new(2);
    world.tell(view([node(here(), 2), node(there(), 2)]));
    world.open(crate::tasks::SessionKey(5), Some(TAKEN), SessionKind::Driver);
    let open = Event::JobOpened { job: TAKEN, has_executable: true, weight: 1, owner_term: TERM };
    let effects = world.tell(open);
    (world, effects)
}

fn found(place: Place, copies: Vec<(ObjectId, ResultValue)>, running: Vec<(TaskId, Attempt)>) -> Event {
    let found = FoundJob { job: TAKEN, copies, running, ..FoundJob::default() };
    Event::FoundJob { place, found }
}

fn offer(world: &mut World, number: u64) -> Vec<Effect> {
    world.submit_with(number, |submit| submit.reoffer = offered())
}

#[test]
fn every_node_is_asked_what_it_has() {
    let (_, effects) = taking_over();
    let ask = |place| Effect::FindJob { place, job: TAKEN, owner_term: TERM };
    assert_eq!(effects, [ask(Place::Local), ask(Place::Peer(there()))]);
}

#[test]
fn copies_and_attempts_that_survive_are_adopted_and_the_rest_is_run() {
    let (mut world, _) = taking_over();
    for number in 1..=3 {
        assert!(assigned(&offer(&mut world, number)).is_empty(), "the answers are waited for");
    }
    assert_eq!(numbers(&world.submit(4)), [4], "what is new is not held up");
    let attempt = Attempt { owner_term: OwnerTerm(0), number: 2 };
    world.tell(found(Place::Local, vec![], vec![(task(2), attempt)]));
    let copies = vec![(result(1), stored(&[]))];
    let effects = world.tell_and_flush(found(Place::Peer(there()), copies, vec![]));
    assert_eq!(completed(&effects), [(DRIVER, 1, Outcome::Value(stored(&[there()])))]);
    let effects = world.advance(Duration::from_millis(100));
    assert_eq!(numbers(&effects), [3]);
    assert_eq!(assigned(&effects)[0].1.attempt, Attempt { owner_term: TERM, number: 1 });
    let end = ran(Outcome::Value(inline(b"9")));
    let effects = world.tell(Event::Ended { place: Place::Local, task: task(2), attempt, end });
    assert_eq!(completed(&effects), [(DRIVER, 2, Outcome::Value(inline(b"9")))]);
}

#[test]
fn an_adopted_attempt_that_is_lost_is_followed_by_one_of_this_term() {
    let (mut world, _) = taking_over();
    offer(&mut world, 1);
    let attempt = Attempt { owner_term: OwnerTerm(0), number: 2 };
    world.tell(found(Place::Peer(there()), vec![], vec![(task(1), attempt)]));
    world.tell(found(Place::Local, vec![], vec![]));
    let effects = world.end(1, lost(false));
    assert_eq!(assigned(&effects)[0].1.attempt, Attempt { owner_term: TERM, number: 3 });
}

#[test]
fn a_silent_node_is_not_waited_for_forever() {
    let (mut world, _) = taking_over();
    offer(&mut world, 1);
    world.tell(found(Place::Local, vec![], vec![]));
    world.advance(Duration::from_secs(3));
    assert_eq!(numbers(&world.advance(Duration::from_millis(100))), [1]);
    let (mut world, _) = taking_over();
    offer(&mut world, 1);
    world.tell(found(Place::Local, vec![], vec![]));
    world.tell(Event::NodeLost { node: there() });
    assert_eq!(numbers(&world.advance(Duration::from_millis(100))), [1]);
}

#[test]
fn what_comes_later_still_finds_what_survived() {
    let (mut world, _) = taking_over();
    world.tell(found(Place::Local, vec![], vec![]));
    let put = ObjectId { task: task(0), index: ObjectIndex::driver_put(3) };
    let copies = vec![(result(1), stored(&[])), (put, stored(&[]))];
    world.tell(found(Place::Peer(there()), copies, vec![]));
    let effects = offer(&mut world, 1);
    assert_eq!(completed(&effects), [(DRIVER, 1, Outcome::Value(stored(&[there()])))]);
    assert_eq!(got(&world.get(put)), [(put, Outcome::Value(stored(&[there()])))]);
}

#[test]
fn what_nobody_claims_is_dropped_after_a_while() {
    let (mut world, _) = taking_over();
    world.tell(found(Place::Local, vec![], vec![]));
    let copies = vec![(result(1), stored(&[]))];
    world.tell(found(Place::Peer(there()), copies, vec![(task(2), Attempt::default())]));
    let effects = world.advance(Duration::from_secs(30));
    assert_eq!(freed(&effects), [(Place::Peer(there()), vec![result(1)])]);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::CancelAssignment { .. })));
}

#[test]
fn versions_are_never_mixed() {
    let (mut world, _) = taking_over();
    let copy = StoredCopy { length: 1, checksum: 1, holders: vec![] };
    let other = ResultValue { value: StoredValue::Stored(Arc::new(copy)), contained: None };
    world.tell(found(Place::Local, vec![(result(1), stored(&[]))], vec![]));
    let effects = world.tell(found(Place::Peer(there()), vec![(result(1), other)], vec![]));
    assert_eq!(freed(&effects), [(Place::Peer(there()), vec![result(1)])]);
}

#[test]
fn nothing_is_freed_before_every_node_has_reported() {
    let (mut world, _) = taking_over();
    let requester = Requester::Session(DRIVER);
    let object = ObjectId { task: task(0), index: ObjectIndex::driver_put(1) };
    world.tell(Event::Put { requester, job: JOB, object, value: stored(&[here()]) });
    assert_eq!(world.release(&[object]), []);
    world.tell(Event::Borrowed { node: there(), objects: vec![object] });
    world.tell(found(Place::Local, vec![], vec![]));
    assert_eq!(world.tell(found(Place::Peer(there()), vec![], vec![])), []);
    let effects = world.tell(Event::Unborrowed { node: there(), objects: vec![object] });
    assert_eq!(freed(&effects), [(Place::Local, vec![object])]);
}

fn offer_with(world: &mut World, number: u64, retries: u32, reoffer: Reoffer) -> Vec<Effect> {
    world.submit_with(number, |submit| {
        submit.template = template("work", |options| options.max_retries = retries);
        submit.reoffer = Some(reoffer);
    })
}

/// A take-over that finds nothing.
fn nothing_found() -> World {
    let (mut world, _) = taking_over();
    world.tell(found(Place::Local, vec![], vec![]));
    world.tell(found(Place::Peer(there()), vec![], vec![]));
    world
}

fn reoffer(progress: Progress, retries: u32) -> Reoffer {
    Reoffer { progress, charges: Charges { retries, losses: Vec::new() }, outcome: None }
}

#[test]
fn what_may_have_run_at_most_once_is_not_run_again() {
    let mut world = nothing_found();
    let effects = offer_with(&mut world, 1, 0, reoffer(Progress::Offered, 0));
    assert_eq!(failures(&effects), [(1, FailureKind::NodeLost)]);
    let effects = offer_with(&mut world, 2, 0, reoffer(Progress::Ended, 0));
    assert_eq!(failures(&effects), [(2, FailureKind::ObjectLost)]);
    // The lost owner cannot have received it.
    assert_eq!(numbers(&offer_with(&mut world, 3, 0, reoffer(Progress::Unsent, 0))), [3]);
}

#[test]
fn what_the_driver_has_in_its_hands_is_not_lost() {
    let mut world = nothing_found();
    let failed = Outcome::Failed(mobula_types::Failure::new(FailureKind::TaskFailed, "no"));
    for (number, outcome) in [(1, Outcome::Value(inline(b"9"))), (2, failed)] {
        let before = Reoffer { outcome: Some(outcome.clone()), ..reoffer(Progress::Ended, 0) };
        let effects = offer_with(&mut world, number, 0, before);
        assert_eq!(completed(&effects), [(DRIVER, number, outcome.clone())]);
        assert_eq!(got(&world.get(result(number))), [(result(number), outcome)]);
    }
    // One that names more values than the task returns says nothing.
    let outcome = Some(Outcome::Values(vec![inline(b"9"), inline(b"10")]));
    let before = Reoffer { outcome, ..reoffer(Progress::Ended, 0) };
    assert_eq!(failures(&offer_with(&mut world, 3, 0, before)), [(3, FailureKind::ObjectLost)]);
}

#[test]
fn what_the_owner_before_had_not_started_is_run_at_no_charge() {
    let (mut world, _) = taking_over();
    world.tell(found(Place::Local, vec![], vec![]));
    offer_with(&mut world, 1, 0, reoffer(Progress::Offered, 0));
    let answer = FoundJob { job: TAKEN, unstarted: vec![task(1)], ..FoundJob::default() };
    let effects = world.tell_and_flush(Event::FoundJob { place: Place::Peer(there()), found: answer });
    assert_eq!(numbers(&effects), [1]);
    assert_eq!(world.engine.task(task(1)).map(|task| task.retries), Some(0));
}

#[test]
fn what_is_found_is_not_charged() {
    let (mut world, _) = taking_over();
    offer_with(&mut world, 1, 0, reoffer(Progress::Offered, 0));
    world.tell(found(Place::Local, vec![], vec![(task(1), Attempt::default())]));
    world.tell(found(Place::Peer(there()), vec![], vec![]));
    let effects = world.end_with(1, inline(b"9"));
    assert_eq!(completed(&effects), [(DRIVER, 1, Outcome::Value(inline(b"9")))]);
}

#[test]
fn retry_counts_travel_in_the_spec() {
    let mut world = nothing_found();
    let effects = offer_with(&mut world, 1, 3, reoffer(Progress::Offered, 2));
    let charges = Charges { retries: 3, losses: vec![Duration::ZERO] };
    assert_eq!(effects[0], Effect::Charged { session: DRIVER, task: task(1), charges });
    assert_eq!(numbers(&world.advance(Duration::from_secs(1))), [1]);
    assert_eq!(failures(&world.end(1, lost(true))), [(1, FailureKind::WorkerDied)]);
    let effects = offer_with(&mut world, 2, 3, reoffer(Progress::Offered, 3));
    assert_eq!(failures(&effects), [(2, FailureKind::NodeLost)]);
}

#[test]
fn what_was_with_three_homes_that_were_lost_is_suspected() {
    let ago = |seconds| Duration::from_secs(seconds);
    let mut world = nothing_found();
    world.now = world.now + ago(3600);
    let with = |losses: &[u64]| Reoffer {
        progress: Progress::Offered,
        charges: Charges { retries: 2, losses: losses.iter().copied().map(ago).collect() },
        outcome: None,
    };
    let effects = offer_with(&mut world, 1, 9, with(&[30, 300]));
    assert_eq!(failures(&effects), [(1, FailureKind::PoisonSuspected)]);
    assert_eq!(failures(&offer_with(&mut world, 2, 9, with(&[30, 700]))), [], "that was long ago");
}

/// A driver that has a new home makes its first call of an actor again.
fn call_again(world: &mut World, progress: Progress) -> Vec<Effect> {
    let target = Target::Method(MethodOptions::default());
    let extras = SubmitExtras { reoffer: Some(reoffer(progress, 0)), ..SubmitExtras::default() };
    world.tell_and_flush(Event::Called {
        requester: Requester::Session(DRIVER),
        job: JOB,
        task: task(1),
        template: template("add", |options| (options.target, options.max_retries) = (target, 0)),
        arguments: Payload::EMPTY,
        extras: extras.boxed(),
        call: Box::new(CallTarget {
            caller: Caller::Driver(JOB),
            actor: ActorId(task(9)),
            sequence: 1,
            answered_below: 1,
            parent: None,
        }),
    })
}

/// Whether calls that were made may have run, and the tasks that went on their way.
fn calls(effects: &[Effect]) -> (Vec<bool>, Vec<u64>) {
    let resent = effects.iter().filter_map(|effect| match effect {
        Effect::CallMade(call) => Some(call.resent),
        _ => None,
    });
    let ready = effects.iter().filter_map(|effect| match effect {
        Effect::CallReady(call) => Some(call.task.low),
        Effect::CreateActor { task, .. } => Some(task.low),
        _ => None,
    });
    (resent.collect(), ready.collect())
}

#[test]
fn a_call_goes_on_its_way_again_as_one_that_may_have_run() {
    for (progress, may_have_run) in [(Progress::Unsent, false), (Progress::Offered, true)] {
        let mut world = nothing_found();
        let effects = call_again(&mut world, progress);
        assert_eq!(calls(&effects), (vec![may_have_run], vec![1]));
        assert_eq!(failures(&effects), []);
    }
    // It keeps its place among its caller's calls while the nodes are asked.
    let (mut world, _) = taking_over();
    assert_eq!(calls(&call_again(&mut world, Progress::Offered)), (vec![true], vec![]));
    world.tell(found(Place::Local, vec![], vec![]));
    let effects = world.tell_and_flush(found(Place::Peer(there()), vec![], vec![]));
    assert_eq!((calls(&effects), failures(&effects)), ((vec![], vec![1]), vec![]));
}

#[test]
fn a_creation_is_asked_for_again() {
    let mut world = nothing_found();
    let effects = world.submit_with(1, |submit| {
        let target = Target::Constructor(Arc::default());
        submit.template = template("new", |options| (options.target, options.max_retries) = (target, 0));
        submit.reoffer = offered();
    });
    assert_eq!((calls(&effects).1, failures(&effects)), (vec![1], vec![]));
}
