//! Starts and stops, workers, and a node without a head.

use super::*;
use mobula_types::frame::Input;
use mobula_types::outcome::StoredCopy;

fn stop(actor: u64, shutdown: ChildShutdown) -> Event {
    let reason = ExitReason::of(ExitKind::Shutdown);
    Event::Stop { incarnation: incarnation(actor, 1), shutdown, reason }
}

#[test]
fn actors_of_a_job_share_a_worker_and_isolated_ones_do_not() {
    let mut host = Host::new();
    let (shared, first) = host.run(start(1, 1));
    let (same, second) = host.run(start(2, 1));
    assert_eq!(shared, same);
    assert_ne!(first, second);
    let (own, _) = host.run(start_with(3, 1, true, ActorOptions::default()));
    assert_ne!(own, shared);
    assert!(is_for_actors(own) && !is_for_actors(WorkerId(5)));
    let keep = ActorOptions { on_isolation: OnIsolation::Keep, ..ActorOptions::default() };
    let (keeping, _) = host.run(start_with(4, 1, false, keep));
    assert!(![own, shared].contains(&keeping));
}

#[test]
fn a_job_without_an_executable_is_hosted_by_what_the_node_embeds() {
    let mut host = Host::new();
    host.event(Event::JobOpened { job: JOB, has_executable: false });
    let effects = host.event(Event::Start(start(1, 1)));
    assert!(matches!(&effects[..], [Effect::Report(ActorReport::Exited(_))]), "{effects:?}");
    host.event(Event::EmbeddedStarted { worker: WorkerId(3) });
    let effects = host.event(Event::Start(start(2, 1)));
    assert_eq!(effects, [Effect::Host { worker: WorkerId(3), key: 0, start: start(2, 1) }]);
}

#[test]
fn a_stop_closes_the_mailbox_at_once() {
    let (mut host, worker, key) = Host::with_actor(ActorOptions::default());
    let handle = turns(&host.call(1))[0].0;
    let grace = Duration::from_secs(5);
    let effects = host.event(stop(1, ChildShutdown::Within(grace)));
    let reason = ExitReason::of(ExitKind::Shutdown);
    let stopped = Effect::Stop { worker, key, grace: Some(grace), reason: reason.clone() };
    assert_eq!(effects, [stopped]);
    assert_eq!(answers(&host.call(2)), [(2, "not started")]);
    assert_eq!(answers(&host.done(worker, handle)), [(1, "ran")], "what came before finishes");
    let effects = host.event(Event::ActorExited { worker, key, reason: Some(reason.clone()) });
    assert_eq!(effects, [exited(1, 1, reason, true)]);
    assert_eq!(host.host.actor_count(), 0);
}

#[test]
fn a_call_that_crosses_the_exit_of_its_actor_has_not_started() {
    let (mut host, worker, key) = Host::with_actor(ActorOptions::default());
    let first = turns(&host.call(1))[0].0;
    assert_eq!(answers(&host.done(worker, first)), [(1, "ran")]);
    assert_eq!(turns(&host.call(2)).len(), 1, "the node has not heard of the exit");
    let reason = ExitReason::of(ExitKind::Panicked);
    let effects = host.event(Event::ActorExited { worker, key, reason: Some(reason.clone()) });
    let Some(Effect::Answer { end, .. }) = effects.first() else { panic!("{effects:?}") };
    assert_eq!(*end, CallEnd::NotStarted { reason: Some(reason) });
}

#[test]
fn a_later_stop_counts_where_it_leaves_less_time() {
    let (mut host, worker, key) = Host::with_actor(ActorOptions::default());
    host.event(stop(1, ChildShutdown::Within(Duration::from_secs(5))));
    assert_eq!(host.event(stop(1, ChildShutdown::Infinity)), []);
    let (grace, reason) = (Some(Duration::ZERO), ExitReason::of(ExitKind::Shutdown));
    let effects = host.event(stop(1, ChildShutdown::Brutal));
    assert_eq!(effects, [Effect::Stop { worker, key, grace, reason }]);
}

#[test]
fn an_actor_that_does_not_end_is_dead_and_its_worker_is_replaced() {
    let (mut host, worker, key) = Host::with_actor(ActorOptions::default());
    let (_, second) = host.run(start(2, 1));
    host.call(1);
    host.event(stop(1, ChildShutdown::Brutal));
    let effects = host.pass(Duration::from_secs(2));
    assert_eq!(answers(&effects), [(1, "died")]);
    let [_, Effect::Report(ActorReport::Exited(exits))] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(exits[0].reason.kind(), ExitKind::Killed);
    let (other, _) = host.run(start(3, 1));
    assert_ne!(other, worker, "a thread of that one is held");
    let (reason, key_of_second) = (Some(ExitReason::of(ExitKind::Normal)), second);
    let effects = host.event(Event::ActorExited { worker, key: key_of_second, reason });
    assert!(matches!(effects.first(), Some(Effect::Kill { .. })), "{effects:?}");
    assert_eq!(host.event(Event::ActorExited { worker, key, reason: None }), [], "too late");
}

#[test]
fn an_isolated_actor_that_does_not_end_goes_with_its_worker() {
    let mut host = Host::new();
    let (worker, _) = host.run(start_with(1, 1, true, ActorOptions::default()));
    host.event(stop(1, ChildShutdown::Brutal));
    let effects = host.pass(Duration::from_secs(2));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Kill { worker: of, .. } if *of == worker)));
    assert_eq!(host.event(Event::WorkerLost { worker, failure: failure() }), []);
}

#[test]
fn an_idle_worker_retires() {
    let mut host = Host::new();
    let (worker, key) = host.run(start(1, 1));
    let reason = Some(ExitReason::of(ExitKind::Normal));
    host.event(Event::ActorExited { worker, key, reason });
    host.event(Event::ExitsRecorded(vec![incarnation(1, 1)]));
    let effects = host.pass(Duration::from_secs(10));
    assert!(effects.contains(&Effect::Retire { worker }), "{effects:?}");
    assert!(matches!(host.pass(Duration::from_secs(10))[..], [Effect::Kill { .. }]));
}

#[test]
fn a_worker_that_ends_or_does_not_start_takes_its_actors_along() {
    let (mut host, worker, _) = Host::with_actor(ActorOptions::default());
    host.call(1);
    let reason = ExitReason::failed(ExitKind::WorkerDied, failure());
    let effects = host.event(Event::WorkerLost { worker, failure: failure() });
    assert_eq!(answers(&effects), [(1, "died")]);
    assert_eq!(effects[1], exited_with(worker, 1, reason.clone(), true));
    let effects = host.event(Event::Start(start(2, 1)));
    let [Effect::StartWorker { worker, .. }] = effects[..] else { panic!("{effects:?}") };
    let effects = host.event(Event::WorkerStartFailed { worker, failure: failure() });
    assert_eq!(effects, [exited_with(worker, 2, reason, false)]);
}

#[test]
fn a_node_without_a_head_starts_nothing_and_stops_what_is_to_stop() {
    let mut host = Host::new();
    let (worker, key) = host.run(start(1, 1));
    let keep = ActorOptions { on_isolation: OnIsolation::Keep, ..ActorOptions::default() };
    let (keeping, _) = host.run(start_with(2, 1, false, keep.clone()));
    host.event(Event::Isolation(Isolation::Suspected));
    assert_eq!(host.event(Event::Start(start_with(3, 1, false, keep))), []);
    let (grace, reason) = (Some(Duration::ZERO), ExitReason::of(ExitKind::Isolated));
    let effects = host.event(Event::Isolation(Isolation::Stopping));
    assert_eq!(effects, [Effect::Stop { worker, key, grace, reason: reason.clone() }]);
    let effects = host.event(Event::Isolation(Isolation::Over));
    assert!(matches!(&effects[0], Effect::Kill { worker: of, .. } if *of == worker));
    assert_eq!(effects[1..], [exited(1, 1, reason, true)]);
    let effects = host.event(Event::Isolation(Isolation::None));
    assert!(matches!(effects[..], [Effect::Host { worker, .. }] if worker == keeping), "{effects:?}");
}

#[test]
fn a_worker_that_comes_when_nothing_is_started_waits() {
    let mut host = Host::new();
    let effects = host.event(Event::Start(start(1, 1)));
    let [Effect::StartWorker { worker, .. }] = effects[..] else { panic!("{effects:?}") };
    host.event(Event::Isolation(Isolation::Suspected));
    assert_eq!(host.event(Event::WorkerStarted { worker }), []);
    assert_eq!(host.event(Event::Isolation(Isolation::None)).len(), 1);
}

#[test]
fn the_end_of_a_job_ends_its_actors() {
    let (mut host, worker, key) = Host::with_actor(ActorOptions::default());
    let (grace, reason) = (Some(Duration::ZERO), ExitReason::of(ExitKind::JobEnded));
    assert_eq!(host.event(Event::JobEnded { job: JOB }), [], "the head stops it, in its turn");
    assert_eq!(host.pass(Duration::from_secs(4)), []);
    let effects = host.pass(Duration::from_secs(1));
    assert_eq!(effects, [Effect::Stop { worker, key, grace, reason: reason.clone() }]);
    let effects = host.event(Event::ActorExited { worker, key, reason: Some(reason.clone()) });
    assert_eq!(effects[0], exited(1, 1, reason, true));
}

#[test]
fn the_end_of_a_job_leaves_its_actors_to_the_order_and_the_graces_of_the_head() {
    let (mut host, worker, key) = Host::with_actor(ActorOptions::default());
    let reason = ExitReason::of(ExitKind::JobEnded);
    host.event(Event::JobEnded { job: JOB });
    let shutdown = ChildShutdown::Within(Duration::from_secs(20));
    let incarnation = incarnation(1, 1);
    let effects = host.event(Event::Stop { incarnation, shutdown, reason: reason.clone() });
    let grace = Some(Duration::from_secs(20));
    assert_eq!(effects, [Effect::Stop { worker, key, grace, reason: reason.clone() }]);
    assert_eq!(host.pass(Duration::from_secs(6)), [], "it has its time");
}

#[test]
fn a_constructor_that_does_not_return_fails() {
    let mut host = Host::new();
    let effects = host.event(Event::Start(start(1, 1)));
    let [Effect::StartWorker { worker, .. }] = effects[..] else { panic!("{effects:?}") };
    let effects = host.event(Event::WorkerStarted { worker });
    let [Effect::Host { key, .. }] = effects[..] else { panic!("{effects:?}") };
    assert_eq!(host.pass(Duration::from_secs(59)), []);
    let effects = host.pass(Duration::from_secs(1));
    let Effect::Stop { grace, reason, .. } = &effects[0] else { panic!("{effects:?}") };
    assert_eq!((*grace, reason.kind()), (Some(Duration::ZERO), ExitKind::ConstructorFailed));
    assert_eq!(reason.failure().unwrap().kind(), FailureKind::DeadlineExceeded);
    assert!(effects.contains(&exited(1, 1, reason.clone(), false)), "{effects:?}");
    // What it says later is nobody's business, and its thread goes with its worker.
    assert_eq!(host.event(Event::ActorStarted { worker, key }), []);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Kill { worker: of, .. } if *of == worker)));
}

/// A grant whose constructor is given something that lies in another node's store.
fn start_from(holder: &str) -> StartActor {
    let mut start = start(1, 1);
    let copy = StoredCopy { length: 1 << 20, checksum: 1, holders: vec![node(holder)] };
    let value = StoredValue::Stored(Arc::new(copy));
    let object = ObjectId { task: TaskId::of_driver(JOB, 9), index: ObjectIndex::driver_put(1) };
    Arc::make_mut(&mut start.spec).inputs =
        vec![Input { parameter: 0, shape: ArgumentShape::Whole, object, value }];
    start
}

#[test]
fn what_an_actor_is_made_from_is_brought_first() {
    let mut host = Host::new();
    let effects = host.event(Event::Start(start_from("home")));
    let [Effect::StartWorker { worker, .. }] = effects[..] else { panic!("{effects:?}") };
    let effects = host.event(Event::WorkerStarted { worker });
    let [Effect::Fetch { handle, job: JOB, .. }] = effects[..] else { panic!("{effects:?}") };
    assert_eq!(host.event(Event::Isolation(Isolation::Suspected)), []);
    assert_eq!(host.event(Event::Isolation(Isolation::None)), [], "it is on its way");
    let inputs = start_from("here").spec.inputs.clone();
    let effects = host.event(Event::InputsReady { handle, inputs: Ok(inputs.clone()) });
    let [Effect::Host { key, start, .. }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(start.spec.inputs, inputs);
    let effects = host.event(Event::ActorStarted { worker, key: *key });
    assert_eq!(effects[0], Effect::CancelFetch { handle }, "it is not kept any longer");
}

#[test]
fn an_actor_that_stops_while_it_is_made_ready_waits_for_nothing() {
    let mut host = Host::new();
    let effects = host.event(Event::Start(start_from("home")));
    let [Effect::StartWorker { worker, .. }] = effects[..] else { panic!("{effects:?}") };
    let effects = host.event(Event::WorkerStarted { worker });
    let [Effect::Fetch { handle, .. }] = effects[..] else { panic!("{effects:?}") };
    let (shutdown, reason) = (ChildShutdown::Infinity, ExitReason::of(ExitKind::Shutdown));
    let effects =
        host.event(Event::Stop { incarnation: incarnation(1, 1), shutdown, reason: reason.clone() });
    assert_eq!(effects, [Effect::CancelFetch { handle }, exited(1, 1, reason, false)]);
    assert_eq!(host.event(Event::InputsReady { handle, inputs: Ok(Vec::new()) }), []);
    // One whose inputs cannot be brought was not constructed.
    let effects =
        host.event(Event::Start(StartActor { incarnation: incarnation(2, 1), ..start_from("home") }));
    let [Effect::Fetch { handle, .. }] = effects[..] else { panic!("{effects:?}") };
    let effects = host.event(Event::InputsReady { handle, inputs: Err(failure()) });
    assert_eq!(effects, [exited(2, 1, ExitReason::failed(ExitKind::ConstructorFailed, failure()), false)]);
}

#[test]
fn what_an_actor_needs_is_its_own_from_its_start_to_its_exit() {
    let mut host = Host::new();
    let mut needy = start(1, 1);
    let spec = Arc::make_mut(&mut needy.spec);
    Arc::make_mut(&mut spec.template).options.resources = Resources::cpus(1);
    let resources = Resources::cpus(1);
    let effects = host.event(Event::Start(needy.clone()));
    let [Effect::Reserve { resources: reserved }, Effect::StartWorker { worker, .. }] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(*reserved, resources);
    let worker = *worker;
    let effects = host.event(Event::WorkerStarted { worker });
    let [Effect::Host { key, .. }] = effects[..] else { panic!("{effects:?}") };
    host.event(Event::ActorStarted { worker, key });
    let effects = host.event(Event::Start(needy));
    assert_eq!(effects.len(), 1, "it is here: {effects:?}");
    let effects = host.event(Event::ActorExited { worker, key, reason: None });
    assert!(effects.contains(&Effect::Release { resources }), "{effects:?}");
    let effects = host.event(Event::Start(start(2, 1)));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Reserve { .. })), "it needs nothing");
}
