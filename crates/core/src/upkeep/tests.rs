use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MIB: u64 = 1 << 20;

struct Bench {
    machine: Upkeep,
    now: Time,
}

impl Bench {
    fn new() -> Self {
        Bench { machine: Upkeep::new(UpkeepOptions::default()), now: Time::ZERO + SECOND * 100 }
    }

    fn tell(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.machine.on_event(self.now, event, &mut effects);
        effects
    }

    /// What follows from what is found so much later.
    fn seen_after(&mut self, duration: Duration, look: Look) -> Vec<Effect> {
        self.now = self.now + duration;
        assert_eq!(self.tell(Event::Tick), [Effect::Look]);
        self.tell(Event::Seen(look))
    }
}

fn look(revision: u64) -> Look {
    Look { revision, size_bytes: 10 * MIB, used_bytes: 9 * MIB, is_full: false }
}

fn full(revision: u64) -> Look {
    Look { is_full: true, ..look(revision) }
}

#[test]
fn history_goes_when_it_is_old_enough() {
    let mut bench = Bench::new();
    assert_eq!(bench.tell(Event::Tick), [Effect::Look]);
    assert_eq!(bench.tell(Event::Seen(look(5000))), []);
    assert_eq!(bench.tell(Event::Tick), [], "it rests");
    assert_eq!(bench.machine.next_deadline(), bench.now + SECOND * 60);
    assert_eq!(bench.seen_after(SECOND * 300, look(6500)), []);
    assert_eq!(bench.seen_after(SECOND * 300, look(7000)), [Effect::Compact { revision: 5000 }]);
    assert_eq!(bench.tell(Event::Compacted), [Effect::Look]);
    assert_eq!(bench.tell(Event::Seen(look(7000))), []);
    assert_eq!(bench.seen_after(SECOND * 300, look(7000)), [Effect::Compact { revision: 6500 }]);
    bench.tell(Event::Compacted);
    bench.tell(Event::Seen(look(7000)));
    assert_eq!(bench.seen_after(SECOND * 3000, look(7000)), [], "too little to forget");
}

#[test]
fn history_is_bounded_however_young_it_is() {
    let mut bench = Bench::new();
    bench.tell(Event::Tick);
    assert_eq!(bench.tell(Event::Seen(look(150_000))), [Effect::Compact { revision: 50_000 }]);
}

#[test]
fn what_is_half_free_is_defragmented_once_an_hour() {
    let mut bench = Bench::new();
    let holed = Look { size_bytes: 200 * MIB, used_bytes: 90 * MIB, ..look(1) };
    bench.tell(Event::Tick);
    assert_eq!(bench.tell(Event::Seen(holed)), [Effect::Defragment]);
    assert_eq!(bench.tell(Event::Defragmented), [Effect::Look]);
    assert_eq!(bench.tell(Event::Seen(holed)), []);
    assert_eq!(bench.seen_after(SECOND * 3500, holed), []);
    assert_eq!(bench.seen_after(SECOND * 100, holed), [Effect::Defragment]);
    let small = Look { size_bytes: 20 * MIB, used_bytes: MIB, ..look(1) };
    let mut bench = Bench::new();
    bench.tell(Event::Tick);
    assert_eq!(bench.tell(Event::Seen(small)), [], "there is little to give back");
}

#[test]
fn a_full_registry_is_compacted_and_defragmented_at_once_and_told_of_once() {
    let mut bench = Bench::new();
    bench.tell(Event::Tick);
    bench.tell(Event::Seen(look(10)));
    assert_eq!(bench.tell(Event::Refused), [Effect::Look]);
    assert_eq!(bench.tell(Event::Seen(full(11))), [Effect::Full(full(11)), Effect::Compact { revision: 11 }]);
    assert_eq!(bench.tell(Event::Compacted), [Effect::Look]);
    assert_eq!(bench.tell(Event::Seen(full(11))), [Effect::Defragment]);
    assert_eq!(bench.tell(Event::Defragmented), [Effect::Look]);
    assert_eq!(bench.tell(Event::Seen(look(11))), [Effect::RoomAgain(look(11))]);
    assert!(bench.machine.is_resting());
}

#[test]
fn what_does_not_help_is_tried_ever_less_often() {
    let mut bench = Bench::new();
    bench.tell(Event::Tick);
    bench.tell(Event::Seen(full(11)));
    let mut tries = Vec::new();
    let start = bench.now;
    bench.tell(Event::Compacted);
    assert_eq!(bench.tell(Event::Seen(full(11))), [Effect::Defragment]);
    bench.tell(Event::Defragmented);
    bench.tell(Event::Seen(full(11)));
    assert_eq!(bench.tell(Event::Refused), [], "it is known");
    while tries.len() < 4 {
        let effects = bench.seen_after(SECOND * 5, full(11));
        if effects == [Effect::Defragment] {
            tries.push(bench.now.since(start).as_secs());
            bench.tell(Event::Defragmented);
            bench.tell(Event::Seen(full(11)));
        } else {
            assert_eq!(effects, []);
        }
    }
    assert_eq!(tries, [60, 180, 420, 900]);
}

#[test]
fn a_failure_is_let_be_until_the_next_look() {
    let mut bench = Bench::new();
    bench.tell(Event::Tick);
    assert_eq!(bench.tell(Event::Failed), []);
    assert_eq!(bench.seen_after(SECOND * 60, look(200_000)), [Effect::Compact { revision: 100_000 }]);
    assert_eq!(bench.tell(Event::Failed), []);
    assert_eq!(bench.seen_after(SECOND * 60, look(200_000)), [Effect::Compact { revision: 100_000 }]);
}

#[test]
fn what_others_have_deleted_is_freed_at_once() {
    let mut bench = Bench::new();
    bench.tell(Event::Tick);
    bench.tell(Event::Seen(full(11)));
    bench.tell(Event::Compacted);
    assert_eq!(bench.tell(Event::Seen(full(11))), [Effect::Defragment]);
    bench.tell(Event::Defragmented);
    bench.tell(Event::Seen(full(11)));
    assert_eq!(bench.seen_after(SECOND * 5, full(12)), [Effect::Compact { revision: 12 }]);
    assert_eq!(bench.tell(Event::Compacted), [Effect::Look]);
    let freed = Look { used_bytes: MIB, ..full(12) };
    assert_eq!(bench.tell(Event::Seen(freed)), [Effect::Defragment]);
}

#[test]
fn a_delete_is_followed_by_a_try_even_where_no_room_shows() {
    let mut bench = Bench::new();
    bench.tell(Event::Tick);
    bench.tell(Event::Seen(full(11)));
    bench.tell(Event::Compacted);
    bench.tell(Event::Seen(full(11)));
    bench.tell(Event::Defragmented);
    bench.tell(Event::Seen(full(11)));
    assert_eq!(bench.seen_after(SECOND * 5, full(12)), [Effect::Compact { revision: 12 }]);
    assert_eq!(bench.tell(Event::Compacted), [Effect::Look]);
    assert_eq!(bench.tell(Event::Seen(full(12))), [Effect::Defragment]);
}

#[test]
fn whoever_takes_it_up_looks_at_once_at_what_others_left() {
    let mut bench = Bench::new();
    bench.tell(Event::Tick);
    bench.tell(Event::Seen(full(11)));
    bench.tell(Event::Failed);
    assert!(bench.machine.is_resting());
    assert_eq!(bench.tell(Event::Begun), [Effect::Look]);
    assert_eq!(bench.tell(Event::Seen(look(12))), [Effect::RoomAgain(look(12))]);
    assert_eq!(bench.tell(Event::Begun), [Effect::Look], "room or not");
}
