//! How many allocations a call costs both machines of calls. Alone in its process, since it counts those of all threads.

use mobula_core::calls::{self, CallRouter, NewCall, ReadyCall, RouterOptions};
use mobula_core::hosting::{self, ActorHost, HostOptions};
use mobula_core::tasks::Place;
use mobula_types::actor::*;
use mobula_types::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is passed on to the system's allocator unchanged.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const JOB: JobId = JobId(1);
const BATCH: u64 = 100;

struct Node {
    router: CallRouter,
    host: ActorHost,
    router_effects: Vec<calls::Effect>,
    host_effects: Vec<hosting::Effect>,
    spare: Vec<hosting::Effect>,
    method: Arc<TaskTemplate>,
    ended: u64,
}

fn template(target: Target) -> Arc<TaskTemplate> {
    let options = TaskOptions { target, ..TaskOptions::default() };
    Arc::new(TaskTemplate { function: FunctionId::new("f", "1"), signature: None, options })
}

impl Node {
    fn new(incarnation: Incarnation) -> Self {
        let node = NodeId::new("here", 1);
        let mut host = ActorHost::new(HostOptions::new(node.clone()));
        let mut effects = Vec::new();
        let constructor = template(Target::Constructor(Arc::default()));
        let (arguments, inputs) = (Payload::EMPTY, Vec::new());
        let spec = ActorSpec { job: JOB, template: constructor, arguments, inputs };
        let worker = WorkerId(3);
        for event in [
            hosting::Event::EmbeddedStarted { worker },
            hosting::Event::JobOpened { job: JOB, has_executable: false },
            hosting::Event::Start(StartActor { incarnation, spec: Arc::new(spec) }),
            hosting::Event::ActorStarted { worker, key: 0 },
        ] {
            host.on_event(Time::ZERO, event, &mut effects);
        }
        Node {
            router: CallRouter::new(RouterOptions::new(node)),
            host,
            router_effects: Vec::new(),
            host_effects: Vec::new(),
            spare: Vec::new(),
            method: template(Target::Method(MethodOptions::default())),
            ended: 0,
        }
    }

    fn router(&mut self, event: calls::Event) {
        self.router.on_event(Time::ZERO, event, &mut self.router_effects);
    }

    fn call(&mut self, caller: Caller, actor: ActorId, sequence: u64) {
        let task = TaskId::of_driver(JOB, sequence);
        let (options, answered_below) = (MethodOptions::default(), sequence.saturating_sub(BATCH));
        let made =
            NewCall { task, job: JOB, caller, actor, sequence, answered_below, options, resent: false };
        self.router(calls::Event::Made(made));
        let (attempt, template, inputs) = (Attempt::default(), self.method.clone(), Vec::new());
        let arguments = Payload::from(&[1_u8, 2, 3][..]);
        let ready = ReadyCall { task, attempt, template, arguments, inputs, deadline: None };
        self.router(calls::Event::Ready(ready));
    }

    /// Performs everything; each turn ends at once.
    fn perform(&mut self) {
        while !(self.router_effects.is_empty() && self.host_effects.is_empty()) {
            for effect in self.router_effects.drain(..) {
                let from = Place::Local;
                let event = match effect {
                    calls::Effect::Send { call, .. } => hosting::Event::Called { from, call },
                    calls::Effect::OpenLane { lane, caller, actor, job, .. } => {
                        hosting::Event::LaneOpened { from, lane, caller, actor, job }
                    }
                    calls::Effect::End { .. } => {
                        self.ended += 1;
                        continue;
                    }
                    other => panic!("{other:?}"),
                };
                self.host.on_event(Time::ZERO, event, &mut self.host_effects);
            }
            let mut effects = std::mem::take(&mut self.spare);
            std::mem::swap(&mut effects, &mut self.host_effects);
            for effect in effects.drain(..) {
                match effect {
                    hosting::Effect::Turn(order) => {
                        let outcome = Outcome::Value(ResultValue::inline(order.arguments));
                        let (worker, handle, borrows) = (order.worker, order.handle, Vec::new());
                        let done = hosting::Event::Done {
                            worker,
                            handle,
                            outcome,
                            retryable: false,
                            micros: 1,
                            borrows,
                        };
                        self.host.on_event(Time::ZERO, done, &mut self.host_effects);
                    }
                    hosting::Effect::Answer { to, lane, sequence, end, window, .. } => {
                        self.router(calls::Event::Ended { place: to, lane, sequence, end, window });
                    }
                    other => panic!("{other:?}"),
                }
            }
            self.spare = effects;
        }
    }
}

#[test]
fn a_call_costs_no_allocation() {
    let actor = ActorId(TaskId { high: 5, low: 5 });
    let incarnation = Incarnation { actor, epoch: Epoch(1) };
    for caller in [Caller::Driver(JOB), Caller::Task(TaskId { high: 3, low: 3 }, Attempt::default())] {
        let mut node = Node::new(incarnation);
        node.call(caller, actor, 1);
        let location = Location::At { node: NodeId::new("here", 1), incarnation };
        node.router_effects.clear();
        node.router(calls::Event::Located(ActorLocation { actor, location }));
        node.perform();
        let mut allocations = 0;
        for batch in 0..50 {
            let before = ALLOCATIONS.load(Ordering::Relaxed);
            for sequence in 0..BATCH {
                node.call(caller, actor, 2 + batch * BATCH + sequence);
            }
            node.perform();
            allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
        }
        assert_eq!((node.ended, allocations), (1 + 50 * BATCH, 0));
    }
}
