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

/// What a trace has of each of these sets of actors, in order: supervisors that have nothing to do with each other go on side
/// by side.
fn by_set(trace: &[Step], sets: &[BTreeSet<String>]) -> Vec<Vec<Step>> {
    let is_of = |step: &Step, set: &BTreeSet<String>| {
        let (Step::Start(actor) | Step::Stop(actor)) = step;
        set.contains(actor)
    };
    sets.iter().map(|set| trace.iter().filter(|step| is_of(step, set)).cloned().collect()).collect()
}

/// Another head takes over after so many steps, the nodes are gone, and everything comes to rest.
fn change_heads(world: &mut World, steps: u8, gone: &[u64]) {
    (0..steps).for_each(|_| _ = world.step());
    world.fail_over();
    gone.iter().for_each(|number| world.fence(&node(*number)));
    world.join_all();
    run_out(world);
}

/// What has been started and stopped is as in the model, in the order of each of these sets, and so is what is up.
fn is_as(
    world: &mut World,
    model: &mut Model,
    sets: &[BTreeSet<String>],
    happens: impl FnOnce(&mut Model, &mut Vec<Step>),
) -> Result<(), TestCaseError> {
    let (mut expected, mut up) = (Vec::new(), Vec::new());
    happens(model, &mut expected);
    let trace = world.take_trace();
    prop_assert_eq!(by_set(&trace, sets), by_set(&expected, sets), "{:?}", model);
    model.alive(&mut up);
    up.sort();
    prop_assert_eq!(world.alive(), up);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_lost_node_is_one_set_whichever_heads_decide(
        shape in shapes(),
        second in any::<bool>(),
        steps in 0_u8..30,
        small_writes in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let spec = shape.with_restarts(3).spec();
        let (mut world, mut model) = (world(small_writes, seed), Model::of(&spec));
        started(&mut world, &spec);
        model.start(&mut Vec::new());
        world.take_trace();
        observe_some(&mut world, 1..5);
        let sets = model.in_order();
        let lost: BTreeSet<String> = world.classes_on(&node(1)).into_iter().collect();
        world.lose(&node(1));
        change_heads(&mut world, steps, &[1]);
        is_as(&mut world, &mut model, &sets, |model, expected| model.lose(&lost, expected))?;
        if second {
            let lost = world.classes_on(&node(2)).into_iter().collect();
            world.lose(&node(2));
            change_heads(&mut world, steps / 2, &[2]);
            is_as(&mut world, &mut model, &sets, |model, expected| model.lose(&lost, expected))?;
        }
    }

    #[test]
    fn a_drained_node_is_left_by_each_alone_whichever_heads_decide(
        shape in shapes(),
        steps in 0_u8..30,
        small_writes in any::<bool>(),
        seed in any::<u64>(),
    ) {
        // Nobody counts that: there is no restart to be had.
        let spec = shape.with_restarts(0).spec();
        let (mut world, mut model) = (world(small_writes, seed), Model::of(&spec));
        started(&mut world, &spec);
        model.start(&mut Vec::new());
        world.take_trace();
        let drained: BTreeSet<String> = world.classes_on(&node(1)).into_iter().collect();
        let alone: Vec<BTreeSet<String>> =
            world.alive().into_iter().map(|actor| BTreeSet::from([actor])).collect();
        world.drain(&node(1));
        change_heads(&mut world, steps, &[]);
        prop_assert!(world.classes_on(&node(1)).is_empty());
        is_as(&mut world, &mut model, &alone, |model, expected| model.moves(&drained, expected))?;
    }

    #[test]
    fn an_exit_during_a_start_counts_once_whichever_heads_decide(
        shape in shapes(),
        (before, which, abnormal, steps) in (0_u8..60, any::<usize>(), any::<bool>(), 0_u8..30),
        small_writes in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let spec = shape.with_restarts(3).spec();
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
        change_heads(&mut world, 0, &[1]);
        let mut expected = Vec::new();
        model.start(&mut expected);
        if model.exit(&class, abnormal, &mut expected) == Some(Taken::Exits { abnormal: true }) {
            model.children.clear();
        }
        prop_assert_eq!(sorted(world.take_trace()), sorted(expected), "after {} of {:?}", class, model);
        let mut up = Vec::new();
        model.alive(&mut up);
        up.sort();
        prop_assert_eq!(world.alive(), up);
    }
}
