//! Stops that are asked for: what they end, when, and what they leave alone.

use super::rows::world_with;
use super::single::created;
use super::specs::*;
use super::world::*;
use crate::supervision::RequestKey;
use mobula_types::actor::*;
use mobula_types::*;

fn stop(world: &mut World, target: ActorId, kill: bool) -> RequestKey {
    world.ask(ActorRequest::Stop { target: ActorTarget::Id(target), kill, grace: SECOND * 30 })
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
