//! Observers of actors and trees.

use super::rows::{three, world_with};
use super::specs::*;
use super::world::*;
use crate::supervision::Event;
use mobula_types::actor::*;
use std::time::Duration;

pub(super) fn observe(world: &mut World, number: u64, target: ActorId, below: bool) {
    world.nodes.get_mut(&node(1)).unwrap().observations.push(Observation { number, target, below });
    let report = ActorReport::Observe(vec![Observation { number, target, below }]);
    world.tell(Event::Reported { node: node(1), report });
}

pub(super) fn unobserve(world: &mut World, numbers: std::ops::Range<u64>) {
    for number in numbers {
        if let Some(known) = world.nodes.get_mut(&node(1)) {
            known.observations.retain(|observation| observation.number != number);
        }
        world.tell(Event::Reported { node: node(1), report: ActorReport::Unobserve { number } });
    }
}

/// Parts of all trees, chosen at random: actors, supervisors alone, and supervisors with what is below them.
pub(super) fn observe_some(world: &mut World, numbers: std::ops::Range<u64>) {
    let request = world.ask(ActorRequest::Tree(None));
    let Ok(ActorAnswer::Tree { supervisors, actors, .. }) = world.answer(request) else { panic!() };
    let all = actors.iter().map(|info| info.actor).chain(supervisors.iter().map(|info| info.supervisor));
    let all: Vec<ActorId> = all.collect();
    for number in numbers {
        let Some(target) = all.get(world.random(all.len())) else { return };
        let below = world.random(2) == 0;
        observe(world, number, *target, below);
    }
}

/// As [`observe`], and lets everything happen that can.
fn observed(world: &mut World, number: u64, target: ActorId, below: bool) {
    observe(world, number, target, below);
    world.settle();
}

/// What an observer of the first node was told: who, how it stands, in which epoch.
fn told(world: &mut World, number: u64) -> Vec<(String, ActorState, u64)> {
    let changes = taken(world, number);
    changes.iter().map(|change| (who(change), change.state, change.epoch.0)).collect()
}

fn taken(world: &mut World, number: u64) -> Vec<StateChange> {
    world.nodes.get_mut(&node(1)).unwrap().changes.remove(&number).unwrap_or_default()
}

fn who(change: &StateChange) -> String {
    if change.child.is_empty() { change.name.to_string() } else { change.child.to_string() }
}

fn row(who: &str, state: ActorState, epoch: u64) -> (String, ActorState, u64) {
    (who.into(), state, epoch)
}

fn child_id(world: &mut World, child: &str) -> ActorId {
    let request = world.ask(all_children(id(1)));
    let Ok(ActorAnswer::Children(info)) = world.answer(request) else { panic!() };
    info.children.iter().find(|known| &*known.id == child).unwrap().actor
}

use ActorState::{Dead, Running, Starting, Stopping};

#[test]
fn an_observer_hears_how_it_stands_first_and_then_each_change() {
    let mut world = three(SupervisorStrategy::OneForOne);
    let b = child_id(&mut world, "b");
    observed(&mut world, 5, b, false);
    assert_eq!(told(&mut world, 5), [row("b", Running, 1)]);
    world.exit("a", ExitKind::Panicked);
    world.settle();
    assert_eq!(told(&mut world, 5), [], "a sibling is not observed");
    world.exit("b", ExitKind::Panicked);
    world.settle();
    let changes = taken(&mut world, 5);
    let rows: Vec<_> = changes.iter().map(|change| (change.state, change.epoch.0, change.restarts)).collect();
    assert_eq!(rows.last(), Some(&(Running, 2, 1)), "{rows:?}");
    assert!(rows.contains(&(Starting, 2, 1)), "{rows:?}");
    let kind = |change: &StateChange| change.reason.as_ref().map(ExitReason::kind);
    assert!(changes.iter().all(|change| kind(change) == Some(ExitKind::Panicked)), "{changes:?}");
    assert!(changes.iter().all(|change| change.at_millis > 1_700_000_000_000 && change.node.is_some()));
}

#[test]
fn the_observer_of_a_tree_hears_of_everything_below_it() {
    let inner = tree(SupervisorStrategy::OneForAll, vec![child("x"), child("y")]);
    let mut world = world_with(tree(SupervisorStrategy::OneForOne, vec![child("a"), below("inner", inner)]));
    observed(&mut world, 5, id(1), true);
    let mut rows = told(&mut world, 5);
    rows.sort();
    let all = ["a", "inner", "tree", "x", "y"].map(|name| row(name, Running, 1));
    assert_eq!(rows, all);
    world.exit("x", ExitKind::Panicked);
    world.settle();
    let rows = told(&mut world, 5);
    for expected in [row("y", Stopping, 1), row("x", Running, 2), row("y", Running, 2)] {
        assert!(rows.contains(&expected), "{rows:?}");
    }
    assert!(rows.iter().all(|(who, _, _)| who != "a" && who != "tree"), "{rows:?}");
    let request = world.ask(ActorRequest::StartChild {
        supervisor: ActorTarget::Id(id(1)),
        actor: id(50),
        child: child("new"),
    });
    world.settle();
    world.answer(request).unwrap();
    let rows = told(&mut world, 5);
    assert_eq!(rows.last(), Some(&row("new", Running, 1)), "{rows:?}");
    let request = world.ask(ActorRequest::StopSupervisor(ActorTarget::Id(id(1))));
    world.settle();
    world.answer(request).unwrap();
    let changes = taken(&mut world, 5);
    let mut gone: Vec<String> = changes.iter().filter(|change| change.is_final).map(who).collect();
    gone.sort();
    assert_eq!(gone, ["a", "inner", "new", "tree", "x", "y"]);
    assert!(changes.iter().filter(|change| change.is_final).all(|change| change.state == Dead));
}

#[test]
fn a_node_loss_is_told_with_its_reason_once_it_is_durable() {
    let mut world = three(SupervisorStrategy::OneForOne);
    observed(&mut world, 5, id(1), true);
    told(&mut world, 5);
    let lost = ["a", "b", "c"].map(|class| world.running(class).unwrap().0);
    let (class, lost) = std::iter::zip(["a", "b", "c"], lost).find(|(_, on)| *on != node(1)).unwrap();
    world.lose(&lost);
    let waits = world.nodes[&node(1)].inbox.iter();
    assert!(!waits.into_iter().any(|order| matches!(order, ActorOrder::Changes { .. })), "it is not written");
    world.settle();
    world.fence(&lost);
    world.settle();
    let changes = taken(&mut world, 5);
    let of_it: Vec<_> = changes.iter().filter(|change| who(change) == class).collect();
    assert!(of_it.iter().all(|change| change.reason == Some(ExitReason::of(ExitKind::NodeLost))));
    let last = of_it.last().unwrap();
    assert_eq!((last.state, last.epoch), (Running, Epoch(2)));
    assert_ne!(last.node, Some(lost));
}

#[test]
fn what_happens_above_an_actor_is_told_to_those_who_observe_it_alone() {
    let inner = tree(SupervisorStrategy::OneForOne, vec![child("x")]);
    let mut world = world_with(tree(SupervisorStrategy::OneForOne, vec![child("a"), below("inner", inner)]));
    let inner = child_id(&mut world, "inner");
    let x = world.running("x").unwrap().1.actor;
    observed(&mut world, 5, x, false);
    assert_eq!(told(&mut world, 5), [row("x", Running, 1)]);
    let supervisor = ActorTarget::Id(id(1));
    let terminate = ActorRequest::TerminateChild { supervisor: supervisor.clone(), child: "inner".into() };
    world.ask(terminate);
    world.settle();
    let changes = taken(&mut world, 5);
    let last = changes.last().unwrap();
    assert_eq!((last.state, last.is_final), (Dead, false), "{changes:?}");
    world.ask(ActorRequest::RestartChild { supervisor, child: "inner".into() });
    world.settle();
    assert_eq!(told(&mut world, 5).last(), Some(&row("x", Running, 2)));
    assert!(world.nodes[&node(1)].changes.is_empty(), "nobody observes {inner}");
}

#[test]
fn what_cannot_be_read_stands_as_its_node_says() {
    let mut world = three(SupervisorStrategy::OneForOne);
    let b = child_id(&mut world, "b");
    world.unreadable.actors = vec![b];
    world.fail_over();
    world.nodes.get_mut(&node(1)).unwrap().observations.push(Observation {
        number: 5,
        target: b,
        below: false,
    });
    world.join_all();
    world.settle();
    assert_eq!(told(&mut world, 5), [row("", Running, 1)]);
    world.exit("b", ExitKind::Panicked);
    world.settle();
    let [change] = &taken(&mut world, 5)[..] else { panic!() };
    assert_eq!((change.state, change.is_final), (Dead, false));
    assert_eq!(change.reason, Some(ExitReason::of(ExitKind::Panicked)));
}

#[test]
fn a_later_head_tells_how_it_stands_and_then_goes_on() {
    let mut world = three(SupervisorStrategy::OneForOne);
    let b = child_id(&mut world, "b");
    observed(&mut world, 5, b, false);
    told(&mut world, 5);
    world.fail_over();
    world.join_all();
    world.settle();
    assert_eq!(told(&mut world, 5).last(), Some(&row("b", Running, 1)));
    world.exit("b", ExitKind::Killed);
    world.settle();
    assert_eq!(told(&mut world, 5).last(), Some(&row("b", Running, 2)));
}

#[test]
fn where_a_head_begins_to_tell_of_a_tree_it_says_what_is_below() {
    let mut world = three(SupervisorStrategy::OneForOne);
    observe(&mut world, 5, id(1), true);
    let below = |changes: &[StateChange]| changes[0].below.as_ref().map_or(99, |below| below.len());
    world.settle();
    let changes = taken(&mut world, 5);
    assert_eq!((below(&changes), changes[0].actor), (3, id(1)));
    assert!(changes[1..].iter().all(|change| change.below.is_none()));
    let supervisor = ActorTarget::Id(id(1));
    world.ask(ActorRequest::TerminateChild { supervisor: supervisor.clone(), child: "b".into() });
    world.settle();
    world.ask(ActorRequest::DeleteChild { supervisor, child: "b".into() });
    // It is deleted, and that is not durable: nobody is told that it is gone.
    observe(&mut world, 6, id(1), true);
    assert!(!world.nodes[&node(1)].inbox.iter().any(|order| matches!(order, ActorOrder::Changes { .. })));
    world.settle();
    assert_eq!(below(&taken(&mut world, 6)), 2);
    assert!(taken(&mut world, 5).last().unwrap().is_final);
    world.fail_over();
    world.join_all();
    world.settle();
    assert_eq!(below(&taken(&mut world, 5)), 2);
}

#[test]
fn a_creation_that_is_not_written_keeps_nothing_from_observers() {
    let mut world = three(SupervisorStrategy::OneForOne);
    world.ask(create(60, spec("new")));
    observe(&mut world, 5, id(1), true);
    observe(&mut world, 6, id(60), false);
    world.refuse_write();
    world.settle();
    assert_eq!(told(&mut world, 5).len(), 4);
    let changes = taken(&mut world, 6);
    let [only] = &changes[..] else { panic!("{changes:?}") };
    assert_eq!((only.state, only.is_final), (Dead, true));
}

#[test]
fn the_dead_are_told_of_once_and_nobody_observes_them_any_more() {
    let mut world = World::new(1);
    let request = world.ask(create(1, spec("a")));
    world.settle();
    world.answer(request).unwrap();
    observed(&mut world, 5, id(1), false);
    world.exit("a", ExitKind::Error);
    world.settle();
    let rows = told(&mut world, 5);
    assert_eq!(rows, [row("", Running, 1), row("", Dead, 1)]);
    for (number, target, kind) in [(6, id(1), ExitKind::Error), (7, id(99), ExitKind::Lost)] {
        observed(&mut world, number, target, true);
        let changes = taken(&mut world, number);
        let [only] = &changes[..] else { panic!("{changes:?}") };
        assert!(only.is_final && only.state == Dead);
        assert_eq!(only.reason, Some(ExitReason::of(kind)));
    }
    world.run(Duration::from_secs(3600));
    assert_eq!(told(&mut world, 5), []);
}

#[test]
fn who_observes_no_more_hears_nothing() {
    let mut world = three(SupervisorStrategy::OneForOne);
    observed(&mut world, 5, id(1), true);
    observed(&mut world, 6, id(1), true);
    told(&mut world, 5);
    told(&mut world, 6);
    world.tell(Event::Reported { node: node(1), report: ActorReport::Unobserve { number: 5 } });
    world.exit("b", ExitKind::Panicked);
    world.settle();
    assert_eq!(told(&mut world, 5), []);
    assert_eq!(told(&mut world, 6).last().map(|(_, state, _)| *state), Some(Running));
}
