//! Which function a name means.

use super::*;

fn world_with_both() -> World {
    let mut world = World::embedded(2);
    world.event(Event::JobOpened { job: OTHER_JOB, has_executable: true, weight: 1 });
    world
}

#[test]
fn the_executable_comes_first_then_what_the_node_embeds() {
    let mut world = world_with_both();
    world.assign_with(Owner::Local, OTHER_JOB, &template("square", Resources::cpus(1)));
    world.assign_with(Owner::Local, OTHER_JOB, &template("embedded", Resources::cpus(1)));
    let workers = world.flush_and_start();
    assert_eq!(world.runs(), [], "nobody knows yet what the executable can run");
    world.start(workers[0]);
    let orders = world.flush_runs();
    assert_eq!(orders.iter().map(|order| order.worker).collect::<Vec<_>>(), [workers[0], EMBEDDED]);
}

#[test]
fn an_unknown_function_fails_at_once() {
    let mut world = world_with_both();
    world.assign("square", Resources::cpus(1));
    assert_eq!(kind_of(&world.reports()[0].1), FailureKind::UnknownFunction);
    world.assign_with(Owner::Local, OTHER_JOB, &template("missing", Resources::cpus(1)));
    let worker = world.flush_and_start().remove(0);
    assert_eq!(world.reports(), []);
    world.start(worker);
    assert_eq!(kind_of(&world.reports()[0].1), FailureKind::UnknownFunction);
    world.assign_with(Owner::Local, OTHER_JOB, &template("missing", Resources::cpus(1)));
    assert_eq!(kind_of(&world.reports()[0].1), FailureKind::UnknownFunction);
}

#[test]
fn another_signature_or_version_is_refused_with_both() {
    let mut world = World::embedded(1);
    let mut wrong = (*template("embedded", Resources::cpus(1))).clone();
    wrong.signature = Some(8);
    let mut older = (*template("embedded", Resources::cpus(1))).clone();
    older.function.version = "0".into();
    let mut any = (*template("embedded", Resources::cpus(1))).clone();
    any.signature = None;
    any.function.version = "".into();
    for template in [wrong, older, any].map(Arc::new) {
        world.assign_with(Owner::Local, JOB, &template);
    }
    let reports = world.reports();
    assert_eq!(reports.len(), 2);
    assert!(reports.iter().all(|(_, end)| kind_of(end) == FailureKind::FunctionMismatch));
    let AssignmentEnd::Ran { outcome: Outcome::Failed(failure), .. } = &reports[0].1 else { unreachable!() };
    assert!(failure.message().contains("0000000000000008") && failure.message().contains("0000000000000007"));
    assert_eq!(world.flush_runs().len(), 1, "who names neither gets what there is");
}

#[test]
fn many_templates_are_forgotten_when_idle() {
    let mut world = World::embedded(1);
    for number in 0..3000 {
        let template = template_with("embedded", |options| {
            options.name = format!("name {number}").into();
            options.resources = cpus(number % 7 + 1);
        });
        world.assign_with(Owner::Local, JOB, &template);
        let order = world.flush_runs().remove(0);
        world.done(&order, 1);
    }
    assert_eq!(world.reports().len(), 3000);
}
