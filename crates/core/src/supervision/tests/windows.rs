//! Intensities: exits count at the times at which they happened, whichever of them is known first.

use super::super::window::Window;
use super::specs::*;
use super::world::*;
use mobula_types::actor::*;
use mobula_types::*;

const CLASSES: [&str; 4] = ["a", "b", "c", "d"];

/// All orders of so many.
fn orders(of: usize) -> Vec<Vec<usize>> {
    if of == 0 {
        return vec![vec![]];
    }
    let shorter = orders(of - 1);
    let put = |order: &Vec<usize>, place: usize| {
        let mut order = order.clone();
        order.insert(place, of - 1);
        order
    };
    shorter.iter().flat_map(|order| (0..of).map(|place| put(order, place))).collect()
}

/// Four children on a node each exit after so many seconds each, while no head leads; then the nodes join the next head in
/// that order.
fn lives_through(seconds: [u32; 4], order: &[usize]) -> bool {
    let spec = tree(SupervisorStrategy::OneForOne, CLASSES.map(child).to_vec());
    let mut world = World::new(4);
    world.ask(start_tree(1, "tree", SupervisorSpec { placement: Placement::Spread, ..spec }));
    world.settle();
    let homes = CLASSES.map(|class| world.running(class).unwrap().0);
    assert_eq!(std::collections::BTreeSet::from(homes.clone()).len(), 4);
    homes.iter().for_each(|home| world.part(home));
    let start = world.now;
    for (class, after) in CLASSES.iter().zip(seconds) {
        world.now = start + SECOND * after;
        world.exit(class, ExitKind::Panicked);
    }
    world.now = start + SECOND * 30;
    world.fail_over();
    order.iter().for_each(|place| world.join(&homes[*place]));
    world.join_all();
    world.run(SECOND);
    assert!(world.nodes.values().all(|node| node.exits.is_empty()), "all are acknowledged");
    assert!(world.alive() == CLASSES || world.alive().is_empty());
    !world.alive().is_empty()
}

#[test]
fn head_away_exits_count_the_same_whichever_node_joins_first() {
    for order in orders(4) {
        assert!(lives_through([1, 20, 21, 22], &order), "three within five seconds: {order:?}");
        assert!(lives_through([1, 2, 3, 22], &order), "three within five seconds: {order:?}");
        assert!(!lives_through([20, 21, 22, 23], &order), "four within five seconds: {order:?}");
    }
}

fn is_over_in(order: &[u64], most: u32) -> bool {
    let intensity = Intensity { max_restarts: most, within: SECOND * 5 };
    let mut window = Window::default();
    order.iter().any(|second| window.count(Time::ZERO + SECOND * (1000 + *second as u32), &intensity))
}

#[test]
fn a_window_is_over_where_more_than_allowed_lie_together() {
    let times = [3, 7, 8, 20, 22, 24];
    for order in orders(times.len()) {
        let order: Vec<u64> = order.into_iter().map(|place| times[place]).collect();
        assert!(!is_over_in(&order, 3), "{order:?}");
        assert!(is_over_in(&order, 2), "{order:?}");
        assert!(is_over_in(&order, 0), "{order:?}");
    }
    assert!(is_over_in(&[0, 5, 5, 0], 3), "five seconds are within five seconds");
    assert!(!is_over_in(&[0, 6, 6, 0], 3));
}

#[test]
fn a_supervisor_that_never_gives_up_keeps_no_restarts() {
    let mut tree = tree(SupervisorStrategy::OneForOne, vec![child("a")]);
    tree.intensity = Intensity { max_restarts: 1_000_000, within: SECOND };
    let mut world = World::new(1);
    world.ask(start_tree(1, "tree", tree));
    world.settle();
    for _ in 0..100 {
        world.exit("a", ExitKind::Panicked);
        world.run(SECOND * 31);
    }
    assert_eq!(world.alive(), ["a"]);
    assert!(world.records.supervisors[&id(1)].restarts_millis.is_empty());
}

#[test]
fn a_window_keeps_a_bounded_number_of_restarts() {
    let intensity = Intensity { max_restarts: 3, within: SECOND };
    let mut window = Window::default();
    for second in 0..10_000 {
        assert!(!window.count(Time::ZERO + SECOND * (2 * second), &intensity));
    }
    assert_eq!(window.iter().count(), 67);
    assert!(!window.count(Time::ZERO + SECOND * 100_000, &intensity));
    assert_eq!(window.iter().count(), 1, "those before are of no concern any more");
}
