//! How many allocations a run costs the host itself. Alone in its process, since it counts those of all threads.

use mobula_host::{
    Body, Call, CallResult, CancelToken, Completed, Completion, Function, Host, HostOptions, QueuedRun,
};
use mobula_types::{
    Attempt, FunctionId, FunctionInfo, FunctionKind, Outcome, Payload, ResultValue, TaskId, TaskTemplate,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::any::Any;
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

#[derive(Debug, Default)]
struct Count(AtomicU64);

impl Completed for Count {
    fn completed(&self, completion: Completion) {
        assert!(completion.result.outcome.values().is_ok());
        self.0.fetch_add(1, Ordering::Release);
    }
}

fn value() -> CallResult {
    CallResult::of(Outcome::Value(ResultValue::inline(Payload::from(&[1_u8, 2, 3][..]))))
}

fn measure(kind: FunctionKind) -> u64 {
    const RUNS: u64 = 128;
    let body = match kind {
        FunctionKind::Blocking => Body::Blocking(|_| value()),
        FunctionKind::Async => Body::Async(|_| Box::pin(async { value() })),
    };
    let id = FunctionId::new("f", "1");
    let (signature_text, place) = ("".into(), "".into());
    let info = FunctionInfo { id: id.clone(), signature: 0, signature_text, kind, place };
    let function = Arc::new(Function { info, body });
    let template = Arc::new(TaskTemplate { function: id, signature: None, options: Default::default() });
    let guest: Arc<dyn Any + Send + Sync> = Arc::new(());
    let completed = Arc::new(Count::default());
    let host = Host::new(HostOptions::new(1, completed.clone()));
    let call = |handle| Call {
        handle,
        task: TaskId::default(),
        attempt: Attempt::default(),
        template: template.clone(),
        arguments: Payload::EMPTY,
        inputs: Vec::new(),
        deadline: None,
        cancel: CancelToken::default(),
        guest: guest.clone(),
    };
    let mut batch = Vec::with_capacity(RUNS as usize);
    let mut allocations = 0;
    for round in 0..4 {
        batch.extend((0..RUNS).map(|handle| QueuedRun {
            slot: 0,
            function: function.clone(),
            call: call(handle),
        }));
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        host.queue(&mut batch);
        while completed.0.load(Ordering::Acquire) < (round + 1) * RUNS || !host.is_idle() {
            std::thread::yield_now();
        }
        allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
    }
    allocations / RUNS
}

#[test]
fn a_run_costs_no_allocation_and_an_async_one_costs_its_future() {
    assert_eq!(measure(FunctionKind::Blocking), 0);
    assert_eq!(measure(FunctionKind::Async), 1);
}
