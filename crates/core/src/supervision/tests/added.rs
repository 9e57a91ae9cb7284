//! Children that are added at run time, in the middle of what their supervisor carries out.

use super::specs::*;
use super::world::*;
use mobula_types::actor::*;
use mobula_types::*;

/// A tree of which two children start, one after the other; the nested supervisor, whose first has started.
fn in_the_middle_of_a_start(world: &mut World) -> ActorId {
    let inner = tree(SupervisorStrategy::OneForOne, vec![child("x"), child("y")]);
    world.ask(start_tree(1, "tree", tree(SupervisorStrategy::OneForOne, vec![below("inner", inner)])));
    while world.running("x").is_none() {
        assert!(world.step());
    }
    assert!(world.running("y").is_none());
    let mut inner = world.records.supervisors.values().filter(|record| record.child.is_some());
    inner.next().unwrap().supervisor
}

#[test]
fn a_child_that_is_added_during_a_start_and_cannot_start_fails_nobody_elses() {
    for fails_over in [false, true] {
        let mut world = World::new(2);
        world.failing.insert("added".into());
        let supervisor = ActorTarget::Id(in_the_middle_of_a_start(&mut world));
        let request =
            world.ask(ActorRequest::StartChild { supervisor, actor: id(20), child: child("added") });
        if fails_over {
            while world.commit() {}
            world.fail_over();
            world.join_all();
            world.run(SECOND * 2);
        } else {
            world.run(SECOND * 2);
            assert_eq!(world.answer(request).unwrap_err().kind(), FailureKind::ConstructorFailed);
        }
        assert!(!world.living().contains(&id(20)));
        assert_eq!(world.take_trace(), steps("+x +y +added"));
        assert_eq!(world.alive(), ["x", "y"]);
    }
}

#[test]
fn a_child_that_was_added_and_has_started_is_started_again_under_another_head() {
    let mut world = World::new(2);
    let supervisor = ActorTarget::Id(in_the_middle_of_a_start(&mut world));
    world.ask(ActorRequest::StartChild { supervisor, actor: id(20), child: child("added") });
    world.settle();
    let (home, _) = world.running("added").unwrap();
    world.part(&home);
    world.exit("added", ExitKind::Panicked);
    world.fail_over();
    // Its exit is all that this head hears of it; its next start fails once.
    world.failing.insert("added".into());
    world.join_all();
    while !world.take_trace().contains(&Step::Start("added".into())) {
        assert!(world.step());
    }
    while world.progress(&home) {}
    world.failing.clear();
    world.run(SECOND * 2);
    assert_eq!(world.alive(), ["added", "x", "y"]);
}

#[test]
fn a_child_that_is_started_again_during_a_start_and_cannot_start_stays_as_it_is() {
    let mut world = World::new(2);
    let supervisor = in_the_middle_of_a_start(&mut world);
    let named = |class: &str| (ActorTarget::Id(supervisor), class.into());
    let (supervisor, child) = named("x");
    world.ask(ActorRequest::TerminateChild { supervisor, child });
    while world.running("x").is_some() && world.running("y").is_none() {
        assert!(world.step());
    }
    assert!(world.running("y").is_none(), "the start goes on");
    world.failing.insert("x".into());
    let (supervisor, child) = named("x");
    let request = world.ask(ActorRequest::RestartChild { supervisor, child });
    world.run(SECOND * 2);
    assert_eq!(world.answer(request).unwrap_err().kind(), FailureKind::ConstructorFailed);
    assert_eq!(world.alive(), ["y"]);
}

#[test]
fn restart_child_says_what_is_in_its_way() {
    let inner = tree(SupervisorStrategy::OneForOne, vec![child("x")]);
    let slow = ChildSpec { shutdown: ChildShutdown::Within(SECOND * 10), ..below("inner", inner) };
    let mut world = super::rows::world_with(tree(SupervisorStrategy::OneForOne, vec![slow]));
    let mut inner = world.records.supervisors.values().filter(|record| record.child.is_some());
    let inner = inner.next().unwrap().supervisor;
    let refusal = |world: &mut World| {
        let supervisor = ActorTarget::Id(inner);
        let request = world.ask(ActorRequest::RestartChild { supervisor, child: "x".into() });
        let failure = world.answer(request).unwrap_err();
        (failure.kind(), failure.message().to_owned())
    };
    let of_inner = format!("child 'x' of supervisor {inner}");
    let already = FailureKind::AlreadyExists;
    assert_eq!(refusal(&mut world), (already, format!("{of_inner} runs already")));
    for _ in 0..2 {
        world.exit("x", ExitKind::Panicked);
        world.settle();
    }
    assert_eq!(refusal(&mut world), (already, format!("{of_inner} is being started already")));
    world.run(SECOND);
    let (supervisor, child) = (ActorTarget::Id(id(1)), "inner".into());
    world.ask(ActorRequest::TerminateChild { supervisor, child });
    let ended = format!("supervisor {inner} has ended, or is about to");
    assert_eq!(refusal(&mut world), (FailureKind::SupervisorEnded, ended.clone()));
    world.settle();
    assert_eq!(refusal(&mut world), (FailureKind::SupervisorEnded, ended));
}

#[test]
fn a_supervisor_that_was_added_and_has_started_is_started_again_under_another_head() {
    let mut world = super::rows::world_with(tree(SupervisorStrategy::OneForOne, vec![child("a")]));
    let added = below("added", tree(SupervisorStrategy::OneForOne, vec![child("x")]));
    let added = ChildSpec { restart: RestartType::Transient, ..added };
    let supervisor = ActorTarget::Id(id(1));
    world.ask(ActorRequest::StartChild { supervisor, actor: id(20), child: added });
    world.settle();
    world.fail_over();
    world.join_all();
    world.settle();
    let named = || (ActorTarget::Id(id(1)), "added".into());
    let (supervisor, child) = named();
    world.ask(ActorRequest::TerminateChild { supervisor, child });
    world.settle();
    world.failing.insert("x".into());
    let (supervisor, child) = named();
    let request = world.ask(ActorRequest::RestartChild { supervisor, child });
    world.settle();
    assert_eq!(world.answer(request).unwrap_err().kind(), FailureKind::ConstructorFailed);
    let request = world.ask(all_children(id(1)));
    let Ok(ActorAnswer::Children(info)) = world.answer(request) else { panic!() };
    assert_eq!(info.children.len(), 2, "it stays as it is");
}
