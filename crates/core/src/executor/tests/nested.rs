//! Tasks that submit tasks and wait for them: however deep, everything ends where the resources suffice for one.

use super::simulated::Simulation;
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A tree of tasks: what each needs in tenths of a CPU, and how many children it waits for.
#[derive(Clone, Debug)]
struct Level {
    tenths: u64,
    children: usize,
}

struct Family {
    depth: usize,
    parent: Option<TaskId>,
    unfinished: usize,
    submitted: bool,
}

fn run_tree(cpu: u64, roots: usize, levels: &[Level]) -> usize {
    let templates: Vec<_> = levels.iter().map(|level| template("embedded", cpus(level.tenths))).collect();
    let mut simulation = Simulation::new(cpu);
    let mut families: BTreeMap<TaskId, Family> = BTreeMap::new();
    let submit = |simulation: &mut Simulation, families: &mut BTreeMap<_, _>, depth: usize, parent| {
        let task = simulation.assign(Owner::Local, JOB, &templates[depth], Vec::new());
        families.insert(task, Family { depth, parent, unfinished: 0, submitted: false });
    };
    (0..roots).for_each(|_| submit(&mut simulation, &mut families, 0, None));
    let mut idle = 0;
    while simulation.reports.len() < simulation.assigned.len() {
        simulation.settle();
        let before = (simulation.reports.len(), simulation.assigned.len());
        for task in simulation.running() {
            let Some(choice) = simulation.choice_of(task, false) else { continue };
            let family = families.get_mut(&task).unwrap();
            let (depth, children) =
                (family.depth, levels.get(family.depth + 1).map_or(0, |_| levels[family.depth].children));
            if !family.submitted && children > 0 {
                family.submitted = true;
                family.unfinished = children;
                simulation.wait(choice);
                (0..children).for_each(|_| submit(&mut simulation, &mut families, depth + 1, Some(task)));
            } else {
                simulation.finish(choice, 5);
                let parent = family.parent;
                if let Some(parent) = parent {
                    let family = families.get_mut(&parent).unwrap();
                    family.unfinished -= 1;
                    if family.unfinished == 0 {
                        let choice = simulation.choice_of(parent, true).expect("it waits");
                        simulation.stop_waiting(choice);
                    }
                }
            }
        }
        simulation.settle();
        if before == (simulation.reports.len(), simulation.assigned.len()) {
            idle += 1;
            assert!(idle < 1000, "nothing goes on any more");
            simulation.world.next_tick();
        } else {
            idle = 0;
        }
    }
    assert!(
        simulation
            .reports
            .values()
            .all(|ends| matches!(ends[..], [AssignmentEnd::Ran { outcome: Outcome::Value(_), .. }]))
    );
    assert!(simulation.world.executor.load().used.is_empty());
    simulation.assigned.len()
}

#[test]
fn ten_levels_on_one_cpu() {
    let levels: Vec<Level> = (0..10).map(|_| Level { tenths: 10, children: 2 }).collect();
    assert_eq!(run_tree(1, 1, &levels), 1023);
}

#[test]
fn wide_parents_of_no_cpus() {
    let levels = [
        Level { tenths: 0, children: 3 },
        Level { tenths: 0, children: 2 },
        Level { tenths: 10, children: 0 },
    ];
    assert_eq!(run_tree(1, 80, &levels), 80 + 240 + 480);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn waiting_never_deadlocks(
        cpu in 1_u64..4,
        roots in 1_usize..8,
        levels in proptest::collection::vec((0_u64..11, 1_usize..4), 1..5),
    ) {
        let levels: Vec<Level> =
            levels.into_iter().map(|(tenths, children)| Level { tenths: tenths * cpu, children }).collect();
        run_tree(cpu, roots, &levels);
    }
}
