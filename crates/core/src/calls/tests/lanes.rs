//! One lane, event by event.

use super::super::*;
use crate::tasks::Place;
use mobula_types::actor::*;
use mobula_types::frame::AssignmentEnd;
use mobula_types::*;
use std::sync::Arc;
use std::time::Duration;

const JOB: JobId = JobId(1);
const CALLER: Caller = Caller::Driver(JOB);
const ACTOR: ActorId = ActorId(TaskId { high: 5, low: 5 });

struct Router {
    router: CallRouter,
    now: Time,
    template: Arc<TaskTemplate>,
}

fn task(number: u64) -> TaskId {
    TaskId::of_driver(JOB, number)
}

fn node(name: &str) -> NodeId {
    NodeId::new(name, 1)
}

fn at(name: &str) -> Place {
    Place::Peer(node(name))
}

fn incarnation(epoch: u64) -> Incarnation {
    Incarnation { actor: ACTOR, epoch: Epoch(epoch) }
}

fn value() -> Outcome {
    Outcome::Value(ResultValue::inline(Payload::from(&[1_u8][..])))
}

fn ran(outcome: Outcome, retryable: bool) -> CallEnd {
    CallEnd::Ran { outcome, retryable, micros: 3, borrows: Vec::new() }
}

impl Router {
    fn new() -> Self {
        let options = TaskOptions { target: Target::Method(Default::default()), ..Default::default() };
        let function = FunctionId::new("f", "1");
        let template = Arc::new(TaskTemplate { function, signature: None, options });
        Router { router: CallRouter::new(RouterOptions::new(node("home"))), now: Time::ZERO, template }
    }

    fn event(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.router.on_event(self.now, event, &mut effects);
        effects
    }

    fn made(&mut self, number: u64, retries: u32) -> Vec<Effect> {
        self.event(Event::Made(NewCall {
            task: task(number),
            job: JOB,
            caller: CALLER,
            actor: ACTOR,
            sequence: number,
            answered_below: 1,
            options: MethodOptions { max_task_retries: retries, ..MethodOptions::default() },
            resent: false,
        }))
    }

    fn ready(&mut self, number: u64) -> Vec<Effect> {
        self.ready_as(number, 0)
    }

    fn ready_as(&mut self, number: u64, attempt: u32) -> Vec<Effect> {
        let (template, arguments) = (self.template.clone(), Payload::EMPTY);
        let attempt = Attempt { owner_term: OwnerTerm(0), number: attempt };
        let (task, inputs) = (task(number), Vec::new());
        self.event(Event::Ready(ReadyCall { task, attempt, template, arguments, inputs, deadline: None }))
    }

    fn located(&mut self, at: &str, epoch: u64) -> Vec<Effect> {
        let location = Location::At { node: node(at), incarnation: incarnation(epoch) };
        self.event(Event::Located(ActorLocation { actor: ACTOR, location }))
    }

    fn dead(&mut self) -> Vec<Effect> {
        let location =
            Location::Dead { incarnation: incarnation(1), reason: ExitReason::of(ExitKind::Killed) };
        self.event(Event::Located(ActorLocation { actor: ACTOR, location }))
    }

    fn pass(&mut self, time: Duration) -> Vec<Effect> {
        self.now = self.now + time;
        self.event(Event::Tick)
    }

    fn given_up(&mut self, numbers: &[u64]) -> Vec<Effect> {
        self.event(Event::GivenUp { tasks: numbers.iter().copied().map(task).collect() })
    }

    fn ended(&mut self, at: &str, lane: LaneId, sequence: u64, end: CallEnd) -> Vec<Effect> {
        let place = Place::Peer(node(at));
        self.event(Event::Ended { place, lane, sequence, end, window: 128 })
    }

    /// A router with that many calls made and ready, at an actor on node `a`.
    fn sending(calls: u64, retries: u32) -> (Self, LaneId) {
        let mut router = Router::new();
        for number in 1..=calls {
            router.made(number, retries);
            router.ready(number);
        }
        let effects = router.located("a", 1);
        let lane = lane_of(&effects);
        assert_eq!(sent(&effects), (1..=calls).map(|number| (number, 1)).collect::<Vec<_>>());
        (router, lane)
    }
}

fn lane_of(effects: &[Effect]) -> LaneId {
    let opened = effects.iter().find_map(|effect| match effect {
        Effect::OpenLane { lane, .. } => Some(*lane),
        _ => None,
    });
    opened.expect("a lane is named")
}

/// The sequence numbers and epochs of what is sent.
fn sent(effects: &[Effect]) -> Vec<(u64, u64)> {
    let sent = effects.iter().filter_map(|effect| match effect {
        Effect::Send { call, .. } => Some((call.sequence, call.epoch.0)),
        _ => None,
    });
    sent.collect()
}

/// The failures with which calls end: the call, the kind, and whether it may have run.
fn failures(effects: &[Effect]) -> Vec<(u64, FailureKind, bool)> {
    let failed = effects.iter().filter_map(|effect| match effect {
        Effect::End { task, end: AssignmentEnd::Ran { outcome: Outcome::Failed(failure), .. }, .. } => {
            Some((task.low, failure.kind(), failure.detail().may_have_run))
        }
        _ => None,
    });
    failed.collect()
}

#[test]
fn a_call_goes_to_its_actor_and_its_end_to_the_engine() {
    let mut router = Router::new();
    assert_eq!(router.made(1, 0), [Effect::Locate { actor: ACTOR }]);
    assert_eq!(router.ready(1), []);
    let effects = router.located("a", 1);
    let lane = lane_of(&effects);
    let (place, attempt) = (at("a"), Attempt::default());
    let open = Effect::OpenLane { place: place.clone(), lane, caller: CALLER, actor: ACTOR, job: JOB };
    let call = HostedCall {
        lane,
        sequence: 1,
        epoch: Epoch(1),
        task: task(1),
        attempt,
        template: router.template.clone(),
        arguments: Payload::EMPTY,
        inputs: Vec::new(),
        deadline: None,
        answered_below: 1,
        resent: false,
    };
    assert_eq!(effects, [open, Effect::Send { place: place.clone(), call }]);
    let end = AssignmentEnd::Ran { outcome: value(), retryable: false, micros: 3, borrows: Vec::new() };
    let effects = router.ended("a", lane, 1, ran(value(), false));
    assert_eq!(effects, [Effect::End { task: task(1), attempt, place, end }]);
    assert_eq!(router.ended("a", lane, 1, ran(value(), false)), [], "it ends once");
}

#[test]
fn a_call_without_its_arguments_holds_back_later_ones() {
    let mut router = Router::new();
    router.located("a", 1);
    (1..=3).for_each(|number| drop(router.made(number, 0)));
    router.located("a", 1);
    assert_eq!(sent(&router.ready(2)), []);
    assert_eq!(sent(&router.ready(1)), [(1, 1), (2, 1)]);
    assert_eq!(sent(&router.ready(3)), [(3, 1)]);
}

#[test]
fn a_dropped_call_lets_later_ones_go() {
    let mut router = Router::new();
    (1..=2).for_each(|number| drop(router.made(number, 0)));
    router.located("a", 1);
    router.ready(2);
    assert_eq!(sent(&router.event(Event::Dropped { task: task(1) })), [(2, 1)]);
}

#[test]
fn no_more_are_unanswered_than_the_window_allows() {
    let mut router = Router::new();
    router.router.options.window = 2;
    (1..=5).for_each(|number| drop((router.made(number, 0), router.ready(number))));
    let effects = router.located("a", 1);
    let lane = lane_of(&effects);
    assert_eq!(sent(&effects), [(1, 1), (2, 1)]);
    let place = at("a");
    let end = ran(value(), false);
    let effects = router.event(Event::Ended { place, lane, sequence: 1, end, window: 3 });
    assert_eq!(sent(&effects), [(3, 1), (4, 1)]);
}

#[test]
fn what_provably_did_not_start_goes_to_the_next_incarnation_in_order() {
    let (mut router, lane) = Router::sending(3, 0);
    let reason = Some(ExitReason::of(ExitKind::Panicked));
    let died = CallEnd::Died { reason: ExitReason::of(ExitKind::Panicked) };
    assert_eq!(failures(&router.ended("a", lane, 1, died)), [(1, FailureKind::ActorDied, true)]);
    assert_eq!(router.located("a", 1), [], "what is over is not called again");
    assert_eq!(router.ended("a", lane, 3, CallEnd::NotStarted { reason: reason.clone() }), []);
    assert_eq!(sent(&router.located("b", 2)), [], "one more has to come back");
    let effects = router.ended("a", lane, 2, CallEnd::NotStarted { reason });
    assert_eq!(effects[0], Effect::CloseLane { place: at("a"), lane });
    assert_eq!(sent(&effects), [(2, 2), (3, 2)]);
    assert_ne!(lane_of(&effects), lane);
}

#[test]
fn a_call_that_may_run_again_does_and_no_oftener() {
    let (mut router, lane) = Router::sending(1, 1);
    let failed = || ran(Outcome::Failed(Failure::new(FailureKind::TaskFailed, "busy")), true);
    assert_eq!(router.ended("a", lane, 1, failed()), []);
    assert_eq!(sent(&router.pass(Duration::from_millis(100))), [(1, 1)]);
    let effects = router.ended("a", lane, 1, failed());
    assert_eq!(failures(&effects), [(1, FailureKind::TaskFailed, false)]);
    let (mut router, _) = Router::sending(1, 1);
    assert_eq!(router.event(Event::NodeLost { node: node("a") }), []);
    assert_eq!(sent(&router.located("b", 2)), [(1, 2)]);
    let effects = router.event(Event::NodeLost { node: node("b") });
    assert_eq!(failures(&effects), [(1, FailureKind::ActorDied, true)]);
}

#[test]
fn a_lost_node_ends_every_unanswered_call_and_a_session_makes_them_unavailable() {
    let (mut router, _) = Router::sending(2, 0);
    router.made(3, 0);
    let effects = router.event(Event::NodeLost { node: node("a") });
    let died = FailureKind::ActorDied;
    assert_eq!(failures(&effects), [(1, died, true), (2, died, true)]);
    assert_eq!(router.ready(3), [], "it waits for the next location");
    assert_eq!(router.located("a", 2), [], "old news of the lost node");
    assert_eq!(sent(&router.located("b", 2)), [(3, 2)]);
    let (mut router, _) = Router::sending(2, 0);
    let effects = router.event(Event::PeerUnreachable { node: node("a") });
    let unavailable = FailureKind::Unavailable;
    assert_eq!(failures(&effects), [(1, unavailable, true), (2, unavailable, true)]);
}

#[test]
fn a_node_that_denies_an_actor_is_doubted_until_the_head_says_again() {
    let (mut router, lane) = Router::sending(1, 0);
    assert_eq!(router.ended("a", lane, 1, CallEnd::NotStarted { reason: None }), []);
    router.now = router.router.next_deadline();
    assert_eq!(router.event(Event::Tick), [Effect::Locate { actor: ACTOR }]);
    assert_eq!(sent(&router.located("a", 1)), [(1, 1)]);
}

#[test]
fn waiting_calls_of_a_dead_actor_did_not_run() {
    let mut router = Router::new();
    (1..=2).for_each(|number| drop(router.made(number, 0)));
    router.ready(1);
    assert_eq!(failures(&router.dead()), [(1, FailureKind::ActorDied, false)]);
    assert_eq!(failures(&router.ready(2)), [(2, FailureKind::ActorDied, false)]);
}

#[test]
fn a_queued_call_is_cancelled_at_once_and_a_sent_one_by_its_host() {
    let mut router = Router::new();
    router.made(1, 0);
    router.ready(1);
    let failure = Failure::new(FailureKind::Cancelled, "by its user");
    let cancel =
        |number| Event::Cancel { task: task(number), attempt: Attempt::default(), failure: failure.clone() };
    let effects = router.event(cancel(1));
    assert_eq!(failures(&effects), [(1, FailureKind::Cancelled, false)]);
    let (mut router, lane) = Router::sending(1, 5);
    let effects = router.event(cancel(1));
    let failure = failure.clone();
    assert_eq!(effects, [Effect::Cancel { place: at("a"), lane, sequence: 1, failure }]);
    assert_eq!(router.event(cancel(1)), [], "once");
    let died = CallEnd::Died { reason: ExitReason::of(ExitKind::Killed) };
    let effects = router.ended("a", lane, 1, died);
    assert_eq!(failures(&effects), [(1, FailureKind::ActorDied, true)], "it is not tried again");
}

#[test]
fn inputs_that_cannot_be_brought_keep_the_place_of_their_call() {
    let (mut router, lane) = Router::sending(2, 0);
    let failure = Failure::new(FailureKind::StoreFull, "full");
    let end = AssignmentEnd::InputsUnavailable { failure: failure.clone() };
    let effects = router.ended("a", lane, 1, CallEnd::InputsUnavailable { failure });
    let attempt = Attempt::default();
    assert_eq!(effects, [Effect::End { task: task(1), attempt, place: Place::Local, end }]);
    assert_eq!(router.ended("a", lane, 2, CallEnd::NotStarted { reason: None }), []);
    assert_eq!(sent(&router.ready_as(1, 1)), [(1, 1), (2, 1)]);
}

#[test]
fn idle_lanes_and_actors_go() {
    let (mut router, lane) = Router::sending(1, 0);
    router.ended("a", lane, 1, ran(value(), false));
    assert_eq!(router.router.located(), [ACTOR]);
    router.now = router.now + Duration::from_secs(60);
    assert_eq!(router.router.next_deadline(), router.now);
    let effects = router.event(Event::Tick);
    assert_eq!(effects, [Effect::CloseLane { place: at("a"), lane }, Effect::Unlocate { actor: ACTOR }]);
    router.router.assert_empty();
    let (mut router, lane) = Router::sending(1, 0);
    assert_eq!(router.event(Event::CallerEnded { caller: CALLER }), []);
    let effects = router.ended("a", lane, 1, ran(value(), false));
    assert_eq!(effects[1], Effect::CloseLane { place: at("a"), lane });
}

/// None of them is sent because the first, which the others wait for, goes before them.
#[test]
fn what_is_given_up_goes_together() {
    let mut router = Router::new();
    (1..=3).for_each(|number| drop(router.made(number, 0)));
    (2..=3).for_each(|number| drop(router.ready(number)));
    router.located("a", 1);
    assert_eq!(sent(&router.given_up(&[1, 2, 3])), []);
    assert_eq!(router.router.pending(), 0);
    // What another program's call has held up goes on.
    let mut router = Router::new();
    (1..=3).for_each(|number| drop(router.made(number, 0)));
    router.ready(3);
    router.located("a", 1);
    assert_eq!(sent(&router.given_up(&[2, 1])), [(3, 1)]);
}

#[test]
fn what_was_sent_and_given_up_ends_in_silence_unless_it_is_made_again() {
    for again in [false, true] {
        let (mut router, lane) = Router::sending(1, 0);
        assert_eq!(router.given_up(&[1]), []);
        if again {
            router.made(1, 0);
        }
        assert_eq!(router.ended("a", lane, 1, ran(value(), false)), []);
        let ends = router.ready_as(1, 1);
        let is_told = ends.iter().any(|effect| matches!(effect, Effect::End { .. }));
        assert_eq!((is_told, router.router.pending()), (again, 0));
    }
}

#[test]
fn a_call_waits_longer_before_each_further_try_and_holds_up_nobody() {
    let (mut router, lane) = Router::sending(1, 9);
    let busy = || ran(Outcome::Failed(Failure::new(FailureKind::TaskFailed, "busy")), true);
    let mut waited = Vec::new();
    for _ in 0..9 {
        router.ended("a", lane, 1, busy());
        let pause = router.router.next_deadline().since(router.now);
        waited.push(pause);
        assert_eq!(sent(&router.pass(pause - Duration::from_nanos(1))), []);
        assert_eq!(sent(&router.pass(Duration::from_nanos(1))), [(1, 1)]);
    }
    assert!(waited[0] <= Duration::from_millis(100) && waited[0] >= Duration::from_millis(50), "{waited:?}");
    assert!(waited.iter().all(|pause| *pause <= Duration::from_secs(10)), "{waited:?}");
    assert!(waited[4] >= Duration::from_millis(800) && waited[8] >= Duration::from_secs(5), "{waited:?}");
    // Those behind it go on meanwhile, and it can be cancelled.
    let (mut router, lane) = Router::sending(1, 9);
    router.ended("a", lane, 1, busy());
    router.made(2, 0);
    assert_eq!(sent(&router.ready(2)), [(2, 1)]);
    let failure = Failure::new(FailureKind::Cancelled, "enough");
    let effects = router.event(Event::Cancel { task: task(1), attempt: Attempt::default(), failure });
    assert_eq!(failures(&effects), [(1, FailureKind::Cancelled, false)]);
    assert_eq!(sent(&router.pass(Duration::from_secs(1))), []);
}

#[test]
fn a_call_that_is_made_again_ends_as_the_attempt_that_waits_for_it() {
    let again = |router: &mut Router| {
        let template = router.template.clone();
        let attempt = Attempt { owner_term: OwnerTerm(1), number: 0 };
        let (arguments, inputs) = (Payload::EMPTY, Vec::new());
        let call = ReadyCall { task: task(1), attempt, template, arguments, inputs, deadline: None };
        router.event(Event::Ready(call))
    };
    let (mut router, lane) = Router::sending(1, 0);
    assert_eq!(router.made(1, 0), vec![]);
    assert_eq!(
        router.ended("a", lane, 1, ran(value(), false)),
        vec![],
        "nobody waits for the attempt that ran"
    );
    assert_eq!(router.made(1, 0), vec![], "once more");
    let [Effect::End { attempt, end: AssignmentEnd::Ran { outcome, .. }, .. }] = &again(&mut router)[..]
    else {
        panic!("it has ended")
    };
    assert_eq!((attempt.owner_term, outcome), (OwnerTerm(1), &value()));
    assert_eq!(again(&mut router), vec![], "an end is told once");
    // One that did not start waits for the new attempt before it is sent again.
    let (mut router, lane) = Router::sending(1, 0);
    router.made(1, 0);
    router.ended("a", lane, 1, CallEnd::NotStarted { reason: None });
    assert_eq!(sent(&router.located("b", 2)), vec![]);
    assert_eq!(sent(&again(&mut router)), vec![(1, 2)]);
    // Nobody waits any more.
    let (mut router, lane) = Router::sending(1, 0);
    router.made(1, 0);
    router.ended("a", lane, 1, ran(value(), false));
    router.event(Event::Dropped { task: task(1) });
    assert_eq!(again(&mut router), vec![]);
}

#[test]
fn a_call_that_another_home_may_have_sent_meanwhile_is_sent_as_such() {
    let mut router = Router::new();
    router.made(1, 0);
    let template = router.template.clone();
    let (options, caller, actor) = (MethodOptions::default(), CALLER, ACTOR);
    let again = NewCall {
        task: task(1),
        job: JOB,
        caller,
        actor,
        sequence: 1,
        answered_below: 1,
        options,
        resent: true,
    };
    router.event(Event::Made(again));
    let attempt = Attempt { owner_term: OwnerTerm(2), number: 0 };
    let (arguments, inputs) = (Payload::EMPTY, Vec::new());
    router.event(Event::Ready(ReadyCall {
        task: task(1),
        attempt,
        template,
        arguments,
        inputs,
        deadline: None,
    }));
    let effects = router.located("a", 2);
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::Send { call, .. } if call.resent)),
        "{effects:?}"
    );
}
