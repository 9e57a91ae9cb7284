//! Random trees against the model, with heads that change in the middle of what they decide about sets of exits.

use super::model::*;
use super::specs::*;
use super::world::*;
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
}
