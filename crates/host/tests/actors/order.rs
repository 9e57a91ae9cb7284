//! Turns run in order of arrival.

use super::support::*;
use mobula_types::actor::{ActorOptions, ExitKind};

#[test]
fn turns_run_in_order_of_arrival() {
    let world = World::new();
    let mut turns: Vec<_> = (1..=500).map(|handle| world.turn_of(handle % 3, handle, ADD)).collect();
    world.host.deliver_batch(&mut turns);
    world.wait_for("done 500");
    let expected: Vec<_> = (1..=500).map(|handle| format!("add {handle}")).collect();
    assert_eq!(world.notes_of(&["add"]), expected);
    let expected: Vec<_> = (1..=500).map(|handle| format!("done {handle}")).collect();
    assert_eq!(world.notes_of(&["done"]), expected);
}

#[test]
fn turns_wait_for_the_constructor() {
    let world = World::of(NEW_WAITING);
    world.wait_for("constructing");
    world.deliver(1, ADD);
    world.deliver(2, ADD);
    world.script.open(0);
    world.wait_for("done 2");
    let notes = world.script.notes();
    let expected = ["constructing", "on_start", "started", "add 1", "done 1", "add 2", "done 2"];
    let without_checks: Vec<_> = notes.iter().filter(|note| !note.starts_with("check")).collect();
    assert_eq!(without_checks, expected);
}

#[test]
fn a_blocking_constructor_runs_elsewhere() {
    let world = World::of(NEW_BLOCKING);
    world.deliver(1, ADD);
    world.script.open(0);
    world.wait_for("done 1");
}

#[test]
fn an_actor_is_not_re_entered_while_an_exclusive_turn_awaits() {
    let world = World::new();
    world.deliver(1, ADD_WAITING);
    world.deliver(2, READ);
    world.deliver(3, ADD);
    world.wait_for("begin 1");
    assert_eq!(world.host.waiting(KEY), 2);
    assert_eq!(world.script.count("read 2"), 0);
    world.script.open(1);
    world.wait_for("done 3");
    let turns = world.notes_of(&["begin", "end", "read", "add"]);
    assert_eq!(turns, ["begin 1", "end 1", "read 2", "add 3"]);
}

#[test]
fn a_blocking_turn_keeps_its_actor_but_no_thread_of_others() {
    let world = World::new();
    for handle in 1..=4 {
        world.deliver(handle, READ_BLOCKING);
    }
    world.wait_for("begin 4");
    world.deliver(5, READ);
    world.wait_for("done 5");
    world.deliver(6, ADD_BLOCKING);
    world.deliver(7, READ);
    (1..=4).for_each(|handle| world.script.open(handle));
    world.wait_for("begin 6");
    assert_eq!(world.script.count("read 7"), 0);
    world.script.open(6);
    world.wait_for("done 7");
}

#[test]
fn turns_for_an_actor_that_is_not_there_are_returned() {
    let world = World::new();
    let (_, turn) = world.turn(1, ADD);
    world.host.deliver(KEY + 1, turn);
    world.wait_for("returned 1");
    world.stop(None, ExitKind::Shutdown);
    world.wait_for("exited Shutdown");
    world.deliver(2, ADD);
    world.wait_for("returned 2");
    assert!(world.host.is_empty());
}

#[test]
fn a_key_is_used_again_after_an_exit() {
    let world = World::new();
    world.stop(None, ExitKind::Shutdown);
    world.wait_for("exited Shutdown");
    world.start(&class(), NEW, ActorOptions::default());
    world.deliver(1, ADD);
    world.wait_for("done 1");
}
