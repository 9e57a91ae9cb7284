//! Links: an exit on either side is told to the node of the other.

use super::single::{created, watch};
use super::specs::*;
use super::world::*;
use crate::supervision::Event;
use mobula_types::actor::*;
use mobula_types::*;

/// Two actors on two nodes, the first of which has linked itself to the second.
fn linked() -> (World, NodeId, Incarnation, NodeId, Incarnation) {
    linked_with(options())
}

fn linked_with(linker: ActorOptions) -> (World, NodeId, Incarnation, NodeId, Incarnation) {
    let mut world = World::new(2);
    created(&mut world, 1, spec_with("a", linker)).unwrap();
    created(&mut world, 2, spec("b")).unwrap();
    let (home, a) = world.running("a").unwrap();
    let (other, b) = world.running("b").unwrap();
    let link = Watch { number: 1, watcher: Some(a), target: b.actor, epoch: None, kind: WatchKind::Link };
    watch(&mut world, home.clone(), link);
    world.settle();
    (world, home, a, other, b)
}

#[test]
fn links_reach_both_ways() {
    let (mut world, _, a, other, b) = linked();
    world.exit("a", ExitKind::Panicked);
    world.settle();
    assert_eq!(world.nodes[&other].link_downs, [(b, a)]);
}

/// Of two actors on two nodes, one links itself to the other and exits; the other's node does not hear of that.
fn with_a_link_down_lost() -> (World, NodeId, Incarnation, Incarnation) {
    let (mut world, _, a, other, b) = linked();
    world.exit("a", ExitKind::Panicked);
    while world.commit() {}
    world.part(&other);
    world.settle();
    assert_eq!(world.nodes[&other].link_downs, []);
    (world, other, b, a)
}

#[test]
fn a_link_reaches_over_a_stream_that_broke() {
    let (mut world, other, b, a) = with_a_link_down_lost();
    world.join(&other);
    world.settle();
    assert_eq!(world.nodes[&other].link_downs, [(b, a)]);
}

#[test]
fn a_link_reaches_over_a_change_of_heads() {
    for other_first in [false, true] {
        let (mut world, other, b, a) = with_a_link_down_lost();
        world.fail_over();
        if other_first {
            world.join(&other);
        }
        world.join_all();
        world.settle();
        assert_eq!(world.nodes[&other].link_downs, [(b, a)]);
    }
}

#[test]
fn a_link_reaches_over_the_loss_of_the_node_of_the_one_that_made_it() {
    let (mut world, home, a, other, b) = linked();
    world.lose(&home);
    world.settle();
    assert_eq!(world.nodes[&other].link_downs, [(b, a)]);
    world.fence(&home);
    world.settle();
    assert_eq!(world.nodes[&other].link_downs, [(b, a)], "once");
}

#[test]
fn a_link_of_one_that_keeps_on_without_a_head_lasts_until_that_is_over() {
    let keeps = ActorOptions { on_isolation: OnIsolation::Keep, ..options() };
    let (mut world, home, a, other, b) = linked_with(keeps);
    world.silent.push(home.clone());
    world.die(&home, Event::NodeSilent { node: home.clone() });
    world.fence(&home);
    world.settle();
    assert_eq!(world.nodes[&other].link_downs, [], "it may still run");
    world.add_node(NodeId { generation: Generation(home.generation.0 + 1), ..home });
    world.settle();
    assert_eq!(world.nodes[&other].link_downs, [(b, a)]);
}

#[test]
fn a_link_reaches_over_the_loss_of_the_node_of_the_one_that_made_it_with_the_head() {
    let (mut world, home, a, other, _) = linked();
    world.part(&home);
    world.fail_over();
    world.join(&other);
    world.settle();
    assert_eq!(world.nodes[&other].downs, []);
    world.lose(&home);
    world.settle();
    let downs = &world.nodes[&other].downs;
    assert_eq!(downs.iter().map(|down| down.incarnation).collect::<Vec<_>>(), [a]);
}

#[test]
fn a_link_that_is_taken_back_is_so_on_both_sides() {
    let (mut world, home, _, other, _) = linked();
    assert_eq!(world.nodes[&other].watches.len(), 1);
    world.tell(Event::Reported { node: home, report: ActorReport::Unwatch { number: 1 } });
    world.settle();
    assert_eq!(world.nodes[&other].watches.len(), 0);
}

/// A child is lost; before it is started again, its supervisor gives up. Who watched the lost incarnation hears why that one
/// exited, under the next head too.
#[test]
fn a_late_watch_hears_of_the_exit_and_not_of_what_came_after() {
    let mut spec = tree(SupervisorStrategy::OneForOne, vec![child("a"), child("b")]);
    spec.intensity.max_restarts = 0;
    let mut world = World::new(3);
    let request = world.ask(start_tree(1, "", spec));
    world.settle();
    world.answer(request).unwrap();
    created(&mut world, 9, self::spec("c")).unwrap();
    let (home, a) = world.running("a").unwrap();
    let (watching, c) = world.running("c").unwrap();
    world.lose(&home);
    world.settle();
    world.exit("b", ExitKind::Panicked);
    world.settle();
    assert!(world.records.supervisors.is_empty(), "it has given up");
    for (number, fails_over) in [(1, false), (2, true)] {
        if fails_over {
            world.fail_over();
            world.join_all();
        }
        let link =
            Watch { number, watcher: Some(c), target: a.actor, epoch: Some(a.epoch), kind: WatchKind::Link };
        watch(&mut world, watching.clone(), link);
        world.settle();
        let down = world.nodes[&watching].downs.last().unwrap();
        assert_eq!((down.number, down.incarnation, down.reason.kind()), (number, a, ExitKind::NodeLost));
    }
}
