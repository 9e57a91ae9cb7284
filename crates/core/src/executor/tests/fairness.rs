//! Jobs with workers of their own share the CPUs by turns.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};

/// Two jobs with workers on a node, which work off what they are given, and a clock that follows them.
struct Shared {
    world: World,
    /// What each slot has, and what its first run has left, in microseconds.
    slots: BTreeMap<(WorkerId, u32), (VecDeque<RunOrder>, u32)>,
    /// How long each job's runs take.
    micros: BTreeMap<JobId, u32>,
    templates: BTreeMap<JobId, Arc<TaskTemplate>>,
    ended: BTreeMap<JobId, u64>,
}

impl Shared {
    fn new(cpu: u64, jobs: &[(JobId, u32, u32)]) -> Self {
        let mut world = World::with_options(cpu, |_| {});
        let (mut micros, mut templates) = (BTreeMap::new(), BTreeMap::new());
        for (job, weight, takes) in jobs {
            world.event(Event::JobOpened { job: *job, has_executable: true, weight: *weight });
            micros.insert(*job, *takes);
            templates.insert(*job, template("square", Resources::cpus(1)));
        }
        Shared { world, slots: BTreeMap::new(), micros, templates, ended: BTreeMap::new() }
    }

    fn assign(&mut self, job: JobId, count: usize) {
        let template = self.templates[&job].clone();
        for _ in 0..count {
            self.world.assign_with(Owner::Local, job, &template);
        }
    }

    /// Hands out what there is; workers start at once, and give back what is recalled and has not started.
    fn settle(&mut self) {
        loop {
            self.world.flush();
            let effects = std::mem::take(&mut self.world.effects);
            if effects.is_empty() {
                return;
            }
            for effect in effects {
                match effect {
                    Effect::StartWorker { worker, .. } => self.world.start(worker),
                    Effect::Run(order) => {
                        let micros = self.micros[&order.job];
                        let slot = self.slots.entry((order.worker, order.slot)).or_default();
                        if slot.0.is_empty() {
                            slot.1 = micros;
                        }
                        slot.0.push_back(order);
                    }
                    Effect::RecallRuns { worker, handles } => {
                        let mut returned = Vec::new();
                        for (_, (queue, _)) in self.slots.iter_mut().filter(|((of, _), _)| *of == worker) {
                            let mut position = 0;
                            queue.retain(|order| {
                                position += 1;
                                let goes = position > 1 && handles.contains(&order.handle);
                                returned.extend(goes.then_some(order.handle));
                                !goes
                            });
                        }
                        if !returned.is_empty() {
                            self.world.event(Event::Returned { worker, handles: returned });
                        }
                    }
                    Effect::Report { .. } => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    /// The next run ends, or what the executor wants to be woken for comes before that.
    fn step(&mut self) {
        self.settle();
        let next = self.slots.values().filter(|(queue, _)| !queue.is_empty()).map(|(_, left)| *left).min();
        let next = next.expect("something runs");
        let due = self.world.executor.next_deadline().since(self.world.now).as_micros();
        let passes = next.min(u32::try_from(due).unwrap_or(u32::MAX));
        for (_, left) in self.slots.values_mut().filter(|(queue, _)| !queue.is_empty()) {
            *left -= passes;
        }
        self.world.now = self.world.now + Duration::from_micros(u64::from(passes));
        self.world.event(Event::Tick);
        if passes < next {
            return;
        }
        let over = self.slots.values_mut().find(|(queue, left)| !queue.is_empty() && *left == 0);
        let (queue, left) = over.expect("one is over");
        let order = queue.pop_front().expect("a run");
        *left = queue.front().map_or(0, |next| self.micros[&next.job]);
        *self.ended.entry(order.job).or_default() += 1;
        self.world.done(&order, self.micros[&order.job]);
    }

    fn ended(&self, job: JobId) -> u64 {
        self.ended.get(&job).copied().unwrap_or(0)
    }
}

#[test]
fn a_slot_has_its_turn_and_then_it_is_the_other_jobs() {
    let mut shared = Shared::new(1, &[(JOB, 1, 250), (OTHER_JOB, 1, 250)]);
    shared.assign(JOB, 100);
    while shared.ended(JOB) < 20 {
        shared.step();
    }
    shared.assign(OTHER_JOB, 100);
    let mut order = Vec::new();
    while shared.ended(OTHER_JOB) < 20 {
        let before = shared.ended(JOB);
        shared.step();
        order.push(if shared.ended(JOB) > before { JOB } else { OTHER_JOB });
    }
    let mut turns = Vec::new();
    for job in order {
        match turns.last_mut() {
            Some((of, count)) if *of == job => *count += 1,
            _ => turns.push((job, 1)),
        }
    }
    // Its function is unknown at first, and then a millisecond is four runs.
    let known = &turns[turns.len() - 5..turns.len() - 1];
    assert!(known.iter().all(|(_, count)| *count == 4), "{turns:?}");
}

#[test]
fn what_was_handed_ahead_is_recalled_when_another_job_lacks_cpus() {
    let mut world = World::warm(1);
    world.event(Event::JobOpened { job: OTHER_JOB, has_executable: true, weight: 1 });
    let short = template("square", Resources::cpus(1));
    world.teach(&short, 10);
    world.assign_many(50, &short);
    let orders = world.flush_runs();
    assert!(orders.len() > 10);
    world.assign_with(Owner::Local, OTHER_JOB, &short);
    let worker = world.flush_and_start().remove(0);
    world.start(worker);
    assert_eq!(world.flush_runs(), [], "the first of them takes longer than was thought");
    world.pass_time(Duration::from_millis(5));
    let behind: Vec<u64> = orders[1..].iter().map(|order| order.handle).collect();
    assert_eq!(world.recalls(), [(orders[0].worker, behind)]);
    world.returned(&orders[1..]);
    assert_eq!(world.flush_runs(), [], "they do not go behind it again");
    world.done(&orders[0], 6_000);
    let mut next = world.flush_runs();
    if next[0].job == JOB {
        // It was the first in the round: a turn each.
        next.iter().for_each(|order| world.done(order, 6_000));
        next = world.flush_runs();
    }
    assert_eq!((next.len(), next[0].job), (1, OTHER_JOB));
}

#[test]
fn a_job_alone_is_given_more_before_its_slot_is_empty() {
    let mut world = World::warm(1);
    let short = template("square", Resources::cpus(1));
    world.teach(&short, 10);
    world.assign_many(200, &short);
    let orders = world.flush_runs();
    assert!(orders.len() < 200);
    world.done(&orders[0], 10);
    assert_eq!(world.flush_runs().len(), 1);
}

#[test]
fn a_job_that_comes_later_gets_workers_for_its_share() {
    let mut shared = Shared::new(4, &[(JOB, 1, 50), (OTHER_JOB, 1, 50)]);
    shared.assign(JOB, 2_000);
    while shared.ended(JOB) < 200 {
        shared.step();
    }
    shared.assign(OTHER_JOB, 1_000);
    while shared.ended(OTHER_JOB) < 800 {
        shared.step();
    }
    let meanwhile = shared.ended(JOB) - 200;
    assert!((600..1_000).contains(&meanwhile), "{meanwhile}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// In turns of about a millisecond, or of one run where that takes longer.
    #[test]
    fn two_jobs_that_always_have_more_share_by_weight(
        weights in (1_u32..4, 1_u32..4),
        micros in (prop::sample::select(vec![10_u32, 100, 400, 2_000]), prop::sample::select(vec![10_u32, 100, 400, 2_000])),
        cpu in 1_u64..3,
    ) {
        let mut shared = Shared::new(cpu, &[(JOB, weights.0, micros.0), (OTHER_JOB, weights.1, micros.1)]);
        let time = |shared: &Shared, job: JobId| shared.ended(job) * u64::from(shared.micros[&job]);
        // Until both functions are known, and both have workers.
        while shared.ended(JOB) < 300 || shared.ended(OTHER_JOB) < 300 {
            shared.assign(JOB, 600 - shared.world.executor.jobs.at(0).runs.min(600));
            shared.assign(OTHER_JOB, 600 - shared.world.executor.jobs.at(1).runs.min(600));
            shared.step();
        }
        let before = (time(&shared, JOB), time(&shared, OTHER_JOB));
        let rounds = 12;
        let turn = |micros: u32| u64::from((1_000 / micros).max(1) * micros);
        let want = rounds * u64::from(weights.0) * turn(micros.0);
        while time(&shared, JOB) - before.0 < want {
            shared.assign(JOB, 600 - shared.world.executor.jobs.at(0).runs.min(600));
            shared.assign(OTHER_JOB, 600 - shared.world.executor.jobs.at(1).runs.min(600));
            shared.step();
        }
        let had = time(&shared, OTHER_JOB) - before.1;
        let due = rounds * u64::from(weights.1) * turn(micros.1);
        // One round more or less for each CPU, as one may be under way.
        let bound = (cpu + 1) * u64::from(weights.1) * turn(micros.1);
        prop_assert!(had + bound >= due && had <= due + bound, "{had} of {due} within {bound}");
    }
}
