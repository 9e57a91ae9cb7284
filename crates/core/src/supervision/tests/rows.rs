//! Each row of the contract of supervision that heads decide.

use super::specs::*;
use super::world::*;
use mobula_types::actor::*;
use mobula_types::*;
use std::time::Duration;

use SupervisorStrategy::*;

pub(super) fn world_with(spec: SupervisorSpec) -> World {
    let mut world = World::new(3);
    let request = world.ask(start_tree(1, "tree", spec));
    world.settle();
    world.answer(request).unwrap();
    world
}

pub(super) fn three(strategy: SupervisorStrategy) -> World {
    let mut world = world_with(tree(strategy, vec![child("a"), child("b"), child("c")]));
    assert_eq!(world.take_trace(), steps("+a +b +c"));
    world
}

#[test]
fn strategy_one_for_one() {
    let mut world = three(OneForOne);
    world.exit("b", ExitKind::Panicked);
    world.settle();
    assert_eq!(world.take_trace(), steps("+b"));
    assert_eq!(world.running("b").unwrap().1.epoch, Epoch(2));
}

#[test]
fn strategy_one_for_all() {
    let mut world = three(OneForAll);
    world.exit("b", ExitKind::Panicked);
    world.settle();
    assert_eq!(world.take_trace(), steps("-c -a +a +b +c"));
}

#[test]
fn strategy_rest_for_one() {
    let mut world = three(RestForOne);
    world.exit("b", ExitKind::Panicked);
    world.settle();
    assert_eq!(world.take_trace(), steps("-c +b +c"));
}

#[test]
fn strategy_simple_one_for_one() {
    let mut world = world_with(tree(SimpleOneForOne, vec![child("a")]));
    for number in 10..13 {
        let mut given = child("");
        given.kind = ChildKind::Actor(spec("a"));
        let supervisor = ActorTarget::Id(id(1));
        let request = world.ask(ActorRequest::StartChild { supervisor, actor: id(number), child: given });
        world.settle();
        assert!(matches!(world.answer(request), Ok(ActorAnswer::Started(_))));
    }
    assert_eq!(world.alive(), ["a", "a", "a"]);
    let request = world.ask(ActorRequest::StopSupervisor(ActorTarget::Id(id(1))));
    world.settle();
    assert!(matches!(world.answer(request), Ok(ActorAnswer::Done { ended: Some(_) })));
    assert_eq!(world.alive(), [""; 0]);
    assert!(world.living().is_empty() && world.records.supervisors.is_empty());
}

#[test]
fn restart_types() {
    let typed = |class: &str, restart| ChildSpec { restart, ..child(class) };
    let children = vec![
        typed("permanent", RestartType::Permanent),
        typed("transient", RestartType::Transient),
        typed("temporary", RestartType::Temporary),
    ];
    let mut spec = tree(OneForOne, children);
    spec.intensity.max_restarts = 100;
    let mut world = world_with(spec);
    world.take_trace();
    for class in ["permanent", "transient"] {
        world.exit(class, ExitKind::Error);
        world.settle();
        assert_eq!(world.take_trace(), steps(&format!("+{class}")));
    }
    world.exit("temporary", ExitKind::Error);
    world.exit("transient", ExitKind::Normal);
    world.exit("permanent", ExitKind::Normal);
    world.run(SECOND);
    assert_eq!(world.take_trace(), steps("+permanent"));
    let request = world.ask(all_children(id(1)));
    let Ok(ActorAnswer::Children(info)) = world.answer(request) else { panic!() };
    let states: Vec<_> = info.children.iter().map(|child| (&*child.id, child.state)).collect();
    assert_eq!(states, [("permanent", ChildState::Present), ("transient", ChildState::Stopped)]);
}

#[test]
fn restart_of_a_transient_child_that_was_shut_down_is_not_wanted() {
    let transient = ChildSpec { restart: RestartType::Transient, ..child("a") };
    let mut world = world_with(tree(OneForOne, vec![transient, child("b")]));
    world.take_trace();
    world.exit("a", ExitKind::Shutdown);
    world.exit("b", ExitKind::Shutdown);
    world.run(SECOND);
    assert_eq!(world.take_trace(), steps("+b"));
}

#[test]
fn restart_node_lost_is_abnormal() {
    let transient = ChildSpec { restart: RestartType::Transient, ..child("a") };
    let mut world = world_with(tree(OneForOne, vec![transient]));
    let (node, _) = world.running("a").unwrap();
    world.lose(&node);
    world.fence(&node);
    world.settle();
    assert!(world.running("a").is_some());
}

#[test]
fn intensity() {
    let mut world = three(OneForOne);
    for _ in 0..3 {
        world.exit("b", ExitKind::Panicked);
        world.run(Duration::from_millis(500));
    }
    world.take_trace();
    world.exit("b", ExitKind::Panicked);
    world.settle();
    assert_eq!(world.take_trace(), steps("-c -a"));
    assert_eq!(world.alive(), [""; 0]);
    assert!(world.records.supervisors.is_empty(), "a root is not started again");
}

#[test]
fn intensity_counts_when_exits_happened() {
    let mut world = three(OneForOne);
    for _ in 0..8 {
        world.exit("b", ExitKind::Panicked);
        world.run(SECOND * 61);
    }
    assert_eq!(world.alive(), ["a", "b", "c"]);
}

#[test]
fn intensity_escalates_to_the_parent() {
    let inner = tree(OneForOne, vec![child("x"), child("y")]);
    let mut world = world_with(tree(OneForAll, vec![child("a"), below("inner", inner), child("b")]));
    world.take_trace();
    for _ in 0..3 {
        world.exit("x", ExitKind::Panicked);
        world.run(Duration::from_millis(500));
    }
    world.take_trace();
    world.exit("x", ExitKind::Panicked);
    world.run(SECOND);
    assert_eq!(world.take_trace(), steps("-y -b -a +a +x +y +b"));
}

#[test]
fn back_off() {
    let mut spec = tree(OneForOne, vec![child("a")]);
    spec.intensity.max_restarts = 1000;
    let mut world = world_with(spec);
    let mut pauses = Vec::new();
    for _ in 0..12 {
        world.exit("a", ExitKind::Panicked);
        let before = world.now;
        world.settle();
        while world.running("a").is_none() {
            world.now = world.machine.next_deadline();
            world.tell(crate::supervision::Event::Tick);
            world.settle();
        }
        pauses.push(world.now.since(before).as_millis());
    }
    assert_eq!(pauses[0], 0);
    let longest = [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000];
    for (pause, longest) in pauses[1..].iter().zip(longest) {
        assert!((longest * 3 / 4..=longest).contains(pause), "{pauses:?}");
    }
    world.run(SECOND * 60);
    world.exit("a", ExitKind::Panicked);
    world.settle();
    assert!(world.running("a").is_some(), "it was up for long enough");
}

#[test]
fn order_of_start_and_stop() {
    let inner = tree(OneForOne, vec![child("x"), child("y")]);
    let mut world = world_with(tree(OneForOne, vec![child("a"), below("inner", inner), child("b")]));
    assert_eq!(world.take_trace(), steps("+a +x +y +b"));
    world.ask(ActorRequest::StopSupervisor(ActorTarget::Id(id(1))));
    world.settle();
    assert_eq!(world.take_trace(), steps("-b -y -x -a"));
    assert!(world.living().is_empty());
}

#[test]
fn order_a_failed_first_start_stops_what_was_started() {
    let mut world = World::new(3);
    world.failing.insert("c".into());
    let request = world.ask(start_tree(1, "tree", tree(OneForOne, vec![child("a"), child("b"), child("c")])));
    world.settle();
    assert_eq!(world.answer(request).unwrap_err().kind(), FailureKind::ConstructorFailed);
    assert_eq!(world.take_trace(), steps("+a +b +c -b -a"));
    assert!(world.records.supervisors.is_empty() && world.records.names.is_empty());
}

#[test]
fn order_a_failed_restart_is_one_more_restart() {
    let mut world = three(OneForOne);
    world.failing.insert("b".into());
    world.exit("b", ExitKind::Panicked);
    world.run(SECOND * 3);
    assert_eq!(world.take_trace(), steps("+b +b +b -c -a"));
}

fn stops_of<'a>(orders: impl IntoIterator<Item = &'a ActorOrder>) -> Vec<&'a StopActor> {
    let stops = |order: &'a ActorOrder| match order {
        ActorOrder::Stops(stops) => stops.as_slice(),
        _ => &[],
    };
    orders.into_iter().flat_map(stops).collect()
}

#[test]
fn shutdown_kinds_reach_the_node() {
    let brutal = ChildSpec { shutdown: ChildShutdown::Brutal, ..child("a") };
    let mut world = world_with(tree(OneForOne, vec![brutal]));
    let (node, _) = world.running("a").unwrap();
    world.ask(ActorRequest::StopSupervisor(ActorTarget::Id(id(1))));
    world.commit();
    let stops = stops_of(&world.nodes[&node].inbox);
    assert_eq!(stops.first().map(|stop| stop.shutdown), Some(ChildShutdown::Brutal), "{stops:?}");
}

#[test]
fn shutdown_of_a_supervisor_that_takes_too_long() {
    let inner = tree(OneForOne, vec![child("x"), child("y")]);
    let short = ChildSpec { shutdown: ChildShutdown::Within(SECOND), ..below("inner", inner) };
    let mut world = world_with(tree(OneForOne, vec![short]));
    world.ask(ActorRequest::StopSupervisor(ActorTarget::Id(id(1))));
    while world.commit() {}
    world.now = world.now + SECOND;
    world.tell(crate::supervision::Event::Tick);
    let stops = world.nodes.values().flat_map(|node| stops_of(&node.inbox));
    assert_eq!(stops.filter(|stop| stop.shutdown == ChildShutdown::Brutal).count(), 2);
    world.settle();
    assert!(world.records.supervisors.is_empty());
}

#[test]
fn placement_a_child_returns_to_its_node() {
    let mut world = three(OneForOne);
    let (before, _) = world.running("b").unwrap();
    world.exit("b", ExitKind::Panicked);
    world.settle();
    assert_eq!(world.running("b").unwrap().0, before);
}

#[test]
fn placement_affinity_and_anti_affinity() {
    let children = || vec![child("a"), child("b"), child("c")];
    let nodes = |placement| {
        let world = world_with(SupervisorSpec { placement, ..tree(OneForOne, children()) });
        let mut nodes: Vec<NodeId> = ["a", "b", "c"].map(|class| world.running(class).unwrap().0).to_vec();
        nodes.sort();
        nodes.dedup();
        nodes.len()
    };
    assert_eq!(nodes(Placement::Affinity), 1);
    assert_eq!(nodes(Placement::AntiAffinity), 3);
    assert_eq!(nodes(Placement::Spread), 3);
}

#[test]
fn placement_anti_affinity_waits_for_a_node() {
    let children = vec![child("a"), child("b"), child("c"), child("d")];
    let spec = SupervisorSpec { placement: Placement::AntiAffinity, ..tree(OneForOne, children) };
    let mut world = World::new(3);
    let request = world.ask(start_tree(1, "tree", spec));
    world.settle();
    assert!(!world.answers.contains_key(&request));
    assert_eq!(world.alive(), ["a", "b", "c"]);
    world.add_node(node(4));
    world.settle();
    assert!(world.answer(request).is_ok());
}

#[test]
fn placement_labels_and_gateways() {
    let mut world = World::new(0);
    world.add_node_with(node(1), Resources::default());
    let request = world.ask(create(1, spec("a")));
    world.settle();
    assert!(matches!(world.answer(request), Ok(ActorAnswer::Created(created)) if created[0].is_ok()));
    assert_eq!(world.alive(), [""; 0], "a gateway hosts nothing");
    world.add_node(node(2));
    world.add_node(node(3));
    world.settle();
    assert_eq!(world.running("a").unwrap().0, node(2));
    let mut bound = (*spec("b")).clone();
    let mut template = (*bound.template).clone();
    template.options.strategy = Strategy::Labels("name = n3".parse().unwrap());
    bound.template = template.into();
    world.ask(create(2, bound.into()));
    world.settle();
    assert_eq!(world.running("b").unwrap().0, node(3));
}

#[test]
fn node_loss_is_one_set_and_not_counted() {
    let children = (0..9).map(|number| child(&format!("c{number}"))).collect();
    let mut spec = tree(RestForOne, children);
    spec.intensity.max_restarts = 0;
    let mut world = world_with(spec);
    world.take_trace();
    let lost = world.running("c1").unwrap().0;
    let kept: Vec<String> =
        (2..9).map(|n| format!("c{n}")).filter(|c| world.running(c).unwrap().0 != lost).collect();
    let first = (0..9).map(|n| format!("c{n}")).position(|c| world.running(&c).unwrap().0 == lost).unwrap();
    world.lose(&lost);
    world.settle();
    assert_eq!(world.trace.iter().filter(|step| matches!(step, Step::Start(_))).count(), 0, "not fenced");
    assert_eq!(
        world.trace.iter().filter(|step| matches!(step, Step::Stop(_))).count(),
        kept.len() + usize::from(first == 0 && world.running("c0").is_some())
    );
    world.fence(&lost);
    world.settle();
    let starts: Vec<Step> = (first..9).map(|number| Step::Start(format!("c{number}"))).collect();
    assert!(world.trace.ends_with(&starts), "{:?}", world.trace);
    assert_eq!(world.alive().len(), 9);
}

#[test]
fn node_loss_top_down_a_subtree_that_restarts_absorbs_those_below() {
    let inner = tree(OneForAll, vec![child("x"), child("y"), child("z")]);
    let mut world = world_with(tree(OneForAll, vec![child("a"), below("inner", inner), child("b")]));
    let lost = world.running("a").unwrap().0;
    world.take_trace();
    world.lose(&lost);
    world.fence(&lost);
    world.settle();
    let starts: Vec<Step> =
        world.take_trace().into_iter().filter(|step| matches!(step, Step::Start(_))).collect();
    assert_eq!(starts, steps("+a +x +y +z +b"));
}

#[test]
fn node_loss_three_times_quarantines() {
    let mut world = World::new(5);
    let request = world.ask(start_tree(1, "", tree(OneForOne, vec![child("a")])));
    world.settle();
    world.answer(request).unwrap();
    for _ in 0..3 {
        let (node, _) = world.running("a").unwrap();
        world.lose(&node);
        world.fence(&node);
        world.run(SECOND * 60);
    }
    assert_eq!(world.alive(), [""; 0]);
    let target = ActorTarget::Id(id(1));
    let request = world.ask(ActorRequest::RestartChild { supervisor: target, child: "a".into() });
    world.settle();
    assert!(world.answer(request).is_ok(), "somebody says otherwise");
    assert_eq!(world.alive(), ["a"]);
}

#[test]
fn drain_moves_without_counting() {
    let mut spec = tree(OneForAll, vec![child("a"), child("b"), child("c")]);
    spec.intensity.max_restarts = 0;
    let mut world = world_with(spec);
    world.ask(create(9, self::spec("free")));
    world.settle();
    world.take_trace();
    let (node, _) = world.running("a").unwrap();
    world.drain(&node);
    world.settle();
    assert!(world.nodes[&node].actors.is_empty());
    assert_eq!(world.alive(), ["a", "b", "c", "free"]);
    let untouched = world.trace.iter().filter(|step| matches!(step, Step::Stop(_))).count();
    assert!(untouched <= 2, "only what was there is moved: {:?}", world.trace);
}

#[test]
fn significant_children_any() {
    let significant = ChildSpec { significant: true, restart: RestartType::Transient, ..child("a") };
    let spec = SupervisorSpec {
        auto_shutdown: AutoShutdown::AnySignificant,
        ..tree(OneForOne, vec![significant, child("b")])
    };
    let mut world = world_with(spec);
    world.exit("a", ExitKind::Normal);
    world.settle();
    assert_eq!(world.alive(), [""; 0]);
    assert!(world.records.supervisors.is_empty());
}

#[test]
fn significant_children_never_unless_said() {
    let significant = ChildSpec { significant: true, restart: RestartType::Temporary, ..child("a") };
    let mut world = world_with(tree(OneForOne, vec![significant, child("b")]));
    world.exit("a", ExitKind::Normal);
    world.settle();
    assert_eq!(world.alive(), ["b"]);
}

#[test]
fn significant_children_all() {
    let significant =
        |class: &str| ChildSpec { significant: true, restart: RestartType::Temporary, ..child(class) };
    let spec = SupervisorSpec {
        auto_shutdown: AutoShutdown::AllSignificant,
        ..tree(OneForOne, vec![significant("a"), significant("b"), child("c")])
    };
    let mut world = world_with(spec);
    world.exit("a", ExitKind::Panicked);
    world.settle();
    assert_eq!(world.alive(), ["b", "c"]);
    world.exit("b", ExitKind::Normal);
    world.settle();
    assert_eq!(world.alive(), [""; 0]);
}
