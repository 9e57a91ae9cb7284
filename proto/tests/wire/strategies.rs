//! Arbitrary frames.

pub(crate) mod actors;
mod calls;
pub(crate) mod groups;
mod observers;
mod parts;
pub(crate) mod requests;

use mobula_types::frame::{
    Assignment, AssignmentEnd, Charges, FoundJob, Input, Progress, Reoffer, Run, RunExtras, Submit,
    SubmitExtras,
};
use mobula_types::outcome::CopyVersion;
use mobula_types::{
    ArgumentRef, ArgumentShape, Attempt, Frame, ObjectAddress, Outcome, OwnerTerm, Payload, ResultValue,
    TaskId, TemplateId, Time,
};
pub(crate) use parts::view_delta;
use parts::{
    address, attempt, failure, function_info, job, node_id, object_id, objects, outcome, payload,
    result_value, stored_value, task_id, template,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

fn deadline() -> impl Strategy<Value = Option<Duration>> {
    option::of(any::<u64>().prop_map(Duration::from_nanos))
}

fn shape() -> impl Strategy<Value = ArgumentShape> {
    prop_oneof![Just(ArgumentShape::Whole), Just(ArgumentShape::Element), Just(ArgumentShape::EmptyVec)]
}

fn argument_ref() -> impl Strategy<Value = ArgumentRef> {
    (any::<u32>(), shape(), address()).prop_map(|(parameter, shape, address)| ArgumentRef {
        parameter,
        shape,
        address,
    })
}

fn input() -> impl Strategy<Value = Input> {
    (any::<u32>(), shape(), object_id(), stored_value()).prop_map(|(parameter, shape, object, value)| Input {
        parameter,
        shape,
        object,
        value,
    })
}

fn charges() -> impl Strategy<Value = Charges> {
    let ago = any::<u64>().prop_map(Duration::from_nanos);
    (any::<u32>(), vec(ago, 0..3)).prop_map(|(retries, losses)| Charges { retries, losses })
}

fn reoffer() -> impl Strategy<Value = Reoffer> {
    let progress = prop_oneof![Just(Progress::Unsent), Just(Progress::Offered), Just(Progress::Ended)];
    let parts = (progress, charges(), option::of(outcome()));
    parts.prop_map(|(progress, charges, outcome)| Reoffer { progress, charges, outcome })
}

fn submit() -> impl Strategy<Value = Submit> {
    let parts = (
        task_id(),
        any::<u32>().prop_map(TemplateId),
        payload(),
        vec(argument_ref(), 0..3),
        vec(address(), 0..3),
        deadline(),
        any::<Option<u64>>(),
        option::of(reoffer()),
    );
    parts.prop_map(|(task, template, arguments, references, contained, deadline, parent, reoffer)| {
        let extras = SubmitExtras { references, contained, deadline, reoffer }.boxed();
        Submit { task, template, arguments, parent, extras }
    })
}

fn run() -> impl Strategy<Value = Run> {
    let parts = (
        any::<u64>(),
        any::<u32>(),
        task_id(),
        attempt(),
        any::<u32>().prop_map(TemplateId),
        payload(),
        vec(input(), 0..3),
        deadline(),
    );
    parts.prop_map(|(handle, slot, task, attempt, template, arguments, inputs, deadline)| {
        let extras = RunExtras { inputs, deadline }.boxed();
        Run { handle, slot, task, attempt, template, arguments, extras }
    })
}

fn assignment() -> impl Strategy<Value = Assignment> {
    let parts = (
        task_id(),
        attempt(),
        job(),
        any::<u32>().prop_map(TemplateId),
        payload(),
        vec(input(), 0..3),
        deadline(),
        any::<u32>(),
    );
    parts.prop_map(|(task, attempt, job, template, arguments, inputs, deadline, refusals)| Assignment {
        task,
        attempt,
        job,
        template,
        arguments,
        inputs,
        deadline,
        refusals,
    })
}

fn version() -> impl Strategy<Value = CopyVersion> {
    (any::<u64>(), any::<u32>()).prop_map(|(length, checksum)| CopyVersion { length, checksum })
}

fn assignment_end() -> impl Strategy<Value = AssignmentEnd> {
    let ran = (outcome(), any::<bool>(), any::<u32>(), objects());
    prop_oneof![
        ran.prop_map(|(outcome, retryable, micros, borrows)| AssignmentEnd::Ran {
            outcome,
            retryable,
            micros,
            borrows
        }),
        any::<u64>().prop_map(|queued| AssignmentEnd::NoRoom { queued }),
        Just(AssignmentEnd::Returned),
        (failure(), any::<bool>()).prop_map(|(failure, charged)| AssignmentEnd::Lost { failure, charged }),
        (object_id(), version(), node_id()).prop_map(|(object, version, holder)| AssignmentEnd::InputLost {
            object,
            version,
            holder
        }),
        failure().prop_map(|failure| AssignmentEnd::InputsUnavailable { failure }),
        failure().prop_map(|failure| AssignmentEnd::CannotRun { failure }),
        (node_id(), any::<u32>())
            .prop_map(|(owner, term)| AssignmentEnd::Superseded { owner, owner_term: OwnerTerm(term) }),
    ]
}

/// Released objects in the order in which they travel: those of the home node first.
fn released() -> impl Strategy<Value = Vec<ObjectAddress>> {
    vec(address(), 0..4).prop_map(|mut objects| {
        objects.sort_by_key(|address| address.owner.is_some());
        objects
    })
}

fn client_frame() -> BoxedStrategy<Frame> {
    prop_oneof![
        (any::<u32>(), template())
            .prop_map(|(id, template)| Frame::Template { id: TemplateId(id), template: Arc::new(template) }),
        submit().prop_map(Frame::Submit),
        (object_id(), result_value()).prop_map(|(object, value)| Frame::Put { object, value }),
        address().prop_map(|address| Frame::Get { address }),
        released().prop_map(|objects| Frame::Release { objects }),
        (address(), any::<bool>(), any::<bool>()).prop_map(|(address, force, recursive)| Frame::Cancel {
            address,
            force,
            recursive
        }),
        Just(Frame::Goodbye),
    ]
    .boxed()
}

fn node_frame() -> BoxedStrategy<Frame> {
    prop_oneof![
        (task_id(), outcome()).prop_map(|(task, outcome)| Frame::Completed { task, outcome }),
        (object_id(), outcome()).prop_map(|(object, outcome)| Frame::Got { object, outcome }),
        (task_id(), charges()).prop_map(|(task, charges)| Frame::Charged { task, charges }),
        (object_id(), option::of(failure())).prop_map(|(object, failure)| Frame::PutDone { object, failure }),
        any::<u64>().prop_map(|total| Frame::Credit { total }),
        view_delta().prop_map(|delta| Frame::View(Box::new(delta))),
        any::<String>().prop_map(|text| Frame::Warning { text }),
        failure().prop_map(|failure| Frame::JobEnded { failure }),
        Just(Frame::Draining),
    ]
    .boxed()
}

fn worker_frame() -> BoxedStrategy<Frame> {
    prop_oneof![
        run().prop_map(Frame::Run),
        any::<Vec<u64>>().prop_map(|handles| Frame::Recall { handles }),
        (any::<u64>(), failure()).prop_map(|(handle, failure)| Frame::CancelRun { handle, failure }),
        any::<u64>().prop_map(|handle| Frame::Resume { handle }),
        Just(Frame::Retire),
        any::<u64>().prop_map(|nanos| Frame::Lease { until: Time::from_nanos(nanos) }),
        vec(function_info(), 0..3).prop_map(|functions| Frame::Announce { functions }),
        (any::<u64>(), outcome(), any::<bool>(), any::<u32>(), vec(address(), 0..3)).prop_map(
            |(handle, outcome, retryable, micros, borrows)| Frame::Done {
                handle,
                outcome,
                retryable,
                micros,
                borrows: borrows.into()
            }
        ),
        any::<Vec<u64>>().prop_map(|handles| Frame::Returned { handles }),
        any::<u64>().prop_map(|handle| Frame::Blocked { handle }),
        any::<u64>().prop_map(|handle| Frame::Unblocked { handle }),
    ]
    .boxed()
}

fn peer_frame() -> BoxedStrategy<Frame> {
    let cancel = (task_id(), attempt(), failure(), any::<bool>());
    let copies = vec((object_id(), result_value()), 0..3);
    let found = (job(), copies, vec((task_id(), attempt()), 0..3), vec(task_id(), 0..3), any::<bool>());
    let found = found.prop_map(|(job, copies, running, unstarted, more)| FoundJob {
        job,
        copies,
        running,
        unstarted,
        more,
    });
    prop_oneof![
        assignment().prop_map(|assignment| Frame::Assign(Box::new(assignment))),
        cancel.prop_map(|(task, attempt, failure, force)| Frame::CancelAssignment {
            task,
            attempt,
            failure,
            force
        }),
        vec((task_id(), attempt()), 0..4).prop_map(|tasks| Frame::RecallAssignments { tasks }),
        vec((task_id(), attempt()), 0..4).prop_map(|tasks| Frame::ConfirmAssignments { tasks }),
        (task_id(), attempt(), assignment_end()).prop_map(|(task, attempt, end)| Frame::AssignmentEnded {
            task,
            attempt,
            end: Box::new(end)
        }),
        object_id().prop_map(|object| Frame::Resolve { object }),
        (object_id(), outcome()).prop_map(|(object, outcome)| Frame::Resolved { object, outcome }),
        objects().prop_map(|objects| Frame::Borrow { objects }),
        objects().prop_map(|objects| Frame::Unborrow { objects }),
        objects().prop_map(|objects| Frame::Free { objects }),
        (object_id(), version(), node_id()).prop_map(|(object, version, holder)| Frame::CopyLost {
            object,
            version,
            holder
        }),
        (object_id(), version()).prop_map(|(object, version)| Frame::CopyMade { object, version }),
        (any::<u64>(), object_id(), failure()).prop_map(|(handle, object, failure)| Frame::Unreadable {
            handle,
            object,
            failure
        }),
        (job(), any::<u32>()).prop_map(|(job, term)| Frame::FindJob { job, owner_term: OwnerTerm(term) }),
        found.prop_map(|found| Frame::FoundJob(Box::new(found))),
    ]
    .boxed()
}

/// Frequent frames as they usually are: numbers often zero, no references.
fn plain_frame() -> BoxedStrategy<Frame> {
    let small = || prop_oneof![Just(0_u64), any::<u64>(), 0..300_u64];
    let bytes = || prop_oneof![Just(Payload::EMPTY), payload()];
    let task = move || (small(), small()).prop_map(|(high, low)| TaskId { high, low });
    let value = move || bytes().prop_map(|payload| Outcome::Value(ResultValue::inline(payload)));
    prop_oneof![
        (submit(), task(), bytes(), small()).prop_map(|(submit, task, arguments, template)| {
            let template = TemplateId(template as u32);
            let deadline = submit.deadline();
            let extras = SubmitExtras { deadline, ..SubmitExtras::default() }.boxed();
            Frame::Submit(Submit { task, arguments, template, extras, ..submit })
        }),
        (run(), task(), bytes(), small(), small()).prop_map(|(run, task, arguments, handle, slot)| {
            let attempt = Attempt { number: slot as u32 / 2, ..run.attempt };
            let extras = RunExtras { deadline: run.deadline(), ..RunExtras::default() }.boxed();
            Frame::Run(Run { task, arguments, handle, slot: slot as u32, attempt, extras, ..run })
        }),
        (task(), value()).prop_map(|(task, outcome)| Frame::Completed { task, outcome }),
        (small(), value(), any::<bool>(), small()).prop_map(|(handle, outcome, retryable, micros)| {
            Frame::Done { handle, outcome, retryable, micros: micros as u32, borrows: Box::default() }
        }),
    ]
    .boxed()
}

/// Any frame.
pub(crate) fn frame() -> impl Strategy<Value = Frame> {
    prop_oneof![2 => plain_frame(), 2 => calls::plain_frame(), 2 => calls::frame(), 1 => client_frame(), 1 => node_frame(), 1 => worker_frame(), 1 => peer_frame()]
}
