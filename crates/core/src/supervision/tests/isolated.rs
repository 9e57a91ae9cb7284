//! What keeps on without a head, on nodes of which only the leases have ended.

use super::rows::world_with;
use super::specs::*;
use super::world::*;
use crate::supervision::Event;
use mobula_types::actor::*;
use mobula_types::*;

/// A child that keeps on, and one that stops, on different nodes or on one.
fn kept_beside(strategy: SupervisorStrategy) -> World {
    let keeps = ActorOptions { on_isolation: OnIsolation::Keep, ..options() };
    let kept = ChildSpec { kind: ChildKind::Actor(spec_with("kept", keeps)), ..child("kept") };
    world_with(tree(strategy, vec![kept, child("other")]))
}

fn info_of(world: &mut World, class: &str) -> ActorInfo {
    let request = world.ask(ActorRequest::Tree(None));
    let Ok(ActorAnswer::Tree { actors, .. }) = world.answer(request) else { panic!() };
    actors.into_iter().find(|actor| &*actor.class.name == class).expect("it is in the tree")
}

/// The node of the one that keeps on is silent, and everybody knows that it is dead.
fn silent(world: &mut World) -> NodeId {
    let (node, _) = world.running("kept").unwrap();
    world.silent.push(node.clone());
    world.die(&node, Event::NodeSilent { node: node.clone() });
    world.settle();
    world.fence(&node);
    world.settle();
    world.take_trace();
    node
}

fn is_isolated(world: &mut World) -> bool {
    let info = info_of(world, "kept");
    world.running("kept").is_none() && (info.state, info.epoch) == (ActorState::Isolated, Epoch(1))
}

fn back(node: &NodeId) -> NodeId {
    NodeId { generation: Generation(node.generation.0 + 1), ..node.clone() }
}

#[test]
fn on_isolation_keep_is_started_elsewhere_once_its_node_is_back() {
    for fails_over in [false, true] {
        let mut world = kept_beside(SupervisorStrategy::OneForOne);
        let node = silent(&mut world);
        if fails_over {
            world.fail_over();
            world.join_all();
        }
        world.run(SECOND * 1000);
        assert!(is_isolated(&mut world));
        world.add_node(back(&node));
        world.settle();
        assert_eq!(world.running("kept").unwrap().1.epoch, Epoch(2));
    }
}

#[test]
fn on_isolation_keep_ends_with_a_node_that_is_proven_dead() {
    let mut world = kept_beside(SupervisorStrategy::OneForOne);
    let (node, _) = world.running("kept").unwrap();
    world.lose(&node);
    world.fence(&node);
    world.settle();
    assert_eq!(world.running("kept").unwrap().1.epoch, Epoch(2));
}

#[test]
fn an_operator_may_have_an_isolated_actor_start_elsewhere() {
    for fails_over in [false, true] {
        let mut world = kept_beside(SupervisorStrategy::OneForOne);
        let node = silent(&mut world);
        if fails_over {
            world.fail_over();
            world.join_all();
            world.settle();
        }
        let kept = info_of(&mut world, "kept").actor;
        let request = world.ask(ActorRequest::Restart(ActorTarget::Id(kept)));
        world.settle();
        assert!(world.answer(request).is_ok());
        let (elsewhere, incarnation) = world.running("kept").unwrap();
        assert_eq!((incarnation.epoch, elsewhere == node), (Epoch(2), false));
    }
}

/// Even where its supervisor starts all its children again.
#[test]
fn an_isolated_actor_is_never_started_beside_itself() {
    let mut world = kept_beside(SupervisorStrategy::OneForAll);
    let node = silent(&mut world);
    if world.running("other").is_some() {
        world.exit("other", ExitKind::Panicked);
    }
    world.run(SECOND * 1000);
    assert_eq!((world.running("kept"), info_of(&mut world, "kept").epoch), (None, Epoch(1)));
    world.fail_over();
    world.join_all();
    world.run(SECOND * 1000);
    assert_eq!((world.running("kept"), info_of(&mut world, "kept").epoch), (None, Epoch(1)));
    world.add_node(back(&node));
    world.run(SECOND * 1000);
    assert_eq!(world.alive(), ["kept", "other"]);
}

#[test]
fn an_isolated_actor_can_be_stopped_for_good() {
    let mut world = kept_beside(SupervisorStrategy::OneForOne);
    let node = silent(&mut world);
    let request = world.ask(ActorRequest::StopSupervisor(ActorTarget::Id(id(1))));
    world.settle();
    assert!(world.answer(request).is_ok());
    world.add_node(back(&node));
    world.run(SECOND * 1000);
    assert_eq!(world.alive(), [""; 0]);
}
