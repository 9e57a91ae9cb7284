//! Values whose copies are gone.

use super::world::*;
use crate::tasks::{Effect, Event, Place, Requester};
use mobula_types::frame::AssignmentEnd;
use mobula_types::outcome::CopyVersion;
use mobula_types::{
    ArgumentRef, Failure, FailureKind, NodeInfo, ObjectAddress, ObjectId, ObjectIndex, Outcome, ResultValue,
    Time,
};
use std::time::Duration;

fn cluster() -> World {
    let mut world = World::new(2);
    world.tell(view([node(here(), 2), node(there(), 2), node(elsewhere(), 2)]));
    world
}

fn lose(world: &mut World, object: ObjectId) -> Vec<Effect> {
    let (node, reporter) = (there(), there());
    world.tell_and_flush(Event::CopyLost { node, reporter, object, version: version() })
}

#[test]
fn another_copy_is_as_good() {
    let mut world = cluster();
    world.submit(1);
    world.end_with(1, stored(&[there()]));
    world.tell(Event::CopyMade { node: elsewhere(), object: result(1), version: version() });
    assert_eq!(lose(&mut world, result(1)), []);
    assert_eq!(got(&world.get(result(1))), [(result(1), Outcome::Value(stored(&[elsewhere()])))]);
    assert_eq!(freed(&world.release(&[result(1)])), [(Place::Peer(elsewhere()), vec![result(1)])]);
}

#[test]
fn a_lost_value_is_made_again_when_it_is_wanted_and_the_get_waits() {
    let mut world = cluster();
    world.submit(1);
    world.end_with(1, stored(&[there()]));
    assert_eq!(lose(&mut world, result(1)), [], "nobody wants it yet");
    let effects = world.get(result(1));
    assert!(got(&effects).is_empty());
    assert_eq!(assigned(&effects)[0].1.attempt.number, 1);
    assert_eq!(assigned(&effects)[0].1.arguments.as_slice(), [1]);
    let effects = world.end_with(1, stored(&[elsewhere()]));
    assert_eq!(got(&effects), [(result(1), Outcome::Value(stored(&[elsewhere()])))]);
    assert!(completed(&effects).is_empty(), "its end was told before");
    assert_eq!(world.engine.job_summary(JOB, 0).total().succeeded, 1);
}

#[test]
fn inputs_are_made_again_too() {
    let mut world = cluster();
    world.submit(1);
    world.submit_with(2, |submit| submit.references = vec![whole(result(1))]);
    world.submit_with(3, |submit| submit.references = vec![whole(result(2))]);
    for number in 1..=3 {
        world.end_with(number, stored(&[there()]));
    }
    // The inner values go with their handles, their makers are kept.
    let effects = world.release(&[result(1), result(2)]);
    assert_eq!(freed(&effects), [(Place::Peer(there()), vec![result(1), result(2)])]);
    lose(&mut world, result(3));
    assert_eq!(numbers(&world.get(result(3))), [1]);
    assert_eq!(numbers(&world.end_with(1, stored(&[elsewhere()]))), [2]);
    // As soon as it has served, the remade input goes again.
    let effects = world.end_with(2, stored(&[elsewhere()]));
    assert_eq!(numbers(&effects), [3]);
    assert_eq!(freed(&effects), [(Place::Peer(elsewhere()), vec![result(1)])]);
    assert_eq!(got(&world.end_with(3, inline(b"end"))), [(result(3), Outcome::Value(inline(b"end")))]);
    world.release(&[result(3)]);
    assert!(world.is_empty());
}

#[test]
fn a_task_whose_argument_was_lost_on_the_way_waits_for_it() {
    let mut world = cluster();
    world.submit(1);
    world.end_with(1, stored(&[there()]));
    world.submit_with(2, |submit| submit.references = vec![whole(result(1))]);
    let lost = AssignmentEnd::InputLost { object: result(1), version: version(), holder: there() };
    assert_eq!(numbers(&world.end(2, lost)), [1]);
    let effects = world.end_with(1, stored(&[elsewhere()]));
    assert_eq!(numbers(&effects), [2]);
    assert_eq!(world.engine.task(task(2)).map(|task| task.retries), Some(0));
}

#[test]
fn a_queued_task_finds_out_when_it_is_placed() {
    let mut world = cluster();
    world.submit(1);
    world.end_with(1, stored(&[there()]));
    world.tell(world.submission(2).event(world.now));
    let mut submit = world.submission(3);
    submit.references = vec![whole(result(1))];
    world.tell(submit.event(world.now));
    world.tell(Event::NodeLost { node: there() });
    let mut first = numbers(&world.tell(Event::Flush));
    first.sort_unstable();
    assert_eq!(first, [1, 2]);
}

#[test]
fn only_what_is_gone_is_replaced() {
    let mut world = cluster();
    world.submit_with(1, |submit| submit.template = template("pair", |options| options.num_returns = 2));
    let second = ObjectId::result(task(1), 1);
    world.end(1, ran(Outcome::Values(vec![stored(&[there()]), inline(b"old")])));
    lose(&mut world, result(1));
    world.get(result(1));
    world.end(1, ran(Outcome::Values(vec![stored(&[elsewhere()]), stored(&[elsewhere()])])));
    assert_eq!(got(&world.get(second)), [(second, Outcome::Value(inline(b"old")))]);
}

fn get_fails(world: &mut World, object: ObjectId) -> FailureKind {
    let effects = world.get(object);
    let [(_, Outcome::Failed(failure))] = &got(&effects)[..] else { panic!("{effects:?}") };
    assert!(failure.detail().cause.is_some(), "it says how it was lost");
    failure.kind()
}

#[test]
fn what_was_put_cannot_be_made_again() {
    let mut world = cluster();
    let object = ObjectId { task: task(0), index: ObjectIndex::driver_put(1) };
    let put =
        |value: ResultValue| Event::Put { requester: Requester::Session(DRIVER), job: JOB, object, value };
    world.tell(put(stored(&[there()])));
    lose(&mut world, object);
    assert_eq!(get_fails(&mut world, object), FailureKind::ObjectLost);
    // Its driver can offer it again.
    world.tell(put(inline(b"again")));
    assert_eq!(got(&world.get(object)), [(object, Outcome::Value(inline(b"again")))]);
}

#[test]
fn a_task_that_may_run_once_is_not_run_again() {
    let mut world = cluster();
    world.submit_with(1, |submit| submit.template = template("once", |options| options.max_retries = 0));
    world.end_with(1, stored(&[there()]));
    lose(&mut world, result(1));
    assert_eq!(get_fails(&mut world, result(1)), FailureKind::ObjectLost);
}

#[test]
fn what_was_dropped_for_its_size_says_so() {
    let mut world = World::with(2, |options| options.lineage_bytes = 1_000);
    for number in 1..=2 {
        world.submit_with(number, |submit| submit.arguments = vec![0; 800].into());
        world.end_with(number, stored(&[there()]));
    }
    assert_eq!(world.engine.sizes().lineage_bytes, 800);
    lose(&mut world, result(1));
    assert_eq!(get_fails(&mut world, result(1)), FailureKind::LineageEvicted);
    lose(&mut world, result(2));
    assert_eq!(numbers(&world.get(result(2))), [2]);
}

#[test]
fn a_re_run_that_fails_is_a_loss_with_the_cause() {
    let mut world = cluster();
    world.submit(1);
    world.end_with(1, stored(&[there()]));
    lose(&mut world, result(1));
    world.get(result(1));
    let failure = mobula_types::Failure::new(FailureKind::TaskFailed, "not today");
    let effects = world.end(1, ran(Outcome::Failed(failure.clone())));
    let [(_, Outcome::Failed(lost))] = &got(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!((lost.kind(), lost.root_cause()), (FailureKind::ObjectLost, &failure));
}

#[test]
fn a_task_is_not_made_again_more_often_than_it_may_be_retried() {
    let mut world = cluster();
    world.submit(1);
    world.end_with(1, stored(&[there()]));
    for _ in 0..3 {
        lose(&mut world, result(1));
        assert_eq!(numbers(&world.get(result(1))), [1]);
        world.end_with(1, stored(&[there()]));
    }
    lose(&mut world, result(1));
    assert_eq!(get_fails(&mut world, result(1)), FailureKind::ObjectLost);
}

#[test]
fn a_peers_get_waits_for_the_recovery_too() {
    let mut world = cluster();
    world.submit(1);
    world.end_with(1, stored(&[there()]));
    lose(&mut world, result(1));
    let requester = Requester::Peer(elsewhere());
    let effects = world.tell_and_flush(Event::Wanted { requester, address: address(result(1)) });
    assert_eq!(numbers(&effects), [1]);
    assert_eq!(got(&world.end_with(1, inline(b"9"))), [(result(1), Outcome::Value(inline(b"9")))]);
}

#[test]
fn word_of_another_version_changes_nothing() {
    let mut world = cluster();
    world.submit(1);
    world.end_with(1, stored(&[there()]));
    world.submit_with(2, |submit| submit.references = vec![whole(result(1))]);
    let version = CopyVersion { checksum: 6, ..version() };
    let lost = AssignmentEnd::InputLost { object: result(1), version, holder: there() };
    assert_eq!(numbers(&world.end(2, lost)), [2]);
    // A copy of what it was before it was made again is dropped, and never read.
    let made = Event::CopyMade { node: elsewhere(), object: result(1), version };
    assert_eq!(freed(&world.tell(made)), [(Place::Peer(elsewhere()), vec![result(1)])]);
    assert_eq!(got(&world.get(result(1))), [(result(1), Outcome::Value(stored(&[there()])))]);
}

#[test]
fn a_holder_that_another_node_found_without_the_copy_is_told_to_drop_it() {
    let mut world = cluster();
    world.submit(1);
    world.end_with(1, stored(&[there(), elsewhere()]));
    let (node, reporter, object) = (there(), elsewhere(), result(1));
    let effects = world.tell(Event::CopyLost { node, reporter, object, version: version() });
    assert_eq!(freed(&effects), [(Place::Peer(there()), vec![result(1)])]);
    assert_eq!(got(&world.get(result(1))), [(result(1), Outcome::Value(stored(&[elsewhere()])))]);
}

fn unavailable(kind: FailureKind) -> AssignmentEnd {
    AssignmentEnd::InputsUnavailable { failure: Failure::new(kind, "told by the test") }
}

/// The consumer of a put, on the node where its one copy is not.
fn consumer_of_a_put() -> (World, ObjectId) {
    let mut world = cluster();
    let object = ObjectId { task: task(0), index: ObjectIndex::driver_put(1) };
    let (requester, value) = (Requester::Session(DRIVER), stored(&[there()]));
    world.tell(Event::Put { requester, job: JOB, object, value });
    world.submit_with(2, |submit| submit.references = vec![whole(object)]);
    (world, object)
}

#[test]
fn a_copy_that_nobody_can_reach_stays_on_record_and_the_task_is_tried_again() {
    let (mut world, object) = consumer_of_a_put();
    for _ in 0..20 {
        while let Some(task) = world.engine.task(task(2)).filter(|task| task.node.is_some()) {
            assert_eq!(task.attempt, world.attempt(2));
            let effects = world.end(2, unavailable(FailureKind::Unavailable));
            assert_eq!((freed(&effects), failures(&effects)), (vec![], vec![]));
        }
        world.advance(Duration::from_secs(10));
    }
    assert_eq!(world.engine.task(task(2)).map(|task| task.retries), Some(0));
    assert_eq!(got(&world.get(object)), [(object, Outcome::Value(stored(&[there()])))]);
    assert_eq!(completed(&world.end(2, quick())).len(), 1);
}

#[test]
fn other_nodes_are_tried_before_the_pause_and_the_pause_grows() {
    let (mut world, _) = consumer_of_a_put();
    let mut pauses = Vec::new();
    for _ in 0..3 {
        let mut tried = Vec::new();
        while let Some(node) = world.engine.task(task(2)).and_then(|task| task.node) {
            assert!(!tried.contains(&node), "{node} twice in a round");
            tried.push(node);
            world.end(2, unavailable(FailureKind::Unavailable));
        }
        assert_eq!(tried.len(), 3);
        let due = world.engine.next_deadline();
        pauses.push(due.since(world.now));
        world.advance(due.since(world.now));
    }
    for (pause, longest) in pauses.into_iter().zip([100, 200, 400].map(Duration::from_millis)) {
        assert!((longest / 2..longest).contains(&pause), "{pause:?} of {longest:?}");
    }
}

#[test]
fn tasks_that_miss_the_same_input_do_not_come_back_at_the_same_time() {
    let (mut world, object) = consumer_of_a_put();
    world.submit_with(3, |submit| submit.references = vec![whole(object)]);
    for number in [2, 3] {
        while world.engine.task(task(number)).is_some_and(|task| task.node.is_some()) {
            world.end(number, unavailable(FailureKind::Unavailable));
        }
    }
    let first = world.engine.next_deadline();
    world.advance(first.since(world.now));
    let second = world.engine.next_deadline();
    assert!(world.now < second && second != Time::NEVER, "{second:?}");
}

#[test]
fn a_task_for_whose_arguments_no_node_has_room_fails_in_the_end_and_loses_nothing() {
    let (mut world, object) = consumer_of_a_put();
    let mut failed = Vec::new();
    for _ in 0..100 {
        while failed.is_empty() && world.engine.task(task(2)).is_some_and(|task| task.node.is_some()) {
            let effects = world.end(2, unavailable(FailureKind::StoreFull));
            assert_eq!(freed(&effects), []);
            failed = failures(&effects);
        }
        if !failed.is_empty() {
            break;
        }
        world.advance(Duration::from_secs(10));
    }
    assert_eq!(failed, [(2, FailureKind::StoreFull)]);
    assert_eq!(got(&world.get(object)), [(object, Outcome::Value(stored(&[there()])))]);
}

#[test]
fn arguments_that_no_store_could_hold_fail_their_task_at_once() {
    let (mut world, _) = consumer_of_a_put();
    let small = |id| NodeInfo { object_store_memory: 1 << 20, ..node(id, 2) };
    world.tell(view([small(here()), small(there()), small(elsewhere())]));
    let effects = world.end(2, unavailable(FailureKind::StoreFull));
    assert_eq!(failures(&effects), [(2, FailureKind::StoreFull)]);
}

#[test]
fn the_owner_of_anothers_object_hears_of_a_copy_that_is_gone() {
    let mut world = cluster();
    let object = ObjectId::result(task(50), 0);
    let theirs = ObjectAddress { object, owner: Some(there()) };
    world.submit_with(1, |submit| {
        submit.references = vec![ArgumentRef { address: theirs.clone(), ..whole(object) }];
    });
    let resolved =
        |holder| Event::Resolved { owner: there(), object, outcome: Outcome::Value(stored(&[holder])) };
    assert_eq!(numbers(&world.tell_and_flush(resolved(there()))), [1]);
    let lost = AssignmentEnd::InputLost { object, version: version(), holder: there() };
    let effects = world.end(1, lost);
    let told = Effect::CopyLost { owner: there(), object, version: version(), holder: there() };
    let asked = Effect::Resolve { owner: there(), object };
    assert!(effects.starts_with(&[told, asked]), "{effects:?}");
    assert_eq!(numbers(&world.tell_and_flush(resolved(elsewhere()))), [1]);
}
