//! Exits are reported until they are recorded.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn reported(effects: &[Effect]) -> Vec<ExitReport> {
    let reports = effects.iter().filter_map(|effect| match effect {
        Effect::Report(ActorReport::Exited(exits)) => Some(exits.clone()),
        _ => None,
    });
    reports.flatten().collect()
}

#[test]
fn an_exit_is_said_again_with_its_age() {
    let mut host = Host::new();
    let (worker, key) = host.run(start(1, 1));
    let reason = Some(ExitReason::of(ExitKind::Panicked));
    assert_eq!(reported(&host.event(Event::ActorExited { worker, key, reason })).len(), 1);
    let again = reported(&host.pass(Duration::from_secs(5)));
    assert_eq!((again.len(), again[0].age), (1, Duration::from_secs(5)));
    assert_eq!(host.host.inventory(host.now + Duration::from_secs(1)).1[0].age, Duration::from_secs(6));
    host.event(Event::ExitsRecorded(vec![incarnation(1, 1)]));
    assert_eq!(reported(&host.pass(Duration::from_secs(5))), []);
    assert_eq!(host.event(Event::Start(start(1, 1))), [], "it is over");
}

#[test]
fn what_is_not_here_is_reported_when_it_is_stopped() {
    let mut host = Host::new();
    let (shutdown, reason) = (ChildShutdown::Brutal, ExitReason::of(ExitKind::Killed));
    let effects = host.event(Event::Stop { incarnation: incarnation(1, 4), shutdown, reason });
    assert_eq!(effects, [exited(1, 4, ExitReason::of(ExitKind::Lost), false)]);
}

#[test]
fn what_is_none_of_the_clusters_ends_without_a_word() {
    let mut host = Host::new();
    let (worker, key) = host.run(start(1, 1));
    let (grace, reason) = (Some(Duration::ZERO), ExitReason::of(ExitKind::Killed));
    let effects = host.event(Event::Unknown { incarnations: vec![incarnation(1, 1)] });
    assert_eq!(effects, [Effect::Stop { worker, key, grace, reason: reason.clone() }]);
    assert_eq!(host.host.inventory(host.now), (Vec::new(), Vec::new()));
    assert_eq!(host.event(Event::ActorExited { worker, key, reason: Some(reason) }), []);
}

#[test]
fn a_constructor_may_want_no_actor() {
    let mut host = Host::new();
    let effects = host.event(Event::Start(start(1, 1)));
    let [Effect::StartWorker { worker, .. }] = effects[..] else { panic!("{effects:?}") };
    host.event(Event::WorkerStarted { worker });
    let effects = host.event(Event::ActorExited { worker, key: 0, reason: None });
    assert_eq!(effects, [Effect::Report(ActorReport::Ignored(incarnation(1, 1)))]);
}

proptest! {
    /// Whatever happens, each incarnation that was granted is here, or its exit is told until it is recorded.
    #[test]
    fn no_exit_is_forgotten(steps in prop::collection::vec((0_u8..12, 0_u64..8), 0..150)) {
        let mut host = Host::new();
        let mut epochs = [0_u64; 8];
        let (mut granted, mut recorded) = (BTreeSet::new(), BTreeSet::new());
        let mut workers = BTreeSet::new();
        for (what, which) in steps {
            let of_which = incarnation(which, epochs[which as usize]);
            let gone = host.host.inventory(host.now).1;
            let effects = match what {
                0..=2 if gone.iter().all(|exit| exit.incarnation != of_which)
                    && host.host.actors().all(|actor| actor.incarnation != of_which) =>
                {
                    epochs[which as usize] += 1;
                    granted.insert(incarnation(which, epochs[which as usize]));
                    host.event(Event::Start(start_with(which, epochs[which as usize], which == 0, ActorOptions::default())))
                }
                3 | 4 => workers.iter().flat_map(|worker| host.event(Event::WorkerStarted { worker: *worker })).collect(),
                5 => match workers.iter().nth(which as usize).copied() {
                    Some(worker) => {
                        workers.remove(&worker);
                        host.event(Event::WorkerLost { worker, failure: failure() })
                    }
                    None => Vec::new(),
                },
                6 | 7 => match (host.host.key_of(of_which), host.host.actors().find(|actor| actor.incarnation == of_which)) {
                    (Some(key), Some(actor)) if what == 6 => {
                        let reason = Some(ExitReason::of(ExitKind::Panicked));
                        host.event(Event::ActorExited { worker: actor.worker.unwrap(), key, reason })
                    }
                    (Some(key), Some(actor)) => host.event(Event::ActorStarted { worker: actor.worker.unwrap(), key }),
                    _ => Vec::new(),
                },
                8 if granted.contains(&of_which) && !recorded.contains(&of_which) => {
                    let reason = ExitReason::of(ExitKind::Shutdown);
                    host.event(Event::Stop { incarnation: of_which, shutdown: ChildShutdown::Brutal, reason })
                }
                9 => {
                    let some: Vec<Incarnation> = gone.iter().map(|exit| exit.incarnation).take(which as usize).collect();
                    recorded.extend(some.iter().copied());
                    host.event(Event::ExitsRecorded(some))
                }
                _ => host.pass(Duration::from_secs(which)),
            };
            for effect in &effects {
                match effect {
                    Effect::StartWorker { worker, .. } => drop(workers.insert(*worker)),
                    Effect::Kill { worker, .. } => drop(workers.remove(worker)),
                    _ => {}
                }
            }
            let (actors, exits) = host.host.inventory(host.now);
            let here: BTreeSet<_> = actors.iter().map(|actor| actor.incarnation).collect();
            let told: BTreeSet<_> = exits.iter().map(|exit| exit.incarnation).collect();
            prop_assert!(here.is_disjoint(&told));
            for incarnation in &granted {
                let known = here.contains(incarnation) || told.contains(incarnation);
                prop_assert_eq!(known, !recorded.contains(incarnation), "{}", incarnation);
            }
        }
    }
}
