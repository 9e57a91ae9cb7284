//! Who keeps an object, and when its copies are dropped.

use super::world::*;
use crate::tasks::{Effect, Event, Place, Requester, SessionKey, SessionKind};
use mobula_types::frame::AssignmentEnd;
use mobula_types::{FailureKind, ObjectAddress, ObjectId, ObjectIndex, Outcome, TaskId};
use std::time::Duration;

fn put_id(number: u64) -> ObjectId {
    ObjectId { task: task(0), index: ObjectIndex::driver_put(number) }
}

fn put(world: &mut World, number: u64, value: mobula_types::ResultValue) -> Vec<Effect> {
    world.tell(Event::Put { requester: Requester::Session(DRIVER), job: JOB, object: put_id(number), value })
}

#[test]
fn a_put_is_answered_and_freed_with_its_last_reference() {
    let mut world = World::new(1);
    let requester = Requester::Session(DRIVER);
    let done = Effect::PutDone { requester, object: put_id(1), failure: None };
    assert_eq!(put(&mut world, 1, stored(&[here(), there()])), [done]);
    let effects = world.release(&[put_id(1)]);
    assert_eq!(freed(&effects), [(Place::Local, vec![put_id(1)]), (Place::Peer(there()), vec![put_id(1)])]);
    assert!(world.is_empty());
}

#[test]
fn copies_on_one_node_are_dropped_together() {
    let mut world = World::new(1);
    let objects: Vec<ObjectId> = (1..=3).map(put_id).collect();
    (1..=3).for_each(|number| drop(put(&mut world, number, stored(&[here()]))));
    assert_eq!(freed(&world.release(&objects)), [(Place::Local, objects)]);
}

#[test]
fn each_session_holds_for_itself() {
    let mut world = World::new(1);
    put(&mut world, 1, inline(b"1"));
    let worker = Requester::Session(WORKER);
    world.tell(Event::Held { requester: worker.clone(), objects: vec![address(put_id(1))] });
    world.release(&[put_id(1)]);
    assert!(!world.is_empty());
    // Taking back what one was not given changes nothing.
    world.release(&[put_id(1)]);
    assert!(!world.is_empty());
    world.tell(Event::Released { requester: worker, objects: vec![address(put_id(1))] });
    assert!(world.is_empty());
}

#[test]
fn a_session_that_is_over_holds_nothing() {
    for kind in [SessionKind::Driver, SessionKind::Worker] {
        let mut world = World::new(1);
        let session = SessionKey(9);
        world.open(session, Some(JOB), kind);
        let requester = Requester::Session(session);
        world.tell(Event::Put { requester, job: JOB, object: put_id(1), value: stored(&[here()]) });
        let effects = world.tell(Event::SessionClosed { session });
        assert_eq!(freed(&effects), [(Place::Local, vec![put_id(1)])]);
        assert!(world.is_empty());
    }
}

#[test]
fn a_value_keeps_what_it_refers_to_and_who_is_sent_it_holds_that() {
    let mut world = World::new(1);
    world.submit(1);
    world.submit_with(2, |submit| {
        submit.requester = Requester::Session(WORKER);
        submit.parent = Some(task(1));
    });
    // The driver is given the child's reference with the parent's value.
    world.end_with(1, containing(&[address(result(2))]));
    let objects = vec![address(result(2))];
    world.tell_and_flush(Event::Released { requester: Requester::Session(WORKER), objects });
    world.end_with(2, inline(b"child"));
    world.release(&[result(1)]);
    assert_eq!(got(&world.get(result(2))), [(result(2), Outcome::Value(inline(b"child")))]);
    world.release(&[result(2)]);
    assert!(world.is_empty());
}

#[test]
fn a_released_value_lets_go_of_what_it_refers_to() {
    let mut world = World::new(1);
    put(&mut world, 1, stored(&[here()]));
    put(&mut world, 2, containing(&[address(put_id(1))]));
    put(&mut world, 3, containing(&[address(put_id(2))]));
    assert!(freed(&world.release(&[put_id(1), put_id(2)])).is_empty());
    assert_eq!(freed(&world.release(&[put_id(3)])), [(Place::Local, vec![put_id(1)])]);
    assert!(world.is_empty());
}

#[test]
fn a_borrower_keeps_an_object_until_it_gives_it_back() {
    let mut world = World::new(1);
    put(&mut world, 1, stored(&[here()]));
    let objects = vec![put_id(1)];
    world.tell(Event::Borrowed { node: there(), objects: objects.clone() });
    world.tell(Event::Borrowed { node: there(), objects: objects.clone() });
    world.release(&objects);
    assert!(!world.is_empty());
    let effects = world.tell(Event::Unborrowed { node: there(), objects: objects.clone() });
    assert_eq!(freed(&effects), [(Place::Local, objects)]);
    assert!(world.is_empty());
}

#[test]
fn who_resolves_borrows_and_so_does_who_is_sent_references() {
    let mut world = World::new(1);
    put(&mut world, 1, inline(b"inner"));
    put(&mut world, 2, containing(&[address(put_id(1))]));
    let effects =
        world.tell(Event::Wanted { requester: Requester::Peer(there()), address: address(put_id(2)) });
    assert_eq!(got(&effects).len(), 1);
    world.release(&[put_id(1), put_id(2)]);
    world.tell(Event::Unborrowed { node: there(), objects: vec![put_id(2)] });
    assert!(world.engine.object(put_id(1)).is_some(), "the peer has the inner reference still");
    world.tell(Event::Unborrowed { node: there(), objects: vec![put_id(1)] });
    assert!(world.is_empty());
}

#[test]
fn a_peer_that_ran_a_task_borrows_what_its_processes_still_hold() {
    let mut world = World::new(0);
    world.tell(view([node(here(), 0), node(there(), 1)]));
    put(&mut world, 1, inline(b"1"));
    world.submit_with(1, |submit| submit.contained = vec![address(put_id(1))]);
    world.release(&[put_id(1)]);
    world.end(
        1,
        AssignmentEnd::Ran {
            outcome: Outcome::Value(inline(b"9")),
            retryable: false,
            micros: 1,
            borrows: vec![put_id(1)],
        },
    );
    world.release(&[result(1)]);
    assert!(!world.is_empty());
    world.tell(Event::Unborrowed { node: there(), objects: vec![put_id(1)] });
    assert!(world.is_empty());
}

#[test]
fn what_a_peer_keeps_of_a_third_nodes_is_kept_until_it_had_time_to_register() {
    let mut world = World::new(0);
    world.tell(view([node(here(), 0), node(there(), 1)]));
    let inner = ObjectId::result(TaskId::from_hash(5), 0);
    let named = ObjectAddress { object: inner, owner: Some(elsewhere()) };
    world.submit_with(1, |submit| submit.contained = vec![named]);
    let outcome = Outcome::Value(inline(b"9"));
    let borrows = vec![inner];
    world.end(1, AssignmentEnd::Ran { outcome, retryable: false, micros: 1, borrows });
    assert_eq!(world.release(&[result(1)]), []);
    let effects = world.advance(Duration::from_secs(30));
    assert_eq!(effects, [Effect::Unborrow { owner: elsewhere(), objects: vec![inner] }]);
    assert!(world.is_empty());
}

#[test]
fn references_of_a_peer_are_borrowed_from_it() {
    let mut world = World::new(0);
    world.tell(view([node(here(), 0), node(there(), 1)]));
    world.submit(1);
    let inner = ObjectId::result(TaskId::from_hash(5), 0);
    let effects = world.end_with(1, containing(&[address(inner)]));
    assert_eq!(effects[0], Effect::Borrow { owner: there(), objects: vec![inner] });
    let [(_, _, Outcome::Value(value))] = &completed(&effects)[..] else { panic!("{effects:?}") };
    let named = ObjectAddress { object: inner, owner: Some(there()) };
    assert_eq!(value.contained.as_deref(), Some(&[named][..]), "the driver learns whose it is");
    assert!(world.release(&[result(1)]).is_empty());
    let effects = world.release(&[inner]);
    assert_eq!(effects, [Effect::Unborrow { owner: there(), objects: vec![inner] }]);
    assert!(world.is_empty());
}

#[test]
fn a_third_nodes_reference_is_kept_until_its_receiver_had_time_to_register() {
    let mut world = World::new(1);
    let inner = ObjectId::result(TaskId::from_hash(5), 0);
    let named = ObjectAddress { object: inner, owner: Some(elsewhere()) };
    world.tell(Event::Handed { node: there(), objects: vec![named] });
    assert!(!world.is_empty());
    let effects = world.advance(Duration::from_secs(30));
    assert_eq!(effects, [Effect::Unborrow { owner: elsewhere(), objects: vec![inner] }]);
    assert!(world.is_empty());
}

#[test]
fn a_get_of_what_was_released_is_a_typed_loss() {
    let mut world = World::new(1);
    let effects = world.get(result(1));
    let [(_, Outcome::Failed(failure))] = &got(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(failure.kind(), FailureKind::ObjectLost);
}

#[test]
fn a_get_waits_for_the_value() {
    let mut world = World::new(1);
    world.submit(1);
    assert_eq!(world.get(result(1)), []);
    let effects = world.end_with(1, inline(b"9"));
    assert_eq!(got(&effects), [(result(1), Outcome::Value(inline(b"9")))]);
}
