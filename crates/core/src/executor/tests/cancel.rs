//! Cancels, deadlines, timeouts.

use super::*;

fn cancels(world: &mut World) -> Vec<(u64, FailureKind)> {
    world.take(|effect| match effect {
        Effect::CancelRun { handle, failure, .. } => Some((*handle, failure.kind())),
        _ => None,
    })
}

fn kills(world: &mut World) -> Vec<WorkerId> {
    world.take(|effect| match effect {
        Effect::Kill { worker, .. } => Some(*worker),
        _ => None,
    })
}

#[test]
fn a_queued_task_is_dropped() {
    let mut world = World::embedded(1);
    let tasks = world.assign_many(3, &template("embedded", Resources::cpus(1)));
    let first = world.flush_runs();
    world.cancel(tasks[1], true);
    let reports = world.reports();
    assert_eq!((reports.len(), reports[0].0, kind_of(&reports[0].1)), (1, tasks[1], FailureKind::Cancelled));
    world.cancel(tasks[1], true);
    world.done(&first[0], 10_000);
    assert_eq!(tasks_of(&world.flush_runs()), [tasks[2]]);
}

#[test]
fn a_running_task_is_told_once_and_its_own_end_counts() {
    let mut world = World::warm(1);
    let task = world.assign("square", Resources::cpus(1));
    let order = world.flush_runs().remove(0);
    world.cancel(task, false);
    world.cancel(task, false);
    assert_eq!(cancels(&mut world), [(order.handle, FailureKind::Cancelled)]);
    world.pass_time(Duration::from_secs(30));
    assert_eq!(kills(&mut world), []);
    world.done(&order, 5);
    assert!(matches!(world.reports()[0].1, AssignmentEnd::Ran { outcome: Outcome::Value(_), .. }));
}

#[test]
fn another_owner_cannot_cancel_it() {
    let mut world = World::embedded(1);
    let peer = Owner::Peer(NodeId::new("peer", 1));
    let task = world.assign_with(peer, JOB, &template("embedded", Resources::cpus(1)));
    world.cancel(task, false);
    assert_eq!(world.reports(), []);
}

#[test]
fn force_kills_the_worker_and_charges_nobody_else() {
    let mut world = World::warm(1);
    let template = template("square", Resources::cpus(1));
    world.teach(&template, 10);
    let tasks = world.assign_many(3, &template);
    let orders = world.flush_runs();
    assert_eq!(orders.len(), 3);
    let zero = world.assign("square", cpus(0));
    let beside = world.flush_runs().remove(0);
    world.cancel(tasks[0], true);
    world.pass_time(Duration::from_millis(1999));
    assert_eq!(kills(&mut world), []);
    world.pass_time(Duration::from_millis(1));
    assert_eq!(kills(&mut world), [orders[0].worker]);
    world.event(Event::WorkerLost {
        worker: orders[0].worker,
        failure: failure(FailureKind::WorkerDied),
        last: vec![running(&orders[0]), running(&beside)],
    });
    let reports = world.reports();
    assert_eq!(reports.len(), 2);
    for (task, end) in reports {
        if task == tasks[0] {
            assert_eq!(kind_of(&end), FailureKind::Cancelled);
        } else {
            assert_eq!(task, zero);
            assert!(matches!(end, AssignmentEnd::Lost { charged: false, .. }), "it had started");
        }
    }
    let worker = world.flush_and_start().remove(0);
    world.start(worker);
    let again = world.flush_runs();
    assert_eq!(tasks_of(&again), &tasks[1..], "what had not started runs on another worker");
}

#[test]
fn a_thread_of_the_node_is_given_up_and_still_counts() {
    let mut world = World::embedded(1);
    let task = world.assign("embedded", Resources::cpus(1));
    let order = world.flush_runs().remove(0);
    world.cancel(task, true);
    world.pass_time(Duration::from_secs(2));
    assert_eq!(kills(&mut world), []);
    let reports = world.reports();
    assert_eq!((reports.len(), kind_of(&reports[0].1)), (1, FailureKind::Cancelled));
    assert_eq!(world.take(|effect| matches!(effect, Effect::Warn { .. }).then_some(())).len(), 1);
    assert_eq!(world.used_cpus(), 1.0, "it still runs");
    world.done(&order, 3_000_000);
    assert_eq!(world.reports(), [], "once");
    assert_eq!(world.used_cpus(), 0.0);
}

#[test]
fn a_deadline_ends_what_waits_and_cancels_what_runs() {
    let mut world = World::embedded(1);
    let template = template("embedded", Resources::cpus(1));
    for number in [1, 2] {
        let mut assignment = world.assignment(number, JOB, &template);
        assignment.deadline = Some(world.now + Duration::from_secs(1));
        world.event(Event::Assigned { owner: Owner::Local, assignment });
    }
    let order = world.flush_runs().remove(0);
    assert!(world.executor.next_deadline() <= world.now + Duration::from_secs(1));
    world.pass_time(Duration::from_secs(1));
    let reports = world.reports();
    assert_eq!((reports[0].0, kind_of(&reports[0].1)), (task(2), FailureKind::DeadlineExceeded));
    assert_eq!(cancels(&mut world), [(order.handle, FailureKind::DeadlineExceeded)]);
    let mut late = world.assignment(3, JOB, &template);
    late.deadline = Some(world.now);
    world.event(Event::Assigned { owner: Owner::Local, assignment: late });
    assert_eq!(kind_of(&world.reports()[0].1), FailureKind::DeadlineExceeded);
}

#[test]
fn a_timeout_runs_from_the_start_of_the_attempt() {
    let mut world = World::warm(1);
    let template = template_with("square", |options| options.timeout = Some(Duration::from_secs(1)));
    world.teach(&template, 10);
    world.assign_many(2, &template);
    let orders = world.flush_runs();
    assert_eq!(orders.len(), 2);
    world.pass_time(Duration::from_millis(900));
    world.done(&orders[0], 900_000);
    world.pass_time(Duration::from_millis(900));
    assert_eq!(cancels(&mut world), [], "it has just begun");
    world.pass_time(Duration::from_millis(100));
    assert_eq!(cancels(&mut world), [(orders[1].handle, FailureKind::DeadlineExceeded)]);
    world.pass_time(Duration::from_secs(2));
    assert_eq!(kills(&mut world), [orders[1].worker], "it did not heed it");
}
