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
    let ignored = Effect::Report(ActorReport::Ignored(incarnation(1, 1)));
    assert_eq!(effects, std::slice::from_ref(&ignored));
    // It is said until it is recorded, as exits are.
    assert_eq!(host.pass(Duration::from_secs(5)), std::slice::from_ref(&ignored));
    assert_eq!(host.event(Event::Start(start(1, 1))), [ignored], "it is over");
    assert_eq!(host.host.inventory(host.now), (Vec::new(), Vec::new()));
    assert_eq!(host.host.ignored(), [incarnation(1, 1)]);
    host.event(Event::ExitsRecorded(vec![incarnation(1, 1)]));
    assert_eq!(host.host.ignored(), []);
    let reports = host.pass(Duration::from_secs(5));
    assert!(!reports.iter().any(|effect| matches!(effect, Effect::Report(_))), "{reports:?}");
    assert_eq!(host.event(Event::Start(start(1, 1))), [], "it is over");
}

/// What befalls one of eight actors.
fn befall(
    host: &mut Host,
    (what, which): (u8, u64),
    epochs: &mut [u64; 8],
    workers: &[WorkerId],
) -> Vec<Effect> {
    let epoch = epochs[which as usize];
    let latest = incarnation(which, epoch);
    let exits = host.host.inventory(host.now).1;
    let here = host.host.actors().find(|actor| actor.incarnation == latest);
    let seat = host.host.seat_of(latest);
    let is_known = here.is_some() || exits.iter().any(|exit| exit.incarnation == latest);
    match (what, seat) {
        (0..=2, _) if !is_known => {
            epochs[which as usize] += 1;
            host.event(Event::Start(start_with(which, epoch + 1, which == 0, ActorOptions::default())))
        }
        (3 | 4, _) => {
            workers.iter().flat_map(|worker| host.event(Event::WorkerStarted { worker: *worker })).collect()
        }
        (5, _) => match workers.get(which as usize).copied() {
            Some(worker) => host.event(Event::WorkerLost { worker, failure: failure() }),
            None => Vec::new(),
        },
        (6, Some((worker, key))) => host.event(Event::ActorStarted { worker, key }),
        (7, Some((worker, key))) => {
            let reason = Some(ExitReason::of(ExitKind::Panicked));
            host.event(Event::ActorExited { worker, key, reason })
        }
        (8, _) if is_known => {
            let (shutdown, reason) = (ChildShutdown::Brutal, ExitReason::of(ExitKind::Shutdown));
            host.event(Event::Stop { incarnation: latest, shutdown, reason })
        }
        (9, _) => {
            let some = exits.iter().map(|exit| exit.incarnation).take(which as usize).collect();
            host.event(Event::ExitsRecorded(some))
        }
        _ => host.pass(Duration::from_secs(which)),
    }
}

proptest! {
    /// Whatever happens, each incarnation that was granted is here, or its exit is told until it is recorded.
    #[test]
    fn no_exit_is_forgotten(steps in prop::collection::vec((0_u8..12, 0_u64..8), 0..150)) {
        let mut host = Host::new();
        let mut epochs = [0_u64; 8];
        let (mut open, mut workers) = (BTreeSet::new(), Vec::new());
        for step in steps {
            let before = host.host.inventory(host.now).1;
            let effects = befall(&mut host, step, &mut epochs, &workers);
            workers.extend(effects.iter().filter_map(|effect| match effect {
                Effect::StartWorker { worker, .. } => Some(*worker),
                _ => None,
            }));
            let (actors, exits) = host.host.inventory(host.now);
            let here: BTreeSet<Incarnation> = actors.iter().map(|actor| actor.incarnation).collect();
            let told: BTreeSet<Incarnation> = exits.iter().map(|exit| exit.incarnation).collect();
            if step.0 == 9 {
                let recorded: Vec<_> = before.iter().map(|exit| exit.incarnation).take(step.1 as usize).collect();
                open.retain(|incarnation| !recorded.contains(incarnation));
            }
            let latest = incarnation(step.1, epochs[step.1 as usize]);
            if step.0 <= 2 && here.contains(&latest) {
                open.insert(latest);
            }
            prop_assert!(here.is_disjoint(&told));
            let known: BTreeSet<Incarnation> = here.union(&told).copied().collect();
            prop_assert_eq!(&known, &open);
        }
    }
}
