//! Random trees against the model, with heads that change in the middle of what they decide about sets of exits.

use super::model::*;
use super::observing::observe_some;
use super::shapes::*;
use super::specs::*;
use super::world::*;
use mobula_types::ExitKind;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn world(small_writes: bool, seed: u64) -> World {
    if small_writes { World::with_small_writes(5, seed) } else { World::seeded(5, seed) }
}

fn sorted(mut trace: Vec<Step>) -> Vec<String> {
    let mut names: Vec<String> = trace.drain(..).map(|step| format!("{step:?}")).collect();
    names.sort();
    names
}

/// Another head takes over after so many steps, and everything comes to rest.
fn change_heads(world: &mut World, steps: u8) {
    (0..steps).for_each(|_| _ = world.step());
    world.fail_over();
    world.fence(&node(1));
    world.join_all();
    run_out(world);
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_lost_node_is_one_set_whichever_heads_decide(
        (strategy, shapes) in (strategy(), shapes()),
        steps in 0_u8..30,
        small_writes in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let spec = spec_of(strategy, 3, &shapes, &mut 0);
        let (mut world, mut model) = (world(small_writes, seed), Model::of(&spec));
        started(&mut world, &spec);
        model.start(&mut Vec::new());
        world.take_trace();
        observe_some(&mut world, 1..5);
        let lost: BTreeSet<String> = world.classes_on(&node(1)).into_iter().collect();
        world.lose(&node(1));
        change_heads(&mut world, steps);
        let mut expected = Vec::new();
        model.lose(&lost, &mut expected);
        prop_assert_eq!(sorted(world.take_trace()), sorted(expected), "{:?} of {:?}", lost, model);
        let mut up = Vec::new();
        model.alive(&mut up);
        up.sort();
        prop_assert_eq!(world.alive(), up);
    }
    #[test]
    fn an_exit_during_a_start_counts_once_whichever_heads_decide(
        (strategy, shapes) in (strategy(), shapes()),
        (before, which, abnormal, steps) in (0_u8..60, any::<usize>(), any::<bool>(), 0_u8..30),
        small_writes in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let spec = spec_of(strategy, 3, &shapes, &mut 0);
        let (mut world, mut model) = (world(small_writes, seed), Model::of(&spec));
        world.ask(start_tree(1, "tree", spec));
        (0..before).for_each(|_| _ = world.step());
        let mut running: Vec<String> =
            world.alive().into_iter().filter(|class| world.running(class).is_some()).collect();
        prop_assume!(!running.is_empty());
        let class = running.swap_remove(which % running.len());
        world.exit(&class, if abnormal { ExitKind::Panicked } else { ExitKind::Normal });
        (0..steps).for_each(|_| _ = world.step());
        // A tree whose root is not on record was never declared.
        prop_assume!(world.records.supervisors.contains_key(&id(1)));
        change_heads(&mut world, 0);
        let mut expected = Vec::new();
        model.start(&mut expected);
        if model.exit(&class, abnormal, &mut expected) == Some(Taken::Exits) {
            model.children.clear();
        }
        prop_assert_eq!(sorted(world.take_trace()), sorted(expected), "after {} of {:?}", class, model);
        let mut up = Vec::new();
        model.alive(&mut up);
        up.sort();
        prop_assert_eq!(world.alive(), up);
    }
}
