//! Owners: recall, loss, adoption; and draining.

use super::*;

fn peer() -> Owner {
    Owner::Peer(NodeId::new("peer", 1))
}

fn heir() -> Owner {
    Owner::Peer(NodeId::new("heir", 1))
}

fn adopt(world: &mut World, owner: Owner, term: u32) {
    world.event(Event::Adopted { job: JOB, owner, owner_term: OwnerTerm(term) });
}

fn owners(world: &mut World) -> Vec<Owner> {
    world.take(|effect| match effect {
        Effect::Report { owner, .. } => Some(owner.clone()),
        _ => None,
    })
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
    assert_eq!(world.executor.attempts_of(JOB, &peer()), [], "it has no owner");
    adopt(&mut world, heir(), 1);
    assert_eq!(world.executor.attempts_of(JOB, &heir()), [(tasks[0], Attempt::default())]);
    world.pass_time(Duration::from_secs(60));
    world.done(&orders[0], 10);
    assert_eq!(owners(&mut world), [heir()]);
}

#[test]
fn a_later_owner_takes_the_runs_of_one_that_lives() {
    let mut world = World::embedded(1);
    let (tasks, orders) = peers_tasks(&mut world);
    adopt(&mut world, heir(), 1);
    let all: Vec<_> = tasks.iter().map(|task| (*task, Attempt::default())).collect();
    assert_eq!(world.executor.attempts_of(JOB, &heir()), all, "waiting ones too");
    assert!(world.executor.is_superseded(JOB, &peer()) && !world.executor.is_superseded(JOB, &heir()));
    // What the earlier owner wants of them counts no more, nor does its loss.
    let failure = failure(FailureKind::Cancelled);
    let (task, attempt) = all[5];
    world.event(Event::Cancel { owner: peer(), task, attempt, failure, force: true });
    world.event(Event::Recall { owner: peer(), tasks: all });
    world.event(Event::OwnerLost { node: NodeId::new("peer", 1) });
    assert_eq!(world.effects, []);
    world.pass_time(Duration::from_secs(60));
    let later = world.flush_runs();
    orders.iter().chain(&later).for_each(|order| world.done(order, 10));
    world.flush_runs().iter().for_each(|order| world.done(order, 10));
    assert_eq!(owners(&mut world), vec![heir(); 6]);
}

#[test]
fn an_earlier_owner_is_told_of_the_later_one() {
    let mut world = World::embedded(1);
    let template = template("embedded", Resources::cpus(1));
    adopt(&mut world, heir(), 2);
    let task = world.assign_with(peer(), JOB, &template);
    let end = AssignmentEnd::Superseded { owner: NodeId::new("heir", 1), owner_term: OwnerTerm(2) };
    assert_eq!(world.reports(), [(task, end)]);
    // Word of an owner in between comes late.
    adopt(&mut world, peer(), 1);
    assert!(world.executor.is_superseded(JOB, &peer()));
    world.assign_with(heir(), JOB, &template);
    assert_eq!(world.flush_runs().len(), 1);
    // What only this node's engine owns is another matter.
    let mut nested = world.assignment(77, JOB, &template);
    nested.task = TaskId::from_hash(1 << 70);
    world.event(Event::Assigned { owner: peer(), assignment: nested });
    assert_eq!(world.reports(), []);
}

#[test]
fn an_owner_whose_term_is_higher_than_known_is_served() {
    let mut world = World::embedded(1);
    let template = template("embedded", Resources::cpus(1));
    adopt(&mut world, heir(), 1);
    let mut assignment = world.assignment(7, JOB, &template);
    assignment.attempt = Attempt { owner_term: OwnerTerm(2), number: 0 };
    world.event(Event::Assigned { owner: peer(), assignment });
    assert_eq!(world.flush_runs().len(), 1);
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

#[test]
fn an_owner_that_is_still_there_learns_what_is_not_here_and_keeps_what_is() {
    let mut world = World::warm(1);
    let owner = Owner::Peer(NodeId::new("owner", 1));
    let template = template("square", Resources::cpus(1));
    for number in [101, 102] {
        let assignment = world.assignment(number, JOB, &template);
        world.event(Event::Assigned { owner: owner.clone(), assignment });
    }
    let running = world.flush_runs().remove(0);
    // Its session has ended, and what had not started was dropped without a word.
    world.event(Event::OwnerLost { node: NodeId::new("owner", 1) });
    let attempt = running.attempt;
    let tasks = [101, 102, 103].map(|number| (task(number), attempt)).to_vec();
    world.flush();
    world
        .take(|effect| match effect {
            Effect::RecallRuns { worker, handles } => Some((*worker, handles.clone())),
            _ => None,
        })
        .into_iter()
        .for_each(|(worker, handles)| world.event(Event::Returned { worker, handles }));
    world.event(Event::Confirm { owner, tasks });
    let lost = |end: &AssignmentEnd| matches!(end, AssignmentEnd::Lost { charged: false, .. });
    let reports = world.reports();
    assert_eq!(reports.iter().map(|(task, _)| *task).collect::<Vec<_>>(), [task(102), task(103)]);
    assert!(reports.iter().all(|(_, end)| lost(end)));
    world.pass_time(Duration::from_secs(60));
    world.done(&running, 10);
    let reports = world.reports();
    assert!(
        matches!(&reports[..], [(ended, AssignmentEnd::Ran { outcome: Outcome::Value(_), .. })] if *ended == task(101))
    );
}
