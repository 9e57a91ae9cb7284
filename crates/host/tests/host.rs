//! The host's promises, each with a test of its name.

use mobula_host::{
    Body, Call, CallResult, CancelToken, Completion, Completions, CrashMarker, Function, Host, HostOptions,
    QueuedRun, install_panic_hook,
};
use mobula_types::{
    Attempt, Failure, FailureKind, FunctionId, FunctionInfo, Outcome, Payload, ResultValue, StoredValue,
    TaskId, TaskTemplate,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

fn function(body: Body) -> Arc<Function> {
    let info = FunctionInfo {
        id: FunctionId::new("test::f", "1"),
        signature: 0,
        signature_text: "fn()".into(),
        kind: body.kind(),
        place: "here".into(),
    };
    Arc::new(Function { info, body })
}

fn blocking(body: impl Fn(Call) -> CallResult + Send + Sync + 'static) -> Arc<Function> {
    function(Body::SharedBlocking(Arc::new(body)))
}

fn asynchronous<F>(body: impl Fn(Call) -> F + Send + Sync + 'static) -> Arc<Function>
where
    F: Future<Output = CallResult> + Send + 'static,
{
    function(Body::SharedAsync(Arc::new(move |call| Box::pin(body(call)))))
}

fn run(handle: u64, slot: u32, function: &Arc<Function>) -> QueuedRun {
    let template =
        TaskTemplate { function: function.info.id.clone(), signature: None, options: Default::default() };
    let call = Call {
        handle,
        task: TaskId { high: 1, low: handle },
        attempt: Attempt::default(),
        template: Arc::new(template),
        arguments: Payload::EMPTY,
        inputs: Vec::new(),
        deadline: None,
        cancel: CancelToken::default(),
        guest: Arc::new(()),
    };
    QueuedRun { slot, function: function.clone(), call }
}

fn done() -> CallResult {
    CallResult::of(Outcome::Value(ResultValue::inline(Payload::from(&b"done"[..]))))
}

fn cancelled() -> Failure {
    Failure::new(FailureKind::Cancelled, "not wanted any more")
}

fn host(slots: u32) -> (Host, Arc<Completions>) {
    let completions = Arc::new(Completions::default());
    (Host::new(HostOptions::new(slots, completions.clone())), completions)
}

/// Waits for that many completions.
fn wait_for(completions: &Completions, count: usize) -> Vec<Completion> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut all = Vec::new();
    let gather = async {
        while all.len() < count {
            completions.take(&mut all).await;
        }
    };
    runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(10), gather).await })
        .expect("runs end");
    all
}

fn failure_of(completion: &Completion) -> &Failure {
    completion.result.outcome.values().expect_err("it failed")
}

/// A blocking body that says when it started and goes on when it is told to.
fn held() -> (Arc<Function>, mpsc::Receiver<u64>, mpsc::Sender<()>) {
    let (started, starts) = mpsc::channel();
    let (go_on, gate) = mpsc::channel();
    let gate = Mutex::new(gate);
    let body = blocking(move |call| {
        started.send(call.handle).unwrap();
        gate.lock().unwrap().recv().unwrap();
        done()
    });
    (body, starts, go_on)
}

#[test]
fn runs_of_a_slot_start_in_order_and_end_once() {
    let (host, completions) = host(1);
    let (blocking, asynchronous) = (blocking(|_| done()), asynchronous(|_| async { done() }));
    let mut runs = (0..100)
        .map(|handle| run(handle, 0, if handle % 3 == 0 { &asynchronous } else { &blocking }))
        .collect();
    host.queue(&mut runs);
    let handles: Vec<u64> = wait_for(&completions, 100).iter().map(|completion| completion.handle).collect();
    assert_eq!(handles, (0..100).collect::<Vec<_>>());
    assert_eq!(host.open_slots(), 1);
}

#[test]
fn a_batch_wakes_a_slot_once() {
    let (host, completions) = host(1);
    let (first, starts, go_on) = held();
    host.queue(&mut vec![run(0, 0, &first)]);
    starts.recv().unwrap();
    let quick = blocking(|_| done());
    let before = (host.wakeups(), completions.wakeups());
    host.queue(&mut (1..=128).map(|handle| run(handle, 0, &quick)).collect());
    assert_eq!(host.wakeups(), before.0, "a slot that runs needs no waking");
    go_on.send(()).unwrap();
    assert_eq!(wait_for(&completions, 129).len(), 129);
    assert!(host.wakeups() <= 1, "{}", host.wakeups());
    assert!(completions.wakeups() > before.1);
}

#[test]
fn what_gathers_unread_wakes_the_reader_once() {
    let (host, completions) = host(1);
    let ended = Arc::new(AtomicU64::new(0));
    let counted = ended.clone();
    let body = blocking(move |_| {
        counted.fetch_add(1, Ordering::Release);
        done()
    });
    host.queue(&mut (0..64).map(|handle| run(handle, 0, &body)).collect());
    while ended.load(Ordering::Acquire) < 64 || !host.is_idle() {
        std::thread::yield_now();
    }
    assert_eq!(completions.wakeups(), 1);
    assert_eq!(wait_for(&completions, 64).len(), 64);
}

#[test]
fn what_has_not_started_can_be_recalled() {
    let (host, completions) = host(1);
    let (first, starts, go_on) = held();
    host.queue(&mut (0..5).map(|handle| run(handle, 0, &first)).collect());
    assert_eq!(starts.recv().unwrap(), 0);
    assert_eq!(host.recall(&[4, 0, 2, 77]), vec![2, 4]);
    for _ in 0..3 {
        go_on.send(()).unwrap();
    }
    let handles: Vec<u64> = wait_for(&completions, 3).iter().map(|completion| completion.handle).collect();
    assert_eq!(handles, [0, 1, 3]);
}

#[test]
fn a_cancelled_queued_run_never_starts() {
    let (host, completions) = host(1);
    let (first, starts, go_on) = held();
    host.queue(&mut vec![run(0, 0, &first), run(1, 0, &first)]);
    starts.recv().unwrap();
    assert!(host.cancel(1, &cancelled()), "it is taken back");
    assert!(!host.cancel(9, &cancelled()), "it is not there");
    go_on.send(()).unwrap();
    assert_eq!(wait_for(&completions, 1)[0].handle, 0);
    assert!(starts.try_recv().is_err());
}

#[test]
fn a_cancelled_async_run_is_dropped_at_its_next_await() {
    struct Dropped(mpsc::Sender<()>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
        }
    }
    let (host, completions) = host(1);
    let (started, starts) = mpsc::channel();
    let (dropped, drops) = mpsc::channel();
    let body = asynchronous(move |_| {
        let (started, dropped) = (started.clone(), Dropped(dropped.clone()));
        async move {
            started.send(()).unwrap();
            std::future::pending::<()>().await;
            drop(dropped);
            done()
        }
    });
    host.queue(&mut vec![run(0, 0, &body)]);
    starts.recv().unwrap();
    host.cancel(0, &cancelled());
    assert_eq!(failure_of(&wait_for(&completions, 1)[0]).kind(), FailureKind::Cancelled);
    drops.recv().unwrap();
}

#[test]
fn a_cancelled_blocking_run_is_told_and_its_result_does_not_count() {
    let (host, completions) = host(1);
    let (started, starts) = mpsc::channel();
    let body = blocking(move |call| {
        started.send(()).unwrap();
        while !call.cancel.is_cancelled() {
            std::thread::yield_now();
        }
        done()
    });
    host.queue(&mut vec![run(0, 0, &body), run(1, 0, &blocking(|_| done()))]);
    starts.recv().unwrap();
    let failure = Failure::new(FailureKind::DeadlineExceeded, "too long");
    host.cancel(0, &failure);
    let completions = wait_for(&completions, 2);
    assert_eq!(failure_of(&completions[0]), &failure);
    assert!(completions[1].result.outcome.values().is_ok(), "the next run has a token of its own");
}

#[test]
fn a_panic_ends_its_run_with_message_and_place() {
    install_panic_hook(None);
    let (host, completions) = host(1);
    let in_blocking = blocking(|_| panic!("blocking {}", 1));
    let in_async = asynchronous(|call| async move {
        tokio::task::yield_now().await;
        assert!(call.handle > 1000, "async");
        done()
    });
    host.queue(&mut vec![run(0, 0, &in_blocking), run(1, 0, &in_async), run(2, 0, &blocking(|_| done()))]);
    let completions = wait_for(&completions, 3);
    for (completion, message) in completions.iter().zip(["blocking 1", "async"]) {
        let failure = failure_of(completion);
        assert_eq!((failure.kind(), failure.message()), (FailureKind::TaskPanicked, message));
        let place = failure.detail().place.as_deref().unwrap_or_default();
        assert!(place.contains("tests/host.rs:"), "{place}");
        assert_eq!(failure.detail().task, Some(TaskId { high: 1, low: completion.handle }));
    }
    assert!(completions[2].result.outcome.values().is_ok());
}

#[test]
fn a_panic_payload_that_panics_when_dropped_unwinds_no_further() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::panic_any(Bomb);
        }
    }
    let (host, completions) = host(1);
    let body = blocking(|_| std::panic::panic_any(Bomb));
    host.queue(&mut vec![run(0, 0, &body), run(1, 0, &blocking(|_| done()))]);
    let completions = wait_for(&completions, 2);
    assert_eq!(failure_of(&completions[0]).message(), "a panic without a message");
    assert!(completions[1].result.outcome.values().is_ok());
}

#[test]
fn the_marker_sees_every_run_and_no_panic_that_is_caught() {
    #[derive(Debug, Default)]
    struct Notes(Mutex<Vec<String>>);
    impl CrashMarker for Notes {
        fn started(&self, slot: u32, handle: u64) {
            self.0.lock().unwrap().push(format!("{slot} starts {handle}"));
        }
        fn finished(&self, slot: u32, handle: u64) {
            self.0.lock().unwrap().push(format!("{slot} finished {handle}"));
        }
        fn panicked(&self, message: &str, _place: &str) {
            self.0.lock().unwrap().push(format!("panic: {message}"));
        }
    }
    install_panic_hook(None);
    let (notes, completions) = (Arc::new(Notes::default()), Arc::new(Completions::default()));
    let options = HostOptions { marker: notes.clone(), ..HostOptions::new(8, completions.clone()) };
    let host = Host::new(options);
    host.queue(&mut vec![run(41, 7, &blocking(|_| done())), run(42, 7, &blocking(|_| panic!("boom")))]);
    wait_for(&completions, 2);
    let expected = ["7 starts 41", "7 finished 41", "7 starts 42", "7 finished 42"];
    assert_eq!(*notes.0.lock().unwrap(), expected);
}

#[test]
fn the_place_is_that_of_the_panic_that_ends_the_run() {
    struct Catches;
    impl Drop for Catches {
        fn drop(&mut self) {
            assert!(std::panic::catch_unwind(|| panic!("inner")).is_err());
        }
    }
    install_panic_hook(None);
    let (host, completions) = host(1);
    let line = line!() + 4;
    let body = blocking(|_| {
        assert!(std::panic::catch_unwind(|| panic!("earlier")).is_err());
        let _catches = Catches;
        panic!("outer")
    });
    host.queue(&mut vec![run(0, 0, &body)]);
    let completions = wait_for(&completions, 1);
    let failure = failure_of(&completions[0]);
    assert_eq!(failure.message(), "outer");
    let place = failure.detail().place.as_deref().unwrap_or_default();
    assert!(place.contains(&format!("tests/host.rs:{line}:")), "{place}");
}

/// What a panic that cannot unwind leaves behind, in a process of its own, which it ends.
#[test]
fn a_panic_that_ends_the_process_is_noted() {
    const CHILD: &str = "MOBULA_TEST_PANICS";
    #[derive(Debug)]
    struct Prints;
    impl CrashMarker for Prints {
        fn started(&self, _slot: u32, _handle: u64) {}
        fn finished(&self, _slot: u32, _handle: u64) {}
        fn panicked(&self, message: &str, place: &str) {
            eprintln!("noted: {message} at {place}");
        }
    }
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in the destructor");
        }
    }
    if std::env::var_os(CHILD).is_some() {
        install_panic_hook(None);
        let completions = Arc::new(Completions::default());
        let options = HostOptions { marker: Arc::new(Prints), ..HostOptions::new(1, completions.clone()) };
        let host = Host::new(options);
        let body = blocking(|_| {
            assert!(std::panic::catch_unwind(|| panic!("caught")).is_err());
            let _bomb = Bomb;
            panic!("unwinds")
        });
        host.queue(&mut vec![run(0, 0, &body)]);
        wait_for(&completions, 1);
        return;
    }
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_panic_that_ends_the_process_is_noted", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stderr);
    assert!(!child.status.success());
    let noted: Vec<&str> = text.lines().filter(|line| line.starts_with("noted:")).collect();
    assert_eq!(noted.len(), 1, "{text}");
    assert!(noted[0].starts_with("noted: in the destructor at"), "{}", noted[0]);
}

#[test]
fn extra_slots_open_on_demand_and_end_when_idle() {
    let completions = Arc::new(Completions::default());
    let options = HostOptions { extra_idle: Duration::ZERO, ..HostOptions::new(1, completions.clone()) };
    let host = Host::new(options);
    let (first, starts, go_on) = held();
    host.queue(&mut (0..20).map(|handle| run(handle, handle as u32, &first)).collect());
    for _ in 0..20 {
        starts.recv().unwrap();
    }
    assert_eq!(host.open_slots(), 20);
    for _ in 0..20 {
        go_on.send(()).unwrap();
    }
    wait_for(&completions, 20);
    while host.open_slots() > 1 {
        std::thread::yield_now();
    }
    // A slot that has ended opens again.
    host.queue(&mut vec![run(20, 5, &blocking(|_| done()))]);
    assert_eq!(wait_for(&completions, 1)[0].handle, 20);
}

#[test]
fn an_attempt_is_measured() {
    let (host, completions) = host(1);
    let body = blocking(|_| {
        std::thread::sleep(Duration::from_millis(2));
        done()
    });
    host.queue(&mut vec![run(0, 0, &body)]);
    let completion = &wait_for(&completions, 1)[0];
    assert!(completion.micros >= 2000, "{}", completion.micros);
    let value = &completion.result.outcome.values().unwrap()[0].value;
    assert_eq!(*value, StoredValue::Inline(Payload::from(&b"done"[..])));
}

#[test]
fn dropping_the_host_drops_what_is_queued_and_cancels_what_runs() {
    let (host, completions) = host(1);
    let (started, starts) = mpsc::channel();
    let body = blocking(move |call| {
        started.send(call.handle).unwrap();
        while !call.cancel.is_cancelled() {
            std::thread::yield_now();
        }
        done()
    });
    host.queue(&mut vec![run(0, 0, &body), run(1, 0, &body)]);
    starts.recv().unwrap();
    drop((host, body));
    let completion = &wait_for(&completions, 1)[0];
    assert_eq!((completion.handle, failure_of(completion).kind()), (0, FailureKind::WorkerDied));
    assert!(starts.recv().is_err(), "the second run was dropped with its queue");
}
