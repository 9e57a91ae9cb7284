//! Once nothing goes wrong any more, everything that was asked for comes to an end.

use crate::world::World;

/// Looks for what still waits.
pub(super) fn check(world: &mut World) {
    let drivers = world.drivers.iter().filter_map(|driver| driver.unfinished());
    let nodes = world.nodes.iter().flatten().filter_map(|node| node.unfinished());
    let leader = world.leader().and_then(|leader| leader.unfinished());
    let none = world.leader().is_none().then(|| "no head leads".to_owned());
    let waiting: Vec<String> = drivers.chain(nodes).chain(leader).chain(none).collect();
    for problem in waiting {
        world.context.observer.broken("nothing_waits", problem);
    }
}
