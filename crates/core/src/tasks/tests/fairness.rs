//! Who is next, and how many at once.

use super::world::*;
use crate::tasks::{Effect, Event, Place, Requester, SessionKey, SessionKind};
use mobula_types::frame::AssignmentEnd;
use mobula_types::{Attempt, JobId, Outcome, TaskId};
use std::collections::{BTreeMap, VecDeque};

/// What runs, in the order in which it was assigned.
#[derive(Default)]
struct Running(VecDeque<(Place, TaskId, Attempt, JobId)>);

impl Running {
    fn note(&mut self, effects: &[Effect]) {
        let assignments = assigned(effects).into_iter();
        self.0.extend(assignments.map(|(place, it)| (place, it.task, it.attempt, it.job)));
    }

    /// Ends what runs, one by one, until `count` tasks have run, and counts them by job.
    fn run(&mut self, world: &mut World, count: usize) -> BTreeMap<JobId, usize> {
        self.run_with(world, count, || ran(Outcome::Value(inline(b"9"))))
    }

    fn run_with(
        &mut self,
        world: &mut World,
        count: usize,
        end: impl Fn() -> AssignmentEnd,
    ) -> BTreeMap<JobId, usize> {
        let mut ran_of = BTreeMap::new();
        self.note(&world.tell(Event::Flush));
        for _ in 0..count {
            let (place, task, attempt, job) = self.0.pop_front().expect("something runs");
            *ran_of.entry(job).or_default() += 1;
            let end = end();
            world.tell_quietly(Event::Ended { place, task, attempt, end });
            self.note(&world.tell_quietly(Event::Flush));
        }
        ran_of
    }
}

fn submit_many(world: &mut World, job: JobId, session: SessionKey, count: u64) {
    for number in 1..=count {
        let mut submit = world.submission(number);
        submit.job = job;
        submit.task = TaskId::of_driver(job, number);
        submit.requester = Requester::Session(session);
        world.tell_quietly(submit.event(world.now));
    }
}

fn two_jobs(weights: [u32; 2]) -> (World, JobId, JobId) {
    let mut world = World::new(4);
    let (one, two) = (JobId(100), JobId(200));
    for (job, session, weight) in [(one, 11, weights[0]), (two, 12, weights[1])] {
        world.open_job(job, weight);
        world.open(SessionKey(session), Some(job), SessionKind::Driver);
    }
    (world, one, two)
}

#[test]
fn a_flood_of_one_job_does_not_hold_up_another() {
    let (mut world, one, two) = two_jobs([1, 1]);
    submit_many(&mut world, one, SessionKey(11), 2_000);
    let mut running = Running::default();
    let before = running.run(&mut world, 100);
    assert_eq!(before, BTreeMap::from([(one, 100)]));
    submit_many(&mut world, two, SessionKey(12), 10);
    let after = running.run(&mut world, 40);
    assert_eq!(after.get(&two), Some(&10), "{after:?}");
}

#[test]
fn a_job_whose_tasks_queue_ahead_leaves_another_its_due() {
    let (mut world, one, two) = two_jobs([1, 2]);
    submit_many(&mut world, one, SessionKey(11), 4_000);
    let mut running = Running::default();
    // Of 10 microseconds each, so that a hundred queue at each slot.
    running.run_with(&mut world, 1_000, quick);
    submit_many(&mut world, two, SessionKey(12), 1_000);
    running.note(&world.tell(Event::Flush));
    let placed = |running: &Running| running.0.iter().filter(|(.., job)| *job == two).count();
    assert_eq!(placed(&running), 16, "its weight, twice for each of four slots");
    running.run_with(&mut world, 300, quick);
    assert!(placed(&running) >= 16, "and more once it is known that it is short");
}

#[test]
fn jobs_share_by_weight() {
    let (mut world, one, two) = two_jobs([1, 3]);
    submit_many(&mut world, one, SessionKey(11), 1_000);
    submit_many(&mut world, two, SessionKey(12), 1_000);
    let ran_of = Running::default().run(&mut world, 800);
    let share = ran_of[&one];
    assert!((190..=220).contains(&share), "{ran_of:?}");
}

#[test]
fn priority_orders_the_tasks_of_a_job() {
    let mut world = World::new(1);
    world.submit(1);
    for (number, priority) in [(2, -1), (3, 0), (4, 5), (5, 5)] {
        world.submit_with(number, |submit| {
            submit.template = template(&format!("p{number}"), |options| options.priority = priority);
        });
    }
    let order: Vec<Vec<u64>> =
        [1, 4, 5, 3].map(|number| numbers(&world.end_with(number, inline(b"9")))).into();
    assert_eq!(order, [vec![4], vec![5], vec![3], vec![2]]);
}

#[test]
fn shapes_of_one_priority_take_turns() {
    let mut world = World::new(1);
    world.submit(1);
    for number in 2..=9 {
        let name = if number < 6 { "f" } else { "g" };
        world.submit_with(number, |submit| submit.template = template(name, |_| {}));
    }
    let mut order: Vec<u64> = Vec::new();
    let mut next = vec![1];
    while let [number] = next[..] {
        next = numbers(&world.end_with(number, inline(b"9")));
        order.extend(&next);
    }
    assert_eq!(order, [2, 6, 3, 7, 4, 8, 5, 9]);
}

#[test]
fn a_task_that_fits_nowhere_now_does_not_hold_up_smaller_ones() {
    let mut world = World::new(2);
    world.submit(1);
    let large = template("large", |options| options.resources = mobula_types::Resources::cpus(2));
    assert_eq!(numbers(&world.submit_with(2, |submit| submit.template = large)), []);
    assert_eq!(numbers(&world.submit(3)), [3]);
}

#[test]
fn short_tasks_queue_ahead_and_long_ones_do_not() {
    let mut world = World::new(1);
    for number in 1..=200 {
        world.tell_quietly(world.submission(number).event(world.now));
    }
    let mut effects = world.tell(Event::Flush);
    let mut depths = Vec::new();
    for _ in 0..10 {
        let open = numbers(&effects);
        depths.push(open.len());
        let ends: Vec<Event> = open.iter().map(|number| world.ended(*number, quick())).collect();
        effects = ends.into_iter().flat_map(|event| world.tell_quietly(event)).collect();
        effects.extend(world.tell_quietly(Event::Flush));
    }
    assert_eq!(depths[..4], [1, 2, 8, 100], "10 µs each: a hundred are worth a millisecond");
}
