//! Workers that die.

use super::*;

fn lose(world: &mut World, worker: WorkerId, running: Vec<u64>) {
    world.event(Event::WorkerLost { worker, failure: failure(FailureKind::WorkerDied), running });
}

#[test]
fn what_ran_is_lost_and_charged_what_waited_runs_again() {
    let mut world = World::warm(1);
    let template = template("square", Resources::cpus(1));
    world.teach(&template, 10);
    let tasks = world.assign_many(4, &template);
    let orders = world.flush_runs();
    assert_eq!(orders.len(), 4);
    world.done(&orders[0], 10);
    world.reports();
    lose(&mut world, orders[0].worker, vec![orders[1].handle]);
    let reports = world.reports();
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].0, tasks[1]);
    assert!(matches!(&reports[0].1, AssignmentEnd::Lost { charged: true, failure }
        if failure.kind() == FailureKind::WorkerDied && failure.detail().task == Some(tasks[1])));
    assert_eq!(world.used_cpus(), 0.0);
    let worker = world.flush_and_start().remove(0);
    assert!(worker > orders[0].worker, "ids are never used twice");
    world.start(worker);
    assert_eq!(tasks_of(&world.flush_runs()), &tasks[2..], "in their order");
    world.done(&orders[2], 10);
    assert_eq!(world.reports(), [], "the dead worker has nothing to say any more");
}

#[test]
fn a_run_that_waited_for_others_had_started() {
    let mut world = World::warm(1);
    world.assign("square", Resources::cpus(1));
    let order = world.flush_runs().remove(0);
    world.blocked(&order);
    lose(&mut world, order.worker, Vec::new());
    assert!(matches!(world.reports()[0].1, AssignmentEnd::Lost { charged: true, .. }));
    assert_eq!(world.used_cpus(), 0.0);
}

#[test]
fn a_cancelled_run_is_not_run_again() {
    let mut world = World::warm(1);
    let template = template("square", Resources::cpus(1));
    world.teach(&template, 10);
    let tasks = world.assign_many(2, &template);
    let orders = world.flush_runs();
    world.cancel(tasks[1], false);
    lose(&mut world, orders[0].worker, Vec::new());
    let reports = world.reports();
    assert_eq!((reports.len(), reports[0].0, kind_of(&reports[0].1)), (1, tasks[1], FailureKind::Cancelled));
    assert_eq!(world.executor.load().queued, 1);
}

#[test]
fn a_worker_that_is_not_there_changes_nothing() {
    let mut world = World::warm(1);
    world.assign("square", Resources::cpus(1));
    let order = world.flush_runs().remove(0);
    lose(&mut world, WorkerId(77), vec![order.handle]);
    world.event(Event::Returned { worker: WorkerId(77), handles: vec![order.handle] });
    world.event(Event::Blocked { worker: order.worker, handle: 12345 });
    assert_eq!((world.reports(), world.used_cpus()), (Vec::new(), 1.0));
}
