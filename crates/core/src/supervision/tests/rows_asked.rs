//! Rows of the contract of supervision: children at run time, what is asked for, and root causes.

use super::specs::*;
use super::world::*;
use mobula_types::actor::*;
use mobula_types::*;

use SupervisorStrategy::*;

use super::rows::{three, world_with};

#[test]
fn children_at_run_time() {
    let mut world = three(OneForOne);
    let target = || ActorTarget::Named { namespace: "default".into(), name: "tree".into() };
    let named = |child: &str| (target(), std::sync::Arc::<str>::from(child));
    let request =
        world.ask(ActorRequest::StartChild { supervisor: target(), actor: id(20), child: child("d") });
    world.settle();
    assert!(matches!(world.answer(request), Ok(ActorAnswer::Started(info)) if &*info.id == "d"));
    let request =
        world.ask(ActorRequest::StartChild { supervisor: target(), actor: id(21), child: child("d") });
    assert_eq!(world.answer(request).unwrap_err().kind(), FailureKind::AlreadyExists);
    let (supervisor, child_id) = named("b");
    let request = world.ask(ActorRequest::TerminateChild { supervisor, child: child_id });
    world.settle();
    assert!(matches!(world.answer(request), Ok(ActorAnswer::Done { ended: Some(_) })));
    assert_eq!(world.alive(), ["a", "c", "d"], "its spec stays, and it is not started again");
    let (supervisor, child_id) = named("b");
    let request = world.ask(ActorRequest::RestartChild { supervisor, child: child_id });
    world.settle();
    assert!(world.answer(request).is_ok());
    let (supervisor, child_id) = named("d");
    let request = world.ask(ActorRequest::DeleteChild { supervisor, child: child_id });
    assert_eq!(world.answer(request).unwrap_err().kind(), FailureKind::InvalidArgument);
    let (supervisor, child_id) = named("d");
    world.ask(ActorRequest::TerminateChild { supervisor, child: child_id });
    world.settle();
    let (supervisor, child_id) = named("d");
    let request = world.ask(ActorRequest::DeleteChild { supervisor, child: child_id });
    world.settle();
    assert!(world.answer(request).is_ok());
    let (supervisor, child_id) = named("b");
    let request = world.ask(ActorRequest::ChildSpec { supervisor, child: child_id });
    assert!(matches!(world.answer(request), Ok(ActorAnswer::ChildSpec(spec)) if *spec == child("b")));
    assert_eq!(world.alive(), ["a", "b", "c"]);
}

#[test]
fn children_that_cannot_start_are_not_added() {
    let mut world = three(OneForOne);
    world.failing.insert("d".into());
    let supervisor = ActorTarget::Id(id(1));
    let request = world.ask(ActorRequest::StartChild { supervisor, actor: id(20), child: child("d") });
    world.settle();
    assert_eq!(world.answer(request).unwrap_err().kind(), FailureKind::ConstructorFailed);
    assert!(!world.living().contains(&id(20)));
}

#[test]
fn children_may_want_no_actor() {
    let mut world = World::new(2);
    world.ignoring.insert("b".into());
    let request = world.ask(start_tree(1, "", tree(OneForOne, vec![child("a"), child("b"), child("c")])));
    world.settle();
    assert!(world.answer(request).is_ok());
    assert_eq!(world.alive(), ["a", "c"]);
}

#[test]
fn a_child_that_wanted_no_actor_is_not_lost_with_the_report_of_it() {
    for fails_over in [false, true] {
        let mut world = World::new(1);
        world.ignoring.insert("b".into());
        world.ask(start_tree(1, "", tree(OneForOne, vec![child("a"), child("b")])));
        let mut trace = Vec::new();
        while trace != steps("+a +b") {
            assert!(world.step());
            trace.extend(world.take_trace());
        }
        let node = world.running("a").unwrap().0;
        world.part(&node);
        world.progress(&node);
        if fails_over {
            world.fail_over();
        }
        world.join_all();
        world.settle();
        assert_eq!((world.alive(), world.take_trace()), (vec!["a".to_owned()], vec![]));
        let request = world.ask(all_children(id(1)));
        let Ok(ActorAnswer::Children(info)) = world.answer(request) else { panic!() };
        assert_eq!(info.children[1].state, ChildState::Ignored);
    }
}

#[test]
fn declared_children_return_with_their_supervisor_and_added_ones_do_not() {
    let inner =
        tree(OneForAll, vec![child("x"), ChildSpec { restart: RestartType::Temporary, ..child("t") }]);
    let mut world = world_with(tree(OneForAll, vec![child("a"), below("inner", inner)]));
    let request = world.ask(ActorRequest::Tree(None));
    let Ok(ActorAnswer::Tree { supervisors, .. }) = world.answer(request) else { panic!() };
    let supervisor = ActorTarget::Id(supervisors[1].supervisor);
    world.ask(ActorRequest::StartChild { supervisor, actor: id(20), child: child("added") });
    world.settle();
    world.exit("t", ExitKind::Normal);
    world.settle();
    assert_eq!(world.alive(), ["a", "added", "x"]);
    world.exit("a", ExitKind::Panicked);
    world.settle();
    assert_eq!(world.alive(), ["a", "t", "x"]);
}

#[test]
fn a_restart_that_is_asked_for_is_not_counted() {
    let mut spec = tree(OneForAll, vec![child("a"), child("b")]);
    spec.intensity.max_restarts = 0;
    let mut world = world_with(spec);
    world.take_trace();
    let (_, incarnation) = world.running("a").unwrap();
    let request = world.ask(ActorRequest::Restart(ActorTarget::Id(incarnation.actor)));
    world.settle();
    assert!(
        matches!(world.answer(request), Ok(ActorAnswer::Done { ended: Some((ended, _)) }) if ended == incarnation)
    );
    assert_eq!(world.take_trace(), steps("-a +a"));
}

#[test]
fn a_stop_of_a_child_is_its_exit() {
    let mut world = three(OneForOne);
    let (_, incarnation) = world.running("a").unwrap();
    let target = ActorTarget::Id(incarnation.actor);
    let request = world.ask(ActorRequest::Stop { target, kill: true, grace: SECOND });
    world.settle();
    let Ok(ActorAnswer::Done { ended: Some((_, reason)) }) = world.answer(request) else { panic!() };
    assert_eq!(reason.kind(), ExitKind::Killed);
    assert_eq!(world.running("a").unwrap().1.epoch, Epoch(2));
}

#[test]
fn root_cause_is_carried_along() {
    let inner = SupervisorSpec {
        intensity: Intensity { max_restarts: 0, within: SECOND },
        ..tree(OneForOne, vec![child("x")])
    };
    let spec = SupervisorSpec {
        intensity: Intensity { max_restarts: 0, within: SECOND },
        ..tree(OneForOne, vec![below("inner", inner)])
    };
    let mut world = world_with(spec);
    let watched = Watch { number: 5, watcher: None, target: id(1), epoch: None, kind: WatchKind::Monitor };
    world.nodes.get_mut(&node(1)).unwrap().watches.insert(5, watched);
    let report = ActorReport::Watch(watched);
    world.tell(crate::supervision::Event::Reported { node: node(1), report });
    world.exit("x", ExitKind::Panicked);
    world.settle();
    let down = &world.nodes[&node(1)].downs[0];
    assert_eq!(down.reason.kind(), ExitKind::RestartIntensity);
    assert_eq!(down.reason.root_cause().kind(), ExitKind::Panicked);
}

/// Why an actor of that class exited last, as people read it.
fn last_exit(world: &mut World, class: &str) -> String {
    let request = world.ask(ActorRequest::Tree(None));
    let Ok(ActorAnswer::Tree { actors, .. }) = world.answer(request) else { panic!() };
    actors.iter().find(|actor| &*actor.class.name == class).unwrap().last_exit.clone()
}

#[test]
fn root_cause_reaches_what_is_stopped_below() {
    let inner = tree(OneForOne, vec![below("innermost", tree(OneForOne, vec![child("x")]))]);
    let mut world = world_with(tree(RestForOne, vec![child("a"), below("inner", inner)]));
    world.exit("a", ExitKind::Panicked);
    world.settle();
    assert_eq!(world.alive(), ["a", "x"]);
    let why = last_exit(&mut world, "x");
    assert!(why.starts_with("Panicked, of a ") && why.ends_with("so Shutdown"), "{why}");
}

#[test]
fn root_cause_is_the_child_that_the_stopped_one_stands_behind() {
    let mut world = World::new(2);
    let names = ["a", "b", "c", "d", "e", "f"];
    let intensity = Intensity { max_restarts: 100, within: SECOND };
    let spec = SupervisorSpec { intensity, ..tree(RestForOne, names.map(child).into()) };
    let request = world.ask(start_tree(1, "tree", spec));
    world.settle();
    world.answer(request).unwrap();
    let is_lost = |world: &World, name: &str| world.running(name).unwrap().0 == node(2);
    let with_it: Vec<&str> = names.into_iter().filter(|name| is_lost(&world, name)).collect();
    assert!((2..6).contains(&with_it.len()), "others are lost with the first, and not all: {with_it:?}");
    world.lose(&node(2));
    world.fence(&node(2));
    world.settle();
    assert_eq!(world.alive(), names);
    let behind = names.iter().skip_while(|name| **name != with_it[0]);
    for name in behind.filter(|name| !with_it.contains(name)) {
        let why = last_exit(&mut world, name);
        assert!(why.starts_with(&format!("NodeLost, of {} ", with_it[0])), "{name}: {why}");
    }
}

#[test]
fn head_away_exits_wait_and_count_when_they_happened() {
    let mut world = three(OneForOne);
    let ids = [node(1), node(2), node(3)];
    ids.iter().for_each(|id| world.part(id));
    for class in ["a", "b", "c"] {
        world.exit(class, ExitKind::Panicked);
        world.now = world.now + SECOND * 6;
    }
    world.fail_over();
    world.join_all();
    world.run(SECOND);
    assert_eq!(world.alive(), ["a", "b", "c"], "never more than one within five seconds");
    assert!(world.nodes.values().all(|node| node.exits.is_empty()), "all are acknowledged");
}

#[test]
fn children_come_in_pages() {
    let mut world = three(OneForOne);
    let top = id(1);
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let supervisor = ActorTarget::Id(top);
        let request = world.ask(ActorRequest::Children { supervisor, after, limit: 2 });
        let Ok(ActorAnswer::Children(info)) = world.answer(request) else { panic!() };
        assert!(info.children.len() <= 2);
        seen.extend(info.children.iter().map(|child| child.id.to_string()));
        after = info.more_after;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["a", "b", "c"]);
    world.machine.options.longest_list = 1;
    let supervisor = ActorTarget::Id(top);
    let request = world.ask(ActorRequest::Children { supervisor, after: None, limit: 100 });
    let Ok(ActorAnswer::Children(info)) = world.answer(request) else { panic!() };
    assert_eq!(
        (info.children.len(), info.more_after.is_some()),
        (1, true),
        "no answer is longer than a list"
    );
}

#[test]
fn a_tree_that_is_too_large_for_an_answer_says_so() {
    let mut world = three(OneForOne);
    for (longest, cut) in [(4, false), (3, true)] {
        world.machine.options.longest_list = longest;
        let request = world.ask(ActorRequest::Tree(None));
        let Ok(ActorAnswer::Tree { supervisors, actors, more }) = world.answer(request) else { panic!() };
        assert_eq!((supervisors.len() + actors.len(), more), (longest, cut));
    }
}
