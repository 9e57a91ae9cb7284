//! What an owner gives up whose driver has gone on through another node, and what the new one takes.

use super::world::*;
use crate::tasks::{CallTarget, Effect, Event, Place, Requester, SessionKey, SessionKind};
use mobula_types::actor::{Caller, MethodOptions, Target};
use mobula_types::frame::{AssignmentEnd, FoundJob, SubmitExtras};
use mobula_types::{
    ActorId, Attempt, FailureKind, JobId, ObjectAddress, ObjectId, ObjectIndex, Outcome, OwnerTerm, Payload,
    ResultValue, TaskId,
};
use std::time::Duration;

fn taken_over(term: u32) -> Event {
    Event::TakenOver { job: JOB, owner: there(), owner_term: OwnerTerm(term) }
}

fn opened(term: u32) -> Event {
    Event::JobOpened { job: JOB, has_executable: true, weight: 1, owner_term: OwnerTerm(term) }
}

/// An owner that runs one task itself and one elsewhere, and has two more: one waits, one is over.
fn owner() -> World {
    let mut world = World::new(1);
    world.tell(view([node(here(), 1), node(there(), 0), node(elsewhere(), 1)]));
    (1..=4).for_each(|number| drop(world.submit(number)));
    world.end_with(1, stored(&[here()]));
    world
}

fn nested(number: u64) -> TaskId {
    TaskId { high: 5, low: number }
}

#[test]
fn an_owner_that_is_followed_gives_up_in_silence() {
    let mut world = owner();
    let running = world.ended(2, ran(Outcome::Value(stored(&[here()]))));
    assert_eq!(world.tell_and_flush(taken_over(1)), [], "nothing is cancelled or freed");
    assert!(world.engine.tasks(&Default::default(), 9, |_, _| true).is_empty());
    assert!(world.is_empty());
    assert_eq!(world.tell(Event::SessionLost { session: DRIVER }), []);
    // An end that was under way changes nothing here; whoever holds the copy knows whose it is.
    world.tell_and_flush(running);
    assert!(world.is_empty());
    assert_eq!(world.tell(Event::Tick), [], "no timer of its tasks is left");
}

#[test]
fn word_of_an_earlier_owner_changes_nothing() {
    let mut world = owner();
    (1..=3).for_each(|term| drop(world.tell(opened(term))));
    world.tell(taken_over(2));
    assert_eq!(world.engine.tasks(&Default::default(), 9, |_, _| true).len(), 4);
    assert!(!world.engine.is_superseded(JOB, OwnerTerm(4)));
    world.tell(taken_over(4));
    assert_eq!(world.engine.tasks(&Default::default(), 9, |_, _| true).len(), 0);
    assert!(world.engine.is_superseded(JOB, OwnerTerm(3)), "a session of that term comes too late");
    assert!(!world.engine.is_superseded(JOB, OwnerTerm(5)));
}

#[test]
fn what_a_home_knows_that_a_driver_comes_back_to_is_out_of_date() {
    let mut world = owner();
    // Another home was between, and this one was not told.
    let effects = world.tell(opened(2));
    assert!(effects.iter().all(|effect| matches!(effect, Effect::FindJob { .. })), "{effects:?}");
    assert!(world.engine.tasks(&Default::default(), 9, |_, _| true).is_empty());
    // The end of the second was told to that one.
    world.submit_with(2, |submit| submit.reoffer = offered());
    world.submit_with(1, |submit| submit.reoffer = offered());
    found(&mut world, Place::Local, vec![]);
    found(&mut world, Place::Peer(elsewhere()), vec![]);
    let effects = found(&mut world, Place::Peer(there()), vec![(result(2), stored(&[]))]);
    let value = |holder| Outcome::Value(stored(&[holder]));
    assert_eq!(completed(&effects), [(DRIVER, 2, value(there())), (DRIVER, 1, value(here()))]);
}

#[test]
fn what_was_lost_before_a_driver_came_back_is_made_again() {
    let mut world = World::new(1);
    world.tell(view([node(here(), 1), node(there(), 1)]));
    world.submit(1);
    world.end_with(1, stored(&[there()]));
    world.tell(Event::NodeLost { node: there() });
    world.tell(view([node(here(), 1)]));
    world.tell(opened(2));
    found(&mut world, Place::Local, vec![]);
    assert_eq!(world.get(result(1)), [], "it has yet to be offered again");
    world.submit_with(1, |submit| submit.reoffer = offered());
    world.advance(Duration::from_millis(100));
    let effects = world.end_with(1, stored(&[here()]));
    assert_eq!(got(&effects), [(result(1), Outcome::Value(stored(&[here()])))]);
    assert!(freed(&effects).is_empty());
}

#[test]
fn what_a_worker_of_many_jobs_has_read_counts_for_the_job_that_comes() {
    let mut world = World::new(2);
    world.tell(view([node(here(), 2), node(there(), 2)]));
    let (embedded, object) = (SessionKey(8), result(1));
    world.open(embedded, None, SessionKind::Worker);
    let address = ObjectAddress { object, owner: Some(there()) };
    let requester = Requester::Session(embedded);
    world.tell(Event::Held { requester: requester.clone(), objects: vec![address.clone()] });
    world.tell(Event::Wanted { requester, address });
    let outcome = Outcome::Value(inline(b"a value"));
    world.tell(Event::Resolved { owner: there(), object, outcome });
    // The world checks every count after each event.
    take_over(&mut world);
    world.tell(Event::SessionClosed { session: embedded });
}

#[test]
fn a_refused_assignment_tells_of_the_later_owner() {
    let mut world = owner();
    let end = AssignmentEnd::Superseded { owner: there(), owner_term: OwnerTerm(1) };
    world.end(2, end);
    assert!(world.engine.tasks(&Default::default(), 9, |_, _| true).is_empty());
    // An owner that has followed that one in turn tries again, under its own term.
    let mut world = World::new(1);
    world.submit(1);
    (1..=2).for_each(|term| drop(world.tell(opened(term))));
    let end = AssignmentEnd::Superseded { owner: there(), owner_term: OwnerTerm(1) };
    assert!(assigned(&world.end(1, end)).is_empty());
    let effects = world.advance(Duration::from_millis(100));
    assert_eq!(assigned(&effects)[0].1.attempt, Attempt { owner_term: OwnerTerm(2), number: 1 });
}

#[test]
fn what_is_handed_out_after_a_take_over_is_of_its_term() {
    let mut world = World::new(1);
    world.submit(1);
    world.submit(2);
    world.tell(opened(1));
    let effects = world.end_with(1, inline(b"9"));
    assert_eq!(assigned(&effects)[0].1.attempt.owner_term, OwnerTerm(1));
}

#[test]
fn the_owner_before_knows_values_and_what_has_not_started() {
    let mut world = World::new(1);
    (1..=3).for_each(|number| drop(world.submit(number)));
    let inner = ObjectAddress::at_home(ObjectId::result(nested(9), 0));
    world.submit_with(9, |submit| {
        submit.requester = Requester::Session(WORKER);
        submit.task = nested(9);
    });
    world.end_with(1, containing(std::slice::from_ref(&inner)));
    let (values, unstarted) = world.engine.legacy(JOB);
    let named = ObjectAddress { owner: Some(here()), ..inner };
    assert_eq!(values, [(result(1), containing(&[named]))]);
    assert_eq!(unstarted, [task(3)], "the second runs");
    assert_eq!(world.engine.legacy(JobId(8)), Default::default());
}

/// A node whose worker refers to results of a driver whose home is another node.
fn with_foreign(number: u64) -> World {
    let mut world = World::new(2);
    world.tell(view([node(here(), 2), node(there(), 2)]));
    let address = ObjectAddress { object: result(number), owner: Some(there()) };
    world.tell(Event::Held { requester: Requester::Session(WORKER), objects: vec![address] });
    world
}

fn take_over(world: &mut World) {
    world.tell(opened(1));
}

fn found(world: &mut World, place: Place, copies: Vec<(ObjectId, ResultValue)>) -> Vec<Effect> {
    let found = FoundJob { job: JOB, copies, ..FoundJob::default() };
    world.tell_and_flush(Event::FoundJob { place, found })
}

#[test]
fn what_is_referred_to_here_is_the_new_owners_own() {
    let mut world = with_foreign(1);
    take_over(&mut world);
    world.get(result(1));
    world.submit_with(1, |submit| submit.reoffer = offered());
    found(&mut world, Place::Local, vec![]);
    let effects = found(&mut world, Place::Peer(there()), vec![(result(1), inline(b"5"))]);
    assert_eq!(completed(&effects), [(DRIVER, 1, Outcome::Value(inline(b"5")))]);
    assert_eq!(got(&effects), [(result(1), Outcome::Value(inline(b"5")))]);
}

#[test]
fn what_is_referred_to_and_not_offered_again_is_found_or_lost() {
    let mut world = with_foreign(1);
    take_over(&mut world);
    found(&mut world, Place::Local, vec![(result(1), stored(&[]))]);
    found(&mut world, Place::Peer(there()), vec![]);
    assert_eq!(got(&world.get(result(1))), [(result(1), Outcome::Value(stored(&[here()])))]);
    let mut world = with_foreign(1);
    take_over(&mut world);
    found(&mut world, Place::Local, vec![]);
    found(&mut world, Place::Peer(there()), vec![]);
    assert_eq!(got(&world.get(result(1))), []);
    let effects = world.advance(Duration::from_secs(30));
    let [(_, Outcome::Failed(failure))] = &got(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(failure.kind(), FailureKind::ObjectLost);
}

#[test]
fn a_borrow_comes_before_what_is_borrowed_is_offered_again() {
    let mut world = World::new(2);
    world.tell(view([node(here(), 2), node(there(), 2)]));
    take_over(&mut world);
    let put = ObjectId { task: task(0), index: ObjectIndex::driver_put(1) };
    world.tell(Event::Borrowed { node: there(), objects: vec![put] });
    found(&mut world, Place::Local, vec![]);
    found(&mut world, Place::Peer(there()), vec![]);
    let requester = Requester::Session(DRIVER);
    world.tell(Event::Put { requester, job: JOB, object: put, value: stored(&[here()]) });
    assert_eq!(freed(&world.release(&[put])), [], "it is borrowed");
    let effects = world.tell(Event::Unborrowed { node: there(), objects: vec![put] });
    assert_eq!(freed(&effects), [(Place::Local, vec![put])]);
}

#[test]
fn a_borrower_follows_the_driver() {
    let mut world = with_foreign(1);
    world.get(result(1));
    let owner = elsewhere();
    let effects = world.tell(Event::TakenOver { job: JOB, owner: owner.clone(), owner_term: OwnerTerm(1) });
    let expected = [
        Effect::Borrow { owner: owner.clone(), objects: vec![result(1)] },
        Effect::Resolve { owner, object: result(1) },
    ];
    assert_eq!(effects, expected);
}

#[test]
fn what_a_followed_owner_still_needs_it_borrows() {
    let mut world = owner();
    // A nested task here waits for a result of the driver's.
    world.submit_with(9, |submit| {
        submit.requester = Requester::Session(WORKER);
        submit.task = nested(9);
        submit.references = vec![whole(result(3))];
    });
    let effects = world.tell(taken_over(1));
    assert!(effects.contains(&Effect::Resolve { owner: there(), object: result(3) }), "{effects:?}");
    let outcome = Outcome::Value(inline(b"3"));
    let effects = world.tell_and_flush(Event::Resolved { owner: there(), object: result(3), outcome });
    assert_eq!(assigned(&effects)[0].1.task, nested(9));
}

#[test]
fn an_end_that_comes_before_its_task_is_offered_again_is_kept() {
    let mut world = World::new(2);
    world.tell(view([node(here(), 2), node(there(), 2)]));
    take_over(&mut world);
    let attempt = Attempt { owner_term: OwnerTerm(0), number: 4 };
    let ended = |number| {
        let end = ran(Outcome::Value(stored(&[there()])));
        Event::Ended { place: Place::Peer(there()), task: task(number), attempt, end }
    };
    let running = vec![(task(1), attempt), (task(2), attempt)];
    let answer = FoundJob { job: JOB, running, ..FoundJob::default() };
    world.tell(Event::FoundJob { place: Place::Peer(there()), found: answer });
    assert_eq!(world.tell(ended(1)), []);
    // One is offered while this node's own answer is waited for, the other one after that.
    world.submit_with(1, |submit| submit.reoffer = offered());
    let effects = found(&mut world, Place::Local, vec![]);
    assert_eq!(completed(&effects), [(DRIVER, 1, Outcome::Value(stored(&[there()])))]);
    assert_eq!(world.tell(ended(2)), []);
    let effects = world.submit_with(2, |submit| submit.reoffer = offered());
    assert_eq!(completed(&effects), [(DRIVER, 2, Outcome::Value(stored(&[there()])))]);
}

#[test]
fn an_attempt_that_is_found_late_is_ended() {
    let mut world = World::new(2);
    world.tell(view([node(here(), 2), node(there(), 2)]));
    take_over(&mut world);
    world.submit_with(1, |submit| submit.reoffer = offered());
    found(&mut world, Place::Local, vec![]);
    world.advance(Duration::from_secs(3));
    let running = vec![(task(1), Attempt::default())];
    let answer = FoundJob { job: JOB, running, ..FoundJob::default() };
    let effects = world.tell(Event::FoundJob { place: Place::Peer(there()), found: answer });
    assert!(matches!(&effects[..], [Effect::CancelAssignment { force: true, .. }]), "{effects:?}");
}

#[test]
fn a_lost_nodes_attempts_are_not_claimed() {
    let mut world = World::new(2);
    world.tell(view([node(here(), 2), node(there(), 2)]));
    take_over(&mut world);
    let running = vec![(task(1), Attempt::default())];
    let copies = vec![(result(2), stored(&[]))];
    let answer = FoundJob { job: JOB, running, copies, ..FoundJob::default() };
    world.tell(Event::FoundJob { place: Place::Peer(there()), found: answer });
    world.tell(Event::NodeLost { node: there() });
    found(&mut world, Place::Local, vec![]);
    world.submit_with(1, |submit| submit.reoffer = offered());
    world.submit_with(2, |submit| submit.reoffer = offered());
    let effects = world.advance(Duration::from_secs(1));
    assert!(completed(&effects).is_empty());
    let there_is = |number| world.engine.task(task(number)).and_then(|task| task.node);
    assert_eq!((there_is(1), there_is(2)), (Some(here()), Some(here())));
}

#[test]
fn children_of_an_adopted_parent_are_its_own() {
    let mut world = World::new(1);
    take_over(&mut world);
    // It runs here for another node, and has submitted a child here.
    world.submit_with(9, |submit| {
        submit.requester = Requester::Session(WORKER);
        submit.task = nested(9);
        submit.parent = Some(task(1));
    });
    world.tell(Event::Blocked { job: JOB, task: task(1) });
    let attempt = Attempt { owner_term: OwnerTerm(0), number: 2 };
    let answer = FoundJob { job: JOB, running: vec![(task(1), attempt)], ..FoundJob::default() };
    world.tell(Event::FoundJob { place: Place::Local, found: answer });
    world.submit_with(1, |submit| submit.reoffer = offered());
    world.end_with(1, inline(b"9"));
    assert!(
        world.engine.task(nested(9)).is_some_and(|child| child.failure.is_none()),
        "it was not cancelled"
    );
}

#[test]
fn what_a_driver_held_is_kept_for_a_while_after_its_session_broke_off() {
    let mut world = owner();
    assert_eq!(world.tell(Event::SessionLost { session: DRIVER }), []);
    assert_eq!(world.advance(Duration::from_secs(29)), []);
    let effects = world.advance(Duration::from_secs(1));
    assert_eq!(freed(&effects), [(Place::Local, vec![result(1)])]);
}

/// The driver's calls of one actor: tasks 11 to 13. The last one waits for the result of task 1.
fn call(world: &mut World) {
    let target = Target::Method(MethodOptions::default());
    let template = template("add", |options| (options.target, options.max_retries) = (target, 0));
    for number in 11..=13 {
        let extras = (number == 13)
            .then(|| Box::new(SubmitExtras { references: vec![whole(result(1))], ..Default::default() }));
        world.tell_and_flush(Event::Called {
            requester: Requester::Session(DRIVER),
            job: JOB,
            task: task(number),
            template: template.clone(),
            arguments: Payload::EMPTY,
            extras,
            call: Box::new(CallTarget {
                caller: Caller::Driver(JOB),
                actor: ActorId(task(9)),
                sequence: number - 10,
                answered_below: 1,
                parent: None,
            }),
        });
    }
}

fn given_up(effects: &[Effect]) -> Vec<TaskId> {
    let given_up = effects.iter().filter_map(|effect| match effect {
        Effect::CallsGivenUp { tasks } => Some(tasks),
        _ => None,
    });
    let mut tasks: Vec<TaskId> = given_up.flatten().copied().collect();
    tasks.sort_unstable();
    tasks
}

#[test]
fn calls_go_together_when_their_driver_has_another_home() {
    let mut world = World::new(1);
    world.tell(view([node(here(), 1), node(there(), 0), node(elsewhere(), 1)]));
    world.submit(1);
    call(&mut world);
    let effects = world.tell_and_flush(taken_over(1));
    assert_eq!(given_up(&effects), [task(11), task(12), task(13)], "the one that waits for its argument too");
    assert!(world.is_empty());
}

#[test]
fn calls_of_a_driver_that_comes_back_are_those_that_it_offers_again() {
    let mut world = World::new(1);
    world.tell(view([node(here(), 1), node(there(), 0), node(elsewhere(), 1)]));
    world.submit(1);
    call(&mut world);
    let effects = world.tell_and_flush(opened(2));
    assert_eq!(given_up(&effects), [task(11), task(12), task(13)]);
}
