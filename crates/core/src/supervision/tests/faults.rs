//! Random faults against random trees: once they stop, every supervisor has the children that its strategy says.

use super::observing::{observe, observe_some, unobserve};
use super::shapes::*;
use super::specs::*;
use super::world::*;
use mobula_types::actor::*;
use mobula_types::{ActorId, ExitKind, NodeId};
use proptest::prelude::*;
use proptest::strategy::Strategy as Generate;
use std::collections::{BTreeMap, BTreeSet};

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
    fn children_are_as_their_supervisors_say_once_faults_stop(
        shape in shapes(),
        faults in prop::collection::vec(fault(), 1..60),
        seed in any::<u64>(),
    ) {
        let mut world = if seed.is_multiple_of(2) { World::with_small_writes(5, seed) } else { World::seeded(5, seed) };
        world.ask(start_tree(1, "tree", shape.with_restarts(1000).spec()));
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
