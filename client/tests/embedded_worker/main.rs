//! A worker against a node that this test plays: frames in, frames out.

use bytes::Bytes;
use mobula::{Error, ErrorKind, ObjectRef};
use mobula_types::{
    ArgumentShape, Failure, FailureKind, Frame, FunctionId, FunctionKind, INLINE_LIMIT, ObjectId, Outcome,
    Payload, ResultValue, StoredValue, TaskId, TaskOptions, TemplateId,
};
use node::{Node, copy_of, encoded, input, value};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};

mod actors;
mod hooks;
mod node;

// ---- the functions

#[derive(Debug, Serialize, Deserialize, PartialEq)]
enum Trouble {
    Passing,
    Lasting,
}

impl Trouble {
    fn passes(&self) -> bool {
        *self == Trouble::Passing
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?} trouble")
    }
}

impl std::error::Error for Trouble {}

/// Adds.
#[mobula::remote(num_cpus = 0.5, memory = "1MiB", resources(disk = 2), labels(zone = "a"), timeout = "5s", priority = -3)]
fn add(a: u64, b: u64) -> u64 {
    a + b
}

#[mobula::remote]
async fn describe(name: &str, parts: &[u8], whole: &Vec<String>) -> String {
    tokio::task::yield_now().await;
    format!("{name} {parts:?} {whole:?}")
}

#[mobula::remote(retry_on = Trouble::passes)]
fn troubled(passing: bool) -> Result<u64, Trouble> {
    Err(if passing { Trouble::Passing } else { Trouble::Lasting })
}

#[mobula::remote(num_returns = 2)]
fn divide(a: u64, b: u64) -> Result<(u64, u64), String> {
    let quotient = a.checked_div(b).ok_or("division by zero")?;
    Ok((quotient, a % b))
}

#[mobula::remote(num_returns = 0)]
fn nothing() {}

#[mobula::remote]
fn list(count: u64) -> Vec<u64> {
    (0..count).collect()
}

#[mobula::remote]
fn panics() {
    panic!("as it must");
}

#[mobula::remote]
async fn forever() {
    std::future::pending::<()>().await;
}

#[mobula::remote]
fn until_cancelled() -> u64 {
    while !mobula::task_context().is_some_and(|task| task.is_cancelled()) {
        std::thread::yield_now();
    }
    1
}

#[mobula::remote]
async fn add_through_child(a: u64) -> Result<u64, Error> {
    add::remote(a, 1_u64).submit().await
}

#[mobula::remote]
fn add_through_child_blocking(a: u64) -> Result<u64, Error> {
    add::remote(a, 1_u64).submit().get_blocking()
}

#[mobula::remote]
fn child_of(a: u64) -> ObjectRef<u64> {
    add::remote(a, 1_u64).submit()
}

/// What functions keep beyond their calls.
static KEPT: Mutex<Vec<ObjectRef<u64>>> = Mutex::new(Vec::new());

#[mobula::remote]
fn keeps(reference: Option<ObjectRef<u64>>, fails: bool) {
    KEPT.lock().unwrap().extend(reference);
    assert!(!fails, "it keeps the reference all the same");
}

#[mobula::remote]
fn passes_on(reference: Option<ObjectRef<u64>>) -> Option<ObjectRef<u64>> {
    reference
}

#[mobula::remote]
fn lets_go() {
    KEPT.lock().unwrap().clear();
}

#[mobula::remote]
fn zeros(count: usize) -> Bytes {
    vec![0; count].into()
}

#[mobula::remote]
fn length(bytes: Bytes) -> usize {
    bytes.len()
}

#[mobula::remote(handle = TypeTask, isolation = "process", fail_if_infeasible)]
fn r#type(r#fn: u8) -> u8 {
    r#fn
}

// ---- the tests

#[tokio::test]
async fn functions_are_announced_with_what_their_macro_knows() {
    let node = Node::start().await;
    let info = node.info("add");
    assert_eq!(&*info.signature_text, "fn(a: u64, b: u64) -> u64");
    assert_eq!((info.kind, node.info("describe").kind), (FunctionKind::Blocking, FunctionKind::Async));
    assert_eq!(&*info.id.version, env!("CARGO_PKG_VERSION"));
    assert!(info.place.starts_with("client/tests/embedded_worker/main.rs:"), "{}", info.place);
    assert_eq!(&*node.info("type").signature_text, "fn(fn: u8) -> u8");
    assert_eq!((r#type(1), add(1, 2)), (1, 3), "functions stay callable");
    let _handle = TypeTask {};
    assert!(!node.worker.is_ended());
}

#[tokio::test]
async fn values_and_borrowed_parameters() {
    let mut node = Node::start().await;
    assert_eq!(node.call::<u64>("add", &[encoded(2_u64), encoded(3_u64)]).await, 5);
    let arguments = [encoded("x".to_string()), encoded(vec![1_u8, 2]), encoded(vec!["y".to_string()])];
    assert_eq!(node.call::<String>("describe", &arguments).await, "x [1, 2] [\"y\"]");
}

#[tokio::test]
async fn references_fill_parameters() {
    let mut node = Node::start().await;
    let template = node.template_of("describe", 1);
    let inline = |value: Payload| StoredValue::Inline(value);
    let inputs = vec![
        input(0, ArgumentShape::Whole, inline(encoded("name".to_string()))),
        input(1, ArgumentShape::EmptyVec, inline(Payload::EMPTY)),
        input(2, ArgumentShape::Element, inline(encoded("a".to_string()))),
        input(2, ArgumentShape::Element, inline(encoded("b".to_string()))),
    ];
    let handle = node.run_on(0, template, &[], inputs);
    assert_eq!(value::<String>(&node.done(handle).await.0, 0), "name [] [\"a\", \"b\"]");
}

#[tokio::test]
async fn wrong_arguments_are_refused() {
    let mut node = Node::start().await;
    for arguments in
        [vec![], vec![encoded(1_u64)], vec![encoded(1_u64); 3], vec![encoded("x".to_string()); 2]]
    {
        let handle = node.run("add", &arguments);
        let (failure, _) = node.failure(handle).await;
        assert_eq!(failure.kind(), FailureKind::BadArguments, "{failure:?}");
        assert_eq!(failure.detail().function.as_deref(), Some("embedded_worker::add"));
    }
}

#[tokio::test]
async fn errors_stay_typed_and_name_what_is_tried_again() {
    let mut node = Node::start().await;
    for (passing, expected) in [(true, Trouble::Passing), (false, Trouble::Lasting)] {
        let handle = node.run("troubled", &[encoded(passing)]);
        let (failure, retryable) = node.failure(handle).await;
        assert_eq!(retryable, passing);
        assert_eq!((failure.kind(), failure.message()), (FailureKind::TaskFailed, &*expected.to_string()));
        assert_eq!(Error::from(failure).downcast::<Trouble>(), Some(expected));
    }
}

#[tokio::test]
async fn several_and_no_values() {
    let mut node = Node::start().await;
    let template = node.template_of("divide", 2);
    let handle = node.run_on(0, template, &[encoded(17_u64), encoded(5_u64)], Vec::new());
    let outcome = node.done(handle).await.0;
    assert_eq!((value::<u64>(&outcome, 0), value::<u64>(&outcome, 1)), (3, 2));
    let handle = node.run_on(0, template, &[encoded(1_u64), encoded(0_u64)], Vec::new());
    assert_eq!(node.failure(handle).await.0.message(), "division by zero");
    let template = node.template_of("nothing", 0);
    let handle = node.run_on(0, template, &[], Vec::new());
    assert_eq!(node.done(handle).await.0, Outcome::Values(Vec::new()));
}

#[tokio::test]
async fn a_list_is_split_where_the_caller_asks_for_it() {
    let mut node = Node::start().await;
    assert_eq!(node.call::<Vec<u64>>("list", &[encoded(3_u64)]).await, [0, 1, 2]);
    let template = node.template_of("list", 3);
    let handle = node.run_on(0, template, &[encoded(3_u64)], Vec::new());
    let outcome = node.done(handle).await.0;
    assert_eq!(value::<u64>(&outcome, 2), 2);
    let handle = node.run_on(0, template, &[encoded(4_u64)], Vec::new());
    assert_eq!(node.failure(handle).await.0.kind(), FailureKind::BadValue);
}

#[tokio::test]
async fn a_panic_is_its_runs_own() {
    let mut node = Node::start().await;
    let handle = node.run("panics", &[]);
    let (failure, _) = node.failure(handle).await;
    assert_eq!((failure.kind(), failure.message()), (FailureKind::TaskPanicked, "as it must"));
    assert!(failure.detail().place.as_deref().unwrap().contains("embedded_worker/main.rs"));
    assert_eq!(node.call::<u64>("add", &[encoded(1_u64), encoded(1_u64)]).await, 2);
}

#[tokio::test]
async fn what_is_not_there_is_refused_with_both_sides() {
    let mut node = Node::start().await;
    let info = node.info("add").clone();
    let unknown = node.template(FunctionId::new("nowhere::f", ""), None, TaskOptions::default());
    let other = node.template(info.id, Some(info.signature + 1), TaskOptions::default());
    let expected = [
        (unknown, FailureKind::UnknownFunction),
        (other, FailureKind::FunctionMismatch),
        (TemplateId(999), FailureKind::Malformed),
    ];
    for (template, kind) in expected {
        let handle = node.run_on(0, template, &[], Vec::new());
        assert_eq!(node.failure(handle).await.0.kind(), kind);
    }
}

#[tokio::test]
async fn running_and_queued_runs_are_cancelled() {
    let mut node = Node::start().await;
    let cancelled = || Failure::new(FailureKind::Cancelled, "not wanted");
    for name in ["forever", "until_cancelled"] {
        let running = node.run(name, &[]);
        let queued = node.run("add", &[encoded(1_u64), encoded(1_u64)]);
        node.send(Frame::CancelRun { handle: queued, failure: cancelled() });
        assert_eq!(node.next().await, Frame::Returned { handles: vec![queued] }, "it has not started");
        node.send(Frame::CancelRun { handle: running, failure: cancelled() });
        node.cancelled(running).await;
    }
}

#[tokio::test]
async fn what_has_not_started_is_given_back() {
    let mut node = Node::start().await;
    let running = node.run("forever", &[]);
    let (one, two) = (node.run("add", &[]), node.run("add", &[]));
    // Slot 1 has done its run when it says so: then slot 0's first has long been taken.
    let template = node.template_of("add", 1);
    let other = node.run_on(1, template, &[encoded(1_u64), encoded(2_u64)], Vec::new());
    node.done(other).await;
    node.send(Frame::Recall { handles: vec![two, one, 99] });
    match node.next().await {
        Frame::Returned { mut handles } => {
            handles.sort_unstable();
            assert_eq!(handles, [one, two]);
        }
        frame => panic!("{frame:?}"),
    }
    node.send(Frame::CancelRun { handle: running, failure: Failure::new(FailureKind::Cancelled, "") });
    node.cancelled(running).await;
}

#[tokio::test]
async fn a_run_that_waits_for_a_child_gives_its_cpus_back() {
    let mut node = Node::start().await;
    for name in ["add_through_child", "add_through_child_blocking"] {
        let handle = node.run(name, &[encoded(41_u64)]);
        let submit = node.submitted().await;
        assert_eq!(submit.parent, Some(handle));
        assert_eq!(node.next().await, Frame::Blocked { handle });
        let outcome = Outcome::Value(ResultValue::inline(encoded(42_u64)));
        node.send(Frame::Completed { task: submit.task, outcome });
        assert_eq!(node.next().await, Frame::Unblocked { handle });
        node.send(Frame::Resume { handle });
        assert_eq!(value::<u64>(&node.done(handle).await.0, 0), 42);
    }
}

#[tokio::test]
async fn a_failed_child_is_the_cause_of_its_parents_failure() {
    let mut node = Node::start().await;
    let handle = node.run("add_through_child", &[encoded(1_u64)]);
    let submit = node.submitted().await;
    assert_eq!(node.next().await, Frame::Blocked { handle });
    let lost = Failure::new(FailureKind::NodeLost, "gone");
    node.send(Frame::Completed { task: submit.task, outcome: Outcome::Failed(lost) });
    assert_eq!(node.next().await, Frame::Unblocked { handle });
    node.send(Frame::Resume { handle });
    let (failure, _) = node.failure(handle).await;
    assert_eq!(failure.kind(), FailureKind::TaskFailed);
    assert_eq!(failure.root_cause().kind(), FailureKind::NodeLost);
}

/// The encoded reference to a child of some run, which nobody here holds any more.
async fn a_reference(node: &mut Node) -> (ObjectId, Payload) {
    let handle = node.run("child_of", &[encoded(1_u64)]);
    let child = ObjectId::result(node.submitted().await.task, 0);
    let Outcome::Value(ResultValue { value: StoredValue::Inline(payload), .. }) = node.done(handle).await.0
    else {
        panic!("one value")
    };
    while !node.released.contains(&child) {
        if let Frame::Release { objects } = node.next_of_any_kind().await {
            node.released.extend(objects.iter().map(|address| address.object));
        }
    }
    node.released.clear();
    (child, payload)
}

async fn borrows_of(node: &mut Node, run: u64) -> Vec<ObjectId> {
    match node.next_of_any_kind().await {
        Frame::Done { handle, borrows, .. } if handle == run => {
            borrows.iter().map(|address| address.object).collect()
        }
        frame => panic!("{frame:?}"),
    }
}

#[tokio::test]
async fn what_a_run_keeps_of_what_it_was_lent_is_borrowed_with_its_end() {
    let mut node = Node::start().await;
    let (object, reference) = a_reference(&mut node).await;
    for fails in [false, true] {
        let run = node.run("keeps", &[reference.clone(), encoded(fails)]);
        assert_eq!(borrows_of(&mut node, run).await, [object]);
    }
    // What it does not keep is nobody's business: neither dropped nor handed back.
    let run = node.run("passes_on", std::slice::from_ref(&reference));
    assert_eq!(borrows_of(&mut node, run).await, []);
    let run = node.run("lets_go", &[]);
    let mut released = Vec::new();
    while released.len() < 2 {
        match node.next_of_any_kind().await {
            Frame::Release { objects } => released.extend(objects.iter().map(|address| address.object)),
            Frame::Done { handle, .. } if handle == run => {}
            frame => panic!("{frame:?}"),
        }
    }
    assert_eq!(released, [object, object], "once for each run that kept it");
}

#[tokio::test]
async fn a_returned_reference_is_released_behind_its_value() {
    let mut node = Node::start().await;
    let handle = node.run("child_of", &[encoded(1_u64)]);
    let submit = node.submitted().await;
    let child = ObjectId::result(submit.task, 0);
    let Outcome::Value(value) = node.done(handle).await.0 else { panic!("one value") };
    let contained: Vec<ObjectId> = value.contained.unwrap().iter().map(|address| address.object).collect();
    assert_eq!(contained, [child]);
    assert!(!node.released.contains(&child));
    while !node.released.contains(&child) {
        if let Frame::Release { objects } = node.next_of_any_kind().await {
            node.released.extend(objects.iter().map(|address| address.object));
        }
    }
}

#[tokio::test]
async fn a_large_result_goes_to_the_store_first() {
    let mut node = Node::start().await;
    let size = INLINE_LIMIT + 1;
    let handle = node.run("zeros", &[encoded(size)]);
    let Outcome::Value(value) = node.done(handle).await.0 else { panic!("one value") };
    let StoredValue::Stored(copy) = value.value else { panic!("stored") };
    assert_eq!(copy.length, size as u64);
    let object = ObjectId::result(TaskId { high: 7, low: handle }, 0);
    assert_eq!(node.store.0.lock()[&object].len(), size);
}

#[tokio::test]
async fn a_large_input_is_fetched_before_its_run_and_those_behind_it_wait() {
    let mut node = Node::start().await;
    let bytes = Bytes::from(vec![7; 3 * INLINE_LIMIT]);
    let stored = StoredValue::Stored(Arc::new(copy_of(&bytes)));
    node.store.0.lock().insert(ObjectId::default(), bytes);
    let template = node.template_of("length", 1);
    let first = node.run_on(0, template, &[], vec![input(0, ArgumentShape::Whole, stored.clone())]);
    let second = node.run("add", &[encoded(1_u64), encoded(2_u64)]);
    assert_eq!(value::<usize>(&node.done(first).await.0, 0), 3 * INLINE_LIMIT);
    node.done(second).await;
    node.store.0.lock().clear();
    let lost = node.run_on(0, template, &[], vec![input(0, ArgumentShape::Whole, stored)]);
    let after = node.run("add", &[encoded(1_u64), encoded(2_u64)]);
    let given_back = node.next().await;
    assert!(
        matches!(&given_back, Frame::Unreadable { handle, object, failure }
            if *handle == lost && *object == ObjectId::default() && failure.kind() == FailureKind::ObjectLost),
        "{given_back:?}"
    );
    node.done(after).await;
}

#[tokio::test]
async fn a_retired_worker_ends_when_nothing_runs() {
    let mut node = Node::start().await;
    let running = node.run("forever", &[]);
    node.send(Frame::Retire);
    let template = node.template_of("add", 1);
    let other = node.run_on(1, template, &[encoded(1_u64), encoded(2_u64)], Vec::new());
    node.done(other).await;
    node.send(Frame::CancelRun { handle: running, failure: Failure::new(FailureKind::Cancelled, "") });
    node.cancelled(running).await;
    let mut frames = Vec::new();
    while node.session.receiver.receive(&mut frames).await.is_ok() {}
    while !node.worker.is_ended() {
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_call_outside_of_any_cluster_says_so() {
    let error = add::remote(1_u64, 2_u64).submit().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoContext);
}

#[test]
fn a_program_without_the_entry_is_known_by_that() {
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    assert!(!mobula_objects::executable::requirements(&program).unwrap().has_entry);
}
