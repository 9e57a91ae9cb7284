//! Whatever happens in whatever order: nothing is oversubscribed, and every assignment is reported exactly once.

use super::simulated::Simulation;
use super::*;
use mobula_types::frame::Input;
use mobula_types::outcome::StoredCopy;
use mobula_types::{ArgumentShape, ObjectId, StoredValue};
use proptest::prelude::*;

fn templates() -> Vec<Arc<TaskTemplate>> {
    let mut disk = Resources::cpus(1);
    disk.custom.insert("disk".into(), Quantity::whole(5));
    ["square", "embedded"]
        .into_iter()
        .flat_map(|name| {
            [
                template(name, Resources::cpus(1)),
                template(name, Resources::cpus(1)),
                template(name, Resources::cpus(2)),
                template(name, cpus(5)),
                template(name, cpus(0)),
                template(name, disk.clone()),
                template_with(name, |options| options.isolated = true),
                template_with(name, |options| options.timeout = Some(Duration::from_millis(20))),
            ]
        })
        .chain([template("missing", Resources::cpus(1))])
        .collect()
}

fn far_input() -> Input {
    let copy = StoredCopy { length: 1, checksum: 1, holders: vec![NodeId::new("far", 1)] };
    let value = StoredValue::Stored(Arc::new(copy));
    Input { parameter: 0, shape: ArgumentShape::Whole, object: ObjectId::result(task(1), 0), value }
}

fn owner(choice: usize) -> Owner {
    if choice.is_multiple_of(3) { Owner::Peer(NodeId::new("peer", 1)) } else { Owner::Local }
}

/// One step of a random story: what kind, and a choice among what there is.
fn step(simulation: &mut Simulation, templates: &[Arc<TaskTemplate>], (kind, choice): (u8, usize)) {
    match kind {
        0..20 => {
            let template = &templates[choice % templates.len()];
            let job = if template.function.name.as_ref() == "embedded" && choice.is_multiple_of(2) {
                JOB
            } else {
                OTHER_JOB
            };
            let inputs = if choice.is_multiple_of(11) { vec![far_input()] } else { Vec::new() };
            for _ in 0..choice / 7 % 5 + 1 {
                simulation.assign(owner(choice), job, template, inputs.clone());
            }
        }
        20..32 => simulation.event(Event::Flush),
        32..48 => {
            simulation.deliver_to(choice);
        }
        48..64 => {
            simulation.deliver_from(choice);
        }
        64..76 => {
            simulation.finish(choice, (choice % 300) as u32);
        }
        76..78 => {
            simulation.finish_large(choice);
        }
        78..80 => {
            simulation.stored(choice);
        }
        80..86 => {
            simulation.wait(choice);
        }
        86..92 => {
            simulation.stop_waiting(choice);
        }
        92..100 => {
            simulation.start_or_fail(choice, choice.is_multiple_of(9));
        }
        100..103 => simulation.crash_nth(choice, choice % 3),
        103..107 => {
            let task = task(choice as u64 % simulation.world.numbered.max(1) + 1);
            let failure = failure(FailureKind::Cancelled);
            let owner = simulation.assigned.get(&task).cloned().unwrap_or(Owner::Local);
            let force = choice.is_multiple_of(2);
            simulation.event(Event::Cancel { owner, task, attempt: Attempt::default(), failure, force });
        }
        107..110 => {
            let tasks = (0..8).map(|next| (task((choice as u64 + next) % 60 + 1), Attempt::default()));
            simulation.event(Event::Recall { owner: owner(choice), tasks: tasks.collect() });
        }
        110..116 => {
            simulation.answer_fetch(choice, choice.is_multiple_of(4));
        }
        116..124 => {
            let nanos = [50_000, 1_000_000, 6_000_000, 600_000_000, 2_500_000_000][choice % 5];
            simulation.world.now = simulation.world.now + Duration::from_nanos(nanos);
            simulation.event(Event::Tick);
        }
        124 => {
            let lost = |(task, owner): (&TaskId, &Owner)| (*owner != Owner::Local).then_some(*task);
            let tasks: Vec<TaskId> = simulation.assigned.iter().filter_map(lost).collect();
            simulation.orphaned.extend(tasks);
            simulation.event(Event::OwnerLost { node: NodeId::new("peer", 1) });
        }
        125 => simulation.event(Event::Adopted { job: JOB, owner: Owner::Local, owner_term: OwnerTerm(1) }),
        126 if choice.is_multiple_of(3) => simulation.event(Event::JobEnded { job: OTHER_JOB }),
        126 => simulation.event(Event::JobOpened { job: OTHER_JOB, has_executable: true, weight: 3 }),
        _ if choice.is_multiple_of(5) => simulation.event(Event::Draining),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_oversubscribed_and_each_is_reported_once(
        cpu in 1_u64..5,
        steps in proptest::collection::vec((0_u8..128, 0_usize..10_000), 1..300),
    ) {
        let templates = templates();
        let mut simulation = Simulation::new(cpu);
        for choice in steps {
            step(&mut simulation, &templates, choice);
        }
        simulation.finish_all();
        for task in simulation.assigned.keys() {
            let reports = simulation.reports.get(task).map_or(0, Vec::len);
            if simulation.orphaned.contains(task) {
                prop_assert!(reports <= 1, "{task} was reported {reports} times");
            } else {
                prop_assert_eq!(reports, 1, "{:?} was reported {} times", task, reports);
            }
        }
        prop_assert_eq!(simulation.reports.keys().filter(|task| !simulation.assigned.contains_key(task)).count(), 0);
        let load = simulation.world.executor.load();
        prop_assert!(load.used.is_empty(), "{}", load.used);
        prop_assert_eq!((load.running, load.queued), (0, 0));
        let executor = &simulation.world.executor;
        prop_assert_eq!(executor.ahead, 0);
        prop_assert_eq!(executor.fetching, 0);
        for job in executor.jobs.indexes() {
            let job = executor.jobs.at(job);
            prop_assert_eq!((job.runs, job.waiting, job.in_lanes, job.zero_cpu), (0, 0, 0, 0));
            prop_assert_eq!((job.pool.busy.len(), job.pool.ahead, job.pool.starting), (0, 0, 0));
        }
        prop_assert_eq!((executor.embedded.busy.len(), executor.embedded.idle.len()), (0, cpu as usize));
    }
}
