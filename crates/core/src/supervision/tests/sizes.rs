//! What a turn says and writes is cut to a size, and is no more messages than it has to be.

use super::specs::*;
use super::world::*;
use crate::supervision::{Effect, Event, Inheritance, RequestKey, Supervision, SupervisionOptions};
use mobula_types::actor::*;
use mobula_types::*;
use std::collections::VecDeque;

/// A machine whose writes are durable at once, without the checks of [`World`] after each event.
struct Quick {
    machine: Supervision,
    now: Time,
}

impl Quick {
    /// One whose only node runs so many actors without a supervisor.
    fn running(count: u64) -> Self {
        let now = Time::ZERO + SECOND * 1000;
        let inheritance = Inheritance { wall_millis: 1_000_000, ..Inheritance::default() };
        let machine = Supervision::lead(now, SupervisionOptions::default(), inheritance, &mut Vec::new());
        let mut quick = Quick { machine, now };
        quick.tell(Event::JobOpened { job: JOB, has_executable: true });
        quick.tell(Event::View(std::sync::Arc::new(World::new(1).view)));
        quick.tell(Event::NodeJoined { node: node(1) });
        quick.report(ActorReport::Inventory {
            actors: Vec::new(),
            exits: Vec::new(),
            ignored: Vec::new(),
            located: Vec::new(),
            watches: Vec::new(),
            last: true,
        });
        let creates = (1..=count).map(|number| CreateActor { actor: id(number), spec: spec("a") }).collect();
        let ask = ActorRequest::Create(creates);
        let orders =
            quick.tell(Event::Request { request: RequestKey(1), asker: Some(node(1)), question: None, ask });
        let started = |order| match order {
            ActorOrder::Start(starts) => starts,
            _ => Vec::new(),
        };
        let started = orders.into_iter().flat_map(started).map(|start| start.incarnation).collect();
        quick.report(ActorReport::Started(started));
        quick
    }

    fn report(&mut self, report: ActorReport) -> Vec<ActorOrder> {
        self.tell(Event::Reported { node: node(1), report })
    }

    /// Says what happens, and what is written by it, until nothing more is. Gives what the node is told.
    fn tell(&mut self, event: Event) -> Vec<ActorOrder> {
        let mut events = VecDeque::from([event]);
        let mut orders = Vec::new();
        while let Some(event) = events.pop_front() {
            let mut effects = Vec::new();
            self.machine.on_event(self.now, 1_000_000, event, &mut effects);
            for effect in effects {
                match effect {
                    Effect::Write { write, .. } => events.push_back(Event::Written { write }),
                    Effect::Order { order, .. } => orders.push(order),
                    Effect::Answer { .. } => {}
                }
            }
        }
        orders
    }
}

#[test]
fn five_thousand_stops_of_a_turn_are_a_few_messages() {
    let mut quick = Quick::running(5000);
    let orders = quick.tell(Event::JobEnded { job: JOB });
    let [ActorOrder::Stops(stops)] = &orders[..] else { panic!("{} orders", orders.len()) };
    assert_eq!(stops.len(), 5000);
}

#[test]
fn what_a_turn_says_is_cut_by_bytes() {
    let mut world = World::new(1);
    world.ask(create(1, spec("a")));
    world.settle();
    let watch =
        |number| Watch { number, watcher: None, target: id(1), epoch: None, kind: WatchKind::Monitor };
    for number in 1..=2000 {
        world.nodes.get_mut(&node(1)).unwrap().watches.insert(number, watch(number));
        world.tell(Event::Reported { node: node(1), report: ActorReport::Watch(watch(number)) });
    }
    world.settle();
    let before = world.orders;
    let failure = Failure::new(FailureKind::TaskPanicked, "x".repeat(8000));
    world.exit_for("a", ExitReason::failed(ExitKind::Panicked, failure));
    world.settle();
    assert_eq!(world.nodes[&node(1)].downs.len(), 2000);
    // 16 MB, of which a message has one.
    let told = world.orders - before;
    assert!((16..30).contains(&told), "{told}");
}

/// A class whose options take about so many bytes.
fn large(class: &str, bytes: usize) -> std::sync::Arc<ActorSpec> {
    let mut spec = (*spec(class)).clone();
    std::sync::Arc::make_mut(&mut spec.template).options.name = "x".repeat(bytes).into();
    spec.into()
}

#[test]
fn a_write_is_cut_by_bytes_and_what_waits_for_it_waits_for_all_of_it() {
    let mut world = World::new(1);
    let of = |number: u64| {
        let class = format!("c{number}");
        ChildSpec { kind: ChildKind::Actor(large(&class, 60_000)), ..child(&class) }
    };
    let request =
        world.ask(start_tree(1, "t", tree(SupervisorStrategy::OneForOne, (0..40).map(of).collect())));
    let sizes = world
        .writes
        .iter()
        .map(|(_, changes, _)| changes.iter().map(|change| change.encoded_size()).sum::<usize>());
    let sizes: Vec<usize> = sizes.collect();
    assert!(sizes.iter().all(|bytes| *bytes <= 512 * 1024), "{sizes:?}");
    assert_eq!(sizes.len(), 5, "40 specs of 60 KB each");
    assert_eq!(world.machine.outstanding_writes(), 1);
    for _ in 0..4 {
        world.commit();
        assert!(world.nodes[&node(1)].inbox.iter().all(|order| !matches!(order, ActorOrder::Start(_))));
    }
    world.settle();
    assert!(matches!(world.answer(request), Ok(ActorAnswer::Started(_))));
    assert_eq!(world.alive().len(), 40);
}

#[test]
fn what_does_not_fit_the_registry_is_refused_before_anything_is_decided() {
    let mut world = World::new(1);
    let too_large = large("a", ActorSpec::OPTIONS_LIMIT);
    let bad = ChildSpec { kind: ChildKind::Actor(too_large.clone()), ..child("a") };
    let request = world.ask(start_tree(1, "", tree(SupervisorStrategy::OneForOne, vec![bad])));
    assert_eq!(world.answer(request).unwrap_err().kind(), FailureKind::TooLarge);
    let created = super::single::created(&mut world, 2, too_large);
    assert_eq!(created.unwrap_err().kind(), FailureKind::TooLarge);
    assert!(world.writes.is_empty() && world.records.actors.is_empty());
}

#[test]
fn what_a_supervisor_carries_out_is_on_record_in_few_bytes() {
    let mut world = super::rows::three(SupervisorStrategy::OneForAll);
    let failure = Failure::new(FailureKind::TaskPanicked, "x".repeat(8000));
    world.exit_for("a", ExitReason::failed(ExitKind::Panicked, failure));
    let records = world.writes.iter().flat_map(|(_, changes, _)| changes);
    let supervisors = records.filter(|change| matches!(change, RecordChange::PutSupervisor(_)));
    let sizes: Vec<usize> = supervisors.map(|change| change.encoded_size()).collect();
    assert!(!sizes.is_empty() && sizes.iter().all(|bytes| *bytes < 2000), "{sizes:?}");
}
