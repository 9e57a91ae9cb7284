//! What runs at once.

use super::*;

#[test]
fn a_task_runs_and_is_reported() {
    let mut world = World::embedded(2);
    let only = world.assign("embedded", Resources::cpus(1));
    assert_eq!(world.effects, [], "nothing is handed out before the end of the batch");
    let orders = world.flush_runs();
    assert_eq!(tasks_of(&orders), [only]);
    assert_eq!((orders[0].worker, orders[0].job), (EMBEDDED, JOB));
    assert_eq!(world.executor.task_of(EMBEDDED, orders[0].handle), Some((JOB, only, Attempt::default())));
    assert_eq!(world.used_cpus(), 1.0);
    world.done(&orders[0], 10);
    let end = AssignmentEnd::Ran { outcome: done(1), retryable: false, micros: 10, borrows: Vec::new() };
    assert_eq!(
        world.effects,
        [Effect::Report { owner: Owner::Local, task: only, attempt: Attempt::default(), end }]
    );
    assert_eq!(world.used_cpus(), 0.0);
    assert_eq!(world.executor.load().running + world.executor.load().queued, 0);
}

#[test]
fn resources_are_never_oversubscribed() {
    let mut world = World::embedded(2);
    world.assign("embedded", cpus(15));
    world.assign("embedded", cpus(15));
    world.assign("embedded", cpus(5));
    let orders = world.flush_runs();
    assert_eq!(orders.len(), 2, "1.5 and 0.5 CPUs");
    assert_eq!(world.used_cpus(), 2.0);
    world.done(&orders[0], 1);
    assert_eq!(world.flush_runs().len(), 1);
}

#[test]
fn fractions_of_a_cpu_run_on_extra_slots() {
    let mut world = World::embedded(2);
    (0..9).for_each(|_| {
        world.assign("embedded", cpus(2));
    });
    let mut slots: Vec<u32> = world.flush_runs().iter().map(|order| order.slot).collect();
    slots.sort_unstable();
    assert_eq!(slots, (0..9).collect::<Vec<_>>(), "nine of the ten fifths that two CPUs have");
}

#[test]
fn tasks_of_no_cpus_run_up_to_their_limit_on_extra_slots() {
    let mut world = World::warm(1);
    (0..70).for_each(|_| {
        world.assign("square", cpus(0));
    });
    let zero = world.flush_runs();
    assert_eq!(zero.len(), 64);
    assert!(zero.iter().all(|order| order.slot >= 1));
    world.assign("square", Resources::cpus(1));
    let one = world.flush_runs();
    assert_eq!((one.len(), one[0].slot), (1, 0), "they do not keep the own slot");
    world.done(&zero[0], 1);
    assert_eq!(world.flush_runs().len(), 1);
}

#[test]
fn custom_resources_count() {
    let mut world = World::embedded(4);
    let mut need = Resources::cpus(1);
    need.custom.insert("disk".into(), Quantity::whole(5));
    world.assign("embedded", need.clone());
    world.assign("embedded", need);
    let first = world.flush_runs();
    assert_eq!(first.len(), 1);
    world.done(&first[0], 1);
    assert_eq!(world.flush_runs().len(), 1);
}

#[test]
fn what_could_never_run_here_is_refused() {
    let mut world = World::embedded(2);
    let large = world.assign("embedded", Resources::cpus(3));
    assert_eq!(world.reports(), [(large, AssignmentEnd::NoRoom { queued: 0 })]);
    let mut gateway = World::with_options(0, |_| {});
    gateway.event(Event::JobOpened { job: JOB, has_executable: true, weight: 1 });
    let task = gateway.assign("square", cpus(0));
    assert_eq!(gateway.reports(), [(task, AssignmentEnd::NoRoom { queued: 0 })]);
}

#[test]
fn the_queue_of_a_job_is_bounded() {
    let mut world = World::with_options(1, |options| options.max_queued = 3);
    world.event(Event::EmbeddedStarted {
        worker: EMBEDDED,
        functions: Arc::new([info("embedded")]),
        slots: 1,
    });
    for job in [JOB, OTHER_JOB] {
        world.event(Event::JobOpened { job, has_executable: false, weight: 1 });
    }
    let many = world.assign_many(4, &template("embedded", Resources::cpus(1)));
    assert_eq!(world.reports(), [(many[3], AssignmentEnd::NoRoom { queued: 3 })]);
    world.assign_with(Owner::Local, OTHER_JOB, &template("embedded", Resources::cpus(1)));
    assert_eq!(world.reports(), [], "another job has a queue of its own");
}

#[test]
fn jobs_take_turns_by_weight() {
    let mut world = World::embedded(1);
    world.event(Event::JobOpened { job: JOB, has_executable: false, weight: 2 });
    world.event(Event::JobOpened { job: OTHER_JOB, has_executable: false, weight: 1 });
    let template = template("embedded", Resources::cpus(1));
    for job in [JOB, OTHER_JOB] {
        (0..6).for_each(|_| {
            world.assign_with(Owner::Local, job, &template);
        });
    }
    let mut order_of_jobs = Vec::new();
    for _ in 0..9 {
        let orders = world.flush_runs();
        order_of_jobs.extend(orders.iter().map(|order| order.job.0));
        orders.iter().for_each(|order| world.done(order, 10_000));
    }
    assert_eq!(order_of_jobs, [1, 1, 2, 1, 1, 2, 1, 1, 2]);
}

#[test]
fn a_task_of_many_cpus_is_not_passed_over_for_ever() {
    let mut world = World::embedded(2);
    let small = template("embedded", Resources::cpus(1));
    world.assign_many(2, &small);
    let mut running = world.flush_runs();
    let large = world.assign("embedded", Resources::cpus(2));
    let mut turns = 0;
    loop {
        world.assign_many(1, &small);
        world.done(&running.remove(0), 100_000);
        world.pass_time(Duration::from_millis(100));
        running.extend(world.runs());
        if running.iter().any(|order| order.task == large) {
            break;
        }
        turns += 1;
        assert!(turns < 12, "it waits for ever");
        if running.is_empty() {
            continue;
        }
    }
    assert!(turns >= 4, "smaller ones go first for a while");
}

#[test]
fn what_an_actor_has_for_itself_no_task_gets() {
    let mut world = World::embedded(2);
    world.assign("embedded", Resources::cpus(2));
    let running = world.flush_runs();
    world.event(Event::Reserved { resources: Resources::cpus(1) });
    assert_eq!(world.used_cpus(), 3.0, "what runs goes on");
    world.assign("embedded", Resources::cpus(2));
    assert_eq!(world.flush_runs().len(), 0);
    world.done(&running[0], 1);
    assert_eq!(world.flush_runs().len(), 0, "one CPU is the actor's");
    assert_eq!(world.used_cpus(), 1.0);
    world.event(Event::Released { resources: Resources::cpus(1) });
    assert_eq!(world.flush_runs().len(), 1);
    assert_eq!(world.used_cpus(), 2.0);
}
