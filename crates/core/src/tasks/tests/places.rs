//! Where tasks go, and tasks that can go nowhere.

use super::world::*;
use crate::tasks::{Effect, Event, Place};
use mobula_types::{FailureKind, Resources, TaskOptions};

fn large(options: &mut TaskOptions) {
    options.resources = Resources::cpus(64);
}

#[test]
fn what_no_node_can_run_waits_and_says_why_once() {
    let mut world = World::new(2);
    let effects = world.submit_with(1, |submit| submit.template = template("large", large));
    let [Effect::Warn { job: JOB, text }] = &effects[..] else { panic!("{effects:?}") };
    assert!(text.contains("large") && text.contains("64 CPU"), "{text}");
    assert_eq!(world.tell(Event::Flush), []);
    assert_eq!(world.submit(2).len(), 1);
    let reason = world.engine.task(task(1)).and_then(|task| task.reason).expect("it waits");
    assert!(reason.contains("64 CPU"), "{reason}");
    let effects = world.tell_and_flush(view([node(here(), 2), node(there(), 64)]));
    assert_eq!(numbers(&effects), [1]);
}

#[test]
fn it_fails_instead_where_that_was_asked_for() {
    let mut world = World::new(2);
    let effects = world.submit_with(1, |submit| {
        submit.template = template("large", |options| {
            large(options);
            options.fail_if_infeasible = true;
        });
    });
    assert_eq!(failures(&effects), [(1, FailureKind::Infeasible)]);
}

#[test]
fn nothing_is_infeasible_before_the_cluster_is_known() {
    let mut world = World::new(2);
    world.tell(view([]));
    let effects = world.submit_with(1, |submit| {
        submit.template = template("early", |options| options.fail_if_infeasible = true);
    });
    assert_eq!(effects, []);
    assert_eq!(numbers(&world.tell_and_flush(view([node(here(), 1)]))), [1]);
}

#[test]
fn large_arguments_draw_a_task_to_where_they_are() {
    let mut world = World::new(4);
    world.tell(view([node(here(), 4), node(there(), 4)]));
    world.submit(1);
    world.end_with(1, stored(&[there()]));
    let effects = world.submit_with(2, |submit| submit.references = vec![whole(result(1))]);
    assert_eq!(assigned(&effects)[0].0, Place::Peer(there()));
}

#[test]
fn many_tasks_fill_the_nodes() {
    let mut world = World::new(2);
    world.tell(view([node(here(), 2), node(there(), 3)]));
    for number in 1..=9 {
        world.tell(world.submission(number).event(world.now));
    }
    let effects = world.tell(Event::Flush);
    let places = assigned(&effects);
    let local = places.iter().filter(|(place, _)| *place == Place::Local).count();
    assert_eq!((places.len(), local), (5, 2));
}
