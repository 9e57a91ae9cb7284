//! Who waits for an actor hears where it is, or that it will be nowhere any more.

use super::specs::*;
use super::world::*;
use crate::supervision::Event;
use mobula_types::actor::*;
use mobula_types::*;

fn locate(world: &mut World, id: NodeId, actor: ActorId) {
    world.tell(Event::Reported { node: id, report: ActorReport::Locate(vec![actor]) });
}

fn is_dead(world: &World, id: &NodeId, actor: ActorId) -> bool {
    matches!(world.nodes[id].located.get(&actor), Some(Location::Dead { .. }))
}

#[test]
fn a_child_is_dead_once_a_supervisor_above_it_has_ended() {
    let below = ChildSpec {
        id: "below".into(),
        kind: ChildKind::Supervisor(tree(SupervisorStrategy::OneForOne, vec![child("x")]).into()),
        ..child("below")
    };
    let last = ChildSpec { significant: true, restart: RestartType::Transient, ..child("last") };
    let inner = SupervisorSpec {
        auto_shutdown: AutoShutdown::AnySignificant,
        ..tree(SupervisorStrategy::OneForOne, vec![below, last])
    };
    let inner = ChildSpec {
        id: "inner".into(),
        restart: RestartType::Transient,
        kind: ChildKind::Supervisor(inner.into()),
        ..child("inner")
    };
    let mut world = World::new(2);
    world.ask(start_tree(1, "tree", tree(SupervisorStrategy::OneForOne, vec![inner])));
    world.settle();
    let (_, x) = world.running("x").unwrap();
    locate(&mut world, node(1), x.actor);
    world.settle();
    assert!(!is_dead(&world, &node(1), x.actor));
    world.exit("last", ExitKind::Normal);
    world.settle();
    assert!(world.running("x").is_none());
    assert!(is_dead(&world, &node(1), x.actor), "{:?}", world.nodes[&node(1)].located);
}

#[test]
fn an_actor_whose_move_a_head_did_not_finish_is_dead_without_its_arguments() {
    let mut world = World::new(2);
    world.ask_from(Some(node(1)), create(1, spec("a")));
    world.settle();
    let (from, _) = world.running("a").unwrap();
    let to = if from == node(1) { node(2) } else { node(1) };
    world.drain(&from);
    // It is granted elsewhere, and the head is gone before the other node hears of it.
    while world.records.actors[&id(1)].epoch == Epoch(1) {
        assert!(world.deliver(&from) || world.progress(&from) || world.commit());
    }
    world.fail_over();
    world.join_all();
    locate(&mut world, to.clone(), id(1));
    world.settle();
    assert!(world.running("a").is_none());
    assert!(is_dead(&world, &to, id(1)), "{:?}", world.nodes[&to].located);
}

#[test]
fn what_a_node_asks_before_its_inventory_is_there_is_told_after_it() {
    let mut world = World::new(2);
    world.part(&node(1));
    world.tell(Event::NodeJoined { node: node(1) });
    world.ask_from(Some(node(1)), create(1, spec("a")));
    world.settle();
    assert!(!world.nodes[&node(1)].located.contains_key(&id(1)), "its inventory comes first");
    world.join(&node(1));
    world.settle();
    let located = world.nodes[&node(1)].located.get(&id(1));
    assert!(matches!(located, Some(Location::At { .. })), "{located:?}");
}

fn watch(world: &mut World, id: NodeId, target: ActorId) {
    let watch = Watch { number: 1, watcher: None, target, epoch: None, kind: WatchKind::Monitor };
    world.nodes.get_mut(&id).unwrap().watches.insert(1, watch);
    world.tell(Event::Reported { node: id, report: ActorReport::Watch(watch) });
}

#[test]
fn an_actor_that_is_asked_for_before_its_creation_comes_is_waited_for() {
    for (fails_over, parts) in [(false, false), (false, true), (true, false)] {
        let mut world = World::new(3);
        locate(&mut world, node(1), id(1));
        watch(&mut world, node(2), id(1));
        world.run(SECOND * 19);
        assert_eq!(world.nodes[&node(1)].located.get(&id(1)), Some(&Location::Pending { last: None }));
        assert!(world.nodes[&node(2)].downs.is_empty());
        if fails_over {
            world.fail_over();
            world.join_all();
            locate(&mut world, node(1), id(1));
        }
        if parts {
            world.part(&node(2));
            world.join(&node(2));
        }
        world.ask_from(Some(node(3)), create(1, spec("a")));
        world.settle();
        assert!(matches!(world.nodes[&node(1)].located.get(&id(1)), Some(Location::At { .. })));
        assert_eq!(world.nodes[&node(2)].watches[&1].epoch, Some(Epoch(1)));
        world.exit("a", ExitKind::Panicked);
        world.settle();
        assert!(is_dead(&world, &node(1), id(1)));
        let downs: Vec<ExitKind> =
            world.nodes[&node(2)].downs.iter().map(|down| down.reason.kind()).collect();
        assert_eq!(downs, [ExitKind::Panicked]);
    }
}

#[test]
fn an_actor_whose_creation_does_not_come_is_lost() {
    let mut world = World::new(3);
    locate(&mut world, node(1), id(1));
    locate(&mut world, node(3), id(1));
    watch(&mut world, node(2), id(1));
    world.run(SECOND * 10);
    locate(&mut world, node(1), id(1));
    world.tell(Event::Reported { node: node(3), report: ActorReport::Unlocate(vec![id(1)]) });
    world.run(SECOND * 10);
    assert!(is_dead(&world, &node(1), id(1)));
    assert!(!is_dead(&world, &node(3), id(1)), "it asks no more");
    assert_eq!(world.nodes[&node(2)].downs[0].reason.kind(), ExitKind::Lost);
    assert_eq!(world.machine.next_deadline(), Time::NEVER, "nobody waits any more");
}

#[test]
fn what_watches_no_more_does_not_wait() {
    for lost in [false, true] {
        let mut world = World::new(2);
        watch(&mut world, node(2), id(1));
        if lost {
            world.lose(&node(2));
        } else {
            world.nodes.get_mut(&node(2)).unwrap().watches.clear();
            world.tell(Event::Reported { node: node(2), report: ActorReport::Unwatch { number: 1 } });
        }
        assert_eq!(world.machine.next_deadline(), Time::NEVER);
    }
}

#[test]
fn no_more_than_so_many_wait_for_creations() {
    let mut world = World::new(1);
    let ask = |ids: std::ops::Range<u64>| ActorReport::Locate(ids.map(id).collect());
    world.tell(Event::Reported { node: node(1), report: ask(0..100_001) });
    world.settle();
    assert!(!is_dead(&world, &node(1), id(99_999)));
    assert!(is_dead(&world, &node(1), id(100_000)));
}

#[test]
fn the_dead_are_remembered_up_to_so_many_bytes() {
    let mut world = World::new(1);
    let large = || {
        let failure = Failure::new(FailureKind::TaskFailed, "refused").with(|detail| {
            let payload = Payload::from(&vec![0; 60_000][..]);
            detail.user = Some(error::UserError { type_name: "rejected".into(), payload });
        });
        ExitReason::failed(ExitKind::Error, failure)
    };
    const COUNT: u64 = 1200;
    for number in 1..=COUNT {
        world.ask(create(number, spec("a")));
        world.settle();
        world.exit_for("a", large());
        world.settle();
    }
    let reason_of = |world: &mut World, number| {
        locate(world, node(1), id(number));
        world.settle();
        world.nodes[&node(1)].located[&id(number)].clone()
    };
    assert!(matches!(reason_of(&mut world, COUNT), Location::Dead { reason, .. } if reason == large()));
    assert_eq!(reason_of(&mut world, 1), Location::Pending { last: None }, "it is not known any more");
}
