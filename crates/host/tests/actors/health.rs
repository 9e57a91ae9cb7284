//! Health checks.

use super::support::*;
use super::timeout::deliver_within;
use mobula_host::actor::ActorHostOptions;
use mobula_types::actor::ExitKind;
use std::time::Duration;

fn wait_for_exit(world: &World) -> String {
    world.script.wait_until("the exit", |notes| notes.iter().any(|note| note.starts_with("exited")));
    world.notes_of(&["exited"]).pop().unwrap_or_default()
}

#[test]
fn three_failed_checks_in_a_row_end_the_actor() {
    let world = World::new();
    world.deliver(1, READ_WAITING);
    world.wait_for("begin 1");
    *world.script.health.lock() = Health::Bad;
    let exit = wait_for_exit(&world);
    assert!(exit.starts_with("exited Unhealthy: not well"), "{exit}");
    assert_eq!(world.script.count("check Bad"), 3);
    assert_eq!(world.script.count("done 1 ActorDied"), 1);
}

#[test]
fn a_class_says_how_often_its_actors_are_checked() {
    let hour = Duration::from_secs(3600);
    let class = class_checked_every(Some(Duration::from_millis(10)));
    let world = World::hosted_of(&class, |options| ActorHostOptions { health_period: hour, ..options });
    *world.script.health.lock() = Health::Bad;
    let exit = wait_for_exit(&world);
    assert!(exit.starts_with("exited Unhealthy: not well"), "{exit}");
}

#[test]
fn a_check_that_hangs_has_failed() {
    let world = World::new();
    *world.script.health.lock() = Health::Hangs;
    let exit = wait_for_exit(&world);
    assert!(exit.starts_with("exited Unhealthy"), "{exit}");
    assert_eq!(world.script.count("check Hangs"), 1);
}

#[test]
fn an_actor_in_a_long_turn_is_not_unhealthy() {
    let world = World::new();
    world.deliver(1, ADD_BLOCKING);
    world.wait_for("begin 1");
    *world.script.health.lock() = Health::Bad;
    let before = world.script.count("check Bad");
    std::thread::sleep(Duration::from_millis(60));
    assert_eq!(world.script.count("check Bad"), before);
    *world.script.health.lock() = Health::Good;
    world.script.open(1);
    world.wait_for("done 1");
    world.stop(None, ExitKind::Shutdown);
    assert_eq!(wait_for_exit(&world), "exited Shutdown");
}

#[test]
fn a_turn_that_hangs_is_looked_past_once_its_time_is_over() {
    let world = World::new();
    *world.script.health.lock() = Health::Bad;
    // Nothing but its time limit ends it.
    deliver_within(&world, 1, ADD_CANCEL_SAFE, Duration::from_millis(60));
    world.wait_for("done 1 DeadlineExceeded");
    let exit = wait_for_exit(&world);
    assert!(exit.starts_with("exited Unhealthy"), "{exit}");
}
