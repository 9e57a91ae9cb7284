//! Runs that are handed out before the one in front of them has ended.

use super::*;

#[test]
fn an_unknown_function_starts_at_one_and_doubles() {
    let mut world = World::embedded(1);
    let template = template("embedded", Resources::cpus(1));
    world.assign_many(300, &template);
    let mut handed_out = Vec::new();
    for _ in 0..6 {
        let orders = world.flush_runs();
        handed_out.push(orders.len());
        orders.iter().for_each(|order| world.done(order, 1));
    }
    assert_eq!(handed_out, [1, 2, 8, 128, 128, 33]);
    assert_eq!(world.reports().len(), 300);
}

#[test]
fn a_slot_is_given_about_a_millisecond_of_work() {
    let mut world = World::embedded(1);
    let template = template("embedded", Resources::cpus(1));
    world.teach(&template, 250);
    world.assign_many(100, &template);
    assert_eq!(world.flush_runs().len(), 4);
    assert_eq!(world.used_cpus(), 1.0, "only the running one is charged");
    assert_eq!((world.executor.load().running, world.executor.load().queued), (1, 99));
}

#[test]
fn long_tasks_are_handed_out_one_by_one() {
    let mut world = World::embedded(2);
    let template = template("embedded", Resources::cpus(1));
    world.teach(&template, 20_000);
    world.assign_many(10, &template);
    assert_eq!(world.flush_runs().len(), 2);
}

#[test]
fn only_what_needs_the_same_queues_behind() {
    let mut world = World::embedded(2);
    let half = template("embedded", cpus(5));
    let whole = template("embedded", Resources::cpus(1));
    world.teach(&whole, 1);
    world.assign_many(2, &whole);
    let first = world.flush_runs();
    assert_eq!(first.len(), 2);
    world.assign_many(5, &half);
    assert_eq!(world.flush_runs(), [], "the slots hold a whole CPU");
    world.assign_many(5, &whole);
    assert_eq!(world.flush_runs().len(), 5);
}

#[test]
fn the_next_run_takes_over_what_the_slot_holds() {
    let mut world = World::embedded(1);
    let template = template("embedded", Resources::cpus(1));
    world.teach(&template, 10);
    world.assign_many(3, &template);
    let orders = world.flush_runs();
    for (done, order) in orders.iter().enumerate() {
        assert_eq!(world.executor.load().queued as usize, 2 - done);
        assert_eq!(world.used_cpus(), 1.0);
        world.done(order, 10);
    }
    assert_eq!(world.used_cpus(), 0.0);
}

#[test]
fn an_idle_slot_is_given_half_of_what_waits_behind_another() {
    let mut world = World::embedded(2);
    let template = template("embedded", Resources::cpus(1));
    world.teach(&template, 50);
    world.assign_many(12, &template);
    let orders = world.flush_runs();
    let (left, right): (Vec<_>, Vec<_>) = orders.into_iter().partition(|order| order.slot == 0);
    assert_eq!((left.len(), right.len()), (6, 6));
    left.iter().for_each(|order| world.done(order, 50));
    world.flush();
    let tail = &right[3..];
    assert_eq!(world.recalls(), [(EMBEDDED, tail.iter().map(|order| order.handle).collect())]);
    world.flush();
    assert_eq!(world.recalls(), [], "once is enough");
    // One of them had started by then.
    world.returned(&tail[1..]);
    let again = world.flush_runs();
    assert_eq!(tasks_of(&again), tasks_of(&tail[1..]), "in their order");
    assert!(again.iter().all(|order| order.slot == 0));
    right[..4].iter().chain(&again).for_each(|order| world.done(order, 50));
    assert_eq!(world.reports().len(), 12);
}

#[test]
fn a_little_work_is_not_worth_the_way() {
    let mut world = World::embedded(2);
    let template = template("embedded", Resources::cpus(1));
    world.teach(&template, 2);
    world.assign_many(12, &template);
    let orders = world.flush_runs();
    orders.iter().filter(|order| order.slot == 0).for_each(|order| world.done(order, 2));
    world.flush();
    assert_eq!(world.recalls(), []);
}

#[test]
fn what_is_held_up_by_a_long_run_is_recalled() {
    let mut world = World::embedded(2);
    let template = template("embedded", Resources::cpus(1));
    world.teach(&template, 10);
    world.assign_many(6, &template);
    let orders = world.flush_runs();
    let (left, right): (Vec<_>, Vec<_>) = orders.into_iter().partition(|order| order.slot == 0);
    world.now = world.now + Duration::from_millis(4);
    right.iter().for_each(|order| world.done(order, 10));
    assert!(world.next_tick());
    assert_eq!(world.recalls(), [(EMBEDDED, vec![left[1].handle, left[2].handle])]);
    world.returned(&left[1..]);
    let again = world.flush_runs();
    assert!(again.iter().all(|order| order.slot == 1), "not behind the long one again");
    assert_eq!(again.len(), 2);
}

#[test]
fn with_nobody_else_to_run_it_nothing_is_recalled() {
    let mut world = World::embedded(1);
    let template = template("embedded", Resources::cpus(1));
    world.teach(&template, 10);
    world.assign_many(6, &template);
    assert_eq!(world.flush_runs().len(), 6);
    world.pass_time(Duration::from_millis(50));
    assert_eq!(world.recalls(), []);
}
