//! Stops that are asked for: what they end, when, and what they leave alone.

use super::rows::world_with;
use super::single::created;
use super::specs::*;
use super::world::*;
use crate::supervision::RequestKey;
use mobula_types::actor::*;
use std::time::Duration;

fn stop(world: &mut World, target: ActorId, kill: bool) -> RequestKey {
    world.ask(ActorRequest::Stop { target: ActorTarget::Id(target), kill, grace: SECOND * 30 })
}

fn stop_within(world: &mut World, target: ActorId, grace: Duration) -> RequestKey {
    world.ask(ActorRequest::Stop { target: ActorTarget::Id(target), kill: false, grace })
}

/// What the nodes were told of stops, and have not taken up.
fn told(world: &mut World) -> Vec<(ChildShutdown, ExitKind)> {
    while world.commit() {}
    let stops = world.nodes.values_mut().flat_map(|known| known.inbox.drain(..));
    let stops = stops.filter_map(|order| match order {
        ActorOrder::Stops(stops) => Some(stops.into_iter().map(|stop| (stop.shutdown, stop.reason.kind()))),
        _ => None,
    });
    stops.flatten().collect()
}

fn within(seconds: u32, kind: ExitKind) -> (ChildShutdown, ExitKind) {
    (ChildShutdown::Within(SECOND * seconds), kind)
}

#[test]
fn a_stop_during_a_drain_or_a_restart_is_for_good() {
    for (drains, kill) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut world = World::new(2);
        created(&mut world, 1, spec("a")).unwrap();
        let (home, incarnation) = world.running("a").unwrap();
        if drains {
            world.drain(&home);
        } else {
            world.ask(ActorRequest::Restart(ActorTarget::Id(id(1))));
        }
        let request = stop(&mut world, id(1), kill);
        world.settle();
        let answer = world.answer(request);
        assert!(matches!(answer, Ok(ActorAnswer::Done { ended: Some((ended, _)) }) if ended == incarnation));
        assert_eq!((world.alive(), world.living()), (vec![], vec![]));
    }
}

#[test]
fn a_child_that_is_killed_during_a_drain_is_started_again_as_its_restart_type_says() {
    let cases = [(RestartType::Temporary, vec![]), (RestartType::Permanent, vec!["a"])];
    for ((restart, alive), fails_over) in
        cases.into_iter().flat_map(|case| [(case.clone(), false), (case, true)])
    {
        let strategy = SupervisorStrategy::OneForOne;
        let mut world = world_with(tree(strategy, vec![ChildSpec { restart, ..child("a") }]));
        let (home, incarnation) = world.running("a").unwrap();
        world.drain(&home);
        stop(&mut world, incarnation.actor, true);
        if fails_over {
            // Only the next head hears of the exit.
            while world.commit() {}
            world.part(&home);
            world.exit("a", ExitKind::Killed);
            world.fail_over();
            world.join_all();
        }
        world.settle();
        assert_eq!(world.alive(), alive);
    }
}

#[test]
fn a_stop_of_an_actor_without_a_supervisor_has_the_grace_that_is_asked_for() {
    for shutdown in [ChildShutdown::default(), ChildShutdown::Brutal, ChildShutdown::Infinity] {
        for grace in [2, 30, 120] {
            let mut world = World::new(1);
            created(&mut world, 1, spec_with("a", ActorOptions { shutdown, ..options() })).unwrap();
            stop_within(&mut world, id(1), SECOND * grace);
            assert_eq!(told(&mut world), [within(grace, ExitKind::Shutdown)]);
        }
    }
}

#[test]
fn a_stop_of_a_child_has_the_shorter_of_the_grace_and_its_shutdown() {
    let cases = [
        (ChildShutdown::default(), 30, within(5, ExitKind::Shutdown)),
        (ChildShutdown::default(), 2, within(2, ExitKind::Shutdown)),
        (ChildShutdown::Infinity, 30, within(30, ExitKind::Shutdown)),
        (ChildShutdown::Brutal, 30, (ChildShutdown::Brutal, ExitKind::Killed)),
    ];
    for (shutdown, grace, expected) in cases {
        let children = vec![ChildSpec { shutdown, ..child("a") }];
        let mut world = world_with(tree(SupervisorStrategy::OneForOne, children));
        let (_, incarnation) = world.running("a").unwrap();
        stop_within(&mut world, incarnation.actor, SECOND * grace);
        assert_eq!(told(&mut world), [expected]);
    }
}

#[test]
fn a_later_stop_counts_where_it_leaves_less_time() {
    let mut world = World::new(1);
    created(&mut world, 1, spec("a")).unwrap();
    stop_within(&mut world, id(1), SECOND * 30);
    world.now = world.now + SECOND * 10;
    stop_within(&mut world, id(1), SECOND * 21);
    assert_eq!(told(&mut world), [within(30, ExitKind::Shutdown)], "the other ends before");
    stop_within(&mut world, id(1), SECOND * 19);
    assert_eq!(told(&mut world), [within(19, ExitKind::Shutdown)]);
    stop(&mut world, id(1), true);
    stop(&mut world, id(1), true);
    stop_within(&mut world, id(1), SECOND);
    assert_eq!(
        told(&mut world),
        [(ChildShutdown::Brutal, ExitKind::Killed)],
        "once, and nothing ends before that"
    );
}

#[test]
fn a_stop_counts_where_a_drain_waits_for_ever() {
    let children = vec![ChildSpec { shutdown: ChildShutdown::Infinity, ..child("a") }];
    let mut world = world_with(tree(SupervisorStrategy::OneForOne, children));
    let (home, incarnation) = world.running("a").unwrap();
    world.drain(&home);
    assert_eq!(told(&mut world), [(ChildShutdown::Infinity, ExitKind::Drained)]);
    let request = stop_within(&mut world, incarnation.actor, SECOND * 5);
    assert_eq!(told(&mut world), [within(5, ExitKind::Shutdown)]);
    // It is said once more to a node that may not have heard of it.
    world.part(&home);
    world.join(&home);
    assert_eq!(told(&mut world), [within(5, ExitKind::Shutdown)]);
    world.exit("a", ExitKind::Shutdown);
    world.settle();
    assert!(world.answer(request).is_ok());
    assert_eq!(world.running("a").unwrap().1.epoch, Epoch(2), "it is permanent");
}

#[test]
fn a_supervisor_that_is_stopped_twice_has_the_shorter_time() {
    let inner = tree(SupervisorStrategy::OneForOne, vec![child("x")]);
    let inner = ChildSpec { shutdown: ChildShutdown::Within(SECOND * 10), ..below("inner", inner) };
    let mut world = world_with(tree(SupervisorStrategy::OneForOne, vec![inner]));
    let (supervisor, named) = (ActorTarget::Id(id(1)), "inner".into());
    world.ask(ActorRequest::TerminateChild { supervisor, child: named });
    world.now = world.now + SECOND * 6;
    world.ask(ActorRequest::StopSupervisor(ActorTarget::Id(id(1))));
    assert_eq!(told(&mut world), [within(5, ExitKind::Shutdown)]);
    world.now = world.now + SECOND * 4;
    world.tell(crate::supervision::Event::Tick);
    assert_eq!(told(&mut world), [(ChildShutdown::Brutal, ExitKind::Shutdown)]);
}

#[test]
fn a_stop_of_a_child_that_pauses_does_not_end_its_pause() {
    let mut world = world_with(tree(SupervisorStrategy::OneForOne, vec![child("a")]));
    for _ in 0..2 {
        world.exit("a", ExitKind::Panicked);
        world.settle();
    }
    let (target, due) = (world.living()[0], world.machine.next_deadline());
    assert_eq!(world.alive(), [""; 0], "it pauses");
    for kill in [true, false] {
        let request = stop(&mut world, target, kill);
        world.settle();
        assert_eq!(world.answer(request), Ok(ActorAnswer::Done { ended: None }));
        assert_eq!((world.alive(), world.machine.next_deadline()), (vec![], due));
    }
    world.run(SECOND);
    assert_eq!(world.alive(), ["a"]);
}

#[test]
fn a_stop_of_a_child_does_not_start_a_group_before_its_time() {
    let mut spec = tree(SupervisorStrategy::RestForOne, vec![child("a"), child("b")]);
    spec.intensity.max_restarts = 100;
    let mut world = world_with(spec);
    let target = world.running("a").unwrap().1.actor;
    for _ in 0..2 {
        world.exit("a", ExitKind::Panicked);
        world.settle();
    }
    assert_eq!(world.alive(), [""; 0], "the group pauses");
    stop(&mut world, target, true);
    world.settle();
    assert_eq!(world.alive(), [""; 0]);
    world.run(SECOND);
    assert_eq!(world.alive(), ["a", "b"]);
}

#[test]
fn a_stop_of_a_child_that_waits_for_a_node_leaves_it_waiting() {
    let mut world = World::new(0);
    world.ask(start_tree(1, "", tree(SupervisorStrategy::OneForOne, vec![child("a")])));
    world.settle();
    let target = world.living()[0];
    let request = stop(&mut world, target, true);
    world.settle();
    assert_eq!(world.answer(request), Ok(ActorAnswer::Done { ended: None }));
    world.add_node(node(1));
    world.settle();
    assert_eq!(world.alive(), ["a"]);
}
