//! What actors cost in memory and allocations. Alone in its process, since it counts those of all threads.

use mobula_host::actor::{
    Access, ActorEvents, ActorExit, ActorHost, ActorHostOptions, Class, Constructed, Constructor,
    ConstructorBody, Hooks, Method, MethodBody, Object, StartActor, State, TurnCall,
};
use mobula_host::{AsyncCall, Call, CallResult, CancelToken, Completion};
use mobula_types::actor::{ActorOptions, Caller, Incarnation};
use mobula_types::{
    Attempt, ExitReason, FunctionId, JobId, Outcome, Payload, ResultValue, TaskId, TaskTemplate,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicI64 = AtomicI64::new(0);

// SAFETY: everything is passed on to the system's allocator unchanged.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Counts, and keeps nothing.
#[derive(Debug, Default)]
struct Count {
    started: AtomicU64,
    completed: AtomicU64,
    exited: AtomicU64,
}

impl ActorEvents for Count {
    fn started(&self, _key: u32) {
        self.started.fetch_add(1, Ordering::Release);
    }
    fn exited(&self, _key: u32, _reason: Option<ExitReason>) {
        self.exited.fetch_add(1, Ordering::Release);
    }
    fn completed(&self, completion: Completion) {
        assert!(completion.result.outcome.values().is_ok());
        self.completed.fetch_add(1, Ordering::Release);
    }
    fn returned(&self, handles: Vec<u64>) {
        panic!("{handles:?} were returned");
    }
}

struct Total(u64);

fn make(_: &ActorExit, _: Call) -> Constructed {
    Constructed::Actor(State::shared(Total(0)))
}

fn value() -> CallResult {
    CallResult::of(Outcome::Value(ResultValue::inline(Payload::from(&[1_u8, 2, 3][..]))))
}

fn add(object: Object, _: Call) -> CallResult {
    object.write::<Total>().expect("it is alone").0 += 1;
    value()
}

fn read_async(object: Object, _: Call) -> AsyncCall {
    Box::pin(async move {
        let _total = object.read::<Total>().expect("nobody writes").0;
        value()
    })
}

fn class() -> Arc<Class> {
    let constructors = vec![Constructor { name: "new", body: ConstructorBody::Inline(make) }];
    let method = |name, access, body| Method { name, access, group: None, cancel_safe: false, body };
    let methods = vec![
        method("add", Access::Exclusive, MethodBody::Inline(add)),
        method("read_async", Access::Shared, MethodBody::Async(read_async)),
    ];
    Arc::new(Class::new("test::Total", constructors, methods, Hooks::default()))
}

struct World {
    host: ActorHost,
    events: Arc<Count>,
    class: Arc<Class>,
    options: Arc<ActorOptions>,
    template: Arc<TaskTemplate>,
    guest: Arc<()>,
}

impl World {
    fn new() -> Self {
        let events = Arc::new(Count::default());
        let function = FunctionId::new("test::Total::method", "1");
        World {
            host: ActorHost::new(ActorHostOptions::new(2, events.clone())),
            events,
            class: class(),
            options: Arc::new(ActorOptions::default()),
            template: Arc::new(TaskTemplate { function, signature: None, options: Default::default() }),
            guest: Arc::new(()),
        }
    }

    fn call(&self, handle: u64) -> Call {
        Call {
            handle,
            task: TaskId::default(),
            attempt: Attempt::default(),
            template: self.template.clone(),
            arguments: Payload::EMPTY,
            inputs: Vec::new(),
            deadline: None,
            cancel: CancelToken::default(),
            guest: self.guest.clone(),
        }
    }

    fn start(&self, key: u32) {
        self.host.start(StartActor {
            key,
            incarnation: Incarnation::default(),
            class: self.class.clone(),
            constructor: 0,
            call: self.call(0),
            options: self.options.clone(),
            context: self.guest.clone(),
        });
    }

    fn turn(&self, key: u32, handle: u64, method: usize) -> (u32, TurnCall) {
        (key, TurnCall { caller: Caller::Driver(JobId(1)), method, call: self.call(handle) })
    }

    fn wait(&self, what: impl Fn(&Count) -> &AtomicU64, count: u64) {
        while what(&self.events).load(Ordering::Acquire) < count {
            std::thread::yield_now();
        }
    }
}

/// Lets tasks that have just ended give their memory back.
fn settle() -> i64 {
    let mut before = BYTES.load(Ordering::Relaxed);
    loop {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let now = BYTES.load(Ordering::Relaxed);
        if now == before {
            return now;
        }
        before = now;
    }
}

/// Bytes for each of 10,000 idle actors: fresh ones, and the same after calls.
fn memory() -> (i64, i64) {
    const ACTORS: u32 = 10_000;
    let world = World::new();
    world.start(u32::MAX);
    world.wait(|count| &count.started, 1);
    let before = settle();
    (0..ACTORS).for_each(|key| world.start(key));
    world.wait(|count| &count.started, u64::from(ACTORS) + 1);
    let fresh = settle() - before;
    let mut turns: Vec<_> = (0..ACTORS)
        .flat_map(|key| [world.turn(key, 1, 0), world.turn(key, 2, 1), world.turn(key, 3, 1)])
        .collect();
    world.host.deliver_batch(&mut turns);
    drop(turns);
    world.wait(|count| &count.completed, u64::from(ACTORS) * 3);
    let used = settle() - before;
    (fresh / i64::from(ACTORS), used / i64::from(ACTORS))
}

/// Allocations for each turn of a batch, and for a turn that comes to an idle actor.
fn allocations(method: usize) -> (u64, u64) {
    const TURNS: u64 = 1000;
    let world = World::new();
    world.start(0);
    world.wait(|count| &count.started, 1);
    settle();
    let mut batch = 0;
    for round in 1..=4 {
        let mut turns: Vec<_> = (0..TURNS).map(|handle| world.turn(0, handle, method)).collect();
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        world.host.deliver_batch(&mut turns);
        world.wait(|count| &count.completed, round * TURNS);
        batch = ALLOCATIONS.load(Ordering::Relaxed) - before;
    }
    settle();
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let (key, turn) = world.turn(0, 0, method);
    world.host.deliver(key, turn);
    world.wait(|count| &count.completed, 4 * TURNS + 1);
    settle();
    let single = ALLOCATIONS.load(Ordering::Relaxed) - before;
    (batch / TURNS, single)
}

/// All in one test: others in parallel would be counted too.
#[test]
fn an_idle_actor_and_a_turn_cost_little() {
    let (fresh, used) = memory();
    println!("an idle actor: {fresh} bytes, after calls {used}");
    assert!(fresh < 1024, "{fresh} bytes");
    assert!(used < 1024, "{used} bytes");
    // Inline turns allocate nothing; of a burst, the task, the queue and the token. An async one allocates its future.
    let (batch, single) = allocations(0);
    println!("an inline turn: {batch} allocations in a batch, {single} alone");
    assert_eq!(batch, 0);
    assert!(single <= 5, "{single} allocations");
    let (batch, single) = allocations(1);
    println!("an async turn: {batch} allocations in a batch, {single} alone");
    assert_eq!(batch, 1);
    assert!(single <= 7, "{single} allocations");
}

/// Not a test of speed: it prints what it took, for people.
#[test]
#[ignore = "for people: prints how fast it is"]
fn how_fast_it_is() {
    use mobula_runtime::clock::now;
    const ACTORS: u32 = 100_000;
    let world = World::new();
    let start = now();
    (0..ACTORS).for_each(|key| world.start(key));
    world.wait(|count| &count.started, u64::from(ACTORS));
    println!("{ACTORS} actors started in {:?}", now().since(start));
    for (method, name) in [(0, "inline"), (1, "async")] {
        let before = world.events.completed.load(Ordering::Acquire);
        let start = now();
        for batch in 0..1000_u64 {
            let mut turns: Vec<_> =
                (0..1000).map(|place| world.turn(0, batch * 1000 + place, method)).collect();
            world.host.deliver_batch(&mut turns);
        }
        world.wait(|count| &count.completed, before + 1_000_000);
        println!("1,000,000 {name} turns of one actor in {:?}", now().since(start));
        let before = world.events.completed.load(Ordering::Acquire);
        let start = now();
        for place in 0..1_000_000_u64 {
            let (key, turn) = world.turn((place % u64::from(ACTORS)) as u32, place, method);
            world.host.deliver(key, turn);
        }
        world.wait(|count| &count.completed, before + 1_000_000);
        println!("1,000,000 {name} turns of {ACTORS} actors in {:?}", now().since(start));
        let before = world.events.completed.load(Ordering::Acquire);
        let start = now();
        for place in 0..20_000_u64 {
            let (key, turn) = world.turn(0, place, method);
            world.host.deliver(key, turn);
            world.wait(|count| &count.completed, before + place + 1);
        }
        println!("20,000 {name} turns, each after the one before, in {:?}", now().since(start));
    }
    let start = now();
    (0..ACTORS)
        .for_each(|key| world.host.stop(key, None, ExitReason::of(mobula_types::actor::ExitKind::Normal)));
    world.wait(|count| &count.exited, u64::from(ACTORS));
    println!("{ACTORS} actors stopped in {:?}", now().since(start));
}
