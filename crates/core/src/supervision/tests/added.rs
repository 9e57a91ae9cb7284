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
