//! How often an actor is woken, and what becomes a task of its own.

use super::support::*;
use mobula_host::actor::ActorHostOptions;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// Starts turns of one actor together, once it is idle; gives how many tasks that took: none where the task that drove the
/// actor before has yet to go.
fn tasks_for(method: usize, count: u64) -> u64 {
    // No health check comes in between.
    let world = World::hosted(|options| ActorHostOptions { health_period: HOUR, ..options });
    world.deliver(1, ADD);
    world.wait_for("done 1");
    for handle in 2..2 + count {
        world.script.open(handle);
    }
    let before = world.host.tasks();
    world.host.deliver_batch(&mut (2..2 + count).map(|handle| world.turn(handle, method)).collect());
    world.wait_for(&format!("done {}", 1 + count));
    world.host.tasks() - before
}

#[test]
fn turns_that_come_together_wake_their_actor_once() {
    for method in [ADD, READ] {
        assert!(tasks_for(method, 500) <= 1);
    }
}

#[test]
fn async_turns_that_never_wait_are_no_tasks_of_their_own() {
    for method in [READ_WAITING, ADD_WAITING] {
        assert!(tasks_for(method, 500) <= 1);
    }
}

#[test]
fn a_lone_call_wakes_one_thread_at_most() {
    let world = World::hosted(|options| ActorHostOptions { health_period: HOUR, threads: 4, ..options });
    let before = world.host.wakes();
    for handle in 1..=300 {
        world.deliver(handle, ADD);
        world.wait_for(&format!("done {handle}"));
    }
    assert!(world.host.wakes() - before <= 300);
}
