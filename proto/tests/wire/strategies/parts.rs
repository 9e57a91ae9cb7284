//! What frames are made of.

use super::actors::target;
use mobula_types::actor::{ActorId, Epoch, Incarnation};
use mobula_types::error::{FailureDetail, UserError};
use mobula_types::labels::LabelCondition;
use mobula_types::outcome::StoredCopy;
use mobula_types::view::NodeLoad;
use mobula_types::{
    Attempt, Failure, FunctionId, FunctionInfo, FunctionKind, HeadTerm, JobId, LabelExpression, NodeId,
    NodeInfo, NodeName, NodeState, ObjectAddress, ObjectId, ObjectIndex, Outcome, OwnerTerm, Payload,
    Quantity, Resources, ResultValue, StoredValue, TaskId, TaskOptions, TaskTemplate, ViewDelta, ViewVersion,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

/// Text that is there: an absent text travels as an empty one.
pub(crate) fn some_text() -> impl Strategy<Value = Arc<str>> {
    "[a-zäß:]{1,12}".prop_map(Into::into)
}

pub(crate) fn text() -> impl Strategy<Value = Arc<str>> {
    "[a-zäß:]{0,12}".prop_map(Into::into)
}

pub(crate) fn node_id() -> impl Strategy<Value = NodeId> {
    (some_text(), any::<u64>()).prop_map(|(name, generation)| NodeId::new(&*name, generation))
}

pub(crate) fn job() -> impl Strategy<Value = JobId> {
    any::<u64>().prop_map(JobId)
}

pub(crate) fn task_id() -> impl Strategy<Value = TaskId> {
    any::<(u64, u64)>().prop_map(|(high, low)| TaskId { high, low })
}

pub(crate) fn actor_id() -> impl Strategy<Value = ActorId> {
    task_id().prop_map(ActorId)
}

pub(crate) fn incarnation() -> impl Strategy<Value = Incarnation> {
    (actor_id(), any::<u64>()).prop_map(|(actor, epoch)| Incarnation { actor, epoch: Epoch(epoch) })
}

pub(crate) fn attempt() -> impl Strategy<Value = Attempt> {
    any::<(u32, u32)>().prop_map(|(term, number)| Attempt { owner_term: OwnerTerm(term), number })
}

pub(crate) fn object_id() -> impl Strategy<Value = ObjectId> {
    let index = prop_oneof![
        (0..3_u64).prop_map(ObjectIndex::result),
        any::<u64>().prop_map(ObjectIndex::stream_item),
        any::<u64>().prop_map(ObjectIndex::driver_put),
        (attempt(), any::<u64>()).prop_map(|(attempt, position)| ObjectIndex::task_put(attempt, position)),
    ];
    (task_id(), index).prop_map(|(task, index)| ObjectId { task, index })
}

pub(crate) fn objects() -> impl Strategy<Value = Vec<ObjectId>> {
    vec(object_id(), 0..4)
}

pub(crate) fn address() -> impl Strategy<Value = ObjectAddress> {
    (object_id(), option::of(node_id())).prop_map(|(object, owner)| ObjectAddress { object, owner })
}

pub(crate) fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![vec(any::<u8>(), 0..60), vec(any::<u8>(), 2_000..2_100)].prop_map(Payload::from)
}

pub(crate) fn stored_value() -> impl Strategy<Value = StoredValue> {
    let copy = (any::<u64>(), any::<u32>(), vec(node_id(), 0..3));
    let copy = copy.prop_map(|(length, checksum, holders)| StoredCopy { length, checksum, holders });
    prop_oneof![
        payload().prop_map(StoredValue::Inline),
        copy.prop_map(|copy| StoredValue::Stored(Arc::new(copy)))
    ]
}

pub(crate) fn result_value() -> impl Strategy<Value = ResultValue> {
    let contained = option::of(vec(address(), 1..3).prop_map(Into::into));
    (stored_value(), contained).prop_map(|(value, contained)| ResultValue { value, contained })
}

pub(crate) fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        result_value().prop_map(Outcome::Value),
        vec(result_value(), 0..3).prop_map(Outcome::Values),
        failure().prop_map(Outcome::Failed),
    ]
}

pub(crate) fn failure() -> BoxedStrategy<Failure> {
    one_failure(Just(None)).prop_recursive(4, 4, 1, |cause| one_failure(cause.prop_map(Some))).boxed()
}

fn one_failure(cause: impl Strategy<Value = Option<Failure>> + 'static) -> BoxedStrategy<Failure> {
    let user = (text(), payload()).prop_map(|(type_name, payload)| UserError { type_name, payload });
    let what = (prop::sample::select(mobula_proto::failure::KINDS), any::<String>(), cause, option::of(user));
    let place =
        (option::of(task_id()), option::of(attempt()), option::of(node_id()), option::of(object_id()));
    let texts = (option::of(some_text()), option::of(some_text()), option::of(some_text()));
    let actor = (option::of(incarnation()), any::<bool>());
    (what, place, texts, actor)
        .prop_map(|(what, (task, attempt, node, object), (function, place, exit), actor)| {
            let (kind, message, cause, user) = what;
            let (incarnation, may_have_run) = actor;
            Failure::from_detail(FailureDetail {
                kind,
                message,
                task,
                function,
                attempt,
                node,
                object,
                place,
                exit,
                incarnation,
                may_have_run,
                user,
                cause,
            })
        })
        .boxed()
}

pub(crate) fn function_id() -> impl Strategy<Value = FunctionId> {
    (some_text(), text()).prop_map(|(name, version)| FunctionId { name, version })
}

pub(crate) fn function_info() -> impl Strategy<Value = FunctionInfo> {
    let kind = prop_oneof![Just(FunctionKind::Blocking), Just(FunctionKind::Async)];
    (function_id(), any::<u64>(), text(), kind, text()).prop_map(
        |(id, signature, signature_text, kind, place)| FunctionInfo {
            id,
            signature,
            signature_text,
            kind,
            place,
        },
    )
}

fn resources() -> impl Strategy<Value = Resources> {
    let quantity = || any::<u64>().prop_map(Quantity::from_steps);
    (quantity(), quantity(), quantity(), btree_map(text(), quantity(), 0..3))
        .prop_map(|(cpu, gpu, memory, custom)| Resources { cpu, gpu, memory, custom })
}

fn strategy() -> impl Strategy<Value = mobula_types::Strategy> {
    let condition = prop_oneof![
        (text(), text()).prop_map(|(key, value)| LabelCondition::Equals(key, value)),
        (text(), text()).prop_map(|(key, value)| LabelCondition::NotEquals(key, value)),
        (text(), vec(text(), 0..3)).prop_map(|(key, values)| LabelCondition::In(key, values)),
        (text(), vec(text(), 0..3)).prop_map(|(key, values)| LabelCondition::NotIn(key, values)),
        text().prop_map(LabelCondition::Exists),
    ];
    prop_oneof![
        Just(mobula_types::Strategy::Default),
        Just(mobula_types::Strategy::Spread),
        (text(), any::<bool>())
            .prop_map(|(node, soft)| mobula_types::Strategy::NodeAffinity { node: NodeName(node), soft }),
        vec(condition, 0..3)
            .prop_map(|conditions| mobula_types::Strategy::Labels(LabelExpression { conditions })),
    ]
}

pub(crate) fn template() -> impl Strategy<Value = TaskTemplate> {
    let numbers = (any::<u32>(), any::<u32>(), any::<Option<u64>>(), any::<i32>());
    let flags = any::<(bool, bool)>();
    let options = (text(), resources(), strategy(), numbers, flags, target());
    let options = options.prop_map(|(name, resources, strategy, numbers, flags, target)| {
        let (fail_if_infeasible, isolated) = flags;
        let (num_returns, max_retries, timeout, priority) = numbers;
        TaskOptions {
            name,
            resources,
            strategy,
            num_returns,
            max_retries,
            timeout: timeout.map(Duration::from_nanos),
            priority,
            fail_if_infeasible,
            isolated,
            target,
        }
    });
    (function_id(), any::<Option<u64>>(), options).prop_map(|(function, signature, options)| TaskTemplate {
        function,
        signature,
        options,
    })
}

fn node_info() -> impl Strategy<Value = NodeInfo> {
    let load = (resources(), any::<(u64, u64, u64)>())
        .prop_map(|(used, (running, queued, stored_bytes))| NodeLoad { used, running, queued, stored_bytes });
    let state = prop_oneof![Just(NodeState::Alive), Just(NodeState::Draining), Just(NodeState::Dead)];
    let texts = (text(), text(), btree_map(text(), text(), 0..3));
    (node_id(), texts, resources(), state, vec(function_info(), 0..2), any::<u64>(), load).prop_map(
        |(id, (address, version, labels), resources, state, functions, object_store_memory, load)| NodeInfo {
            id,
            address,
            resources,
            labels,
            state,
            functions,
            object_store_memory,
            version,
            load,
        },
    )
}

pub(crate) fn view_delta() -> impl Strategy<Value = ViewDelta> {
    let version = || {
        any::<(u64, u64, u64)>().prop_map(|(incarnation, revision, number)| ViewVersion {
            term: HeadTerm { incarnation, revision },
            revision: number,
        })
    };
    let changed = vec(node_info().prop_map(Arc::new), 0..3);
    (option::of(version()), version(), changed, vec(text().prop_map(NodeName), 0..3))
        .prop_map(|(from, to, changed, removed)| ViewDelta { from, to, changed, removed })
}
