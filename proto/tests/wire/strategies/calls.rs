//! Arbitrary frames of actors.

use super::actors::{down, duration, exit_reason, watch_kind};
use super::parts::{
    actor_id, address, attempt, failure, incarnation, job, objects, outcome, payload, task_id, text,
};
use super::{argument_ref, deadline, groups, input, observers, reoffer, requests};
use mobula_types::actor::{CallEnd, Caller, Epoch, LaneCall, LaneId};
use mobula_types::frame::{Answer, Ask, Call, HostActor, Lane, LaneCallEnded, SubmitExtras, Turn};
use mobula_types::{Frame, Outcome, ResultValue, TemplateId};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn template_id() -> impl Strategy<Value = TemplateId> {
    any::<u32>().prop_map(TemplateId)
}

fn lane_id() -> impl Strategy<Value = LaneId> {
    any::<u64>().prop_map(LaneId)
}

fn caller() -> impl Strategy<Value = Caller> {
    prop_oneof![
        job().prop_map(Caller::Driver),
        (task_id(), attempt()).prop_map(|(task, attempt)| Caller::Task(task, attempt)),
        incarnation().prop_map(Caller::Actor),
    ]
}

fn call() -> impl Strategy<Value = Call> {
    let extras = (vec(argument_ref(), 0..3), vec(address(), 0..3), deadline(), option::of(reoffer()));
    let extras = extras.prop_map(|(references, contained, deadline, reoffer)| {
        SubmitExtras { references, contained, deadline, reoffer }.boxed()
    });
    let numbers = any::<(u64, u64, Option<u64>)>();
    (task_id(), actor_id(), numbers, template_id(), payload(), extras).prop_map(
        |(task, actor, (sequence, answered_below, parent), template, arguments, extras)| Call {
            task,
            actor,
            sequence,
            answered_below,
            template,
            arguments,
            parent,
            extras,
        },
    )
}

fn turn() -> impl Strategy<Value = Turn> {
    let numbers = any::<(u64, u32)>();
    let given = (template_id(), payload(), vec(input(), 0..3), deadline());
    (numbers, caller(), task_id(), attempt(), given).prop_map(
        |((handle, key), caller, task, attempt, (template, arguments, inputs, deadline))| Turn {
            handle,
            key,
            caller,
            task,
            attempt,
            template,
            arguments,
            inputs,
            deadline,
        },
    )
}

fn lane_call() -> impl Strategy<Value = LaneCall> {
    let numbers = any::<(u64, u64, u64)>();
    let given = (template_id(), payload(), vec(input(), 0..3), deadline(), any::<bool>());
    (lane_id(), numbers, task_id(), attempt(), given).prop_map(
        |(lane, numbers, task, attempt, (template, arguments, inputs, deadline, resent))| LaneCall {
            lane,
            sequence: numbers.0,
            epoch: Epoch(numbers.1),
            task,
            attempt,
            template,
            arguments,
            inputs,
            deadline,
            answered_below: numbers.2,
            resent,
        },
    )
}

fn ran(outcome: impl Strategy<Value = Outcome>) -> impl Strategy<Value = CallEnd> {
    (outcome, any::<bool>(), any::<u32>(), objects()).prop_map(|(outcome, retryable, micros, borrows)| {
        CallEnd::Ran { outcome, retryable, micros, borrows }
    })
}

fn call_end() -> impl Strategy<Value = CallEnd> {
    prop_oneof![
        ran(outcome()),
        option::of(exit_reason()).prop_map(|reason| CallEnd::NotStarted { reason }),
        exit_reason().prop_map(|reason| CallEnd::Died { reason }),
        failure().prop_map(|failure| CallEnd::Refused { failure }),
        failure().prop_map(|failure| CallEnd::InputsUnavailable { failure }),
    ]
}

fn lane_call_ended(end: impl Strategy<Value = CallEnd>) -> impl Strategy<Value = LaneCallEnded> {
    (lane_id(), any::<u64>(), end, any::<u32>()).prop_map(|(lane, sequence, end, window)| LaneCallEnded {
        lane,
        sequence,
        end,
        window,
    })
}

fn host_actor() -> impl Strategy<Value = HostActor> {
    (any::<u32>(), incarnation(), job(), template_id(), payload(), vec(input(), 0..3)).prop_map(
        |(key, incarnation, job, template, arguments, inputs)| HostActor {
            key,
            incarnation,
            job,
            template,
            arguments,
            inputs,
        },
    )
}

fn ask() -> impl Strategy<Value = Ask> {
    prop_oneof![
        3 => requests::request().prop_map(Ask::Actors),
        1 => (actor_id(), watch_kind(), proptest::option::of(1..u64::MAX))
            .prop_map(|(target, kind, epoch)| Ask::Watch { target, kind, epoch: epoch.map(Epoch) }),
        1 => any::<u64>().prop_map(|number| Ask::Unwatch { number }),
        1 => (text(), text(), incarnation())
            .prop_map(|(namespace, group, member)| Ask::Join { namespace, group, member }),
        1 => (text(), text(), incarnation())
            .prop_map(|(namespace, group, member)| Ask::Leave { namespace, group, member }),
        1 => (text(), text()).prop_map(|(namespace, group)| Ask::Members { namespace, group }),
        2 => groups::ask(),
        1 => observers::ask(),
        1 => Just(Ask::View),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        3 => requests::answer().prop_map(Answer::Actors),
        1 => (any::<u64>(), any::<u64>())
            .prop_map(|(number, epoch)| Answer::Watching { number, epoch: Epoch(epoch) }),
        1 => vec(incarnation(), 0..3).prop_map(Answer::Members),
        1 => any::<u64>().prop_map(|subscription| Answer::Subscribed { subscription }),
        1 => any::<u64>().prop_map(|number| Answer::Observing { number }),
        1 => Just(Answer::Done),
        1 => failure().prop_map(Answer::Failed),
    ]
}

/// Any frame of actors.
pub(crate) fn frame() -> BoxedStrategy<Frame> {
    prop_oneof![call_frame(), worker_frame(), asking_frame(), groups::frame(), observers::frame()].boxed()
}

fn call_frame() -> BoxedStrategy<Frame> {
    let lane = (lane_id(), caller(), actor_id(), job()).prop_map(|(lane, caller, actor, job)| Lane {
        lane,
        caller,
        actor,
        job,
    });
    prop_oneof![
        call().prop_map(|call| Frame::Call(Box::new(call))),
        lane.prop_map(|lane| Frame::OpenLane(Box::new(lane))),
        lane_call().prop_map(|call| Frame::LaneCall(Box::new(call))),
        lane_call_ended(call_end()).prop_map(|ended| Frame::LaneCallEnded(Box::new(ended))),
        (lane_id(), any::<u64>(), failure()).prop_map(|(lane, sequence, failure)| Frame::CancelLaneCall {
            lane,
            sequence,
            failure
        }),
        lane_id().prop_map(|lane| Frame::CloseLane { lane }),
    ]
    .boxed()
}

fn worker_frame() -> BoxedStrategy<Frame> {
    prop_oneof![
        host_actor().prop_map(|host| Frame::HostActor(Box::new(host))),
        turn().prop_map(|turn| Frame::Turn(Box::new(turn))),
        (any::<u32>(), option::of(duration()), exit_reason())
            .prop_map(|(key, grace, reason)| Frame::StopActor { key, grace, reason }),
        any::<u32>().prop_map(|key| Frame::ActorStarted { key }),
        (any::<u32>(), option::of(exit_reason()))
            .prop_map(|(key, reason)| Frame::ActorExited { key, reason }),
    ]
    .boxed()
}

fn asking_frame() -> BoxedStrategy<Frame> {
    prop_oneof![
        any::<(u64, Option<u64>)>().prop_flat_map(|(number, parent)| ask().prop_map(move |ask| Frame::Ask {
            number,
            parent,
            ask: Box::new(ask)
        })),
        (any::<u64>(), answer())
            .prop_map(|(number, answer)| Frame::Answered { number, answer: Box::new(answer) }),
        (any::<Option<u32>>(), down(), watch_kind()).prop_map(|(key, down, kind)| Frame::Down {
            key,
            down: Box::new(down),
            kind
        }),
    ]
    .boxed()
}

/// Frames in the form in which nearly all of them travel, with numbers small and great.
pub(crate) fn plain_frame() -> BoxedStrategy<Frame> {
    let number = || prop_oneof![Just(0), 1..300_u64, any::<u64>()];
    let value = payload().prop_map(|payload| Outcome::Value(ResultValue::inline(payload)));
    let ended = lane_call_ended(ran(value)).prop_map(|mut ended| {
        if let CallEnd::Ran { borrows, .. } = &mut ended.end {
            borrows.clear();
        }
        Frame::LaneCallEnded(Box::new(ended))
    });
    prop_oneof![
        (call(), number(), number(), deadline()).prop_map(
            |(mut call, sequence, answered_below, deadline)| {
                (call.sequence, call.answered_below) = (sequence, answered_below);
                call.extras = SubmitExtras { deadline, ..SubmitExtras::default() }.boxed();
                Frame::Call(Box::new(call))
            }
        ),
        (turn(), number()).prop_map(|(turn, handle)| {
            Frame::Turn(Box::new(Turn { handle, inputs: Vec::new(), ..turn }))
        }),
        (lane_call(), number(), number()).prop_map(|(call, sequence, epoch)| {
            let epoch = Epoch(epoch);
            Frame::LaneCall(Box::new(LaneCall { sequence, epoch, inputs: Vec::new(), ..call }))
        }),
        ended,
    ]
    .boxed()
}
