//! Questions that are asked again are done once, and answered each time.

use super::rows::{three, world_with};
use super::single::created;
use super::specs::*;
use super::world::*;
use crate::supervision::{Event, RequestKey};
use mobula_types::actor::*;
use mobula_types::*;
use std::sync::Arc;

fn kill(actor: ActorId) -> ActorRequest {
    ActorRequest::Stop { target: ActorTarget::Id(actor), kill: true, grace: SECOND }
}

fn of_child(child: &str) -> (ActorTarget, Arc<str>) {
    (ActorTarget::Id(id(1)), child.into())
}

/// Asks again, as one whose answer was lost: nobody waits for it any more.
fn again(world: &mut World, lost: RequestKey, number: u128, ask: ActorRequest) -> RequestKey {
    world.tell(Event::RequestGone { request: lost });
    world.answers.remove(&lost);
    world.question(Question { number, again: true }, ask)
}

const FIRST: Question = Question { number: 7, again: false };

#[test]
fn a_kill_that_is_asked_again_kills_one_incarnation() {
    for gone_before in [false, true] {
        let mut world = three(SupervisorStrategy::OneForOne);
        let (_, killed) = world.running("b").unwrap();
        let first = world.question(FIRST, kill(killed.actor));
        if gone_before {
            world.tell(Event::RequestGone { request: first });
        }
        world.settle();
        assert_eq!(world.running("b").unwrap().1.epoch, Epoch(2));
        for _ in 0..3 {
            let second = again(&mut world, first, 7, kill(killed.actor));
            world.settle();
            let answer = world.answer(second);
            assert!(matches!(answer, Ok(ActorAnswer::Done { ended: Some((of, _)) }) if of == killed));
        }
        assert_eq!(world.running("b").unwrap().1.epoch, Epoch(2), "the one that runs is another one");
    }
}

#[test]
fn everybody_who_asks_is_answered() {
    let mut world = three(SupervisorStrategy::OneForOne);
    let (_, killed) = world.running("b").unwrap();
    let first = world.question(FIRST, kill(killed.actor));
    let second = world.question(Question { number: 7, again: true }, kill(killed.actor));
    world.settle();
    assert!(world.answer(first).is_ok() && world.answer(second).is_ok());
    assert_eq!(world.running("b").unwrap().1.epoch, Epoch(2));
}

#[test]
fn what_is_done_to_children_succeeds_once() {
    let mut world = three(SupervisorStrategy::OneForOne);
    let (supervisor, child) = of_child("b");
    let (of, of_b) = (|| supervisor.clone(), || child.clone());
    let asks = [
        ActorRequest::TerminateChild { supervisor: of(), child: of_b() },
        ActorRequest::RestartChild { supervisor: of(), child: of_b() },
        ActorRequest::TerminateChild { supervisor: of(), child: of_b() },
        ActorRequest::DeleteChild { supervisor: of(), child: of_b() },
    ];
    for (number, ask) in (10..).zip(asks) {
        let first = world.question(Question { number, again: false }, ask.clone());
        world.settle();
        let second = again(&mut world, first, number, ask.clone());
        world.settle();
        assert!(world.answer(second).is_ok(), "{ask:?}");
    }
    assert_eq!(world.alive(), ["a", "c"]);
}

#[test]
fn another_head_does_nothing_twice() {
    let mut world = three(SupervisorStrategy::OneForOne);
    created(&mut world, 30, spec("lone")).unwrap();
    let (_, child) = world.running("b").unwrap();
    world.fail_over();
    world.join_all();
    world.settle();
    let (supervisor, named) = of_child("b");
    let refused = [
        kill(child.actor),
        ActorRequest::Restart(ActorTarget::Id(child.actor)),
        ActorRequest::Restart(ActorTarget::Id(id(30))),
        ActorRequest::TerminateChild { supervisor, child: named },
    ];
    for (number, ask) in (10..).zip(refused) {
        let request = world.question(Question { number, again: true }, ask);
        world.settle();
        assert_eq!(world.answer(request).unwrap_err().kind(), FailureKind::Unavailable);
    }
    assert_eq!(world.running("b").unwrap().1, child);
    let request = world.question(Question { number: 1, again: true }, kill(id(30)));
    world.settle();
    assert!(world.answer(request).is_ok(), "no incarnation of it comes later");
    // What was not heard before is done.
    let request = world.question(FIRST, kill(child.actor));
    world.settle();
    assert!(world.answer(request).is_ok());
}

#[test]
fn a_child_that_has_ended_is_not_started_a_second_time() {
    for fails_over in [false, true] {
        let mut world = world_with(tree(SupervisorStrategy::OneForOne, vec![child("a")]));
        let given = ChildSpec { restart: RestartType::Temporary, ..child("b") };
        let (supervisor, actor) = (ActorTarget::Id(id(1)), id(20));
        let start = ActorRequest::StartChild { supervisor, actor, child: given };
        world.question(FIRST, start.clone());
        world.settle();
        world.exit("b", ExitKind::Normal);
        world.settle();
        world.take_trace();
        if fails_over {
            world.fail_over();
            world.join_all();
        }
        let request = world.question(Question { number: 8, again: fails_over }, start);
        world.settle();
        assert!(matches!(world.answer(request), Ok(ActorAnswer::Started(info)) if info.actor == actor));
        assert_eq!(world.take_trace(), steps(""));
    }
}

#[test]
fn a_question_is_forgotten_after_a_while() {
    let mut world = three(SupervisorStrategy::OneForOne);
    let (supervisor, child) = of_child("b");
    let ask = ActorRequest::TerminateChild { supervisor, child };
    let first = world.question(FIRST, ask.clone());
    world.settle();
    world.run(SECOND * 50);
    let second = again(&mut world, first, 7, ask.clone());
    assert!(world.answer(second).is_ok());
    world.run(SECOND * 11);
    let third = again(&mut world, second, 7, ask);
    assert_eq!(world.answer(third).unwrap_err().kind(), FailureKind::Unavailable);
}

#[test]
fn no_more_than_so_many_answers_are_remembered() {
    let mut world = three(SupervisorStrategy::OneForOne);
    let most = 10_000;
    let ask = || {
        let (supervisor, child) = of_child("nobody");
        ActorRequest::DeleteChild { supervisor, child }
    };
    for number in 0..most + 10 {
        world.question(Question { number, again: false }, ask());
    }
    for (number, kind) in [(9, FailureKind::Unavailable), (10, FailureKind::NotFound)] {
        let request = world.question(Question { number, again: true }, ask());
        assert_eq!(world.answer(request).unwrap_err().kind(), kind, "{number}");
    }
}
