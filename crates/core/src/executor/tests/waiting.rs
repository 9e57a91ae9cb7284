//! Runs that wait for others.

use super::*;

#[test]
fn a_run_that_waits_gives_its_cpus_back() {
    let mut world = World::embedded(1);
    let mut need = Resources::cpus(1);
    need.custom.insert("disk".into(), Quantity::whole(8));
    world.assign("embedded", need);
    let parent = world.flush_runs().remove(0);
    world.blocked(&parent);
    let used = world.executor.load().used;
    assert_eq!((used.cpu, used.custom_amount("disk")), (Quantity::ZERO, Quantity::whole(8)));
    world.assign("embedded", Resources::cpus(1));
    let child = world.flush_runs().remove(0);
    assert_eq!(child.slot, 1, "its own slot is taken by the one that waits");
    world.unblocked(&parent);
    world.flush();
    assert_eq!(world.resumed(), [], "the CPU is the child's");
    world.done(&child, 10);
    world.flush();
    assert_eq!(world.resumed(), [parent.handle]);
    assert_eq!(world.used_cpus(), 1.0);
    world.done(&parent, 10);
    assert_eq!(world.used_cpus(), 0.0);
}

#[test]
fn who_waited_goes_before_who_is_new() {
    let mut world = World::embedded(1);
    let template = template("embedded", Resources::cpus(1));
    world.assign_many(2, &template);
    let parent = world.flush_runs().remove(0);
    world.blocked(&parent);
    let second = world.flush_runs().remove(0);
    world.assign_many(3, &template);
    world.unblocked(&parent);
    world.done(&second, 10_000);
    assert_eq!(world.flush_runs(), []);
    assert_eq!(world.resumed(), [parent.handle]);
}

#[test]
fn with_free_cpus_it_goes_on_at_once() {
    let mut world = World::embedded(2);
    world.assign("embedded", Resources::cpus(1));
    let run = world.flush_runs().remove(0);
    world.blocked(&run);
    world.unblocked(&run);
    assert_eq!(world.resumed(), [run.handle]);
    world.unblocked(&run);
    assert_eq!(world.resumed(), [], "it waits no more");
}

#[test]
fn what_was_behind_it_is_recalled() {
    let mut world = World::embedded(1);
    let template = template("embedded", Resources::cpus(1));
    world.teach(&template, 10);
    world.assign_many(3, &template);
    let orders = world.flush_runs();
    world.blocked(&orders[0]);
    assert_eq!(world.recalls(), [(EMBEDDED, vec![orders[1].handle, orders[2].handle])]);
    world.returned(&orders[1..]);
    let again = world.flush_runs();
    assert_eq!(again.len(), 2);
    assert!(again.iter().all(|order| order.slot == 1));
}

#[test]
fn parents_of_no_cpus_that_wait_do_not_count() {
    let mut world = World::warm(1);
    (0..64).for_each(|_| {
        world.assign("square", cpus(0));
    });
    let parents = world.flush_runs();
    world.assign("square", cpus(0));
    assert_eq!(world.flush_runs(), []);
    world.blocked(&parents[0]);
    let child = world.flush_runs();
    assert_eq!(child.len(), 1);
    world.unblocked(&parents[0]);
    assert_eq!(world.resumed(), [parents[0].handle], "what has begun is not held up");
    parents.iter().chain(&child).for_each(|order| world.done(order, 1));
    world.assign("square", cpus(0));
    assert_eq!(world.flush_runs().len(), 1);
}

#[test]
fn a_cancelled_run_that_waited_ends_without_resuming() {
    let mut world = World::embedded(1);
    let parent = world.assign("embedded", Resources::cpus(1));
    let order = world.flush_runs().remove(0);
    world.blocked(&order);
    world.cancel(parent, false);
    world.done(&order, 10);
    assert_eq!((world.reports().len(), world.used_cpus()), (1, 0.0));
    world.unblocked(&order);
    world.flush();
    assert_eq!(world.resumed(), []);
}

#[test]
fn a_stream_of_short_tasks_does_not_keep_a_waiting_one_out() {
    let mut world = World::embedded(1);
    let template = template("embedded", Resources::cpus(1));
    world.teach(&template, 10);
    world.assign_many(1, &template);
    let parent = world.flush_runs().remove(0);
    world.blocked(&parent);
    world.assign_many(50, &template);
    let stream = world.flush_runs();
    assert!(stream.len() > 10);
    world.unblocked(&parent);
    world.pass_time(Duration::from_millis(5));
    let recalled: usize = world.recalls().iter().map(|(_, handles)| handles.len()).sum();
    assert_eq!(recalled, stream.len() - 1);
    world.returned(&stream[1..]);
    world.done(&stream[0], 10);
    assert_eq!(world.flush_runs(), []);
    assert_eq!(world.resumed(), [parent.handle]);
}
