//! Shared turns run together, exclusive ones alone, and groups have limits of their own.

use super::support::*;
use mobula_types::actor::ActorOptions;

#[test]
fn shared_turns_run_together_and_never_with_an_exclusive_one() {
    let world = World::new();
    world.deliver(1, READ_WAITING);
    world.deliver(2, READ_WAITING);
    world.deliver(3, READ_BLOCKING);
    world.deliver(4, ADD);
    world.deliver(5, READ);
    ["begin 1", "begin 2", "begin 3"].iter().for_each(|begun| world.wait_for(begun));
    world.script.open(2);
    world.wait_for("done 2");
    world.script.open(3);
    world.wait_for("done 3");
    // The first still runs.
    assert_eq!(world.host.waiting(KEY), 2);
    world.script.open(1);
    world.wait_for("done 5");
    assert!(world.place("done 1") < world.place("add 4"));
    assert!(world.place("add 4") < world.place("read 5"));
}

#[test]
fn writers_do_not_starve() {
    // Readers come without end, and overlap; the writer still has its turn once those before it are over.
    let world = World::new();
    world.deliver(1, READ_WAITING);
    world.wait_for("begin 1");
    world.deliver(2, ADD);
    for handle in 3..100 {
        world.deliver(handle, READ_WAITING);
    }
    assert_eq!(world.host.waiting(KEY), 98);
    world.script.open(1);
    world.wait_for("done 2");
    world.wait_for("begin 99");
    assert!(world.place("add 2") < world.place("begin 3"));
}

#[test]
fn no_more_shared_turns_run_than_the_actor_allows() {
    let options = ActorOptions { max_concurrency: 2, ..ActorOptions::default() };
    let world = World::with(&class(), NEW, options);
    for handle in 1..=4 {
        world.deliver(handle, READ_WAITING);
    }
    world.wait_for("begin 2");
    world.wait_until_waiting(2);
    world.script.open(2);
    world.wait_for("begin 3");
    world.wait_until_waiting(1);
    (1..=4).for_each(|handle| world.script.open(handle));
    world.wait_for("done 4");
    assert_eq!(world.notes_of(&["begin"]), ["begin 1", "begin 2", "begin 3", "begin 4"]);
}

fn with_small_io() -> World {
    let options = ActorOptions { groups: vec![("io".into(), 1)], ..ActorOptions::default() };
    World::with(&class(), NEW, options)
}

#[test]
fn a_full_group_does_not_hold_up_other_groups() {
    let world = with_small_io();
    let mut turns = vec![
        world.turn_of(1, 1, READ_IO),
        world.turn_of(2, 2, READ_IO),
        world.turn_of(3, 3, READ),
        world.turn_of(4, 4, READ_IO),
    ];
    world.host.deliver_batch(&mut turns);
    world.wait_for("done 3");
    world.wait_until_waiting(2);
    world.script.open(1);
    world.wait_for("begin 2");
    world.script.open(2);
    world.script.open(4);
    world.wait_for("done 4");
    assert_eq!(world.notes_of(&["begin"]), ["begin 1", "begin 2", "begin 4"]);
}

#[test]
fn a_full_group_holds_up_later_turns_of_its_caller_and_exclusive_ones() {
    let world = with_small_io();
    let mut turns = vec![
        world.turn_of(1, 1, READ_IO),
        world.turn_of(2, 2, READ_IO),
        world.turn_of(2, 3, READ),
        world.turn_of(3, 4, READ),
        world.turn_of(4, 5, ADD),
        world.turn_of(5, 6, READ),
    ];
    world.host.deliver_batch(&mut turns);
    world.wait_for("done 4");
    world.wait_until_waiting(4);
    world.script.open(1);
    world.wait_for("done 3");
    assert!(world.place("begin 2") < world.place("read 3"));
    assert_eq!(world.script.count("add 5"), 0);
    world.script.open(2);
    world.wait_for("done 6");
    assert!(world.place("done 2") < world.place("add 5"));
    assert!(world.place("add 5") < world.place("read 6"));
}
