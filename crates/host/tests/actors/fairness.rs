//! No actor holds a thread for more than its share while others wait.

use super::support::{Script, World, call, driver};
use mobula_host::actor::{
    Access, ActorExit, ActorHost, ActorHostOptions, Class, Constructed, Constructor, ConstructorBody, Hooks,
    Method, MethodBody, Object, StartActor, State, TurnCall, blocking_wait,
};
use mobula_host::{Call, CallResult};
use mobula_types::actor::{ActorOptions, Incarnation};
use std::sync::{Arc, OnceLock};

/// What turns of this class find in their calls.
type Home = OnceLock<Arc<ActorHost>>;

fn make(_: &ActorExit, _: Call) -> Constructed {
    // A state that need not be `Sync`, since all turns run alone.
    Constructed::Actor(State::exclusive(std::cell::Cell::new(0_u64)))
}

/// Delivers itself again, so that its actor always has another turn.
fn again(object: Object, call: Call) -> CallResult {
    let state = object.lock::<std::cell::Cell<u64>>().expect("it is alone");
    state.set(state.get() + 1);
    if let Ok(home) = object.actor().context().clone().downcast::<Home>() {
        let turn = TurnCall { caller: driver(1), method: 0, call };
        home.get().expect("it is set before").deliver(object.actor().key(), turn);
    }
    super::support::value(state.get())
}

fn once(object: Object, _: Call) -> CallResult {
    super::support::value(object.lock::<std::cell::Cell<u64>>().expect("it is alone").get())
}

fn waits(_: Object, call: Call) -> CallResult {
    let script = super::support::script_of(&call);
    script.note(format!("begin {}", call.handle));
    blocking_wait(|| script.block(call.handle));
    super::support::value(0)
}

fn class() -> Arc<Class> {
    let constructors = vec![Constructor { name: "new", body: ConstructorBody::Inline(make) }];
    let method = |name, body| Method {
        name,
        access: Access::Exclusive,
        group: None,
        cancel_safe: false,
        body: MethodBody::Inline(body),
    };
    let methods = vec![method("again", again), method("once", once), method("waits", waits)];
    Arc::new(Class::new("test::Busy", constructors, methods, Hooks::default()))
}

/// A host with one thread.
fn host(actors: u32, home: &Arc<Home>) -> (Arc<ActorHost>, Arc<Script>) {
    let (events, script) = World::events();
    let host = Arc::new(ActorHost::new(ActorHostOptions::new(1, events)));
    let class = class();
    for key in 0..actors {
        host.start(StartActor {
            key,
            incarnation: Incarnation::default(),
            class: class.clone(),
            constructor: 0,
            call: call(0, &script),
            options: Arc::new(ActorOptions::default()),
            context: home.clone(),
        });
    }
    (host, script)
}

fn deliver(host: &ActorHost, script: &Arc<Script>, key: u32, handle: u64, method: usize) {
    host.deliver(key, TurnCall { caller: driver(1), method, call: call(handle, script) });
}

#[test]
fn an_actor_that_is_never_done_does_not_keep_others_waiting() {
    let home = Arc::new(Home::new());
    let (host, script) = host(3, &home);
    assert!(home.set(host.clone()).is_ok());
    deliver(&host, &script, 0, 1, 0);
    deliver(&host, &script, 1, 2, 0);
    script.wait_for("done 1");
    for handle in 3..50 {
        deliver(&host, &script, 2, handle, 1);
        script.wait_for(&format!("done {handle}"));
    }
    host.close();
}

#[test]
fn a_blocking_wait_inside_a_turn_leaves_the_thread_to_others() {
    let (host, script) = host(2, &Arc::new(Home::new()));
    deliver(&host, &script, 0, 1, 2);
    script.wait_for("begin 1");
    deliver(&host, &script, 1, 2, 1);
    script.wait_for("done 2");
    script.open(1);
    script.wait_for("done 1");
    assert_eq!(blocking_wait(|| 5), 5);
}
