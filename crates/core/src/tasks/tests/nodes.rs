//! Nodes that are lost, out of reach, or behind.

use super::world::*;
use crate::tasks::{Effect, Event, Place};
use mobula_types::{
    ArgumentRef, ArgumentShape, FailureKind, NodeId, ObjectAddress, ObjectId, Outcome, OwnerTerm, TaskId,
};
use std::time::Duration;

/// A gateway with two nodes behind it.
fn gateway() -> World {
    let mut world = World::new(0);
    world.tell(view([node(here(), 0), node(there(), 1), node(elsewhere(), 1)]));
    world
}

fn node_of(world: &World, number: u64) -> NodeId {
    world.engine.task(task(number)).and_then(|task| task.node).expect("it is somewhere")
}

#[test]
fn a_task_of_a_lost_node_runs_on_another_and_is_charged() {
    let mut world = gateway();
    world.submit(1);
    let first = node_of(&world, 1);
    world.tell(Event::NodeLost { node: first.clone() });
    let effects = world.advance(Duration::from_millis(100));
    assert_eq!(numbers(&effects), [1]);
    assert_ne!(node_of(&world, 1), first);
    assert_eq!(world.engine.task(task(1)).map(|task| task.retries), Some(1));
}

#[test]
fn a_task_that_may_run_at_most_once_fails_with_its_node() {
    let once = || template("once", |options| options.max_retries = 0);
    let mut world = gateway();
    world.submit_with(1, |submit| submit.template = once());
    let node = node_of(&world, 1);
    assert_eq!(failures(&world.tell(Event::NodeLost { node })), [(1, FailureKind::NodeLost)]);
    let mut world = gateway();
    world.submit_with(1, |submit| submit.template = once());
    let node = node_of(&world, 1);
    assert_eq!(failures(&world.tell(Event::PeerUnreachable { node })), [(1, FailureKind::Unavailable)]);
}

#[test]
fn what_waited_here_is_not_charged() {
    let mut world = gateway();
    for number in 1..=3 {
        world.submit(number);
    }
    world.tell(Event::NodeLost { node: there() });
    assert_eq!(world.engine.task(task(3)).map(|task| (task.retries, task.attempt.number)), Some((0, 0)));
}

#[test]
fn an_unreachable_nodes_tasks_run_elsewhere_at_no_charge() {
    let mut world = gateway();
    world.submit(1);
    let first = node_of(&world, 1);
    let stale = world.ended(1, ran(Outcome::Value(stored(std::slice::from_ref(&first)))));
    let effects = world.tell_and_flush(Event::PeerUnreachable { node: first.clone() });
    let [(place, assignment)] = &assigned(&effects)[..] else { panic!("{effects:?}") };
    assert_ne!(*place, Place::Peer(first.clone()));
    assert_eq!(assignment.attempt.number, 1);
    assert_eq!(world.engine.task(task(1)).map(|task| task.retries), Some(0));
    // What the first one still does is refused.
    assert_eq!(freed(&world.tell(stale)), [(Place::Peer(first), vec![result(1)])]);
}

#[test]
fn what_ran_on_three_lost_nodes_is_suspected() {
    let mut world = World::new(0);
    let mut effects = Vec::new();
    let patient = || template("patient", |options| options.max_retries = 9);
    world.tell(view([node(NodeId::new("n0", 1), 1)]));
    world.submit_with(1, |submit| submit.template = patient());
    for number in 0..3 {
        world.tell(view([node(NodeId::new(format!("n{}", number + 1).as_str(), 1), 1)]));
        let lost = node_of(&world, 1);
        effects = world.tell(Event::NodeLost { node: lost });
        effects.extend(world.advance(Duration::from_secs(60)));
    }
    assert_eq!(failures(&effects), [(1, FailureKind::PoisonSuspected)]);
}

#[test]
fn losses_long_ago_are_forgiven() {
    let mut world = World::new(0);
    world.tell(view([node(NodeId::new("n0", 1), 1)]));
    world.submit_with(1, |submit| submit.template = template("patient", |options| options.max_retries = 9));
    for number in 0..5 {
        world.tell(view([node(NodeId::new(format!("n{}", number + 1).as_str(), 1), 1)]));
        let lost = node_of(&world, 1);
        assert!(failures(&world.tell(Event::NodeLost { node: lost })).is_empty());
        world.advance(Duration::from_secs(400));
    }
}

#[test]
fn a_lost_borrower_is_forgotten_after_a_while() {
    let mut world = gateway();
    world.submit(1);
    world.end_with(1, inline(b"9"));
    world.tell(Event::Borrowed { node: there(), objects: vec![result(1)] });
    world.release(&[result(1)]);
    world.tell(Event::NodeLost { node: there() });
    assert!(!world.is_empty());
    // The dead generation is not heard any more.
    world.tell(Event::Borrowed { node: there(), objects: vec![result(1)] });
    world.advance(Duration::from_secs(30));
    assert!(world.is_empty());
}

fn foreign() -> ObjectAddress {
    ObjectAddress { object: ObjectId::result(TaskId::of_driver(JOB, 500), 0), owner: Some(there()) }
}

fn wait_for_foreign(world: &mut World) {
    let reference = ArgumentRef { parameter: 0, shape: ArgumentShape::Whole, address: foreign() };
    world.submit_with(1, |submit| submit.references = vec![reference]);
}

#[test]
fn what_a_lost_node_owned_is_lost_when_nobody_takes_it_over() {
    let mut world = gateway();
    wait_for_foreign(&mut world);
    assert!(failures(&world.tell(Event::NodeLost { node: there() })).is_empty());
    let effects = world.advance(Duration::from_secs(30));
    let [(_, _, Outcome::Failed(failure))] = &completed(&effects)[..] else { panic!("{effects:?}") };
    let kinds: Vec<FailureKind> =
        std::iter::successors(Some(failure), |failure| failure.detail().cause.as_ref())
            .map(|failure| failure.kind())
            .collect();
    assert_eq!(kinds, [FailureKind::DependencyFailed, FailureKind::ObjectLost, FailureKind::NodeLost]);
}

#[test]
fn what_a_lost_node_owned_is_asked_of_the_one_that_takes_it_over() {
    let mut world = gateway();
    let reference = ArgumentRef { parameter: 0, shape: ArgumentShape::Whole, address: foreign() };
    world.submit_with(1, |submit| {
        // A nested task: this node owns it whatever becomes of the driver's home.
        submit.task = TaskId { high: 5, low: 1 };
        submit.references = vec![reference];
    });
    world.tell(Event::NodeLost { node: there() });
    let effects = world.tell(Event::TakenOver { job: JOB, owner: elsewhere(), owner_term: OwnerTerm(1) });
    let object = foreign().object;
    assert_eq!(
        effects,
        [
            Effect::Borrow { owner: elsewhere(), objects: vec![object] },
            Effect::Resolve { owner: elsewhere(), object }
        ]
    );
    world.advance(Duration::from_secs(30));
    let outcome = Outcome::Value(inline(b"9"));
    let effects = world.tell_and_flush(Event::Resolved { owner: elsewhere(), object, outcome });
    assert_eq!(numbers(&effects), [1]);
}

#[test]
fn an_unreachable_owner_is_asked_again() {
    let mut world = gateway();
    wait_for_foreign(&mut world);
    world.tell(Event::PeerUnreachable { node: there() });
    let object = foreign().object;
    let effects = world.advance(Duration::from_secs(1));
    let again = [
        Effect::Borrow { owner: there(), objects: vec![object] },
        Effect::Resolve { owner: there(), object },
    ];
    assert_eq!(effects, again);
}

#[test]
fn tasks_behind_a_busy_node_are_asked_back_for_an_idle_one() {
    let mut world = World::new(0);
    world.tell(view([node(here(), 0), node(there(), 1)]));
    // The function is known to be short, so that several queue on the only node.
    for number in 1..=20 {
        world.submit(number);
    }
    for number in 1..=8 {
        world.end(number, quick());
    }
    let mut busy = node(there(), 1);
    busy.load = mobula_types::view::NodeLoad { running: 1, queued: 11, ..Default::default() };
    let effects = world.tell(view([node(here(), 0), busy, node(elsewhere(), 2)]));
    let [Effect::RecallAssignments { place, tasks }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(*place, Place::Peer(there()));
    let recalled: Vec<u64> = tasks.iter().map(|(task, _)| task.low).collect();
    assert_eq!(recalled, [20, 19]);
    for number in recalled {
        let effects = world.end(number, mobula_types::frame::AssignmentEnd::Returned);
        let [(place, _)] = &assigned(&effects)[..] else { panic!("{effects:?}") };
        assert_eq!(*place, Place::Peer(elsewhere()));
    }
}

#[test]
fn a_node_that_is_still_reached_says_what_it_does_not_have_and_nothing_else_runs_again() {
    let mut world = gateway();
    world.submit(1);
    world.submit(2);
    let node = node_of(&world, 1);
    let asked = Effect::ConfirmAssignments { node: node.clone(), tasks: vec![(task(1), world.attempt(1))] };
    assert_eq!(world.tell_and_flush(Event::PeerDoubtful { node: node.clone() }), [asked]);
    assert_eq!(world.tell_and_flush(Event::PeerDoubtful { node: here() }), []);
    assert_eq!(numbers(&world.end(1, lost(false))), [1]);
    assert_eq!(world.engine.task(task(1)).map(|task| task.retries), Some(0));
}
