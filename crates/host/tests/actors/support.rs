//! A class of actors that do as they are told, and a host that remembers what it was told.

pub(crate) use super::script::{Health, Script};
use mobula_host::actor::{
    Access, ActorEvents, ActorExit, ActorHost, ActorHostOptions, Class, Constructed, Constructor,
    ConstructorBody, HealthCheck, Hooks, Method, MethodBody, Object, StartActor, State, TurnCall,
};
use mobula_host::{AsyncCall, BoxFuture, Call, CallResult, CancelToken, Completion};
use mobula_types::actor::{ActorOptions, Caller, Down, ExitKind, Incarnation};
use mobula_types::{
    Attempt, ExitReason, Failure, FailureKind, FunctionId, JobId, Outcome, Payload, ResultValue, TaskId,
    TaskTemplate,
};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

/// The actor's number.
pub(crate) const KEY: u32 = 7;

/// Notes when a future is dropped before its end.
struct Dropped<'a>(&'a Script, u64, bool);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        if !self.2 {
            self.0.note(format!("dropped {}", self.1));
        }
    }
}

/// The state. Its count is only right if turns that change it run alone.
pub(crate) struct Counter {
    script: Arc<Script>,
    count: u64,
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.script.note("gone");
    }
}

pub(crate) fn script_of(call: &Call) -> Arc<Script> {
    call.guest.clone().downcast().expect("calls of tests carry their script")
}

pub(crate) fn value(number: u64) -> CallResult {
    CallResult::of(Outcome::Value(ResultValue::inline(Payload::from(&number.to_le_bytes()[..]))))
}

fn make(_: &ActorExit, call: Call) -> Constructed {
    Constructed::Actor(State::shared(Counter { script: script_of(&call), count: 0 }))
}

fn make_waiting(actor: &ActorExit, call: Call) -> BoxFuture<Constructed> {
    let (actor, script) = (actor.clone(), script_of(&call));
    Box::pin(async move {
        script.note("constructing");
        script.gate(call.handle).await;
        make(&actor, call)
    })
}

fn make_blocking(actor: &ActorExit, call: Call) -> Constructed {
    script_of(&call).block(call.handle);
    make(actor, call)
}

fn make_failing(_: &ActorExit, _: Call) -> Constructed {
    Constructed::Failed(Failure::new(FailureKind::TaskFailed, "no"))
}

fn make_panicking(_: &ActorExit, _: Call) -> Constructed {
    panic!("constructor")
}

fn make_none(_: &ActorExit, _: Call) -> Constructed {
    Constructed::Ignore
}

fn make_exiting(actor: &ActorExit, call: Call) -> Constructed {
    actor.exit(ExitReason::of(ExitKind::Normal));
    make(actor, call)
}

fn add(object: Object, call: Call) -> CallResult {
    let mut counter = object.write::<Counter>().expect("it is alone");
    counter.count += 1;
    counter.script.note(format!("add {}", call.handle));
    value(counter.count)
}

fn add_waiting(object: Object, call: Call) -> AsyncCall {
    Box::pin(async move {
        let mut counter = object.write::<Counter>().expect("it is alone");
        let script = counter.script.clone();
        let mut dropped = Dropped(&script, call.handle, false);
        script.note(format!("begin {}", call.handle));
        let before = counter.count;
        script.gate(call.handle).await;
        counter.count = before + 1;
        script.note(format!("end {}", call.handle));
        dropped.2 = true;
        value(counter.count)
    })
}

fn add_blocking(object: Object, call: Call) -> CallResult {
    let mut counter = object.write::<Counter>().expect("it is alone");
    counter.script.note(format!("begin {}", call.handle));
    counter.script.block(call.handle);
    counter.script.note(format!("end {}", call.handle));
    counter.count += 1;
    value(counter.count)
}

fn read(object: Object, call: Call) -> CallResult {
    let counter = object.read::<Counter>().expect("nobody writes");
    counter.script.note(format!("read {}", call.handle));
    value(counter.count)
}

fn read_waiting(object: Object, call: Call) -> AsyncCall {
    Box::pin(async move {
        let counter = object.read::<Counter>().expect("nobody writes");
        let mut dropped = Dropped(&counter.script, call.handle, false);
        counter.script.note(format!("begin {}", call.handle));
        counter.script.gate(call.handle).await;
        counter.script.note(format!("end {}", call.handle));
        dropped.2 = true;
        value(counter.count)
    })
}

fn read_blocking(object: Object, call: Call) -> CallResult {
    let counter = object.read::<Counter>().expect("nobody writes");
    counter.script.note(format!("begin {}", call.handle));
    counter.script.block(call.handle);
    value(counter.count)
}

fn panics(_: Object, _: Call) -> CallResult {
    panic!("a turn")
}

fn panics_later(object: Object, call: Call) -> AsyncCall {
    Box::pin(async move {
        let counter = object.read::<Counter>().expect("nobody writes");
        counter.script.note(format!("begin {}", call.handle));
        counter.script.gate(call.handle).await;
        panic!("a shared turn")
    })
}

fn leave(object: Object, call: Call) -> CallResult {
    script_of(&call).note("leave");
    object.actor().exit(ExitReason::of(ExitKind::Normal));
    value(0)
}

fn on_start(object: Object) -> BoxFuture<Result<(), Failure>> {
    Box::pin(async move {
        let counter = object.write::<Counter>().expect("it is alone");
        counter.script.note("on_start");
        counter.script.on_start.lock().clone().map_or(Ok(()), Err)
    })
}

fn on_stop(object: Object, reason: ExitReason) -> BoxFuture<()> {
    Box::pin(async move {
        let counter = object.write::<Counter>().expect("it is alone");
        counter.script.note(format!("on_stop {:?}", reason.kind()));
        assert!(!*counter.script.panics_at_stop.lock());
    })
}

fn on_down(object: Object, down: Down) -> BoxFuture<Result<(), Failure>> {
    Box::pin(async move {
        let counter = object.write::<Counter>().expect("it is alone");
        counter.script.note(format!("down {}", down.number));
        match down.reason.kind() {
            ExitKind::Killed => Err(Failure::new(FailureKind::TaskFailed, "cannot live without it")),
            _ => Ok(()),
        }
    })
}

fn health_check(object: Object) -> BoxFuture<Result<(), Failure>> {
    Box::pin(async move {
        let counter = object.read::<Counter>().expect("nobody writes");
        let health = *counter.script.health.lock();
        counter.script.note(format!("check {health:?}"));
        match health {
            Health::Good => Ok(()),
            Health::Bad => Err(Failure::new(FailureKind::TaskFailed, "not well")),
            Health::Hangs => std::future::pending().await,
        }
    })
}

/// The methods, by number.
pub(crate) const ADD: usize = 0;
pub(crate) const ADD_WAITING: usize = 1;
pub(crate) const ADD_BLOCKING: usize = 2;
pub(crate) const ADD_CANCEL_SAFE: usize = 3;
pub(crate) const READ: usize = 4;
pub(crate) const READ_WAITING: usize = 5;
pub(crate) const READ_BLOCKING: usize = 6;
pub(crate) const READ_IO: usize = 7;
pub(crate) const PANICS: usize = 8;
pub(crate) const PANICS_LATER: usize = 9;
pub(crate) const LEAVE: usize = 10;
pub(crate) const LEAVE_SHARED: usize = 11;

/// The constructors, by number.
pub(crate) const NEW: usize = 0;
pub(crate) const NEW_WAITING: usize = 1;
pub(crate) const NEW_BLOCKING: usize = 2;
pub(crate) const NEW_FAILING: usize = 3;
pub(crate) const NEW_PANICKING: usize = 4;
pub(crate) const NEW_NONE: usize = 5;
pub(crate) const NEW_EXITING: usize = 6;

pub(crate) fn hooks(period: Option<Duration>) -> Hooks {
    Hooks {
        on_start: Some(on_start),
        on_stop: Some(on_stop),
        on_down: Some(on_down),
        health_check: Some(HealthCheck { access: Access::Shared, period, body: health_check }),
    }
}

pub(crate) fn class() -> Arc<Class> {
    class_checked_every(None)
}

/// The class, whose actors have their health checked so often.
pub(crate) fn class_checked_every(period: Option<Duration>) -> Arc<Class> {
    use ConstructorBody::{Async as NewAsync, Blocking as NewBlocking, Inline as NewInline};
    let constructors = [
        ("new", NewInline(make)),
        ("new_waiting", NewAsync(make_waiting)),
        ("new_blocking", NewBlocking(make_blocking)),
        ("new_failing", NewInline(make_failing)),
        ("new_panicking", NewInline(make_panicking)),
        ("new_none", NewInline(make_none)),
        ("new_exiting", NewInline(make_exiting)),
    ];
    let constructors = constructors.map(|(name, body)| Constructor { name, body });
    let (exclusive, shared) = (Access::Exclusive, Access::Shared);
    let method = |name, access, body| Method { name, access, group: None, cancel_safe: false, body };
    let methods = vec![
        method("add", exclusive, MethodBody::Inline(add)),
        method("add_waiting", exclusive, MethodBody::Async(add_waiting)),
        method("add_blocking", exclusive, MethodBody::Blocking(add_blocking)),
        Method { cancel_safe: true, ..method("add_cancel_safe", exclusive, MethodBody::Async(add_waiting)) },
        method("read", shared, MethodBody::Inline(read)),
        method("read_waiting", shared, MethodBody::Async(read_waiting)),
        method("read_blocking", shared, MethodBody::Blocking(read_blocking)),
        Method { group: Some("io"), ..method("read_io", shared, MethodBody::Async(read_waiting)) },
        method("panics", exclusive, MethodBody::Inline(panics)),
        method("panics_later", shared, MethodBody::Async(panics_later)),
        method("leave", exclusive, MethodBody::Inline(leave)),
        method("leave_shared", shared, MethodBody::Inline(leave)),
        method("deadline", shared, MethodBody::Inline(super::timeout::tell_deadline)),
    ];
    Arc::new(Class::new("test::Counter", constructors.into(), methods, hooks(period)))
}

/// Writes everything into the script, by which tests wait.
#[derive(Debug)]
struct Events(Arc<Script>);

impl ActorEvents for Events {
    fn started(&self, _key: u32) {
        self.0.note("started");
    }

    fn exited(&self, _key: u32, reason: Option<ExitReason>) {
        self.0.note(reason.map_or("ignored".into(), |reason| format!("exited {reason}")));
    }

    fn completed(&self, completion: Completion) {
        if completion.result.retryable {
            self.0.note(format!("retryable {}", completion.handle));
        }
        let mut text = format!("done {}", completion.handle);
        if let Err(failure) = completion.result.outcome.values() {
            write!(text, " {:?}", failure.kind()).unwrap();
        }
        self.0.note(text);
    }

    fn returned(&self, handles: Vec<u64>) {
        handles.iter().for_each(|handle| self.0.note(format!("returned {handle}")));
    }
}

/// A host with one actor.
pub(crate) struct World {
    pub(crate) host: ActorHost,
    pub(crate) script: Arc<Script>,
}

impl World {
    /// One of a class, with a constructor.
    pub(crate) fn with(class: &Arc<Class>, constructor: usize, options: ActorOptions) -> Self {
        let world = World::empty(|options| options);
        world.start(class, constructor, options);
        world
    }

    /// One that has started, on a host that was changed.
    pub(crate) fn hosted(change: impl FnOnce(ActorHostOptions) -> ActorHostOptions) -> Self {
        World::hosted_of(&class(), change)
    }

    /// One of a class that has started, on a host that was changed.
    pub(crate) fn hosted_of(
        class: &Arc<Class>,
        change: impl FnOnce(ActorHostOptions) -> ActorHostOptions,
    ) -> Self {
        let world = World::empty(change);
        world.start(class, NEW, ActorOptions::default());
        world.wait_for("started");
        world
    }

    pub(crate) fn empty(change: impl FnOnce(ActorHostOptions) -> ActorHostOptions) -> Self {
        let (events, script) = World::events();
        let options =
            ActorHostOptions { health_period: Duration::from_millis(10), ..ActorHostOptions::new(2, events) };
        World { host: ActorHost::new(change(options)), script }
    }

    pub(crate) fn of(constructor: usize) -> Self {
        World::with(&class(), constructor, ActorOptions::default())
    }

    /// One that has started.
    pub(crate) fn new() -> Self {
        let world = World::of(NEW);
        world.wait_for("started");
        world
    }

    pub(crate) fn start(&self, class: &Arc<Class>, constructor: usize, options: ActorOptions) {
        self.host.start(StartActor {
            key: KEY,
            incarnation: Incarnation::default(),
            class: class.clone(),
            constructor,
            call: self.call(0),
            options: Arc::new(options),
            context: Arc::new(()),
        });
    }

    pub(crate) fn call(&self, handle: u64) -> Call {
        call(handle, &self.script)
    }

    pub(crate) fn turn(&self, handle: u64, method: usize) -> (u32, TurnCall) {
        self.turn_of(1, handle, method)
    }

    pub(crate) fn turn_of(&self, caller: u64, handle: u64, method: usize) -> (u32, TurnCall) {
        (KEY, TurnCall { caller: driver(caller), method, call: self.call(handle) })
    }

    pub(crate) fn deliver(&self, handle: u64, method: usize) {
        let (key, turn) = self.turn(handle, method);
        self.host.deliver(key, turn);
    }

    pub(crate) fn wait_for(&self, text: &str) {
        self.script.wait_for(text);
    }

    pub(crate) fn stop(&self, grace: Option<Duration>, kind: ExitKind) {
        self.host.stop(KEY, grace, ExitReason::of(kind));
    }

    /// A script, and the events that are noted in it.
    pub(crate) fn events() -> (Arc<dyn ActorEvents>, Arc<Script>) {
        let script = Arc::new(Script::default());
        (Arc::new(Events(script.clone())), script)
    }

    /// Waits until no more than so many turns wait.
    pub(crate) fn wait_until_waiting(&self, count: usize) {
        let start = mobula_runtime::clock::now();
        while self.host.waiting(KEY) > count {
            let since = mobula_runtime::clock::now().since(start);
            assert!(since < Duration::from_secs(30), "{} still wait", self.host.waiting(KEY));
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(self.host.waiting(KEY), count);
    }

    /// What was noted that begins so.
    pub(crate) fn notes_of(&self, what: &[&str]) -> Vec<String> {
        let is_wanted = |note: &String| what.iter().any(|what| note.starts_with(what));
        self.script.notes().into_iter().filter(is_wanted).collect()
    }

    /// Where something was noted first.
    pub(crate) fn place(&self, text: &str) -> usize {
        let notes = self.script.notes();
        notes.iter().position(|note| note == text).unwrap_or_else(|| panic!("no {text} in {notes:?}"))
    }
}

pub(crate) fn driver(number: u64) -> Caller {
    Caller::Driver(JobId(number))
}

pub(crate) fn call(handle: u64, script: &Arc<Script>) -> Call {
    let template = TaskTemplate {
        function: FunctionId::new("test::Counter::method", "1"),
        signature: None,
        options: Default::default(),
    };
    Call {
        handle,
        task: TaskId { high: 1, low: handle },
        attempt: Attempt::default(),
        template: Arc::new(template),
        arguments: Payload::EMPTY,
        inputs: Vec::new(),
        deadline: None,
        cancel: CancelToken::default(),
        guest: script.clone(),
    }
}
