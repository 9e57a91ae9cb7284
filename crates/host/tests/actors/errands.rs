//! Turns that are brief run on the thread that brought them, where it leads a runtime.

use super::support::*;
use mobula_host::actor::{
    Access, ActorExit, ActorHostOptions, Class, Constructed, Constructor, ConstructorBody, Hooks, Method,
    MethodBody, Object, State, TurnCall, blocking_wait,
};
use mobula_host::{AsyncCall, Call, CallResult};
use mobula_runtime::led::{LedOptions, LedThread, may_run_errand};
use mobula_types::actor::ActorOptions;
use std::sync::{Arc, mpsc};
use std::thread::ThreadId;
use std::time::Duration;
use tokio::sync::mpsc as inbox;

const HOUR: Duration = Duration::from_secs(3600);

/// A thread that leads a runtime, as that of a session does, and brings turns.
struct Bringer {
    orders: inbox::UnboundedSender<Box<dyn FnOnce() + Send>>,
    _thread: LedThread,
}

impl Bringer {
    fn new() -> Self {
        let (orders, mut given) = inbox::unbounded_channel::<Box<dyn FnOnce() + Send>>();
        // However busy the machine, nobody takes the lead who is not called.
        let thread = LedThread::start(LedOptions { name: "bringer", tick: HOUR }, || async move {
            while let Some(order) = given.recv().await {
                order();
            }
        });
        Bringer { orders, _thread: thread.unwrap() }
    }

    /// Has it do something.
    fn ask<R: Send + 'static>(&self, what: impl FnOnce() -> R + Send + 'static) -> R {
        let (said, answer) = mpsc::channel();
        let order = move || said.send(what()).unwrap();
        self.orders.send(Box::new(order)).unwrap_or_else(|_| panic!("it takes orders"));
        answer.recv_timeout(Duration::from_secs(30)).expect("the runtime is led")
    }

    fn thread(&self) -> ThreadId {
        self.ask(|| std::thread::current().id())
    }
}

fn make(_: &ActorExit, call: Call) -> Constructed {
    Constructed::Actor(State::shared(script_of(&call)))
}

fn tells_its_thread(_: Object, call: Call) -> CallResult {
    script_of(&call).note(format!("{} on {:?}", call.handle, std::thread::current().id()));
    value(0)
}

fn waits(_: Object, call: Call) -> CallResult {
    let script = script_of(&call);
    script.note(format!("begin {}", call.handle));
    blocking_wait(|| script.block(call.handle));
    value(0)
}

fn pauses(_: Object, call: Call) -> AsyncCall {
    let script = script_of(&call);
    Box::pin(async move {
        script.note(format!("begin {}", call.handle));
        script.gate(call.handle).await;
        script.note(format!("{} on {:?}", call.handle, std::thread::current().id()));
        value(0)
    })
}

const TELLS: usize = 0;
const WAITS: usize = 1;
const PAUSES: usize = 2;

fn class_of_turns() -> Arc<Class> {
    let constructors = vec![Constructor { name: "new", body: ConstructorBody::Inline(make) }];
    let method =
        |name, body| Method { name, access: Access::Exclusive, group: None, cancel_safe: false, body };
    let methods = vec![
        method("tells", MethodBody::Inline(tells_its_thread)),
        method("waits", MethodBody::Inline(waits)),
        method("pauses", MethodBody::Async(pauses)),
    ];
    Arc::new(Class::new("test::Brief", constructors, methods, Hooks::default()))
}

/// An actor that was started by a bringer, and whose turns are brief up to that.
fn world(brief: Duration) -> (Arc<World>, Bringer) {
    let bringer = Bringer::new();
    let world = World::empty(|options| ActorHostOptions {
        health_period: HOUR,
        threads: 4,
        share: HOUR,
        brief,
        ..options
    });
    let world = Arc::new(world);
    let there = world.clone();
    bringer.ask(move || there.start(&class_of_turns(), 0, ActorOptions::default()));
    world.wait_for("started");
    while !bringer.ask(may_run_errand) {
        std::thread::yield_now();
    }
    (world, bringer)
}

fn deliver(world: &Arc<World>, bringer: &Bringer, handle: u64, method: usize) {
    let there = world.clone();
    let (key, turn): (u32, TurnCall) = world.turn(handle, method);
    bringer.ask(move || there.host.deliver(key, turn));
}

#[test]
fn a_lone_brief_call_wakes_no_thread() {
    let (world, bringer) = world(HOUR);
    let thread = bringer.thread();
    let before = world.host.wakes();
    let mut elsewhere = 0;
    for handle in 1..=300 {
        deliver(&world, &bringer, handle, TELLS);
        world.wait_for(&format!("done {handle}"));
        elsewhere += u64::from(world.script.count(&format!("{handle} on {thread:?}")) == 0);
    }
    assert_eq!(world.host.wakes(), before);
    // Some may have come while the task that ran the constructor was still there.
    assert!(elsewhere < 300);
}

#[test]
fn a_turn_whose_actor_was_not_brief_before_wakes_a_thread() {
    let (world, bringer) = world(Duration::ZERO);
    let thread = bringer.thread();
    for handle in 1..=20 {
        deliver(&world, &bringer, handle, TELLS);
        world.wait_for(&format!("done {handle}"));
    }
    assert!(!world.script.notes().iter().any(|note| note.ends_with(&format!("on {thread:?}"))));
}

#[test]
fn a_brief_turn_that_waits_hands_the_session_over() {
    let (world, bringer) = world(HOUR);
    for handle in 1..=5 {
        deliver(&world, &bringer, handle, WAITS);
        world.wait_for(&format!("begin {handle}"));
        // What it waits for comes over the session.
        let script = world.script.clone();
        bringer.ask(move || script.open(handle));
        world.wait_for(&format!("done {handle}"));
    }
}

#[test]
fn a_brief_turn_that_pauses_goes_on_where_there_is_a_thread() {
    let (world, bringer) = world(HOUR);
    let thread = bringer.thread();
    for handle in 1..=20 {
        deliver(&world, &bringer, handle, PAUSES);
        world.wait_for(&format!("begin {handle}"));
        // It does so once the turn has paused.
        let script = world.script.clone();
        bringer.ask(move || script.open(handle));
        world.wait_for(&format!("done {handle}"));
    }
    let on_errand =
        world.script.notes().iter().filter(|note| note.ends_with(&format!("on {thread:?}"))).count();
    assert_eq!(on_errand, 0, "how long the rest takes is not known");
}

#[test]
fn a_closed_host_runs_no_errand() {
    let (world, bringer) = world(HOUR);
    let there = world.clone();
    let (key, turn) = world.turn(1, TELLS);
    bringer.ask(move || {
        there.host.deliver(key, turn);
        there.host.close();
    });
    bringer.thread();
    assert_eq!(world.notes_of(&["1 on", "done"]), Vec::<String>::new());
}
