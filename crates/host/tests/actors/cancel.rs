//! Calls that are cancelled, queued and running.

use super::support::*;
use mobula_types::{Failure, FailureKind};

pub(crate) fn cancelled() -> Failure {
    Failure::new(FailureKind::Cancelled, "not wanted any more")
}

#[test]
fn a_queued_turn_is_taken_back() {
    let world = World::new();
    world.deliver(1, ADD_WAITING);
    world.wait_for("begin 1");
    for handle in 2..=200 {
        world.deliver(handle, ADD);
    }
    for handle in (2..=200).filter(|handle| handle % 5 != 0) {
        assert!(world.host.cancel(KEY, handle, &cancelled()));
        assert!(!world.host.cancel(KEY, handle, &cancelled()), "once");
    }
    assert_eq!(world.host.waiting(KEY), 40);
    world.script.open(1);
    world.wait_for("done 200");
    let expected: Vec<_> = (1..=40).map(|number| format!("add {}", number * 5)).collect();
    assert_eq!(world.notes_of(&["add"]), expected);
    assert!(!world.host.cancel(KEY, 200, &cancelled()), "it is over");
    assert!(!world.host.cancel(KEY + 1, 200, &cancelled()), "it never was");
}

#[test]
fn a_turn_that_is_taken_back_holds_up_nothing() {
    let world = World::new();
    world.deliver(1, READ_WAITING);
    world.deliver(2, ADD);
    world.deliver(3, READ);
    world.wait_for("begin 1");
    world.wait_until_waiting(2);
    assert!(world.host.cancel(KEY, 2, &cancelled()));
    world.wait_for("done 3");
}

#[test]
fn a_running_exclusive_turn_finishes_and_its_reply_is_discarded() {
    let world = World::new();
    world.deliver(1, ADD_WAITING);
    world.wait_for("begin 1");
    assert!(!world.host.cancel(KEY, 1, &cancelled()));
    world.deliver(2, ADD);
    world.script.open(1);
    world.wait_for("done 1 Cancelled");
    world.wait_for("done 2");
    assert_eq!(world.script.count("end 1"), 1);
}

#[test]
fn a_running_exclusive_turn_that_is_cancel_safe_is_dropped() {
    let world = World::new();
    world.deliver(1, ADD_CANCEL_SAFE);
    world.wait_for("begin 1");
    assert!(!world.host.cancel(KEY, 1, &cancelled()));
    world.wait_for("done 1 Cancelled");
    assert_eq!(world.script.count("dropped 1"), 1);
    world.deliver(2, ADD);
    world.wait_for("done 2");
}

#[test]
fn a_running_shared_turn_is_dropped() {
    let world = World::new();
    world.deliver(1, READ_WAITING);
    world.deliver(2, READ_WAITING);
    world.wait_for("begin 2");
    assert!(!world.host.cancel(KEY, 1, &cancelled()));
    world.wait_for("done 1 Cancelled");
    assert_eq!(world.script.count("dropped 1"), 1);
    world.script.open(2);
    world.wait_for("done 2");
}

#[test]
fn a_blocking_turn_is_told_and_its_reply_is_discarded() {
    let world = World::new();
    world.deliver(1, ADD_BLOCKING);
    world.wait_for("begin 1");
    assert!(!world.host.cancel(KEY, 1, &cancelled()));
    world.script.open(1);
    world.wait_for("done 1 Cancelled");
}
