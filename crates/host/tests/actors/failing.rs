//! Panics and failures of turns, constructors and hooks.

use super::support::*;
use mobula_host::install_panic_hook;
use mobula_types::actor::ExitKind;
use mobula_types::{Failure, FailureKind};

fn wait_for_exit(world: &World, start: &str) -> String {
    world.script.wait_until(start, |notes| notes.iter().any(|note| note.starts_with("exited")));
    let exit = world.notes_of(&["exited"]).pop().unwrap_or_default();
    assert!(exit.starts_with(start), "{exit}");
    exit
}

#[test]
fn a_panic_ends_the_actor_and_returns_what_is_queued() {
    install_panic_hook(None);
    let world = World::new();
    world.deliver(9, ADD_WAITING);
    let mut turns = vec![world.turn(1, PANICS), world.turn(2, ADD), world.turn(3, READ)];
    world.host.deliver_batch(&mut turns);
    world.script.open(9);
    let exit = wait_for_exit(&world, "exited Panicked");
    assert!(exit.contains("a turn"), "{exit}");
    assert_eq!(world.notes_of(&["done", "on_stop"]), ["done 9", "done 1 TaskPanicked"]);
    assert_eq!(world.notes_of(&["returned"]), ["returned 2", "returned 3"]);
    assert_eq!(world.script.notes().last().unwrap(), &exit);
}

#[test]
fn a_panic_drops_shared_turns_that_run() {
    let world = World::new();
    world.deliver(1, READ_WAITING);
    world.deliver(2, PANICS_LATER);
    world.deliver(3, READ_BLOCKING);
    world.wait_for("begin 3");
    world.wait_for("begin 2");
    world.deliver(4, ADD);
    world.script.open(2);
    world.wait_for("done 2 TaskPanicked");
    world.wait_for("done 1 ActorDied");
    world.wait_for("returned 4");
    assert_eq!(world.notes_of(&["dropped"]), ["dropped 1"]);
    world.script.open(3);
    wait_for_exit(&world, "exited Panicked");
    assert_eq!(world.script.count("done 3 ActorDied"), 1);
}

#[test]
fn a_panic_ends_nobody_else() {
    let world = World::new();
    let other = World::new();
    world.deliver(1, PANICS);
    wait_for_exit(&world, "exited Panicked");
    other.deliver(1, ADD);
    other.wait_for("done 1");
    world.start(&class(), NEW, Default::default());
    world.deliver(2, ADD);
    world.wait_for("done 2");
}

#[test]
fn a_constructor_that_fails_or_panics_ends_the_actor() {
    for (constructor, text) in [(NEW_FAILING, "no"), (NEW_PANICKING, "constructor"), (99, "number 99")] {
        let world = World::of(constructor);
        world.deliver(1, ADD);
        let exit = wait_for_exit(&world, "exited ConstructorFailed");
        assert!(exit.contains(text), "{exit}");
        world.wait_for("returned 1");
        assert_eq!(world.notes_of(&["started", "on_stop"]), [""; 0]);
    }
}

#[test]
fn a_failure_of_on_start_is_one_of_the_constructor() {
    let world = World::of(NEW_WAITING);
    *world.script.on_start.lock() = Some(Failure::new(FailureKind::TaskFailed, "not today"));
    world.script.open(0);
    let exit = wait_for_exit(&world, "exited ConstructorFailed");
    assert!(exit.contains("not today"), "{exit}");
    assert_eq!(world.notes_of(&["started", "on_stop"]), [""; 0]);
    assert_eq!(world.script.count("gone"), 1);
}

#[test]
fn a_panic_in_on_stop_changes_nothing() {
    let world = World::new();
    *world.script.panics_at_stop.lock() = true;
    world.stop(None, ExitKind::Shutdown);
    wait_for_exit(&world, "exited Shutdown");
}

#[test]
fn a_method_that_is_not_there_fails_its_call_alone() {
    let world = World::new();
    world.deliver(1, 99);
    world.deliver(2, ADD);
    world.wait_for("done 1 UnknownFunction");
    world.wait_for("done 2");
}
