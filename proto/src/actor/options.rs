//! What a template means, and how actors and their methods behave.

use super::enums::{
    lifetime_from_wire, lifetime_to_wire, on_isolation_from_wire, on_isolation_to_wire, restart_from_wire,
    restart_to_wire,
};
use super::namespace;
use crate::error::ConvertError;
use crate::identity::nanos;
use crate::wire;
use crate::wire::child_shutdown::Kind;
use crate::wire::task_options::Target as WireTarget;
use mobula_types::actor::{ActorOptions, ChildShutdown, MethodOptions, Target};
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn target_to_wire(target: Target) -> Option<WireTarget> {
    match target {
        Target::Function => None,
        Target::Constructor(options) => Some(WireTarget::Constructor(Box::new(options.as_ref().into()))),
        Target::Method(options) => Some(WireTarget::Method(options.into())),
    }
}

pub(crate) fn target_from_wire(target: Option<WireTarget>) -> Result<Target, ConvertError> {
    Ok(match target {
        None => Target::Function,
        Some(WireTarget::Constructor(options)) => Target::Constructor(Arc::new((*options).try_into()?)),
        Some(WireTarget::Method(options)) => Target::Method(options.into()),
    })
}

impl From<MethodOptions> for wire::MethodOptions {
    fn from(options: MethodOptions) -> Self {
        let MethodOptions { cast, max_task_retries, caller_waits } = options;
        wire::MethodOptions { cast, max_task_retries, caller_waits }
    }
}

impl From<wire::MethodOptions> for MethodOptions {
    fn from(options: wire::MethodOptions) -> Self {
        let wire::MethodOptions { cast, max_task_retries, caller_waits } = options;
        MethodOptions { cast, max_task_retries, caller_waits }
    }
}

impl From<&ActorOptions> for wire::ActorOptions {
    fn from(options: &ActorOptions) -> Self {
        let groups = options.groups.iter();
        wire::ActorOptions {
            namespace: options.namespace.as_ref().into(),
            name: options.name.as_ref().into(),
            get_or_create: options.get_or_create,
            lifetime: lifetime_to_wire(options.lifetime),
            supervisor: options.supervisor.map(Into::into),
            child: options.child.as_ref().into(),
            restart: restart_to_wire(options.restart),
            shutdown: Some(options.shutdown.into()),
            significant: options.significant,
            max_concurrency: Some(options.max_concurrency),
            groups: groups
                .map(|(name, limit)| wire::ConcurrencyGroup { name: name.as_ref().into(), limit: *limit })
                .collect(),
            mailbox: Some(options.mailbox),
            max_pending_calls: options.max_pending_calls,
            on_isolation: on_isolation_to_wire(options.on_isolation),
        }
    }
}

impl TryFrom<wire::ActorOptions> for ActorOptions {
    type Error = ConvertError;
    fn try_from(options: wire::ActorOptions) -> Result<Self, ConvertError> {
        let default = ActorOptions::default();
        Ok(ActorOptions {
            namespace: namespace(options.namespace),
            name: options.name.into(),
            get_or_create: options.get_or_create,
            lifetime: lifetime_from_wire(options.lifetime, "actor_options.lifetime")?,
            supervisor: options.supervisor.map(Into::into),
            child: options.child.into(),
            restart: restart_from_wire(options.restart, "actor_options.restart")?,
            shutdown: shutdown(options.shutdown),
            significant: options.significant,
            max_concurrency: options.max_concurrency.unwrap_or(default.max_concurrency),
            groups: options.groups.into_iter().map(|group| (group.name.into(), group.limit)).collect(),
            mailbox: options.mailbox.unwrap_or(default.mailbox),
            max_pending_calls: options.max_pending_calls,
            on_isolation: on_isolation_from_wire(options.on_isolation, "actor_options.on_isolation")?,
        })
    }
}

impl From<ChildShutdown> for wire::ChildShutdown {
    fn from(shutdown: ChildShutdown) -> Self {
        let kind = match shutdown {
            ChildShutdown::Brutal => Kind::Brutal(wire::Empty {}),
            ChildShutdown::Within(time) => Kind::WithinNanos(nanos(time)),
            ChildShutdown::Infinity => Kind::Infinity(wire::Empty {}),
        };
        wire::ChildShutdown { kind: Some(kind) }
    }
}

/// How a child is stopped, as it was received.
pub(crate) fn shutdown(shutdown: Option<wire::ChildShutdown>) -> ChildShutdown {
    match shutdown.and_then(|shutdown| shutdown.kind) {
        None => ChildShutdown::default(),
        Some(Kind::Brutal(_)) => ChildShutdown::Brutal,
        Some(Kind::WithinNanos(time)) => ChildShutdown::Within(Duration::from_nanos(time)),
        Some(Kind::Infinity(_)) => ChildShutdown::Infinity,
    }
}
