//! Speed by counts: what a task costs in memory, and that nothing grows with the history.

use super::world::*;
use crate::tasks::object::Object;
use crate::tasks::task::Task;
use crate::tasks::{Effect, Event};

#[test]
fn records_and_messages_are_small() {
    assert!(size_of::<Task>() <= 256, "{}", size_of::<Task>());
    assert!(size_of::<Object>() <= 160, "{}", size_of::<Object>());
    assert!(size_of::<Event>() <= 136, "{}", size_of::<Event>());
    assert!(size_of::<Effect>() <= 160, "{}", size_of::<Effect>());
}

#[test]
fn a_task_that_is_over_leaves_no_trace_in_any_table() {
    let mut world = World::new(2);
    for number in 1..=10_000 {
        let mut effects = world.tell_quietly(world.submission(number).event(world.now));
        effects.extend(world.tell_quietly(Event::Flush));
        let event = world.ended(number, ran(mobula_types::Outcome::Value(inline(b"9"))));
        world.tell_quietly(event);
        let objects = vec![address(result(number))];
        let requester = crate::tasks::Requester::Session(DRIVER);
        world.tell_quietly(Event::Released { requester, objects });
    }
    assert!(world.is_empty());
    assert!(world.engine.tasks.capacity() <= 8 && world.engine.objects.capacity() <= 8);
    assert_eq!(world.engine.next_deadline(), mobula_types::Time::NEVER);
}

#[test]
fn shapes_of_equal_needs_look_for_room_once() {
    let mut world = World::new(1);
    let mut effects = Vec::new();
    for number in 1..=3_000 {
        let mut submit = world.submission(number);
        submit.template = template("one of many", |options| options.name = format!("t{number}").into());
        effects.extend(world.tell_quietly(submit.event(world.now)));
    }
    effects.extend(world.tell_quietly(Event::Flush));
    let mut order = numbers(&effects);
    for done in 0..100 {
        let event = world.ended(order[done], ran(mobula_types::Outcome::Value(inline(b"9"))));
        world.tell_quietly(event);
        order.extend(numbers(&world.tell_quietly(Event::Flush)));
    }
    assert_eq!(order, (1..=101).collect::<Vec<u64>>());
    assert_eq!(world.engine.check(), Ok(()));
}

#[test]
fn many_templates_do_not_pile_up() {
    let mut world = World::new(2);
    for number in 1..=5_000 {
        let mut submit = world.submission(number);
        submit.template = template(&format!("f{number}"), |_| {});
        world.tell_quietly(submit.event(world.now));
        world.tell_quietly(Event::Flush);
        let event = world.ended(number, ran(mobula_types::Outcome::Value(inline(b"9"))));
        world.tell_quietly(event);
        let objects = vec![address(result(number))];
        let requester = crate::tasks::Requester::Session(DRIVER);
        world.tell_quietly(Event::Released { requester, objects });
    }
    assert!(world.engine.shapes.len() <= 1_100, "{}", world.engine.shapes.len());
    let summary = world.engine.job_summary(JOB, 0);
    assert!(summary.functions.len() <= mobula_types::summary::JobSummary::FUNCTION_LIMIT + 1);
    assert_eq!(summary.total().succeeded, 5_000);
}
