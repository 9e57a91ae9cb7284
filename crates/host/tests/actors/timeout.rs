//! Calls that may take so long and no longer, from the start of their turn.

use super::support::*;
use mobula_host::actor::Object;
use mobula_host::{Call, CallResult};
use std::sync::Arc;
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(30);
const LONG: Duration = Duration::from_secs(300);

/// The number of the method that tells whether its call has a deadline.
const DEADLINE: usize = 12;

pub(crate) fn tell_deadline(_: Object, call: Call) -> CallResult {
    script_of(&call).note(format!("deadline {} {}", call.handle, call.deadline.is_some()));
    value(0)
}

/// Delivers a turn that may take so long.
pub(crate) fn deliver_within(world: &World, handle: u64, method: usize, timeout: Duration) {
    let (key, mut turn) = world.turn(handle, method);
    Arc::make_mut(&mut turn.call.template).options.timeout = Some(timeout);
    world.host.deliver(key, turn);
}

#[test]
fn a_shared_turn_is_dropped_when_its_time_is_over() {
    let world = World::new();
    deliver_within(&world, 1, READ_WAITING, SHORT);
    deliver_within(&world, 2, READ_WAITING, LONG);
    world.wait_for("done 1 DeadlineExceeded");
    assert_eq!(world.script.count("dropped 1"), 1);
    world.script.open(2);
    world.wait_for("done 2");
}

#[test]
fn an_exclusive_turn_finishes_and_its_reply_is_discarded() {
    let world = World::new();
    deliver_within(&world, 1, ADD_WAITING, SHORT);
    world.wait_for("begin 1");
    std::thread::sleep(SHORT * 3);
    assert!(world.notes_of(&["done", "dropped"]).is_empty());
    world.script.open(1);
    world.wait_for("done 1 DeadlineExceeded");
    assert_eq!(world.script.count("end 1"), 1);
    world.deliver(2, ADD);
    world.wait_for("done 2");
}

#[test]
fn an_exclusive_turn_that_is_cancel_safe_is_dropped() {
    let world = World::new();
    deliver_within(&world, 1, ADD_CANCEL_SAFE, SHORT);
    world.wait_for("done 1 DeadlineExceeded");
    assert_eq!(world.script.count("dropped 1"), 1);
}

#[test]
fn blocking_and_inline_turns_fail_when_they_end_too_late() {
    let world = World::new();
    deliver_within(&world, 1, ADD_BLOCKING, SHORT);
    world.wait_for("begin 1");
    std::thread::sleep(SHORT * 3);
    world.script.open(1);
    world.wait_for("done 1 DeadlineExceeded");
    // No time at all: even what never waits is too late.
    deliver_within(&world, 2, ADD, Duration::ZERO);
    world.wait_for("done 2 DeadlineExceeded");
    assert_eq!(world.script.count("add 2"), 1);
}

#[test]
fn the_wait_in_the_mailbox_does_not_count() {
    let world = World::new();
    world.deliver(1, ADD_WAITING);
    world.wait_for("begin 1");
    deliver_within(&world, 2, READ, SHORT);
    std::thread::sleep(SHORT * 3);
    world.script.open(1);
    world.wait_for("done 2");
}

#[test]
fn a_turn_that_ends_in_time_leaves_no_timer_that_touches_another() {
    let world = World::new();
    for handle in 1..=50 {
        deliver_within(&world, handle, READ, SHORT);
    }
    world.deliver(51, ADD_CANCEL_SAFE);
    world.wait_for("begin 51");
    std::thread::sleep(SHORT * 3);
    assert_eq!(world.script.count("dropped 51"), 0);
    world.script.open(51);
    world.wait_for("done 51");
}

#[test]
fn what_a_turn_calls_has_no_more_time_than_it() {
    let world = World::new();
    deliver_within(&world, 1, DEADLINE, LONG);
    world.wait_for("deadline 1 true");
    world.deliver(2, DEADLINE);
    world.wait_for("deadline 2 false");
}
