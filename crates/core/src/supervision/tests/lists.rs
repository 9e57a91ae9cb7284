//! Lists of actors.

use super::single::created;
use super::specs::*;
use super::world::*;
use mobula_types::actor::*;
use mobula_types::*;

fn list(world: &mut World, filter: ActorFilter, limit: usize) -> (Vec<(ActorId, ActorState)>, bool) {
    let request = world.ask(ActorRequest::List { filter, limit });
    let Ok(ActorAnswer::List { actors, more }) = world.answer(request) else { panic!() };
    (actors.iter().map(|info| (info.actor, info.state)).collect(), more)
}

#[test]
fn the_dead_are_listed_where_they_are_asked_for() {
    let mut world = World::new(2);
    for number in 1..=6 {
        let namespace = if number == 5 { "other" } else { "default" };
        let options = ActorOptions { namespace: namespace.into(), ..options() };
        created(&mut world, number, spec_with(&format!("c{number}"), options)).unwrap();
    }
    for class in ["c1", "c3", "c5", "c6"] {
        world.exit(class, ExitKind::Error);
        world.settle();
    }
    let dead =
        |numbers: &[u64]| numbers.iter().map(|number| (id(*number), ActorState::Dead)).collect::<Vec<_>>();
    let filter = ActorFilter { state: Some(ActorState::Dead), ..ActorFilter::default() };
    assert_eq!(list(&mut world, filter.clone(), 10), (dead(&[1, 3, 5, 6]), false));
    assert_eq!(list(&mut world, filter.clone(), 3), (dead(&[1, 3, 5]), true));
    let later = ActorFilter { after: Some(id(3)), ..filter.clone() };
    assert_eq!(list(&mut world, later, 10), (dead(&[5, 6]), false));
    let there = ActorFilter { namespace: Some("other".into()), ..filter.clone() };
    assert_eq!(list(&mut world, there, 10), (dead(&[5]), false));
    let elsewhere = ActorFilter { job: Some(JobId(8)), ..filter.clone() };
    assert_eq!(list(&mut world, elsewhere, 10), (vec![], false));
    let running = |number| (id(number), ActorState::Running);
    assert_eq!(list(&mut world, ActorFilter::default(), 10), (vec![running(2), running(4)], false));
    world.run(SECOND * 601);
    assert_eq!(list(&mut world, filter, 10), (vec![], false), "nobody remembers them");
}

#[test]
fn the_dead_and_children_of_what_has_ended_are_listed_together() {
    let mut world = World::new(1);
    let inner = tree(SupervisorStrategy::OneForOne, vec![child("x")]);
    let inner = ChildSpec { restart: RestartType::Transient, ..below("inner", inner) };
    world.ask(start_tree(1, "tree", tree(SupervisorStrategy::OneForOne, vec![inner])));
    world.settle();
    for number in [2, u64::MAX] {
        created(&mut world, number, spec("a")).unwrap();
        world.exit("a", ExitKind::Normal);
        world.settle();
    }
    let x = world.running("x").unwrap().1.actor;
    let (supervisor, child) = (ActorTarget::Id(id(1)), "inner".into());
    world.ask(ActorRequest::TerminateChild { supervisor, child });
    world.settle();
    let mut expected = [id(2), id(u64::MAX), x];
    expected.sort();
    let filter = ActorFilter { state: Some(ActorState::Dead), ..ActorFilter::default() };
    let (listed, more) = list(&mut world, filter, 10);
    assert_eq!(listed.iter().map(|(id, _)| *id).collect::<Vec<_>>(), expected);
    assert!(!more);
}
