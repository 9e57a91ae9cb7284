//! Whatever befalls nodes, sessions, workers and actors: calls start in order, and once; each ends, once.

use super::world::{ACTORS, World};
use proptest::prelude::*;
use std::time::Duration;

fn befall(world: &mut World, (what, which, how): (u8, usize, bool)) {
    world.has_faults |= matches!(what, 88..=93) || !how && (80..=87).contains(&what);
    match what {
        0..=19 => world.call(which % 4, which / 4 % ACTORS, u32::from(which.is_multiple_of(5)), false),
        20..=22 => world.call(which % 4, which / 4 % ACTORS, 0, true),
        23..=44 => world.ready(which),
        45..=69 => drop(world.deliver(which)),
        70..=79 => drop(world.hear(which, how)),
        80..=87 => drop(world.run(which, how || which.is_multiple_of(2))),
        88 => world.exit(which),
        89 => world.crash(which),
        90 => world.stop(which, how),
        91 => world.part(which, which / 3),
        92 if which.is_multiple_of(4) => world.lose(which / 4),
        93 => world.take_over(which),
        94 => world.cancel(which),
        95 => world.tick(Duration::from_millis(which as u64 * 3)),
        _ => drop(world.fetched(which, how)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn calls_start_in_order_and_end_once(
        steps in prop::collection::vec((0_u8..100, 0_usize..1000, any::<bool>()), 0..400)
    ) {
        let mut world = World::new();
        for step in steps {
            befall(&mut world, step);
        }
        world.settle();
        world.assert_forgets();
    }
}
