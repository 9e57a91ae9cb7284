//! Calls that come, and their answers.

use super::*;
use mobula_types::frame::Input;
use mobula_types::outcome::StoredCopy;

#[test]
fn a_call_becomes_a_turn_and_is_answered() {
    let (mut host, worker, key) = Host::with_actor(ActorOptions::default());
    let effects = host.call(1);
    let [Effect::Turn(order)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((order.worker, order.key, order.caller), (worker, key, Caller::Driver(JOB)));
    let turn = host.host.turn(order.handle).expect("it runs");
    assert_eq!((turn.from, turn.incarnation), (&home(), incarnation(1, 1)));
    let end = CallEnd::Ran { outcome: value(), retryable: false, micros: 1, borrows: Vec::new() };
    let (to, task) = (home(), TaskId::of_driver(JOB, 1));
    let answer = Effect::Answer { to, lane: LANE, sequence: 1, task, end, window: 16 };
    assert_eq!(host.done(worker, order.handle), [answer]);
    assert_eq!(host.done(worker, order.handle), [], "once");
}

#[test]
fn calls_wait_for_the_constructor() {
    let mut host = Host::new();
    let effects = host.event(Event::Start(start(1, 1)));
    let [Effect::StartWorker { worker, job: JOB, isolated: false }] = effects[..] else {
        panic!("{effects:?}")
    };
    host.open(home(), LANE, Caller::Driver(JOB));
    assert_eq!(host.call(1), []);
    host.event(Event::WorkerStarted { worker });
    assert_eq!(host.call(2), []);
    let effects = host.event(Event::ActorStarted { worker, key: 0 });
    assert_eq!(effects[0], Effect::Report(ActorReport::Started(vec![incarnation(1, 1)])));
    assert_eq!(turns(&effects).iter().map(|(_, task)| *task).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn another_epoch_or_lane_is_denied_and_what_comes_behind_it_too() {
    let (mut host, ..) = Host::with_actor(ActorOptions::default());
    let effects = host.call_with(home(), LANE, 1, |call| call.epoch = Epoch(2));
    assert_eq!(answers(&effects), [(1, "not started")]);
    assert_eq!(answers(&host.call(2)), [(2, "not started")]);
    assert_eq!(answers(&host.call_with(home(), LaneId(9), 1, |_| {})), [(1, "not started")]);
}

#[test]
fn inputs_are_fetched_and_hold_back_their_lane_alone() {
    let (mut host, ..) = Host::with_actor(ActorOptions::default());
    let other = Caller::Task(TaskId { high: 3, low: 3 }, Attempt::default());
    host.open(home(), LaneId(8), other);
    let stored = |holder: &str| Input {
        parameter: 0,
        shape: ArgumentShape::Whole,
        object: ObjectId::result(TaskId::default(), 0),
        value: StoredValue::Stored(Arc::new(StoredCopy {
            length: 1,
            checksum: 1,
            holders: vec![node(holder)],
        })),
    };
    let effects = host.call_with(home(), LANE, 1, |call| call.inputs = vec![stored("here")]);
    assert_eq!(turns(&effects).len(), 1, "it lies here");
    let effects = host.call_with(home(), LANE, 2, |call| call.inputs = vec![stored("there")]);
    let [Effect::Fetch { handle, job: JOB, .. }] = effects[..] else { panic!("{effects:?}") };
    assert_eq!(host.call(3), []);
    assert_eq!(turns(&host.call_with(home(), LaneId(8), 1, |_| {})).len(), 1);
    let effects = host.event(Event::InputsReady { handle, inputs: Ok(vec![stored("here")]) });
    assert_eq!(turns(&effects).iter().map(|(_, task)| *task).collect::<Vec<_>>(), [2, 3]);
    let effects = host.call_with(home(), LANE, 4, |call| call.inputs = vec![stored("there")]);
    let [Effect::Fetch { handle, .. }] = effects[..] else { panic!("{effects:?}") };
    host.call(5);
    let effects = host.event(Event::InputsReady { handle, inputs: Err(failure()) });
    assert_eq!(answers(&effects), [(4, "inputs"), (5, "not started")]);
    host.event(Event::LaneClosed { from: home(), lane: LANE });
    host.open(home(), LaneId(9), Caller::Driver(JOB));
    assert_eq!(turns(&host.call_with(home(), LaneId(9), 4, |_| {})).len(), 1, "it may come again");
}

#[test]
fn a_call_that_is_made_again_runs_once_whatever_path_it_takes() {
    let (mut host, worker, _) = Host::with_actor(ActorOptions::default());
    let first = turns(&host.call(1))[0].0;
    let second = turns(&host.call(2))[0].0;
    host.done(worker, first);
    host.event(Event::PeerLost { node: node("home") });
    let other = Place::Peer(node("other"));
    host.open(other.clone(), LANE, Caller::Driver(JOB));
    let again = |call: &mut HostedCall| {
        call.resent = true;
        call.attempt.owner_term = OwnerTerm(1);
    };
    let effects = host.call_with(other.clone(), LANE, 1, again);
    assert_eq!(answers(&effects), [(1, "ran")], "its answer was kept");
    assert_eq!(host.call_with(other.clone(), LANE, 2, again), [], "it runs");
    let effects = host.done(worker, second);
    assert!(matches!(&effects[..], [Effect::Answer { to, sequence: 2, .. }] if *to == other));
    let effects = host.call_with(other.clone(), LANE, 3, |call| {
        again(call);
        call.answered_below = 3;
    });
    assert_eq!(turns(&effects).len(), 1, "it had not come");
    let effects = host.call_with(other, LANE, 2, |call| call.attempt.owner_term = OwnerTerm(2));
    assert_eq!(answers(&effects), [(2, "refused")], "its answer is forgotten");
}

#[test]
fn what_a_left_home_sends_is_refused() {
    let (mut host, ..) = Host::with_actor(ActorOptions::default());
    host.event(Event::Adopted { job: JOB, owner_term: OwnerTerm(1) });
    assert_eq!(answers(&host.call(1)), [(1, "refused")]);
    let effects = host.call_with(home(), LANE, 1, |call| call.attempt.owner_term = OwnerTerm(1));
    assert_eq!(turns(&effects).len(), 1);
}

#[test]
fn a_full_mailbox_slows_or_refuses() {
    let options = ActorOptions { mailbox: 2, max_pending_calls: 4, ..ActorOptions::default() };
    let (mut host, worker, _) = Host::with_actor(options);
    let handles: Vec<u64> = (1..=4).map(|sequence| turns(&host.call(sequence))[0].0).collect();
    let effects = host.call(5);
    assert_eq!(answers(&effects), [(5, "refused")]);
    let windows: Vec<u32> = handles
        .iter()
        .flat_map(|handle| host.done(worker, *handle))
        .filter_map(|effect| match effect {
            Effect::Answer { window, .. } => Some(window),
            _ => None,
        })
        .collect();
    assert_eq!(windows, [2, 2, 2, 10], "4 after the refusal");
}

#[test]
fn a_window_grows_fast_up_to_the_usual_one() {
    let (mut host, worker, _) = Host::with_actor(ActorOptions::default());
    let window = |effects: Vec<Effect>| match effects[..] {
        [Effect::Answer { window, .. }] => window,
        _ => panic!("{effects:?}"),
    };
    let windows: Vec<u32> = (1..=17)
        .map(|sequence| {
            let handle = turns(&host.call(sequence))[0].0;
            window(host.done(worker, handle))
        })
        .collect();
    assert_eq!((windows[0], windows[14], windows[15], windows[16]), (16, 128, 129, 130));
}

#[test]
fn a_call_is_cancelled_wherever_it_is() {
    let mut host = Host::new();
    let effects = host.event(Event::Start(start(1, 1)));
    let [Effect::StartWorker { worker, .. }] = effects[..] else { panic!("{effects:?}") };
    host.open(home(), LANE, Caller::Driver(JOB));
    (1..=2).for_each(|sequence| drop(host.call(sequence)));
    let cancel = |sequence| Event::Cancelled { from: home(), lane: LANE, sequence, failure: failure() };
    assert_eq!(answers(&host.event(cancel(1))), [(1, "ran")]);
    host.event(Event::WorkerStarted { worker });
    let started = host.event(Event::ActorStarted { worker, key: 0 });
    let handle = turns(&started)[0].0;
    let failure = failure();
    assert_eq!(host.event(cancel(2)), [Effect::CancelTurn { worker, handle, failure }]);
}
