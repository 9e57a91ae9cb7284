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
        ActorOrder::Stop { shutdown, reason, .. } => Some((shutdown, reason.kind())),
        _ => None,
    });
    stops.collect()
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
