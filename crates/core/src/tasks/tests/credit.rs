//! How much a session may send.

use super::world::*;
use crate::tasks::{Effect, Event, Requester, SessionKey, SessionKind};
use mobula_types::{FailureKind, JobId, ObjectId, ObjectIndex, TaskId};

fn credits(effects: &[Effect]) -> Vec<u64> {
    let credit = |effect: &Effect| match effect {
        Effect::Credit { total, .. } => Some(*total),
        _ => None,
    };
    effects.iter().filter_map(credit).collect()
}

#[test]
fn a_session_starts_with_the_window_and_gets_a_quarter_at_a_time() {
    let mut world = World::with(1, |options| options.credit_window = 8);
    let session = SessionKey(9);
    let effects = world.tell(Event::SessionOpened { session, job: Some(JOB), kind: SessionKind::Driver });
    assert_eq!(effects, [Effect::Credit { session, total: 8 }]);
    let totals: Vec<Vec<u64>> = (1..=5).map(|number| credits(&world.submit(number))).collect();
    assert_eq!(totals, [vec![], vec![10], vec![], vec![12], vec![]]);
}

fn fill(world: &mut World, session: SessionKey, count: u64) -> Vec<Effect> {
    let mut effects = Vec::new();
    for number in 1..=count {
        effects.extend(world.submit_with(number + session.0 * 1000, |submit| {
            submit.requester = Requester::Session(session);
            submit.arguments = vec![0; 2_000].into();
        }));
    }
    effects
}

#[test]
fn credit_is_withheld_over_the_bound_and_given_afterwards() {
    let bound = |options: &mut crate::tasks::EngineOptions| {
        options.credit_window = 8;
        options.store_bytes = 10_000;
    };
    let mut world = World::with(1, bound);
    let effects = fill(&mut world, DRIVER, 8);
    assert_eq!(credits(&effects), [10, 12], "four fit into the bound");
    let ids: Vec<ObjectId> = (1..=6).map(|number| ObjectId::result(task(1000 + number), 0)).collect();
    let mut given = Vec::new();
    for object in ids {
        let requester = Requester::Session(DRIVER);
        let (force, recursive) = (true, true);
        let cancel = Event::Cancel { requester, address: address(object), force, recursive };
        given.extend(credits(&world.tell_and_flush(cancel)));
        given.extend(credits(&world.release(&[object])));
    }
    assert_eq!(given, [16], "all that was withheld");
}

#[test]
fn credit_is_withheld_for_ten_seconds_and_then_what_comes_is_refused() {
    let mut world = World::with(1, |options| {
        options.credit_window = 8;
        options.store_bytes = 10_000;
    });
    fill(&mut world, DRIVER, 8);
    assert_eq!(credits(&world.advance(std::time::Duration::from_millis(9_999))), []);
    assert_eq!(credits(&world.advance(std::time::Duration::from_millis(1))), [8 + 64]);
    let object = ObjectId { task: task(0), index: ObjectIndex::driver_put(1) };
    let requester = Requester::Session(DRIVER);
    let effects = world.tell(Event::Put { requester, job: JOB, object, value: inline(b"9") });
    let failure = effects.iter().find_map(|effect| match effect {
        Effect::PutDone { failure, .. } => failure.as_ref(),
        _ => None,
    });
    let failure = failure.expect("it is refused");
    assert_eq!(failure.kind(), FailureKind::StoreFull);
    assert!(failure.message().contains("this job's"), "{failure}");
}

#[test]
fn what_one_job_holds_does_not_starve_another() {
    let mut world = World::with(1, |options| {
        options.credit_window = 8;
        options.store_bytes = 10_000;
    });
    let (other, session) = (JobId(77), SessionKey(9));
    world.open_job(other, 1);
    world.open(session, Some(other), SessionKind::Driver);
    fill(&mut world, DRIVER, 8);
    let put = |number| {
        let object = ObjectId { task: TaskId::of_driver(other, 0), index: ObjectIndex::driver_put(number) };
        let requester = Requester::Session(session);
        Event::Put { requester, job: other, object, value: inline(&[0; 1_500]) }
    };
    let mut refused = Vec::new();
    let mut given = Vec::new();
    for number in 1..=4 {
        let effects = world.tell(put(number));
        given.extend(credits(&effects));
        refused.extend(effects.into_iter().filter_map(|effect| match effect {
            Effect::PutDone { failure, .. } => Some(failure.is_some()),
            _ => None,
        }));
    }
    assert_eq!(refused, [false, false, false, true], "half of the bound is its own");
    assert_eq!(given, [10, 12]);
}

#[test]
fn a_workers_credit_is_never_withheld() {
    let mut world = World::with(1, |options| {
        options.credit_window = 4;
        options.store_bytes = 10_000;
    });
    let effects = fill(&mut world, WORKER, 6);
    assert_eq!(credits(&effects), [5, 6, 7, 8, 9, 10]);
}

#[test]
fn past_the_bound_puts_are_refused_and_past_twice_the_bound_submits() {
    let mut world = World::with(1, |options| options.store_bytes = 10_000);
    fill(&mut world, DRIVER, 4);
    let object = ObjectId { task: task(0), index: ObjectIndex::driver_put(1) };
    let requester = Requester::Session(DRIVER);
    let value = inline(&[0; 1_000]);
    let effects = world.tell(Event::Put { requester, job: JOB, object, value });
    let [Effect::PutDone { failure: Some(failure), .. }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(failure.kind(), FailureKind::StoreFull);
    let effects = fill(&mut world, WORKER, 4);
    assert_eq!(failures(&effects), [(2004, FailureKind::StoreFull)]);
    assert!(world.engine.task(task(2004)).is_none());
}
