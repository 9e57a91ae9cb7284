//! Placement of children, as another head goes on with it.

use super::specs::*;
use super::world::*;
use mobula_types::actor::*;

/// So many children on so many nodes, under a head that found them there.
fn inherited(placement: Placement, children: &[&str], nodes: u64) -> World {
    let mut world = World::new(nodes);
    let children = children.iter().map(|class| child(class)).collect();
    let spec = tree(SupervisorStrategy::OneForOne, children);
    world.ask(start_tree(1, "tree", SupervisorSpec { placement, ..spec }));
    world.settle();
    world.fail_over();
    world.join_all();
    world.settle();
    world
}

fn lose(world: &mut World, class: &str) {
    let (home, _) = world.running(class).unwrap();
    world.lose(&home);
    world.settle();
    world.fence(&home);
    world.settle();
}

#[test]
fn anti_affinity_holds_under_another_head() {
    let mut world = inherited(Placement::AntiAffinity, &["a", "b", "c"], 3);
    lose(&mut world, "c");
    assert_eq!(world.alive(), ["a", "b"], "the third waits");
    world.add_node(node(4));
    world.settle();
    assert_eq!(world.alive(), ["a", "b", "c"]);
    // Room that one leaves is known too.
    lose(&mut world, "a");
    assert_eq!(world.alive(), ["b", "c"]);
    let (home, _) = world.running("b").unwrap();
    world.part(&home);
    world.join(&home);
    world.exit("b", ExitKind::Panicked);
    world.settle();
    assert_eq!(world.classes_on(&home).len(), 1);
}

#[test]
fn spread_and_affinity_hold_under_another_head() {
    for (placement, largest) in [(Placement::Spread, 2), (Placement::Affinity, 4)] {
        let mut world = inherited(placement, &["a", "b", "c"], 3);
        let supervisor = ActorTarget::Id(id(1));
        world.ask(ActorRequest::StartChild { supervisor, actor: id(20), child: child("d") });
        world.settle();
        let most = (1..=3).map(|number| world.classes_on(&node(number)).len()).max();
        assert_eq!(most, Some(largest), "{placement:?}");
    }
}
