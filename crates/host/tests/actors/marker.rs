//! What a crash of the process would name.

use super::support::*;
use mobula_host::CrashMarker;
use mobula_host::actor::ActorHostOptions;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

const FIRST_SLOT: u32 = 40;

/// The turn that each thread is at.
#[derive(Debug, Default)]
struct Notes {
    at: Mutex<BTreeMap<u32, u64>>,
    ever: Mutex<Vec<(u32, u64)>>,
}

impl CrashMarker for Notes {
    fn started(&self, slot: u32, handle: u64) {
        assert_eq!(self.at.lock().insert(slot, handle), None, "a thread is at one turn");
        self.ever.lock().push((slot, handle));
    }
    fn finished(&self, slot: u32, handle: u64) {
        assert_eq!(self.at.lock().remove(&slot), Some(handle));
    }
    fn panicked(&self, _message: &str, _place: &str) {}
}

impl Notes {
    fn turns(&self) -> Vec<u64> {
        let mut turns: Vec<u64> = self.at.lock().values().copied().collect();
        turns.sort_unstable();
        turns
    }
}

#[test]
fn the_marker_knows_which_turns_are_on_a_thread() {
    let marker = Arc::new(Notes::default());
    let world = World::hosted(|options| ActorHostOptions {
        marker: marker.clone(),
        first_slot: FIRST_SLOT,
        ..options
    });
    world.deliver(1, READ_WAITING);
    world.deliver(2, READ_BLOCKING);
    world.deliver(3, READ_BLOCKING);
    world.wait_for("begin 2");
    world.wait_for("begin 3");
    world.wait_for("begin 1");
    world.wait_until_waiting(0);
    // One that awaits is on no thread; what it does next is noted again.
    let start = mobula_runtime::clock::now();
    while marker.turns() != [2, 3] {
        assert!(mobula_runtime::clock::now().since(start).as_secs() < 30, "{:?}", marker.turns());
        std::thread::yield_now();
    }
    (1..=3).for_each(|handle| world.script.open(handle));
    world.deliver(4, ADD);
    world.wait_for("done 4");
    assert_eq!(marker.turns(), [0; 0]);
    let ever = marker.ever.lock().clone();
    assert!(ever.iter().all(|(slot, _)| *slot >= FIRST_SLOT), "{ever:?}");
    assert!(ever.iter().filter(|(_, handle)| *handle == 1).count() >= 2, "{ever:?}");
}
