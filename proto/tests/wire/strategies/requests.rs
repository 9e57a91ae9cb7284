//! Arbitrary questions about actors and supervisors, and their answers.

use super::actors::{
    actor_info, actor_state, child_info, child_spec, duration, exit, shared_specs, supervisor_info,
    supervisor_spec,
};
use super::groups;
use super::parts::{actor_id, failure, job, some_text, text};
use mobula_types::actor::{ActorAnswer, ActorFilter, ActorRequest, ActorTarget, Asked, CreateActor};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::sync::Arc;

fn target() -> impl Strategy<Value = ActorTarget> {
    prop_oneof![
        actor_id().prop_map(ActorTarget::Id),
        (some_text(), some_text()).prop_map(|(namespace, name)| ActorTarget::Named { namespace, name }),
    ]
}

fn filter() -> impl Strategy<Value = ActorFilter> {
    (option::of(job()), option::of(text()), option::of(actor_state()), option::of(actor_id()))
        .prop_map(|(job, namespace, state, after)| ActorFilter { job, namespace, state, after })
}

pub(crate) fn request() -> BoxedStrategy<ActorRequest> {
    prop_oneof![about_actors(), about_supervisors(), about_children(), groups::request()].boxed()
}

fn about_actors() -> impl Strategy<Value = ActorRequest> {
    let create = (shared_specs(), vec(actor_id(), 5)).prop_map(|(specs, actors)| {
        specs.into_iter().zip(actors).map(|(spec, actor)| CreateActor { actor, spec }).collect()
    });
    prop_oneof![
        create.prop_map(ActorRequest::Create),
        target().prop_map(ActorRequest::Find),
        (filter(), 1..=10_000_usize).prop_map(|(filter, limit)| ActorRequest::List { filter, limit }),
        (target(), any::<bool>(), duration()).prop_map(|(target, kill, grace)| ActorRequest::Stop {
            target,
            kill,
            grace
        }),
        target().prop_map(ActorRequest::Restart),
    ]
}

fn about_supervisors() -> impl Strategy<Value = ActorRequest> {
    let start = (actor_id(), some_text(), text(), job(), any::<bool>(), supervisor_spec());
    prop_oneof![
        start.prop_map(|(supervisor, namespace, name, job, detached, spec)| {
            ActorRequest::StartSupervisor { supervisor, namespace, name, job, detached, spec: Arc::new(spec) }
        }),
        target().prop_map(ActorRequest::StopSupervisor),
        (target(), option::of(any::<u64>()), 1..=10_000_usize)
            .prop_map(|(supervisor, after, limit)| ActorRequest::Children { supervisor, after, limit }),
        option::of(target()).prop_map(ActorRequest::Tree),
    ]
}

fn about_children() -> impl Strategy<Value = ActorRequest> {
    let child_of = || (target(), text());
    prop_oneof![
        (target(), actor_id(), child_spec())
            .prop_map(|(supervisor, actor, child)| ActorRequest::StartChild { supervisor, actor, child }),
        child_of().prop_map(|(supervisor, child)| ActorRequest::TerminateChild { supervisor, child }),
        child_of().prop_map(|(supervisor, child)| ActorRequest::RestartChild { supervisor, child }),
        child_of().prop_map(|(supervisor, child)| ActorRequest::DeleteChild { supervisor, child }),
        child_of().prop_map(|(supervisor, child)| ActorRequest::ChildSpec { supervisor, child }),
    ]
}

pub(crate) fn asked() -> impl Strategy<Value = Asked> {
    prop_oneof![
        answer().prop_map(|answer| Asked::Answered(Ok(answer))),
        failure().prop_map(|failure| Asked::Answered(Err(failure))),
        Just(Asked::UnderWay),
    ]
}

pub(crate) fn answer() -> BoxedStrategy<ActorAnswer> {
    let creation = prop_oneof![actor_id().prop_map(Ok), failure().prop_map(Err)];
    prop_oneof![
        vec(creation, 0..3).prop_map(ActorAnswer::Created),
        actor_info().prop_map(|info| ActorAnswer::Found(Box::new(info))),
        (vec(actor_info(), 0..3), any::<bool>())
            .prop_map(|(actors, more)| ActorAnswer::List { actors, more }),
        option::of(exit()).prop_map(|ended| ActorAnswer::Done { ended }),
        child_info().prop_map(|info| ActorAnswer::Started(Box::new(info))),
        supervisor_info().prop_map(|info| ActorAnswer::Children(Box::new(info))),
        child_spec().prop_map(|child| ActorAnswer::ChildSpec(Box::new(child))),
        (vec(supervisor_info(), 0..3), vec(actor_info(), 0..3), any::<bool>())
            .prop_map(|(supervisors, actors, more)| ActorAnswer::Tree { supervisors, actors, more }),
        groups::answer(),
    ]
    .boxed()
}
