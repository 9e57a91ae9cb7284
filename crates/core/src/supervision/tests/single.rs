//! Actors without a supervisor, names, watches, and what nodes and heads make sure of with each other.

use super::specs::*;
use super::world::*;
use crate::supervision::{Effect, Event};
use mobula_types::actor::*;
use mobula_types::*;

fn named(name: &str) -> ActorOptions {
    ActorOptions { name: name.into(), ..options() }
}

pub(super) fn created(
    world: &mut World,
    number: u64,
    spec: std::sync::Arc<ActorSpec>,
) -> Result<ActorId, Failure> {
    let request = world.ask_from(Some(node(1)), create(number, spec));
    world.settle();
    match world.answer(request) {
        Ok(ActorAnswer::Created(mut created)) => created.remove(0),
        other => panic!("{other:?}"),
    }
}

fn report(world: &mut World, id: NodeId, report: ActorReport) {
    world.tell(Event::Reported { node: id, report });
}

pub(super) fn watch(world: &mut World, id: NodeId, watch: Watch) {
    world.nodes.get_mut(&id).unwrap().watches.insert(watch.number, watch);
    report(world, id, ActorReport::Watch(watch));
}

#[test]
fn nothing_is_said_before_it_is_durable() {
    let mut world = World::new(1);
    let request = world.ask(create(1, spec("a")));
    assert_eq!(world.writes.len(), 1, "one write for a creation and its grant");
    assert!(world.nodes[&node(1)].inbox.iter().all(|order| !matches!(order, ActorOrder::Start(_))));
    assert!(!world.answers.contains_key(&request));
    world.commit();
    assert!(world.answers.contains_key(&request));
    assert!(world.nodes[&node(1)].inbox.iter().any(|order| matches!(order, ActorOrder::Start(_))));
}

#[test]
fn a_creation_without_room_in_the_registry_never_was() {
    let mut world = World::new(1);
    let request = world.ask(create(1, spec_with("a", named("n"))));
    let second = world.ask(create(2, spec("b")));
    world.refuse_write();
    world.settle();
    let Ok(ActorAnswer::Created(answer)) = world.answer(request) else { panic!() };
    assert_eq!(answer[0].as_ref().unwrap_err().kind(), FailureKind::StoreFull);
    assert!(world.answer(second).is_ok());
    assert_eq!(world.alive(), ["b"]);
    assert!(world.records.names.is_empty());
    assert_eq!(world.living().len(), 1);
}

#[test]
fn many_creations_go_out_in_one_order_and_are_level() {
    let mut world = World::new(4);
    let shared = spec("a");
    let actors = (1..=400).map(|number| CreateActor { actor: id(number), spec: shared.clone() }).collect();
    let request = world.ask(ActorRequest::Create(actors));
    assert_eq!(world.machine.outstanding_writes(), 400);
    let orders = world.orders;
    while world.commit() {}
    assert!(world.orders - orders <= 400);
    assert_eq!(world.records.specs.len(), 1, "one spec for all");
    let Ok(ActorAnswer::Created(answer)) = world.answer(request) else { panic!() };
    assert!(answer.iter().all(Result::is_ok));
    world.settle();
    assert!(world.nodes.values().all(|node| node.actors.len() == 100));
}

#[test]
fn names_are_unique_and_freed() {
    let mut world = World::new(2);
    let spec =
        |class: &str, get_or_create| spec_with(class, ActorOptions { get_or_create, ..named("queue") });
    assert_eq!(created(&mut world, 1, spec("a", false)), Ok(id(1)));
    assert_eq!(created(&mut world, 2, spec("b", false)).unwrap_err().kind(), FailureKind::AlreadyExists);
    assert_eq!(created(&mut world, 3, spec("c", true)), Ok(id(1)));
    assert_eq!(created(&mut world, 1, spec("a", false)), Ok(id(1)), "a repeat finds itself");
    world.exit("a", ExitKind::Normal);
    world.settle();
    assert_eq!(created(&mut world, 4, spec("d", true)), Ok(id(4)));
    assert_eq!(world.alive(), ["d"]);
}

#[test]
fn an_exit_is_final_acknowledged_and_remembered() {
    let mut world = World::new(2);
    created(&mut world, 1, spec("a")).unwrap();
    let home = world.running("a").unwrap().0;
    world.exit("a", ExitKind::Panicked);
    assert_eq!(world.nodes[&home].exits.len(), 1, "not before it is written");
    world.settle();
    assert!(world.nodes[&home].exits.is_empty());
    assert!(world.living().is_empty());
    let location = &world.nodes[&node(1)].located[&id(1)];
    assert!(matches!(location, Location::Dead { reason, .. } if reason.kind() == ExitKind::Panicked));
    let request = world.ask(ActorRequest::Find(ActorTarget::Id(id(1))));
    assert!(matches!(world.answer(request), Ok(ActorAnswer::Found(info)) if info.state == ActorState::Dead));
    world.run(SECOND * 601);
    let request = world.ask(ActorRequest::Find(ActorTarget::Id(id(1))));
    assert_eq!(world.answer(request).unwrap_err().kind(), FailureKind::NotFound);
    assert!(world.records.specs.is_empty(), "nobody has its spec");
}

#[test]
fn a_repeated_exit_report_is_acknowledged_again() {
    let mut world = World::new(1);
    created(&mut world, 1, spec("a")).unwrap();
    let (home, incarnation) = world.running("a").unwrap();
    world.exit("a", ExitKind::Normal);
    world.settle();
    let exit = ExitReport {
        incarnation,
        reason: ExitReason::of(ExitKind::Normal),
        age: SECOND,
        started: true,
        worker: None,
    };
    report(&mut world, home.clone(), ActorReport::Exited(vec![exit]));
    let last = world.nodes[&home].inbox.back();
    assert_eq!(last, Some(&ActorOrder::ExitsRecorded(vec![incarnation])));
}

#[test]
fn lifetime_of_handles() {
    let mut world = World::new(2);
    created(&mut world, 1, spec("a")).unwrap();
    created(&mut world, 2, spec_with("b", named("b"))).unwrap();
    report(&mut world, node(1), ActorReport::Unreferenced(vec![id(1), id(2)]));
    world.settle();
    assert_eq!(world.alive(), ["b"]);
}

#[test]
fn lifetime_ends_with_the_job_unless_detached() {
    let mut world = World::new(2);
    created(&mut world, 1, spec("a")).unwrap();
    let detached = ActorOptions { lifetime: Lifetime::Detached, ..options() };
    created(&mut world, 2, spec_with("b", detached)).unwrap();
    world.ask(start_tree(9, "", tree(SupervisorStrategy::OneForOne, vec![child("x"), child("y")])));
    world.settle();
    world.tell(Event::JobEnded { job: JOB });
    world.settle();
    assert_eq!(world.alive(), ["b"]);
    assert!(world.records.supervisors.is_empty());
    assert_eq!(created(&mut world, 3, spec("c")).unwrap_err().kind(), FailureKind::JobEnded);
}

#[test]
fn bad_input_is_refused() {
    let mut world = World::new(1);
    let mut big = (*spec("a")).clone();
    big.arguments = Payload::from(vec![0; ActorSpec::ARGUMENT_LIMIT + 1]);
    let big = ChildSpec { kind: ChildKind::Actor(big.into()), ..child("big") };
    let strategy = SupervisorStrategy::OneForOne;
    let mut deep = tree(strategy, vec![]);
    for _ in 0..SupervisorSpec::MOST_LEVELS {
        deep = tree(strategy, vec![below("x", deep)]);
    }
    let many = (0..=SupervisorSpec::MOST_CHILDREN).map(|number| child(&format!("c{number}"))).collect();
    let request = world.ask(start_tree(99, "", tree(strategy, vec![big])));
    assert_eq!(world.answer(request).unwrap_err().kind(), FailureKind::TooLarge);
    let bad = [
        tree(strategy, vec![child("a"), child("a")]),
        tree(strategy, many),
        tree(SupervisorStrategy::SimpleOneForOne, vec![child("a"), child("b")]),
        deep,
    ];
    for (number, spec) in bad.into_iter().enumerate() {
        let request = world.ask(start_tree(number as u64, "", spec));
        assert_eq!(world.answer(request).unwrap_err().kind(), FailureKind::InvalidArgument);
    }
    let nobody = ActorTarget::Id(id(77));
    let request = world.ask(ActorRequest::Stop { target: nobody, kill: true, grace: SECOND });
    assert_eq!(world.answer(request).unwrap_err().kind(), FailureKind::NotFound);
    assert!(world.writes.is_empty());
}

#[test]
fn monitors_get_exactly_one_down() {
    let mut world = World::new(2);
    created(&mut world, 1, spec("a")).unwrap();
    let monitor =
        |number, target| Watch { number, watcher: None, target, epoch: None, kind: WatchKind::Monitor };
    watch(&mut world, node(2), monitor(1, id(1)));
    watch(&mut world, node(2), monitor(2, id(1)));
    report(&mut world, node(2), ActorReport::Unwatch { number: 2 });
    world.exit("a", ExitKind::Error);
    world.settle();
    watch(&mut world, node(2), monitor(3, id(1)));
    watch(&mut world, node(2), monitor(4, id(99)));
    world.run(SECOND * 20);
    let downs = &world.nodes[&node(2)].downs;
    let downs: Vec<_> = downs.iter().map(|down| (down.number, down.reason.kind())).collect();
    assert_eq!(downs, [(1, ExitKind::Error), (3, ExitKind::Error), (4, ExitKind::Lost)]);
}

#[test]
fn monitors_survive_a_change_of_heads() {
    let mut world = World::new(2);
    created(&mut world, 1, spec("a")).unwrap();
    let monitor =
        Watch { number: 1, watcher: None, target: id(1), epoch: Some(Epoch(1)), kind: WatchKind::Monitor };
    watch(&mut world, node(2), monitor);
    world.exit("a", ExitKind::Error);
    world.fail_over();
    world.join_all();
    world.settle();
    assert_eq!(world.nodes[&node(2)].downs.len(), 1);
}

#[test]
fn a_monitor_names_one_incarnation_over_a_change_of_heads() {
    let mut world = super::rows::three(SupervisorStrategy::OneForOne);
    let (home, first) = world.running("a").unwrap();
    let other = (1..=3).map(node).find(|other| *other != home).unwrap();
    let monitor =
        Watch { number: 1, watcher: None, target: first.actor, epoch: None, kind: WatchKind::Monitor };
    watch(&mut world, other.clone(), monitor);
    world.settle();
    world.exit("a", ExitKind::Panicked);
    world.fail_over();
    // The next head hears of the exit, and starts the actor again, before it hears of the watch.
    world.join(&home);
    world.settle();
    assert_eq!(world.running("a").unwrap().1.epoch, Epoch(2));
    world.join(&other);
    world.settle();
    let downs = &world.nodes[&other].downs;
    assert_eq!(downs.iter().map(|down| down.incarnation).collect::<Vec<_>>(), [first]);
}

#[test]
fn a_node_that_parted_is_told_again_what_it_missed() {
    let mut world = World::new(1);
    world.ask(create(1, spec("a")));
    world.part(&node(1));
    world.settle();
    assert_eq!(world.alive(), [""; 0]);
    world.join(&node(1));
    world.settle();
    assert_eq!(world.alive(), ["a"]);
    world.ask(ActorRequest::Stop { target: ActorTarget::Id(id(1)), kill: false, grace: SECOND });
    world.part(&node(1));
    world.settle();
    assert_eq!(world.alive(), ["a"], "the order was lost");
    world.join(&node(1));
    world.settle();
    assert_eq!(world.alive(), [""; 0]);
}

#[test]
fn reconciliation_ends_what_is_not_the_clusters() {
    let mut world = World::new(1);
    world.ask(create(1, spec("a")));
    world.settle();
    let stranger = Incarnation { actor: id(5), epoch: Epoch(3) };
    world.nodes.get_mut(&node(1)).unwrap().actors.insert(stranger, ActorState::Running);
    world.part(&node(1));
    world.join(&node(1));
    let reconciled = ActorOrder::Reconciled { unknown: vec![stranger] };
    assert!(world.nodes[&node(1)].inbox.contains(&reconciled));
}

#[test]
fn reconciliation_granted_but_absent_is_lost() {
    let mut world = World::new(1);
    world.ask(create(1, spec("a")));
    world.settle();
    world.nodes.get_mut(&node(1)).unwrap().actors.clear();
    world.part(&node(1));
    world.join(&node(1));
    world.settle();
    assert!(world.living().is_empty());
}

#[test]
fn a_creation_that_an_earlier_head_did_not_start_waits_for_its_arguments() {
    let mut world = World::new(2);
    world.ask_from(Some(node(1)), create(1, spec("a")));
    world.commit();
    world.fail_over();
    world.join_all();
    world.settle();
    assert_eq!(world.alive(), [""; 0]);
    assert_eq!(created(&mut world, 1, spec("a")), Ok(id(1)));
    assert_eq!(world.alive(), ["a"]);
    world.ask_from(Some(node(1)), create(2, spec("b")));
    world.commit();
    world.fail_over();
    world.join_all();
    world.lose(&node(1));
    world.fence(&node(1));
    world.settle();
    assert_eq!(world.alive().len() + world.living().len(), 2 * world.alive().len(), "nobody sends them");
}

#[test]
fn a_lost_node_is_fenced_before_anything_is_granted_again() {
    let mut world = World::new(2);
    world.ask(start_tree(1, "", tree(SupervisorStrategy::OneForOne, vec![child("a")])));
    world.settle();
    let (home, _) = world.running("a").unwrap();
    world.lose(&home);
    world.settle();
    assert_eq!(world.alive(), [""; 0]);
    world.fail_over();
    world.join_all();
    world.settle();
    assert_eq!(world.alive(), [""; 0], "the next head waits too");
    world.fence(&home);
    world.settle();
    assert_eq!(world.alive(), ["a"]);
}

#[test]
fn lists_are_paged_by_id() {
    let mut world = World::new(2);
    for number in 1..=5 {
        world.ask(create(number, spec("a")));
    }
    world.settle();
    let filter = ActorFilter { after: Some(id(2)), ..ActorFilter::default() };
    let request = world.ask(ActorRequest::List { filter, limit: 2 });
    let Ok(ActorAnswer::List { actors, more }) = world.answer(request) else { panic!() };
    assert_eq!(actors.iter().map(|info| info.actor).collect::<Vec<_>>(), [id(3), id(4)]);
    assert!(more);
}

#[test]
fn resources_are_not_oversubscribed() {
    let mut world = World::new(1);
    let mut large = (*spec("a")).clone();
    let mut template = (*large.template).clone();
    template.options.resources = Resources::cpus(3);
    large.template = template.into();
    world.ask(create(1, large.clone().into()));
    world.ask(create(2, large.into()));
    world.settle();
    assert_eq!(world.alive(), ["a"]);
    world.exit("a", ExitKind::Normal);
    world.settle();
    assert_eq!(world.alive(), ["a"], "the second has room now");
}

#[test]
fn a_quiet_machine_wants_nothing() {
    let mut world = World::new(2);
    created(&mut world, 1, spec("a")).unwrap();
    let mut effects: Vec<Effect> = Vec::new();
    world.machine.on_event(world.now, 0, Event::Tick, &mut effects);
    assert_eq!(effects, []);
    assert_eq!(world.machine.next_deadline(), Time::NEVER);
}

#[test]
fn a_creation_that_is_sent_again_finds_its_dead_actor_under_another_head() {
    let mut world = World::new(2);
    created(&mut world, 1, spec("a")).unwrap();
    world.exit("a", ExitKind::Error);
    world.settle();
    world.fail_over();
    world.join_all();
    assert_eq!(created(&mut world, 1, spec("a")), Ok(id(1)));
    assert_eq!(world.alive(), [""; 0], "no epoch is granted twice");
    let location = &world.nodes[&node(1)].located[&id(1)];
    assert!(matches!(location, Location::Dead { reason, .. } if reason.kind() == ExitKind::Error));
    world.run(SECOND * 601);
    assert!(world.records.actors.is_empty());
}

#[test]
fn ten_thousand_supervisors_without_children_start_and_stop() {
    let strategy = SupervisorStrategy::OneForOne;
    let children =
        (0..SupervisorSpec::MOST_CHILDREN).map(|number| below(&format!("s{number}"), tree(strategy, vec![])));
    let mut world = World::new(1);
    let request = world.ask(start_tree(1, "", tree(strategy, children.collect())));
    while world.commit() {}
    assert!(world.answer(request).is_ok());
    assert_eq!(world.records.supervisors.len(), SupervisorSpec::MOST_CHILDREN + 1);
    let request = world.ask(ActorRequest::StopSupervisor(ActorTarget::Id(id(1))));
    while world.commit() {}
    assert!(world.answer(request).is_ok());
    assert!(world.records.supervisors.is_empty());
}

#[test]
fn a_monitor_follows_to_the_next_epoch_where_one_was_taken_back_before_any_node_heard_of_it() {
    let mut tree = tree(SupervisorStrategy::OneForAll, vec![child("a"), child("b"), child("c")]);
    tree.intensity.max_restarts = 100;
    let mut world = super::rows::world_with(tree);
    let ((_, a), (_, c)) = (world.running("a").unwrap(), world.running("c").unwrap());
    world.exit("a", ExitKind::Error);
    // The others are granted anew, and wait until `a` has started.
    while world.running("a").is_none_or(|(_, again)| again.epoch == a.epoch) && world.step() {}
    let monitor = Watch { number: 1, watcher: None, target: c.actor, epoch: None, kind: WatchKind::Monitor };
    watch(&mut world, node(2), monitor);
    world.exit("a", ExitKind::Error);
    world.run(std::time::Duration::from_secs(10));
    let (_, last) = world.running("c").unwrap();
    assert_eq!(last.epoch, Epoch(3), "the second one never ran");
    world.exit("c", ExitKind::Panicked);
    world.settle();
    let downs: Vec<_> =
        world.nodes[&node(2)].downs.iter().map(|down| (down.number, down.incarnation)).collect();
    assert_eq!(downs, [(1, last)]);
}

#[test]
fn who_watches_a_constructor_that_wants_no_actor_is_told_so() {
    for is_child in [false, true] {
        let mut world = World::new(2);
        world.ignoring.insert("a".into());
        let tree = tree(SupervisorStrategy::OneForOne, vec![child("a")]);
        world.ask(if is_child { start_tree(1, "", tree) } else { create(1, spec("a")) });
        world.commit();
        let (target, _) = world.classes.iter().find(|(_, class)| *class == "a").unwrap();
        let monitor =
            Watch { number: 1, watcher: None, target: *target, epoch: None, kind: WatchKind::Monitor };
        watch(&mut world, node(2), monitor);
        world.settle();
        let downs = &world.nodes[&node(2)].downs;
        let downs: Vec<_> = downs.iter().map(|down| (down.number, down.reason.kind())).collect();
        assert_eq!(downs, [(1, ExitKind::Normal)]);
    }
}
