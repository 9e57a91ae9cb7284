//! Heads that change between two writes of one turn.

use super::specs::*;
use super::world::*;
use mobula_types::actor::*;
use mobula_types::{ExitKind, ExitReason, Failure, FailureKind};

/// A group of so many children on two nodes, half of them on each.
fn group(strategy: SupervisorStrategy, children: u64) -> World {
    let mut world = World::new(2);
    let children = (0..children).map(|number| child(&format!("c{number:03}"))).collect();
    let request = world.ask(start_tree(1, "tree", tree(strategy, children)));
    world.settle();
    world.answer(request).unwrap();
    world.take_trace();
    world
}

/// Another head takes over once so many of the outstanding writes are durable.
fn change_heads_after(world: &mut World, writes: usize) {
    assert!(world.writes.len() > writes, "the turn has only {} writes", world.writes.len());
    for _ in 0..writes {
        let (_, changes, _) = world.writes.pop_front().unwrap();
        changes.into_iter().for_each(|change| world.records.apply(change));
    }
    world.fail_over();
    world.fence(&node(1));
    world.join_all();
    world.run(SECOND * 5);
}

fn classes(steps: Vec<Step>) -> (Vec<String>, Vec<String>) {
    let (mut started, mut stopped) = (Vec::new(), Vec::new());
    for step in steps {
        match step {
            Step::Start(class) => started.push(class),
            Step::Stop(class) => stopped.push(class),
        }
    }
    (started, stopped)
}

#[test]
fn a_strategy_is_applied_to_the_whole_set_whichever_writes_are_durable() {
    for writes in 0..=1 {
        let mut world = group(SupervisorStrategy::OneForAll, 250);
        world.lose(&node(1));
        change_heads_after(&mut world, writes);
        let (started, stopped) = classes(world.take_trace());
        assert_eq!(stopped.len(), 125, "those on the other node, after {writes} writes");
        assert_eq!(started.len(), 250, "after {writes} writes");
        assert!(started.is_sorted());
    }
}

#[test]
fn many_exits_of_a_report_count_once_each_whichever_writes_are_durable() {
    for writes in 0..=2 {
        let mut world = World::new(1);
        let children = (0..90).map(|number| child(&format!("c{number:03}"))).collect();
        let mut spec = tree(SupervisorStrategy::OneForOne, children);
        // As many restarts as there are exits, and not one more.
        spec.intensity = Intensity { max_restarts: 90, within: SECOND * 60 };
        let request = world.ask(start_tree(1, "tree", spec));
        world.settle();
        world.answer(request).unwrap();
        world.take_trace();
        world.exit_all(ExitKind::Panicked);
        change_heads_after(&mut world, writes);
        assert_eq!(world.alive().len(), 90, "after {writes} writes");
        let record = &world.records.supervisors[&id(1)];
        assert_eq!(record.restarts_millis.len(), 90, "after {writes} writes");
    }
}

#[test]
fn an_exit_during_a_start_is_not_forgotten_with_the_head() {
    let temporary = ChildSpec { restart: RestartType::Temporary, ..child("a") };
    let spec = tree(SupervisorStrategy::OneForOne, vec![temporary, child("b"), child("c")]);
    let mut world = World::new(1);
    world.ask(start_tree(1, "tree", spec));
    while world.running("b").is_none() {
        world.step();
    }
    world.exit("a", ExitKind::Normal);
    world.exit("b", ExitKind::Panicked);
    while world.commit() {}
    assert!(world.running("c").is_none(), "the start is not over");
    world.fail_over();
    world.join_all();
    world.settle();
    assert_eq!(world.take_trace(), steps("+a +b +c +b"));
    let record = &world.records.supervisors[&id(1)];
    assert_eq!((record.restarts, record.restarts_millis.len()), (1, 1), "the exit of b counts, once");
    assert_eq!(world.alive(), ["b", "c"]);
}

#[test]
fn root_cause_survives_a_change_of_heads() {
    let mut world = World::new(2);
    let mut inner = tree(SupervisorStrategy::OneForOne, vec![child("a")]);
    inner.intensity = Intensity { max_restarts: 0, within: SECOND };
    let temporary = ChildSpec { restart: RestartType::Temporary, ..child("t") };
    let spec = tree(SupervisorStrategy::OneForOne, vec![below("inner", inner), child("b"), temporary]);
    let request = world.ask(start_tree(1, "tree", spec));
    world.settle();
    world.answer(request).unwrap();
    let failure = Failure::new(FailureKind::TaskPanicked, "index out of bounds");
    for class in ["a", "b", "t"] {
        world.exit_for(class, ExitReason::failed(ExitKind::Panicked, failure.clone()));
    }
    world.settle();
    world.fail_over();
    world.join_all();
    world.settle();
    let request = world.ask(ActorRequest::Tree(None));
    let Ok(ActorAnswer::Tree { supervisors, actors, .. }) = world.answer(request) else { panic!() };
    let b = actors.iter().find(|actor| &*actor.class.name == "b").unwrap();
    assert_eq!(b.last_exit, "Panicked: index out of bounds");
    let inner = supervisors.iter().find(|one| one.parent.is_some()).unwrap();
    assert!(inner.last_exit.starts_with("Panicked: index out of bounds"), "{}", inner.last_exit);
    assert!(inner.last_exit.ends_with("so RestartIntensity"), "{}", inner.last_exit);
    let dead = world.records.actors.values().find(|record| record.dead).unwrap();
    assert_eq!(dead.last_reason.as_ref().unwrap().to_string(), "Panicked: index out of bounds");
}

#[test]
fn the_end_of_one_worker_counts_once_however_it_is_reported() {
    let mut world = World::new(1);
    let children = (0..80).map(|number| child(&format!("c{number:03}"))).collect();
    let mut spec = tree(SupervisorStrategy::OneForOne, children);
    spec.intensity = Intensity { max_restarts: 1, within: SECOND * 60 };
    let request = world.ask(start_tree(1, "tree", spec));
    world.settle();
    world.answer(request).unwrap();
    world.exit_all(ExitKind::WorkerDied);
    let _writes = (world.commit(), world.commit());
    // What is not on record comes again, by itself.
    world.fail_over();
    world.join_all();
    world.settle();
    assert_eq!(world.alive().len(), 80);
    assert_eq!(world.records.supervisors[&id(1)].restarts_millis.len(), 1);
}

#[test]
fn a_pause_that_a_head_with_a_fast_clock_wrote_is_no_longer_than_any() {
    const FAST: u64 = 20 * 60 * 1000;
    for strategy in [SupervisorStrategy::OneForOne, SupervisorStrategy::OneForAll] {
        let mut world = World::new(1);
        world.ask(start_tree(1, "tree", tree(strategy, vec![child("a"), child("b")])));
        world.settle();
        for _ in 0..2 {
            world.exit("a", ExitKind::Panicked);
            world.settle();
        }
        assert!(world.running("a").is_none(), "it pauses");
        let supervisor = world.records.supervisors.get_mut(&id(1)).unwrap();
        supervisor.restarts_millis.iter_mut().for_each(|millis| *millis += FAST);
        if let Some(decision) = &mut supervisor.decision {
            decision.not_before_millis += FAST;
        }
        let children = world.records.actors.values_mut().filter_map(|record| record.child.as_mut());
        for child in children.filter(|child| child.restart_at_millis > 0) {
            child.restart_at_millis += FAST;
        }
        world.fail_over();
        world.join_all();
        world.run(SECOND * 31);
        assert_eq!(world.alive(), ["a", "b"]);
        // Restarts that this head's clock calls later are in the past all the same.
        for _ in 0..3 {
            world.exit("a", ExitKind::Panicked);
            world.run(SECOND * 31);
        }
        assert_eq!(world.alive(), ["a", "b"]);
    }
}
