//! Heads that change between two writes of one turn.

use super::specs::*;
use super::world::*;
use mobula_types::actor::*;
use mobula_types::ExitKind;

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
