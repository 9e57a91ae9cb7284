//! Workers that die.

use super::*;

fn lose(world: &mut World, worker: WorkerId, last: Vec<LastRun>) {
    world.event(Event::WorkerLost { worker, failure: failure(FailureKind::WorkerDied), last });
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
    lose(&mut world, orders[0].worker, vec![running(&orders[1])]);
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
    lose(&mut world, WorkerId(77), vec![running(&order)]);
    world.event(Event::Returned { worker: WorkerId(77), handles: vec![order.handle] });
    world.event(Event::Blocked { worker: order.worker, handle: 12345 });
    assert_eq!((world.reports(), world.used_cpus()), (Vec::new(), 1.0));
}

/// A worker of one slot with so many runs, which have begun to be worked off.
fn busy(count: usize) -> (World, Vec<TaskId>, Vec<RunOrder>) {
    let mut world = World::warm(1);
    let template = template("square", Resources::cpus(1));
    world.teach(&template, 10);
    let tasks = world.assign_many(count, &template);
    let orders = world.flush_runs();
    assert_eq!(orders.len(), count);
    (world, tasks, orders)
}

/// What was reported as lost, and whether it was charged.
fn lost(world: &mut World) -> Vec<(TaskId, bool)> {
    let charged = |(task, end)| match end {
        AssignmentEnd::Lost { charged, .. } => (task, charged),
        end => panic!("{task} ended as {end:?}"),
    };
    let mut lost: Vec<_> = world.reports().into_iter().map(charged).collect();
    lost.sort_unstable();
    lost
}

#[test]
fn what_was_over_and_not_reported_has_started_and_is_not_charged() {
    let (mut world, tasks, orders) = busy(4);
    lose(&mut world, orders[0].worker, vec![running(&orders[2])]);
    assert_eq!(lost(&mut world), [(tasks[0], false), (tasks[1], false), (tasks[2], true)]);
    let (mut world, tasks, orders) = busy(4);
    lose(&mut world, orders[0].worker, vec![LastRun { over: true, ..running(&orders[1]) }]);
    assert_eq!(lost(&mut world), [(tasks[0], false), (tasks[1], false)]);
    assert_eq!(world.executor.load().queued, 2, "those behind it go back to their lane");
}

#[test]
fn the_end_of_a_later_run_says_that_the_earlier_ones_are_over() {
    let (mut world, tasks, orders) = busy(4);
    // The first ones' results are large: they are still being stored.
    world.done(&orders[2], 10);
    world.reports();
    lose(&mut world, orders[0].worker, vec![LastRun { over: true, ..running(&orders[2]) }]);
    assert_eq!(lost(&mut world), [(tasks[0], false), (tasks[1], false)]);
    assert_eq!(world.executor.load().queued, 1);
}

#[test]
fn what_a_slot_beyond_the_page_had_counts_as_started() {
    let mut world = World::with_options(1, |options| options.noted_slots = 1);
    world.event(Event::JobOpened { job: JOB, has_executable: true, weight: 1 });
    let small = template("square", cpus(5));
    let tasks = world.assign_many(2, &small);
    let worker = world.flush_and_start().remove(0);
    world.start(worker);
    let orders = world.flush_runs();
    assert_eq!(orders.iter().map(|order| order.slot).collect::<Vec<_>>(), [0, 1]);
    lose(&mut world, worker, Vec::new());
    assert_eq!(lost(&mut world), [(tasks[1], true)]);
    assert_eq!(world.executor.load().queued, 1);
}
