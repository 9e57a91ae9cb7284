//! Workers come and go.

use super::*;

fn retired(world: &mut World) -> Vec<WorkerId> {
    world.take(|effect| match effect {
        Effect::Retire { worker } => Some(*worker),
        _ => None,
    })
}

fn start_fails(world: &mut World, worker: WorkerId, kind: FailureKind) {
    let failure = Failure::new(kind, "no such file");
    world.event(Event::WorkerStartFailed { worker, failure });
}

#[test]
fn workers_are_started_for_what_could_run_one_per_cpu() {
    let mut world = World::processes(4);
    world.assign_many(2, &template("square", Resources::cpus(1)));
    assert_eq!(world.flush_and_start().len(), 2);
    assert_eq!(world.flush_and_start().len(), 0, "they are on their way");
    world.assign_many(20, &template("square", Resources::cpus(1)));
    let more = world.flush_and_start();
    assert_eq!(more.len(), 2);
    more.iter().for_each(|worker| world.start(*worker));
    let orders = world.flush_runs();
    assert_eq!(orders.iter().map(|order| order.worker).collect::<Vec<_>>(), [more[1], more[0]]);
}

#[test]
fn tasks_of_two_cpus_need_fewer_workers() {
    let mut world = World::processes(4);
    world.assign_many(20, &template("square", Resources::cpus(2)));
    assert_eq!(world.flush_and_start().len(), 2);
}

#[test]
fn an_idle_worker_is_kept_warm_and_then_retired() {
    let mut world = World::warm(2);
    world.pass_time(Duration::from_secs(59));
    assert_eq!(retired(&mut world), []);
    world.assign("square", Resources::cpus(1));
    let order = world.flush_runs().remove(0);
    world.pass_time(Duration::from_secs(1));
    let gone = retired(&mut world);
    assert_eq!(gone.len(), 1);
    assert_ne!(gone[0], order.worker);
    world.event(Event::WorkerLost {
        worker: gone[0],
        failure: failure(FailureKind::WorkerDied),
        last: Vec::new(),
    });
    assert_eq!(world.reports(), []);
    world.done(&order, 10);
    world.pass_time(Duration::from_secs(60));
    assert_eq!(retired(&mut world), [order.worker]);
    world.pass_time(Duration::from_secs(10));
    let killed = world.take(|effect| matches!(effect, Effect::Kill { .. }).then_some(()));
    assert_eq!(killed.len(), 1, "it was told to end and did not");
}

#[test]
fn an_isolated_task_has_a_worker_of_its_own() {
    let mut world = World::warm(2);
    let template = template_with("square", |options| options.isolated = true);
    let tasks = world.assign_many(3, &template);
    world.flush();
    let started = world.take(|effect| match effect {
        Effect::StartWorker { worker, isolated: true, slots: 1, .. } => Some(*worker),
        _ => None,
    });
    assert_eq!(started.len(), 2);
    assert_eq!(world.used_cpus(), 2.0, "what they need is held while their workers start");
    world.start(started[0]);
    let order = world.runs().remove(0);
    assert_eq!((order.task, order.worker), (tasks[0], started[0]));
    world.done(&order, 10);
    assert_eq!(retired(&mut world), [started[0]]);
    assert_eq!(world.flush_and_start().len(), 1);
    world.cancel(tasks[1], false);
    assert_eq!(
        world
            .take(
                |effect| matches!(effect, Effect::Kill { worker, .. } if *worker == started[1]).then_some(())
            )
            .len(),
        1
    );
    assert_eq!(world.used_cpus(), 1.0);
    start_fails(&mut world, started[1], FailureKind::WorkerDied);
    assert_eq!(world.reports().len(), 2);
}

#[test]
fn after_three_failed_starts_what_waits_goes_back() {
    let mut world = World::processes(1);
    let tasks = world.assign_many(2, &template("square", Resources::cpus(1)));
    for _ in 0..3 {
        assert_eq!(world.reports(), []);
        let worker = world.flush_and_start().remove(0);
        start_fails(&mut world, worker, FailureKind::Unavailable);
    }
    let reports = world.reports();
    assert_eq!(reports.iter().map(|(task, _)| *task).collect::<Vec<_>>(), tasks);
    let AssignmentEnd::CannotRun { failure } = &reports[0].1 else { unreachable!() };
    assert_eq!(failure.kind(), FailureKind::WorkerStartFailed);
    assert!(failure.message().contains("no such file"));
    world.assign("square", Resources::cpus(1));
    assert_eq!(kind_of(&world.reports()[0].1), FailureKind::WorkerStartFailed, "remembered for a while");
    world.pass_time(Duration::from_secs(5));
    world.assign("square", Resources::cpus(1));
    let worker = world.flush_and_start().remove(0);
    world.start(worker);
    assert_eq!(world.flush_runs().len(), 1);
}

#[test]
fn a_refused_executable_is_not_tried_again() {
    let mut world = World::processes(1);
    world.assign("square", Resources::cpus(1));
    let worker = world.flush_and_start().remove(0);
    start_fails(&mut world, worker, FailureKind::ExecutableRefused);
    assert_eq!(kind_of(&world.reports()[0].1), FailureKind::ExecutableRefused);
}

#[test]
fn a_worker_that_dies_before_it_announces_has_failed_to_start() {
    let mut world = World::processes(1);
    let isolated = template_with("square", |options| options.isolated = true);
    world.assign_many(1, &isolated);
    for _ in 0..3 {
        let worker = world.flush_and_start().remove(0);
        let failure = failure(FailureKind::WorkerDied);
        world.event(Event::WorkerLost { worker, failure, last: Vec::new() });
    }
    assert_eq!(kind_of(&world.reports()[0].1), FailureKind::WorkerStartFailed);
    assert_eq!(world.used_cpus(), 0.0);
}

#[test]
fn workers_that_die_before_they_run_anything_are_not_started_for_ever() {
    let mut world = World::processes(1);
    let task = world.assign("square", Resources::cpus(1));
    for _ in 0..3 {
        assert_eq!(world.reports(), []);
        let worker = world.flush_and_start().remove(0);
        world.start(worker);
        assert_eq!(world.flush_runs().len(), 1);
        let failure = failure(FailureKind::WorkerDied);
        world.event(Event::WorkerLost { worker, failure, last: Vec::new() });
    }
    let reports = world.reports();
    assert_eq!((reports[0].0, kind_of(&reports[0].1)), (task, FailureKind::WorkerStartFailed));
}

#[test]
fn the_end_of_a_job_ends_everything_of_it() {
    let mut world = World::warm(2);
    let mut tasks = world.assign_many(2, &template("square", Resources::cpus(1)));
    tasks.push(world.assign("square", cpus(5)));
    let orders = world.flush_runs();
    world.event(Event::JobEnded { job: JOB });
    let reports = world.reports();
    assert_eq!((reports.len(), reports[0].0, kind_of(&reports[0].1)), (1, tasks[2], FailureKind::JobEnded));
    assert_eq!(retired(&mut world).len(), 2);
    assert_eq!(world.take(|effect| matches!(effect, Effect::CancelRun { .. }).then_some(())).len(), 2);
    world.done(&orders[0], 10);
    world.pass_time(Duration::from_secs(2));
    let killed = world.take(|effect| match effect {
        Effect::Kill { worker, .. } => Some(*worker),
        _ => None,
    });
    assert_eq!(killed.len(), 2, "neither has ended");
    for worker in killed {
        let failure = failure(FailureKind::WorkerDied);
        world.event(Event::WorkerLost { worker, failure, last: vec![running(&orders[1])] });
    }
    assert_eq!(world.reports().len(), 2);
    assert_eq!((world.executor.workers().count(), world.executor.runs().count()), (0, 0));
    let late = world.assign("square", Resources::cpus(1));
    assert_eq!(world.reports(), [(late, AssignmentEnd::NoRoom { queued: 0 })], "the job is forgotten");
    assert!(!world.next_tick() || world.effects.is_empty());
}
