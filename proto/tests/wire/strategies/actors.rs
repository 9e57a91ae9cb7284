//! Arbitrary actors: how they are kept, how they end, their trees, and what is told of them.

use super::parts::{
    actor_id, failure, function_id, incarnation, job, node_id, payload, some_text, template, text,
};
use super::{groups, input, observers};
use mobula_types::Failure;
use mobula_types::actor::{
    ActorInfo, ActorLocation, ActorOptions, ActorOrder, ActorReport, ActorSpec, ActorState, AutoShutdown,
    ChildInfo, ChildKind, ChildShutdown, ChildSpec, ChildState, Down, Epoch, ExitCause, ExitDetail,
    ExitReason, ExitReport, GroupInfo, HostedActor, Intensity, Lifetime, LinkChange, LinkDown, Location,
    MethodOptions, OnIsolation, Placement, RestartType, StartActor, StopActor, SupervisorInfo,
    SupervisorSpec, SupervisorStrategy, Target, Watch, WatchBound, WatchKind,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn duration() -> impl Strategy<Value = Duration> {
    any::<u64>().prop_map(Duration::from_nanos)
}

fn shutdown() -> impl Strategy<Value = ChildShutdown> {
    prop_oneof![
        Just(ChildShutdown::Brutal),
        duration().prop_map(ChildShutdown::Within),
        Just(ChildShutdown::Infinity),
    ]
}

fn restart() -> impl Strategy<Value = RestartType> {
    select(&[RestartType::Permanent, RestartType::Transient, RestartType::Temporary])
}

pub(crate) fn method_options() -> impl Strategy<Value = MethodOptions> {
    any::<(bool, u32, bool)>().prop_map(|(cast, max_task_retries, caller_waits)| MethodOptions {
        cast,
        max_task_retries,
        caller_waits,
    })
}

fn actor_options() -> impl Strategy<Value = ActorOptions> {
    let texts = (some_text(), text(), text());
    let kept = (any::<bool>(), select(&[Lifetime::Handles, Lifetime::Detached]), option::of(actor_id()));
    let child = (restart(), shutdown(), any::<bool>());
    let numbers = (any::<(u32, u32, u32)>(), vec((text(), any::<u32>()), 0..3));
    let on_isolation = select(&[OnIsolation::Stop, OnIsolation::Keep]);
    (texts, kept, child, numbers, on_isolation).prop_map(
        |(texts, kept, child_options, numbers, on_isolation)| {
            let (namespace, name, child) = texts;
            let (get_or_create, lifetime, supervisor) = kept;
            let (restart, shutdown, significant) = child_options;
            let ((max_concurrency, mailbox, max_pending_calls), groups) = numbers;
            ActorOptions {
                namespace,
                name,
                get_or_create,
                lifetime,
                supervisor,
                child,
                restart,
                shutdown,
                significant,
                max_concurrency,
                groups,
                mailbox,
                max_pending_calls,
                on_isolation,
            }
        },
    )
}

pub(crate) fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        2 => Just(Target::Function),
        1 => actor_options().prop_map(|options| Target::Constructor(Arc::new(options))),
        1 => method_options().prop_map(Target::Method),
    ]
}

pub(crate) fn exit_reason() -> impl Strategy<Value = ExitReason> {
    let one = |cause: BoxedStrategy<Option<ExitCause>>| {
        let kind = select(mobula_proto::actor::EXIT_KINDS);
        let failure: BoxedStrategy<Option<Failure>> = option::weighted(0.3, failure()).boxed();
        (kind, failure, cause)
            .prop_map(|(kind, failure, cause)| ExitReason::with_detail(kind, ExitDetail { failure, cause }))
    };
    one(Just(None).boxed()).prop_recursive(6, 6, 1, move |reason| {
        let cause = (incarnation(), text(), reason)
            .prop_map(|(incarnation, name, reason)| Some(ExitCause { incarnation, name, reason }));
        one(cause.boxed())
    })
}

pub(crate) fn exit() -> impl Strategy<Value = (mobula_types::actor::Incarnation, ExitReason)> {
    (incarnation(), exit_reason())
}

pub(crate) fn spec() -> impl Strategy<Value = Arc<ActorSpec>> {
    (job(), template(), payload(), vec(input(), 0..3)).prop_map(|(job, template, arguments, inputs)| {
        Arc::new(ActorSpec { job, template: Arc::new(template), arguments, inputs })
    })
}

/// Specs, some of which stand there several times.
pub(crate) fn shared_specs() -> impl Strategy<Value = Vec<Arc<ActorSpec>>> {
    (vec(spec(), 1..3), vec(any::<prop::sample::Index>(), 0..5))
        .prop_map(|(specs, places)| places.iter().map(|place| place.get(&specs).clone()).collect())
}

fn intensity() -> impl Strategy<Value = Intensity> {
    (any::<u32>(), duration()).prop_map(|(max_restarts, within)| Intensity { max_restarts, within })
}

fn strategy() -> impl Strategy<Value = SupervisorStrategy> {
    use SupervisorStrategy::{OneForAll, OneForOne, RestForOne, SimpleOneForOne};
    select(&[OneForOne, OneForAll, RestForOne, SimpleOneForOne])
}

pub(crate) fn child_spec() -> BoxedStrategy<ChildSpec> {
    let actor = child_of(spec().prop_map(ChildKind::Actor).boxed());
    actor
        .prop_recursive(4, 12, 4, |child| {
            let supervisor = supervisor_of(child).prop_map(|spec| ChildKind::Supervisor(Arc::new(spec)));
            child_of(supervisor.boxed())
        })
        .boxed()
}

fn child_of(kind: BoxedStrategy<ChildKind>) -> BoxedStrategy<ChildSpec> {
    (text(), restart(), shutdown(), any::<bool>(), kind)
        .prop_map(|(id, restart, shutdown, significant, kind)| ChildSpec {
            id,
            restart,
            shutdown,
            significant,
            kind,
        })
        .boxed()
}

fn supervisor_of(child: impl Strategy<Value = ChildSpec>) -> impl Strategy<Value = SupervisorSpec> {
    use AutoShutdown::{AllSignificant, AnySignificant, Never};
    let placement =
        select(&[Placement::Default, Placement::Spread, Placement::Affinity, Placement::AntiAffinity]);
    let auto_shutdown = select(&[Never, AnySignificant, AllSignificant]);
    (strategy(), intensity(), auto_shutdown, placement, vec(child, 0..4)).prop_map(
        |(strategy, intensity, auto_shutdown, placement, children)| SupervisorSpec {
            strategy,
            intensity,
            auto_shutdown,
            placement,
            children,
        },
    )
}

pub(crate) fn supervisor_spec() -> impl Strategy<Value = SupervisorSpec> {
    supervisor_of(child_spec())
}

pub(crate) fn actor_state() -> impl Strategy<Value = ActorState> {
    use ActorState::{Dead, Isolated, Pending, Restarting, Running, Starting, Stopping};
    select(&[Pending, Starting, Running, Stopping, Restarting, Isolated, Dead])
}

pub(crate) fn actor_info() -> impl Strategy<Value = ActorInfo> {
    let texts = (text(), text(), any::<String>(), text());
    let who = (actor_id(), function_id(), job(), option::of(actor_id()));
    let how = (actor_state(), option::of(node_id()), any::<(u64, u64, u64)>());
    (texts, who, how).prop_map(
        |(
            (namespace, name, last_exit, child),
            (actor, class, job, supervisor),
            (state, node, (epoch, restarts, since_millis)),
        )| ActorInfo {
            actor,
            namespace,
            name,
            class,
            job,
            state,
            epoch: Epoch(epoch),
            node,
            restarts,
            last_exit,
            supervisor,
            child,
            since_millis,
        },
    )
}

pub(crate) fn child_info() -> impl Strategy<Value = ChildInfo> {
    let state = select(&[ChildState::Present, ChildState::Ignored, ChildState::Stopped]);
    (text(), state, actor_id(), any::<(bool, bool)>(), restart(), shutdown()).prop_map(
        |(id, state, actor, (is_supervisor, significant), restart, shutdown)| ChildInfo {
            id,
            state,
            actor,
            is_supervisor,
            restart,
            shutdown,
            significant,
        },
    )
}

pub(crate) fn supervisor_info() -> impl Strategy<Value = SupervisorInfo> {
    let texts = (text(), text(), any::<String>());
    let who = (actor_id(), job(), option::of(actor_id()));
    let how = (strategy(), intensity(), actor_state(), any::<(u64, u64, Option<u64>)>());
    (texts, who, how, vec(child_info(), 0..3)).prop_map(
        |(
            (namespace, name, last_exit),
            (supervisor, job, parent),
            (strategy, intensity, state, (restarts, since_millis, more_after)),
            children,
        )| SupervisorInfo {
            supervisor,
            namespace,
            name,
            job,
            parent,
            strategy,
            intensity,
            state,
            restarts,
            last_exit,
            children,
            more_after,
            since_millis,
        },
    )
}

pub(crate) fn group_info() -> impl Strategy<Value = GroupInfo> {
    (text(), text(), vec(incarnation(), 0..3)).prop_map(|(namespace, name, members)| GroupInfo {
        namespace,
        name,
        members,
    })
}

pub(crate) fn watch_kind() -> impl Strategy<Value = WatchKind> {
    select(&[WatchKind::Monitor, WatchKind::Link])
}

fn watch() -> impl Strategy<Value = Watch> {
    (any::<u64>(), option::of(incarnation()), actor_id(), any::<Option<u64>>(), watch_kind()).prop_map(
        |(number, watcher, target, epoch, kind)| Watch {
            number,
            watcher,
            target,
            epoch: epoch.map(Epoch),
            kind,
        },
    )
}

pub(crate) fn down() -> impl Strategy<Value = Down> {
    (any::<u64>(), exit()).prop_map(|(number, (incarnation, reason))| Down { number, incarnation, reason })
}

fn location() -> impl Strategy<Value = Location> {
    prop_oneof![
        option::of(exit()).prop_map(|last| Location::Pending { last }),
        (node_id(), incarnation()).prop_map(|(node, incarnation)| Location::At { node, incarnation }),
        exit().prop_map(|(incarnation, reason)| Location::Dead { incarnation, reason }),
    ]
}

pub(crate) fn order() -> impl Strategy<Value = ActorOrder> {
    let start = (shared_specs(), vec(incarnation(), 5)).prop_map(|(specs, incarnations)| {
        specs
            .into_iter()
            .zip(incarnations)
            .map(|(spec, incarnation)| StartActor { incarnation, spec })
            .collect()
    });
    let stop = (exit(), shutdown()).prop_map(|((incarnation, reason), shutdown)| StopActor {
        incarnation,
        shutdown,
        reason,
    });
    let bound = (any::<u64>(), incarnation()).prop_map(|(number, of)| WatchBound { number, epoch: of.epoch });
    let link = (incarnation(), incarnation(), any::<bool>()).prop_map(|(linked, by, holds)| LinkChange {
        linked,
        by,
        holds,
    });
    let link_down =
        (incarnation(), exit()).prop_map(|(linked, (exited, reason))| LinkDown { linked, exited, reason });
    let located = (actor_id(), location()).prop_map(|(actor, location)| ActorLocation { actor, location });
    prop_oneof![
        start.prop_map(ActorOrder::Start),
        vec(stop, 0..3).prop_map(ActorOrder::Stops),
        vec(located, 0..3).prop_map(ActorOrder::Located),
        vec(incarnation(), 0..3).prop_map(ActorOrder::ExitsRecorded),
        vec(down(), 0..3).prop_map(ActorOrder::Downs),
        vec(link, 0..3).prop_map(ActorOrder::Links),
        vec(link_down, 0..3).prop_map(ActorOrder::LinkDowns),
        vec(bound, 0..3).prop_map(ActorOrder::Watching),
        vec(incarnation(), 0..3).prop_map(|unknown| ActorOrder::Reconciled { unknown }),
        vec(groups::update(), 0..3).prop_map(ActorOrder::Rosters),
        (any::<u64>(), vec(observers::change(), 0..3))
            .prop_map(|(number, changes)| ActorOrder::Changes { number, changes }),
    ]
}

fn exit_report() -> impl Strategy<Value = ExitReport> {
    let worker = proptest::option::of(any::<u64>().prop_map(mobula_types::WorkerId));
    (exit(), duration(), any::<bool>(), worker).prop_map(|((incarnation, reason), age, started, worker)| {
        ExitReport { incarnation, reason, age, started, worker }
    })
}

pub(crate) fn report() -> impl Strategy<Value = ActorReport> {
    let hosted =
        (incarnation(), actor_state()).prop_map(|(incarnation, state)| HostedActor { incarnation, state });
    let actors = || vec(actor_id(), 0..3);
    let ends = (vec(exit_report(), 0..3), vec(incarnation(), 0..3));
    let inventory = (vec(hosted, 0..3), ends, actors(), vec(watch(), 0..3), any::<bool>());
    prop_oneof![
        inventory.prop_map(|(actors, (exits, ignored), located, watches, last)| ActorReport::Inventory {
            actors,
            exits,
            ignored,
            located,
            watches,
            last
        }),
        vec(incarnation(), 0..3).prop_map(ActorReport::Started),
        incarnation().prop_map(ActorReport::Ignored),
        vec(exit_report(), 0..3).prop_map(ActorReport::Exited),
        actors().prop_map(ActorReport::Locate),
        actors().prop_map(ActorReport::Unlocate),
        actors().prop_map(ActorReport::Unreferenced),
        watch().prop_map(ActorReport::Watch),
        any::<u64>().prop_map(|number| ActorReport::Unwatch { number }),
        groups::report().prop_map(ActorReport::Groups),
        vec(observers::observation(), 0..3).prop_map(ActorReport::Observe),
        any::<u64>().prop_map(|number| ActorReport::Unobserve { number }),
    ]
}
