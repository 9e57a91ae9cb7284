//! Owners: recall, loss, adoption; and draining.

use super::*;

fn peer() -> Owner {
    Owner::Peer(NodeId::new("peer", 1))
}

/// Six short tasks of the peer's: one runs, three wait behind it, two wait here.
fn peers_tasks(world: &mut World) -> (Vec<TaskId>, Vec<RunOrder>) {
    let template = template("embedded", Resources::cpus(1));
    world.teach(&template, 250);
    let tasks = (0..6).map(|_| world.assign_with(peer(), JOB, &template)).collect();
    let orders = world.flush_runs();
    assert_eq!(orders.len(), 4);
    (tasks, orders)
}

#[test]
fn an_owner_gets_back_what_has_not_started() {
    let mut world = World::embedded(1);
    let (tasks, orders) = peers_tasks(&mut world);
    let wanted: Vec<_> = tasks.iter().map(|task| (*task, Attempt::default())).collect();
    world.event(Event::Recall { owner: Owner::Local, tasks: wanted.clone() });
    assert_eq!(world.effects, [], "they are not its own");
    world.event(Event::Recall { owner: peer(), tasks: wanted });
    assert_eq!(world.reports(), [(tasks[4], AssignmentEnd::Returned), (tasks[5], AssignmentEnd::Returned)]);
    let handles = orders[1..].iter().map(|order| order.handle).collect();
    assert_eq!(world.recalls(), [(EMBEDDED, handles)]);
    world.returned(&orders[2..]);
    let reports = world.reports();
    assert_eq!(reports.len(), 2);
    assert!(reports.iter().all(|(_, end)| *end == AssignmentEnd::Returned));
    world.done(&orders[0], 10);
    world.done(&orders[1], 10);
    assert_eq!(world.reports().len(), 2, "one had started meanwhile");
}

#[test]
fn a_draining_node_gives_back_what_waits_and_takes_nothing() {
    let mut world = World::embedded(1);
    let (_, orders) = peers_tasks(&mut world);
    world.event(Event::Draining);
    assert_eq!(world.reports().len(), 2);
    world.returned(&orders[1..]);
    assert_eq!(world.reports().len(), 3);
    world.assign("embedded", Resources::cpus(1));
    assert!(matches!(world.reports()[0].1, AssignmentEnd::NoRoom { .. }));
    assert_eq!(world.executor.load().running, 1, "what runs, runs on");
}

#[test]
fn a_lost_owners_running_tasks_can_be_adopted() {
    let mut world = World::embedded(1);
    let (tasks, orders) = peers_tasks(&mut world);
    world.event(Event::OwnerLost { node: NodeId::new("peer", 1) });
    assert_eq!(world.recalls().len(), 1);
    world.returned(&orders[1..]);
    assert_eq!(world.reports(), [], "there is nobody to tell");
    assert_eq!(world.executor.running_of(JOB), [(tasks[0], Attempt::default())]);
    let heir = Owner::Peer(NodeId::new("heir", 1));
    world.event(Event::Adopted { job: JOB, owner: heir.clone() });
    world.pass_time(Duration::from_secs(60));
    world.done(&orders[0], 10);
    let owners = world.take(|effect| match effect {
        Effect::Report { owner, .. } => Some(owner.clone()),
        _ => None,
    });
    assert_eq!(owners, [heir]);
}

#[test]
fn an_orphan_that_nobody_adopts_is_ended() {
    let mut world = World::embedded(1);
    let (_, orders) = peers_tasks(&mut world);
    world.event(Event::OwnerLost { node: NodeId::new("peer", 1) });
    world.returned(&orders[1..]);
    world.pass_time(Duration::from_secs(30));
    let cancelled = world.take(|effect| matches!(effect, Effect::CancelRun { .. }).then_some(()));
    assert_eq!(cancelled.len(), 1);
    world.done(&orders[0], 10);
    assert_eq!((world.reports(), world.executor.runs().count()), (Vec::new(), 0));
}
