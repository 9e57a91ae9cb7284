//! A sequential model of OTP's supervisors, and random trees and faults against it.

use super::observing::{observe, observe_some, unobserve};
use super::shapes::*;
use super::specs::*;
use super::world::*;
use mobula_types::actor::*;
use mobula_types::{ActorId, ExitKind, NodeId};
use proptest::prelude::*;
use proptest::strategy::Strategy as Generate;
use std::collections::{BTreeMap, BTreeSet};

/// A supervisor of the model: what starts and stops, in which order, when a child exits.
#[derive(Clone, Debug)]
pub(super) struct Model {
    strategy: SupervisorStrategy,
    most: u32,
    /// How many restarts the window has: the tests leave no time between exits, or enough for all to leave it.
    window: u32,
    pub(super) children: Vec<ModelChild>,
}

#[derive(Clone, Debug)]
pub(super) struct ModelChild {
    id: String,
    restart: RestartType,
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
    Exits,
}

impl Model {
    pub(super) fn of(spec: &SupervisorSpec) -> Self {
        let child = |child: &ChildSpec| ModelChild {
            id: child.id.to_string(),
            restart: child.restart,
            up: false,
            gone: false,
            below: match &child.kind {
                ChildKind::Supervisor(below) => Some(Model::of(below)),
                ChildKind::Actor(_) => None,
            },
        };
        let children = spec.children.iter().map(child).collect();
        Model { strategy: spec.strategy, most: spec.intensity.max_restarts, window: 0, children }
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
                    Some(Taken::Exits) => return Some(self.child_exited(index, true, trace)),
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
                return Taken::GoesOn;
            }
            RestartType::Transient if !abnormal => return Taken::GoesOn,
            RestartType::Transient | RestartType::Permanent => {}
        }
        self.window += 1;
        if self.window > self.most {
            self.stop_from(0, trace);
            return Taken::Exits;
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
        if model.exit(class, *abnormal, &mut expected) == Some(Taken::Exits) {
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

/// What happens to a cluster.
#[derive(Clone, Debug)]
enum Fault {
    Exit(usize, bool),
    Lose(u64),
    Fence(u64),
    Part(u64),
    Join(u64),
    Drain(u64),
    FailOver,
    Wait(u64),
    Steps(u8),
    Replace(u64),
    Create(u64),
    Refuse,
    Stop(usize, bool),
    Restart(usize),
    Child(usize, u8),
}

fn fault() -> impl Generate<Value = Fault> {
    let number = || 1_u64..=5;
    prop_oneof![
        6 => (any::<usize>(), any::<bool>()).prop_map(|(which, abnormal)| Fault::Exit(which, abnormal)),
        1 => number().prop_map(Fault::Lose),
        2 => number().prop_map(Fault::Fence),
        2 => number().prop_map(Fault::Part),
        3 => number().prop_map(Fault::Join),
        1 => number().prop_map(Fault::Drain),
        2 => Just(Fault::FailOver),
        2 => (0_u64..20).prop_map(Fault::Wait),
        10 => (1_u8..60).prop_map(Fault::Steps),
        1 => number().prop_map(Fault::Replace),
        2 => (100_u64..120).prop_map(Fault::Create),
        1 => Just(Fault::Refuse),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(which, kill)| Fault::Stop(which, kill)),
        1 => any::<usize>().prop_map(Fault::Restart),
        4 => (any::<usize>(), any::<u8>()).prop_map(|(which, how)| Fault::Child(which, how)),
    ]
}

fn strike(world: &mut World, fault: &Fault) {
    match fault {
        Fault::Exit(which, abnormal) => {
            let alive: Vec<String> =
                world.alive().into_iter().filter(|class| world.running(class).is_some()).collect();
            if !alive.is_empty() {
                let class = alive[which % alive.len()].clone();
                world.exit(&class, if *abnormal { ExitKind::Panicked } else { ExitKind::Normal });
            }
        }
        Fault::Lose(number) if world.nodes.contains_key(&node(*number)) => world.lose(&node(*number)),
        Fault::Fence(number) => world.fence(&node(*number)),
        Fault::Part(number) if world.nodes.contains_key(&node(*number)) => world.part(&node(*number)),
        Fault::Join(number) if world.nodes.get(&node(*number)).is_some_and(|known| !known.connected) => {
            world.join(&node(*number));
        }
        Fault::Drain(number) if world.nodes.contains_key(&node(*number)) => world.drain(&node(*number)),
        Fault::FailOver => world.fail_over(),
        Fault::Wait(seconds) => {
            world.now = world.now + SECOND * *seconds as u32;
            world.tell(crate::supervision::Event::Tick);
        }
        Fault::Steps(count) => (0..*count).for_each(|_| {
            world.step();
        }),
        Fault::Replace(number) => {
            let id = NodeId::new(&*format!("m{number}"), 1);
            if !world.nodes.contains_key(&id) && world.states.len() < 8 {
                world.add_node(id);
            }
        }
        Fault::Create(number) => {
            let options = ActorOptions { name: format!("name{}", number % 7).as_str().into(), ..options() };
            world.ask_from(Some(node(2)), create(*number, spec_with(&format!("free{number}"), options)));
        }
        Fault::Refuse if world.writes.front().is_some_and(|(_, _, may_fail)| *may_fail) => {
            world.refuse_write()
        }
        Fault::Stop(which, kill) => {
            if let Some(target) = some_actor(world, *which) {
                world.ask(ActorRequest::Stop { target, kill: *kill, grace: SECOND });
            }
        }
        Fault::Restart(which) => {
            if let Some(target) = some_actor(world, *which) {
                world.ask(ActorRequest::Restart(target));
            }
        }
        Fault::Child(which, how) => ask_of_child(world, *which, *how),
        _ => {}
    }
}

fn some_actor(world: &World, which: usize) -> Option<ActorTarget> {
    let hosted: Vec<ActorId> = world
        .nodes
        .values()
        .flat_map(|known| known.actors.keys().map(|incarnation| incarnation.actor))
        .collect();
    let chosen = which.checked_rem(hosted.len())?;
    Some(ActorTarget::Id(hosted[chosen]))
}

/// Something is asked of a child, or one is added.
fn ask_of_child(world: &mut World, which: usize, how: u8) {
    let request = world.ask(ActorRequest::Tree(None));
    let Ok(ActorAnswer::Tree { supervisors, .. }) = world.answer(request) else { return };
    let Some(chosen) = which.checked_rem(supervisors.len()) else { return };
    let info = &supervisors[chosen];
    let supervisor = ActorTarget::Id(info.supervisor);
    let Some(at) = (which / 7).checked_rem(info.children.len()) else { return };
    let child = info.children[at].id.clone();
    world.ask(match how % 4 {
        0 => {
            let number = 1000 + u64::from(how);
            ActorRequest::StartChild {
                supervisor,
                actor: id(number),
                child: self::child(&format!("c{number}")),
            }
        }
        1 => ActorRequest::TerminateChild { supervisor, child },
        2 => ActorRequest::RestartChild { supervisor, child },
        _ => ActorRequest::DeleteChild { supervisor, child },
    });
}

/// Once faults stop, every supervisor that lives has the children that its strategy says, each running once.
fn children_are_whole(world: &mut World, terminates: bool) -> Result<(), TestCaseError> {
    for number in 1..=5 {
        world.fence(&node(number));
    }
    world.add_node(NodeId::new("fresh", 1));
    world.join_all();
    world.run(SECOND * 300);
    let request = world.ask(ActorRequest::Tree(None));
    let Ok(ActorAnswer::Tree { supervisors, actors, .. }) = world.answer(request) else { panic!() };
    let known: BTreeMap<ActorId, &ActorInfo> = actors.iter().map(|actor| (actor.actor, actor)).collect();
    let mut expected = Vec::new();
    let mut down = BTreeSet::new();
    for supervisor in &supervisors {
        let below = supervisor.parent.is_some_and(|parent| down.contains(&parent));
        if below || (terminates && supervisor.state == ActorState::Dead) {
            down.insert(supervisor.supervisor);
            continue;
        }
        prop_assert_eq!(supervisor.state, ActorState::Running, "{:?}", supervisor);
        for child in supervisor.children.iter().filter(|child| !child.is_supervisor) {
            let info = known[&child.actor];
            let poisoned = info.last_exit.contains("not started again");
            match child.restart {
                RestartType::Permanent if !poisoned && !terminates => {
                    prop_assert_eq!(child.state, ChildState::Present)
                }
                _ => {}
            }
            if child.state == ChildState::Present {
                prop_assert_eq!(info.state, ActorState::Running, "{:?}", info);
                expected.push(info.class.name.to_string());
            }
        }
    }
    let request = world.ask(ActorRequest::List { filter: ActorFilter::default(), limit: 1000 });
    let Ok(ActorAnswer::List { actors, .. }) = world.answer(request) else { panic!() };
    for free in actors.iter().filter(|actor| actor.supervisor.is_none()) {
        // Its creator would send the arguments again that no head has.
        if free.state == ActorState::Running {
            expected.push(free.class.name.to_string());
        } else {
            let waits = matches!(free.state, ActorState::Pending | ActorState::Restarting);
            prop_assert!(waits, "{:?}", free);
        }
    }
    expected.sort();
    prop_assert_eq!(world.alive(), expected);
    prop_assert!(world.asked.iter().all(|request| world.answers.contains_key(request)), "no answer");
    prop_assert!(world.nodes.values().all(|known| known.exits.is_empty()), "an exit is not acknowledged");
    prop_assert!(world.writes.is_empty());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn traces_are_those_of_the_model(
        (strategy, most, shapes) in (strategy(), 0_u32..5, shapes()),
        exits in prop::collection::vec((any::<usize>(), prop::bool::weighted(0.8), any::<bool>(), 0_u8..20), 1..8),
        seed in any::<u64>(),
    ) {
        traces_agree(&spec_of(strategy, most, &shapes, &mut 0), &exits, seed)?;
    }

    #[test]
    fn children_are_as_their_supervisors_say_once_faults_stop(
        (strategy, shapes) in (strategy(), shapes()),
        faults in prop::collection::vec(fault(), 1..60),
        seed in any::<u64>(),
    ) {
        let mut world = if seed.is_multiple_of(2) { World::with_small_writes(5, seed) } else { World::seeded(5, seed) };
        world.ask(start_tree(1, "tree", spec_of(strategy, 1000, &shapes, &mut 0)));
        // What they are told is checked behind every event: who observes all, and who observes a part each.
        if seed.is_multiple_of(3) {
            observe(&mut world, 1, id(1), true);
        }
        observe_some(&mut world, 2..8);
        for (index, fault) in faults.iter().enumerate() {
            if index == faults.len() / 2 {
                unobserve(&mut world, 4..6);
            }
            strike(&mut world, fault);
        }
        let terminates = faults.iter().any(|fault| matches!(fault, Fault::Child(..)));
        children_are_whole(&mut world, terminates)?;
        unobserve(&mut world, 1..8);
    }
}
