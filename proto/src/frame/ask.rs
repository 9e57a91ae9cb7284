//! Questions of programs and their answers; what else workers and nodes say of actors.

use crate::actor::exit::reason;
use crate::actor::group::{subscriber_from_wire, subscriber_to_wire};
use crate::actor::{
    down, incarnations_from_wire, incarnations_to_wire, watch_kind_from_wire, watch_kind_to_wire,
};
use crate::error::{ConvertError, Required};
use crate::identity::{actor, incarnation};
use crate::value::payload;
use crate::wire;
use crate::wire::answered::Answer as WireAnswer;
use crate::wire::ask::Ask as WireAsk;
use mobula_types::actor::{Down, Epoch, ExitReason, Incarnation, WatchKind};
use mobula_types::frame::{Answer, Ask, HostActor, Input};
use mobula_types::{Failure, Frame, JobId, TemplateId};
use std::sync::Arc;
use std::time::Duration;

pub(super) fn ask(number: u64, parent: Option<u64>, ask: Ask) -> wire::Ask {
    let ask = match ask {
        Ask::Actors(request) => WireAsk::Actors((&request).into()),
        Ask::Watch { target, kind, epoch } => WireAsk::Watch(wire::WatchRequest {
            target: Some(target.into()),
            kind: watch_kind_to_wire(kind),
            epoch: epoch.map_or(0, |epoch| epoch.0),
        }),
        Ask::Unwatch { number } => WireAsk::Unwatch(number),
        Ask::Join { namespace, group, member } => WireAsk::Join(membership(&namespace, &group, member)),
        Ask::Leave { namespace, group, member } => WireAsk::Leave(membership(&namespace, &group, member)),
        Ask::Members { namespace, group } => WireAsk::Members(wire::Group {
            namespace: namespace.as_ref().into(),
            group: group.as_ref().into(),
        }),
        Ask::Subscribe { namespace, pattern, subscriber } => WireAsk::Subscribe(wire::Subscribe {
            namespace: namespace.as_ref().into(),
            pattern: pattern.as_ref().into(),
            actor: subscriber_to_wire(subscriber),
        }),
        Ask::Unsubscribe { subscription } => WireAsk::Unsubscribe(subscription),
        Ask::Observe { target, below } => {
            WireAsk::Observe(wire::ObserveRequest { target: Some(target.into()), below })
        }
        Ask::Unobserve { number } => WireAsk::Unobserve(number),
        Ask::View => WireAsk::View(wire::Empty {}),
    };
    wire::Ask { number, parent, ask: Some(ask) }
}

pub(super) fn read_ask(ask: wire::Ask) -> Result<Frame, ConvertError> {
    let (number, parent) = (ask.number, ask.parent);
    let ask = match ask.ask.required("ask.ask")? {
        WireAsk::Actors(request) => Ask::Actors(request.try_into()?),
        WireAsk::Watch(watch) => Ask::Watch {
            target: actor(watch.target, "watch_request.target")?,
            kind: watch_kind_from_wire(watch.kind, "watch_request.kind")?,
            epoch: (watch.epoch > 0).then_some(Epoch(watch.epoch)),
        },
        WireAsk::Unwatch(number) => Ask::Unwatch { number },
        WireAsk::Join(join) => {
            let (namespace, group, member) = read_membership(join)?;
            Ask::Join { namespace, group, member }
        }
        WireAsk::Leave(leave) => {
            let (namespace, group, member) = read_membership(leave)?;
            Ask::Leave { namespace, group, member }
        }
        WireAsk::Members(group) => {
            Ask::Members { namespace: group.namespace.into(), group: group.group.into() }
        }
        WireAsk::Subscribe(subscribe) => Ask::Subscribe {
            namespace: subscribe.namespace.into(),
            pattern: subscribe.pattern.into(),
            subscriber: subscriber_from_wire(subscribe.actor)?,
        },
        WireAsk::Unsubscribe(subscription) => Ask::Unsubscribe { subscription },
        WireAsk::Observe(observe) => {
            Ask::Observe { target: actor(observe.target, "observe_request.target")?, below: observe.below }
        }
        WireAsk::Unobserve(number) => Ask::Unobserve { number },
        WireAsk::View(wire::Empty {}) => Ask::View,
    };
    Ok(Frame::Ask { number, parent, ask: Box::new(ask) })
}

fn membership(namespace: &str, group: &str, member: Incarnation) -> wire::Membership {
    wire::Membership { namespace: namespace.into(), group: group.into(), member: Some(member.into()) }
}

fn read_membership(of: wire::Membership) -> Result<(Arc<str>, Arc<str>, Incarnation), ConvertError> {
    Ok((of.namespace.into(), of.group.into(), incarnation(of.member, "membership.member")?))
}

pub(super) fn answered(number: u64, answer: Answer) -> wire::Answered {
    let epoch = if let Answer::Watching { epoch, .. } = &answer { epoch.0 } else { 0 };
    let answer = match answer {
        Answer::Actors(answer) => WireAnswer::Actors((&answer).into()),
        Answer::Watching { number, .. } => WireAnswer::Watching(number),
        Answer::Members(members) => WireAnswer::Members(incarnations_to_wire(&members)),
        Answer::Subscribed { subscription } => WireAnswer::Subscribed(subscription),
        Answer::Observing { number } => WireAnswer::Observing(number),
        Answer::Done => WireAnswer::Done(wire::Empty {}),
        Answer::Failed(failure) => WireAnswer::Failed(failure.into()),
    };
    wire::Answered { number, answer: Some(answer), epoch }
}

pub(super) fn read_answered(answered: wire::Answered) -> Result<Frame, ConvertError> {
    let answer = match answered.answer.required("answered.answer")? {
        WireAnswer::Actors(answer) => Answer::Actors(answer.try_into()?),
        WireAnswer::Watching(number) => Answer::Watching { number, epoch: Epoch(answered.epoch) },
        WireAnswer::Members(members) => Answer::Members(incarnations_from_wire(members)),
        WireAnswer::Subscribed(subscription) => Answer::Subscribed { subscription },
        WireAnswer::Observing(number) => Answer::Observing { number },
        WireAnswer::Done(_) => Answer::Done,
        WireAnswer::Failed(failure) => Answer::Failed(Failure::try_from(failure)?),
    };
    Ok(Frame::Answered { number: answered.number, answer: Box::new(answer) })
}

pub(super) fn watched_down(key: Option<u32>, down: &Down, kind: WatchKind) -> wire::WatchedDown {
    wire::WatchedDown { key, down: Some(down.into()), kind: watch_kind_to_wire(kind) }
}

pub(super) fn read_watched_down(watched: wire::WatchedDown) -> Result<Frame, ConvertError> {
    Ok(Frame::Down {
        key: watched.key,
        down: Box::new(down(watched.down, "watched_down.down")?),
        kind: watch_kind_from_wire(watched.kind, "watched_down.kind")?,
    })
}

impl From<HostActor> for wire::HostActor {
    fn from(host: HostActor) -> Self {
        wire::HostActor {
            key: host.key,
            incarnation: Some(host.incarnation.into()),
            job: host.job.0,
            template: host.template.0,
            arguments: host.arguments.into_bytes(),
            inputs: host.inputs.into_iter().map(wire::Input::from).collect(),
        }
    }
}

impl TryFrom<wire::HostActor> for HostActor {
    type Error = ConvertError;
    fn try_from(host: wire::HostActor) -> Result<Self, ConvertError> {
        Ok(HostActor {
            key: host.key,
            incarnation: incarnation(host.incarnation, "host_actor.incarnation")?,
            job: JobId(host.job),
            template: TemplateId(host.template),
            arguments: payload(host.arguments),
            inputs: host.inputs.into_iter().map(Input::try_from).collect::<Result<_, _>>()?,
        })
    }
}

pub(super) fn read_stop(stop: wire::StopActor) -> Result<Frame, ConvertError> {
    Ok(Frame::StopActor {
        key: stop.key,
        grace: stop.grace_nanos.map(Duration::from_nanos),
        reason: reason(stop.reason, "stop_actor.reason")?,
    })
}

pub(super) fn read_exited(exited: wire::ActorExited) -> Result<Frame, ConvertError> {
    Ok(Frame::ActorExited { key: exited.key, reason: exited.reason.map(ExitReason::try_from).transpose()? })
}
