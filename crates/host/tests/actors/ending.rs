//! Stop, kill and exit.

use super::cancel::cancelled;
use super::support::*;
use mobula_types::ExitReason;
use mobula_types::actor::{ActorOptions, Down, ExitKind, Incarnation};
use std::time::Duration;

/// Longer than any test takes.
const LONG: Option<Duration> = Some(Duration::from_secs(600));

#[test]
fn a_stop_lets_what_is_queued_run_and_takes_no_more() {
    for grace in [LONG, None] {
        let world = World::new();
        world.deliver(1, ADD_WAITING);
        world.deliver(2, ADD);
        world.wait_for("begin 1");
        world.stop(grace, ExitKind::Shutdown);
        world.deliver(3, ADD);
        world.wait_for("returned 3");
        world.script.open(1);
        world.wait_for("exited Shutdown");
        let expected = ["done 1", "done 2", "on_stop Shutdown", "gone", "exited Shutdown"];
        assert_eq!(world.notes_of(&["done", "on_stop", "gone", "exited"]), expected);
        assert!(world.host.is_empty());
    }
}

#[test]
fn a_grace_that_is_over_drops_what_runs_and_returns_what_is_queued() {
    let world = World::new();
    world.deliver(1, ADD_WAITING);
    world.deliver(2, ADD);
    world.wait_for("begin 1");
    world.stop(Some(Duration::from_millis(1)), ExitKind::Drained);
    world.wait_for("exited Drained");
    let notes = world.notes_of(&["dropped", "done", "on_stop", "exited"]);
    assert_eq!(notes, ["dropped 1", "done 1 ActorDied", "on_stop Drained", "exited Drained"]);
    assert_eq!(world.script.count("returned 2"), 1);
    assert!(world.place("returned 2") < world.place("exited Drained"));
}

#[test]
fn a_kill_drops_what_runs_and_runs_no_hook() {
    for (method, dropped) in [(ADD_WAITING, 1), (READ_WAITING, 1), (ADD_CANCEL_SAFE, 1)] {
        let world = World::new();
        world.deliver(1, method);
        world.deliver(2, ADD);
        world.wait_for("begin 1");
        world.stop(LONG, ExitKind::Shutdown);
        world.stop(Some(Duration::ZERO), ExitKind::Killed);
        world.wait_for("exited Killed");
        assert_eq!(world.script.count("dropped 1"), dropped);
        assert_eq!(world.notes_of(&["done", "on_stop"]), ["done 1 ActorDied"]);
        assert_eq!(world.script.count("retryable 1"), 1, "it may run again, if its options allow that");
        assert_eq!(world.script.count("returned 2"), 1);
    }
}

#[test]
fn a_kill_waits_for_a_turn_that_blocks() {
    let world = World::new();
    world.deliver(1, ADD_BLOCKING);
    world.deliver(2, ADD);
    world.wait_for("begin 1");
    world.stop(Some(Duration::ZERO), ExitKind::Killed);
    world.wait_for("returned 2");
    assert_eq!(world.script.count("exited Killed"), 0);
    world.script.open(1);
    world.wait_for("exited Killed");
    assert_eq!(world.notes_of(&["done"]), ["done 1 ActorDied"]);
}

#[test]
fn a_kill_ends_a_constructor_that_waits() {
    let world = World::of(NEW_WAITING);
    world.wait_for("constructing");
    world.deliver(1, ADD);
    world.stop(Some(Duration::ZERO), ExitKind::Killed);
    world.wait_for("exited Killed");
    assert_eq!(world.script.count("returned 1"), 1);
    assert_eq!(world.script.count("started"), 0);
}

#[test]
fn a_stop_during_the_constructor_waits_for_it() {
    let world = World::of(NEW_WAITING);
    world.wait_for("constructing");
    world.deliver(1, ADD);
    world.stop(LONG, ExitKind::Shutdown);
    world.script.open(0);
    world.wait_for("exited Shutdown");
    let expected = ["on_start", "started", "add 1", "done 1", "on_stop Shutdown", "exited Shutdown"];
    assert_eq!(world.notes_of(&["on_st", "started", "add", "done", "exited"]), expected);
}

#[test]
fn an_actor_that_asks_for_it_exits_after_the_turn() {
    for method in [LEAVE, LEAVE_SHARED] {
        let world = World::new();
        world.deliver(9, ADD_WAITING);
        let mut turns = vec![world.turn(1, method), world.turn(2, ADD)];
        world.host.deliver_batch(&mut turns);
        world.script.open(9);
        world.wait_for("exited Normal");
        assert_eq!(world.notes_of(&["done", "on_stop"]), ["done 9", "done 1", "on_stop Normal"]);
        assert_eq!(world.script.count("returned 2"), 1);
    }
}

#[test]
fn an_exit_waits_for_shared_turns_that_run() {
    let world = World::new();
    world.deliver(1, READ_WAITING);
    world.wait_for("begin 1");
    world.deliver(2, LEAVE_SHARED);
    world.wait_for("done 2");
    world.deliver(3, READ);
    world.wait_for("returned 3");
    world.script.open(1);
    world.wait_for("exited Normal");
    assert_eq!(world.notes_of(&["done"]), ["done 2", "done 1"]);
}

#[test]
fn a_constructor_may_ask_for_the_exit() {
    let world = World::of(NEW_EXITING);
    world.wait_for("exited Normal");
    assert_eq!(world.script.count("started"), 0);
    assert_eq!(world.script.count("gone"), 1);
}

#[test]
fn a_constructor_may_answer_that_there_is_to_be_no_actor() {
    let world = World::of(NEW_NONE);
    world.wait_for("ignored");
    assert_eq!(world.notes_of(&["started", "exited", "on_stop"]), [""; 0]);
}

#[test]
fn a_down_comes_before_calls_that_wait() {
    let world = World::new();
    world.deliver(1, ADD_WAITING);
    world.deliver(2, ADD);
    world.wait_for("begin 1");
    world.signal(5, ExitKind::Normal);
    world.script.open(1);
    world.wait_for("done 2");
    assert!(world.place("down 5") < world.place("add 2"));
    // One that the hook cannot live with.
    world.signal(6, ExitKind::Killed);
    world.script.wait_until("the exit", |notes| notes.iter().any(|note| note.starts_with("exited Error")));
    assert_eq!(world.notes_of(&["on_stop"]), ["on_stop Error"]);
}

#[test]
fn a_closed_host_reports_nothing_and_drops_its_actors() {
    let world = World::new();
    world.deliver(1, ADD_WAITING);
    world.deliver(2, ADD);
    world.wait_for("begin 1");
    world.host.close();
    world.wait_for("gone");
    assert_eq!(world.notes_of(&["done", "returned", "exited", "on_stop"]), [""; 0]);
    let (_, turn) = world.turn(3, ADD);
    world.host.deliver(KEY, turn);
    world.wait_for("returned 3");
}

#[test]
fn each_turn_ends_once_and_before_the_exit_whenever_the_stop_comes() {
    for round in 0..60_u64 {
        let world = World::of(NEW);
        let methods = [ADD, READ, READ_WAITING, ADD_CANCEL_SAFE, READ_BLOCKING];
        (1..=40).for_each(|handle| world.script.open(handle));
        for handle in 1..=40 {
            world.deliver(handle, methods[(handle % 5) as usize]);
            if handle == round % 41 {
                let grace = [Some(Duration::ZERO), Some(Duration::from_millis(1)), LONG, None];
                world.stop(grace[(round % 4) as usize], ExitKind::Shutdown);
            }
        }
        world.stop(None, ExitKind::Shutdown);
        world.wait_for("exited Shutdown");
        // Those that came after the exit are returned after it.
        let ended = |notes: &[String]| {
            notes.iter().filter(|note| note.starts_with("done") || note.starts_with("returned")).count()
        };
        world.script.wait_until("all ends", |notes| ended(notes) >= 40);
        assert_eq!(ended(&world.script.notes()), 40);
        let exit = world.place("exited Shutdown");
        let late = world.script.notes().iter().skip(exit).filter(|note| note.starts_with("done")).count();
        assert_eq!(late, 0, "{:?}", world.script.notes());
    }
}

#[test]
fn each_turn_ends_once_whatever_happens() {
    const TURNS: u64 = 60;
    for seed in 0..80_u64 {
        let mut random = seed;
        let mut next = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        let options =
            ActorOptions { max_concurrency: 3, groups: vec![("io".into(), 1)], ..Default::default() };
        let world = World::with(&class(), [NEW, NEW_WAITING, NEW_BLOCKING][next(3) as usize], options);
        let mut taken = Vec::new();
        for handle in 1..=TURNS {
            // Most turns are harmless; one in so many ends the actor.
            let method = if next(40) == 0 {
                [PANICS, PANICS_LATER, LEAVE][next(3) as usize]
            } else {
                next(8) as usize
            };
            let (key, turn) = world.turn_of(next(4), handle, method);
            world.host.deliver(key, turn);
            if next(2) == 0 {
                world.script.open(next(TURNS + 1));
            }
            let other = 1 + next(handle);
            if next(3) == 0 && world.host.cancel(KEY, other, &cancelled()) {
                taken.push(other);
            }
        }
        let grace = [Some(Duration::ZERO), Some(Duration::from_millis(1)), LONG, None];
        world.stop(grace[next(4) as usize], ExitKind::Shutdown);
        (0..=TURNS).for_each(|handle| world.script.open(handle));
        let is_end = |note: &str| note.starts_with("done") || note.starts_with("returned");
        let ends = |notes: &[String]| notes.iter().filter(|note| is_end(note)).count();
        world.script.wait_until("the exit and all ends", |notes| {
            notes.iter().any(|note| note.starts_with("exited")) && ends(notes) + taken.len() >= TURNS as usize
        });
        let notes = world.script.notes();
        let mut handles: Vec<u64> = notes
            .iter()
            .filter(|note| is_end(note))
            .filter_map(|note| note.split(' ').nth(1)?.parse().ok())
            .chain(taken)
            .collect();
        handles.sort_unstable();
        assert_eq!(handles, (1..=TURNS).collect::<Vec<_>>(), "seed {seed}: {notes:?}");
        let exits = notes.iter().filter(|note| note.starts_with("exited")).count();
        assert_eq!(exits, 1, "seed {seed}: {notes:?}");
        let after = notes.iter().skip_while(|note| !note.starts_with("exited"));
        assert_eq!(after.filter(|note| note.starts_with("done")).count(), 0, "seed {seed}: {notes:?}");
    }
}

impl World {
    fn signal(&self, number: u64, kind: ExitKind) {
        let down = Down { number, incarnation: Incarnation::default(), reason: ExitReason::of(kind) };
        self.host.signal(KEY, mobula_host::actor::Signal::Down(down));
    }
}

#[test]
fn a_key_that_is_taken_is_left_alone() {
    let world = World::new();
    world.start(&class(), NEW, ActorOptions::default());
    world.deliver(1, ADD);
    world.wait_for("done 1");
    assert_eq!(world.script.count("started"), 1);
}
