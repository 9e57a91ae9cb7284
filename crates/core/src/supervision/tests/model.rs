//! A sequential model of OTP's supervisors, and random trees and exits against it.

use super::shapes::*;
use super::specs::*;
use super::world::*;
use mobula_types::ExitKind;
use mobula_types::actor::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A supervisor of the model: what starts and stops, in which order, when a child exits.
#[derive(Clone, Debug)]
pub(super) struct Model {
    strategy: SupervisorStrategy,
    most: u32,
    auto_shutdown: AutoShutdown,
    /// How many restarts the window has: the tests leave no time between exits, or enough for all to leave it.
    window: u32,
    pub(super) children: Vec<ModelChild>,
}

#[derive(Clone, Debug)]
pub(super) struct ModelChild {
    id: String,
    restart: RestartType,
    significant: bool,
    up: bool,
    /// A temporary child that is gone; there again when its supervisor is started.
    gone: bool,
    below: Option<Model>,
}

/// How a supervisor takes an exit.
#[derive(PartialEq, Eq)]
pub(super) enum Taken {
    /// It goes on.
    GoesOn,
    /// It has stopped its children and exits.
    Exits {
        /// For want of further restarts, not because a significant child has ended.
        abnormal: bool,
    },
}

impl Model {
    pub(super) fn of(spec: &SupervisorSpec) -> Self {
        let child = |child: &ChildSpec| ModelChild {
            id: child.id.to_string(),
            restart: child.restart,
            significant: child.significant,
            up: false,
            gone: false,
            below: match &child.kind {
                ChildKind::Supervisor(below) => Some(Model::of(below)),
                ChildKind::Actor(_) => None,
            },
        };
        let children = spec.children.iter().map(child).collect();
        let (strategy, most, auto_shutdown) =
            (spec.strategy, spec.intensity.max_restarts, spec.auto_shutdown);
        Model { strategy, most, auto_shutdown, window: 0, children }
    }

    pub(super) fn start(&mut self, trace: &mut Vec<Step>) {
        self.window = 0;
        self.children.iter_mut().for_each(|child| child.gone = false);
        self.start_from(0, trace);
    }

    fn start_from(&mut self, from: usize, trace: &mut Vec<Step>) {
        self.children[from..].iter_mut().filter(|child| !child.gone).for_each(|child| child.start(trace));
    }

    fn stop_from(&mut self, from: usize, trace: &mut Vec<Step>) {
        for child in self.children[from..].iter_mut().rev().filter(|child| child.up) {
            child.up = false;
            match &mut child.below {
                Some(below) => below.stop_from(0, trace),
                None => trace.push(Step::Stop(child.id.clone())),
            }
        }
    }

    /// An actor somewhere below exits. `None` where it is not there.
    pub(super) fn exit(&mut self, id: &str, abnormal: bool, trace: &mut Vec<Step>) -> Option<Taken> {
        for index in 0..self.children.len() {
            let child = &mut self.children[index];
            match &mut child.below {
                Some(below) => match below.exit(id, abnormal, trace) {
                    Some(Taken::Exits { abnormal }) => {
                        return Some(self.child_exited(index, abnormal, trace));
                    }
                    Some(Taken::GoesOn) => return Some(Taken::GoesOn),
                    None => {}
                },
                None if child.id == id && child.up => return Some(self.child_exited(index, abnormal, trace)),
                None => {}
            }
        }
        None
    }

    fn child_exited(&mut self, index: usize, abnormal: bool, trace: &mut Vec<Step>) -> Taken {
        let child = &mut self.children[index];
        child.up = false;
        match child.restart {
            RestartType::Temporary => {
                child.gone = true;
                return self.child_ended(index, trace);
            }
            RestartType::Transient if !abnormal => return self.child_ended(index, trace),
            RestartType::Transient | RestartType::Permanent => {}
        }
        self.window += 1;
        if self.window > self.most {
            self.stop_from(0, trace);
            return Taken::Exits { abnormal: true };
        }
        let from = match self.strategy {
            SupervisorStrategy::OneForAll => 0,
            SupervisorStrategy::RestForOne => index,
            _ => {
                self.children[index].start(trace);
                return Taken::GoesOn;
            }
        };
        self.stop_from(from, trace);
        let temporary = |child: &&mut ModelChild| child.restart == RestartType::Temporary;
        self.children[from..].iter_mut().filter(temporary).for_each(|child| child.gone = true);
        self.start_from(from, trace);
        Taken::GoesOn
    }

    /// A child is not started again.
    fn child_ended(&mut self, index: usize, trace: &mut Vec<Step>) -> Taken {
        let ends = match self.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => self.children[index].significant,
            AutoShutdown::AllSignificant => {
                let others = self.children.iter().any(|child| child.significant && child.up);
                self.children[index].significant && !others
            }
        };
        if !ends {
            return Taken::GoesOn;
        }
        self.stop_from(0, trace);
        Taken::Exits { abnormal: false }
    }

    /// Those actors are sent elsewhere, whatever the strategies are, and nobody counts that.
    pub(super) fn moves(&self, drained: &BTreeSet<String>, trace: &mut Vec<Step>) {
        for child in self.children.iter().filter(|child| child.up) {
            match &child.below {
                Some(below) => below.moves(drained, trace),
                None if drained.contains(&child.id) => {
                    trace.extend([Step::Stop(child.id.clone()), Step::Start(child.id.clone())]);
                }
                None => {}
            }
        }
    }

    /// Of each supervisor that goes by an order, its actors; of the others, each actor by itself.
    pub(super) fn in_order(&self) -> Vec<BTreeSet<String>> {
        let mut sets = Vec::new();
        self.add_in_order(&mut sets);
        sets
    }

    fn add_in_order(&self, into: &mut Vec<BTreeSet<String>>) {
        let actors = self.children.iter().filter(|child| child.below.is_none()).map(|child| child.id.clone());
        match self.strategy {
            SupervisorStrategy::OneForAll | SupervisorStrategy::RestForOne => into.push(actors.collect()),
            _ => into.extend(actors.map(|actor| BTreeSet::from([actor]))),
        }
        self.children
            .iter()
            .filter_map(|child| child.below.as_ref())
            .for_each(|below| below.add_in_order(into));
    }

    /// Actors are lost at once: each supervisor applies its strategy once to those of its own, upper ones first.
    pub(super) fn lose(&mut self, lost: &BTreeSet<String>, trace: &mut Vec<Step>) {
        let mut restarts = Vec::new();
        for (index, child) in self.children.iter_mut().enumerate() {
            if child.below.is_none() && child.up && lost.contains(&child.id) {
                child.up = false;
                child.gone = child.restart == RestartType::Temporary;
                restarts.extend((!child.gone).then_some(index));
            }
        }
        let from = match (self.strategy, restarts.first()) {
            (SupervisorStrategy::OneForAll, Some(_)) => 0,
            (SupervisorStrategy::RestForOne, Some(first)) => *first,
            _ => self.children.len(),
        };
        let (alone, together) = self.children.split_at_mut(from);
        alone.iter_mut().filter_map(|child| child.below.as_mut()).for_each(|below| below.lose(lost, trace));
        together.iter_mut().filter_map(|child| child.below.as_mut()).for_each(|below| below.forget(lost));
        restarts.retain(|index| *index < from);
        restarts.into_iter().for_each(|index| self.children[index].start(trace));
        self.stop_from(from, trace);
        let temporary = |child: &&mut ModelChild| child.restart == RestartType::Temporary;
        self.children[from..].iter_mut().filter(temporary).for_each(|child| child.gone = true);
        self.start_from(from, trace);
    }

    /// What is lost is not there to be stopped.
    fn forget(&mut self, lost: &BTreeSet<String>) {
        for child in &mut self.children {
            match &mut child.below {
                Some(below) => below.forget(lost),
                None => child.up &= !lost.contains(&child.id),
            }
        }
    }

    fn forget_restarts(&mut self) {
        self.window = 0;
        self.children.iter_mut().filter_map(|child| child.below.as_mut()).for_each(Model::forget_restarts);
    }

    pub(super) fn alive(&self, into: &mut Vec<String>) {
        for child in self.children.iter().filter(|child| child.up) {
            match &child.below {
                Some(below) => below.alive(into),
                None => into.push(child.id.clone()),
            }
        }
    }
}

impl ModelChild {
    fn start(&mut self, trace: &mut Vec<Step>) {
        self.up = true;
        match &mut self.below {
            Some(below) => below.start(trace),
            None => trace.push(Step::Start(self.id.clone())),
        }
    }
}

pub(super) fn started(world: &mut World, spec: &SupervisorSpec) {
    let request = world.ask(start_tree(1, "tree", spec.clone()));
    world.settle();
    assert!(matches!(world.answer(request), Ok(ActorAnswer::Started(_))));
}

/// One exit after the other: traces are those of the model, whichever head carries a decision on.
fn traces_agree(
    spec: &SupervisorSpec,
    exits: &[(usize, bool, bool, u8)],
    seed: u64,
) -> Result<(), TestCaseError> {
    let mut world =
        if seed.is_multiple_of(2) { World::with_small_writes(5, seed) } else { World::seeded(5, seed) };
    let mut model = Model::of(spec);
    started(&mut world, spec);
    let mut expected = Vec::new();
    model.start(&mut expected);
    prop_assert_eq!(world.take_trace(), expected);
    for (which, abnormal, rests, fails_over) in exits {
        let alive = world.alive();
        if alive.is_empty() {
            break;
        }
        if *rests {
            world.run(SECOND * 61);
            model.forget_restarts();
        }
        let class = &alive[which % alive.len()];
        world.exit(class, if *abnormal { ExitKind::Panicked } else { ExitKind::Normal });
        let mut expected = Vec::new();
        if matches!(model.exit(class, *abnormal, &mut expected), Some(Taken::Exits { .. })) {
            model.children.clear();
        }
        if *fails_over > 0 {
            for _ in 0..*fails_over {
                world.step();
            }
            world.fail_over();
            world.join_all();
        }
        // Long enough for pauses, and short enough for the window; the times of exits hardly differ.
        run_out(&mut world);
        prop_assert_eq!(world.take_trace(), expected, "after {} of {:?}", class, model);
        let mut up = Vec::new();
        model.alive(&mut up);
        up.sort();
        prop_assert_eq!(world.alive(), up);
    }
    Ok(())
}

/// Until nothing happens any more; pauses take no time.
pub(super) fn run_out(world: &mut World) {
    loop {
        world.settle();
        let next = world.machine.next_deadline();
        if next.since(world.now) > SECOND * 5 {
            return;
        }
        world.now = next.max(world.now);
        world.tell(crate::supervision::Event::Tick);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn traces_are_those_of_the_model(
        shape in rich_shapes(),
        exits in prop::collection::vec((any::<usize>(), prop::bool::weighted(0.8), any::<bool>(), 0_u8..20), 1..8),
        seed in any::<u64>(),
    ) {
        traces_agree(&shape.spec(), &exits, seed)?;
    }
}
