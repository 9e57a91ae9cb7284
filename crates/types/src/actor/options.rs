//! What a template means, and how actors and their methods behave.

use super::id::ActorId;
use super::tree::{ChildShutdown, RestartType};
use std::sync::Arc;

/// What a submitted task is: a run of a function, the creation of an actor, or a call of one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub enum Target {
    /// A function runs wherever there is room.
    #[default]
    Function,
    /// The function is a constructor: an actor is created under the task's id. The task ends when the actor has started, with
    /// no value; its one result stands for the handles of the actor.
    Constructor(Arc<ActorOptions>),
    /// The function is a method of an actor.
    Method(MethodOptions),
}

/// How an actor is kept and how it takes calls. Defaults as in `docs/guarantees.md`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ActorOptions {
    /// Where its name is unique (`default`).
    pub namespace: Arc<str>,
    /// Its name; empty for none.
    pub name: Arc<str>,
    /// Where an actor of that name lives, its handle is the answer instead of a refusal.
    pub get_or_create: bool,
    /// How long it lives.
    pub lifetime: Lifetime,
    /// The supervisor whose child it becomes.
    pub supervisor: Option<ActorId>,
    /// Its id among that supervisor's children; the actor's name, else its id, where empty.
    pub child: Arc<str>,
    /// As a child: after which exits it is started again.
    pub restart: RestartType,
    /// As a child: how it is stopped.
    pub shutdown: ChildShutdown,
    /// As a child: whether its exit may end its supervisor.
    pub significant: bool,
    /// How many `&self` methods run at once (1,000).
    pub max_concurrency: u32,
    /// Concurrency groups: names, and how many methods of each run at once.
    pub groups: Vec<(Arc<str>, u32)>,
    /// How many calls may wait in the mailbox before their callers are slowed (10,000).
    pub mailbox: u32,
    /// How many calls may wait before further ones fail with `MailboxFull`; 0 for no such bound.
    pub max_pending_calls: u32,
    /// What it does on a node that has lost every head.
    pub on_isolation: OnIsolation,
}

impl ActorOptions {
    /// The id that it has as a child.
    pub fn child_id(&self, actor: ActorId) -> Arc<str> {
        let named = [&self.child, &self.name].into_iter().find(|name| !name.is_empty()).cloned();
        named.unwrap_or_else(|| actor.to_string().into())
    }

    /// The namespace of actors that name none.
    pub const DEFAULT_NAMESPACE: &'static str = "default";
}

impl Default for ActorOptions {
    fn default() -> Self {
        ActorOptions {
            namespace: Self::DEFAULT_NAMESPACE.into(),
            name: "".into(),
            get_or_create: false,
            lifetime: Lifetime::Handles,
            supervisor: None,
            child: "".into(),
            restart: RestartType::Permanent,
            shutdown: ChildShutdown::default(),
            significant: false,
            max_concurrency: 1000,
            groups: Vec::new(),
            mailbox: 10_000,
            max_pending_calls: 0,
            on_isolation: OnIsolation::Stop,
        }
    }
}

/// How long an actor lives, its supervisor apart.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, serde::Serialize, serde::Deserialize,
)]
pub enum Lifetime {
    /// While somebody holds a handle, or it has a name; at most as long as its job.
    #[default]
    Handles,
    /// Until it is killed, whatever becomes of its job.
    Detached,
}

/// What an actor does on a node that has lost every head.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, serde::Serialize, serde::Deserialize,
)]
pub enum OnIsolation {
    /// It is stopped before the node's lease ends, and started elsewhere.
    #[default]
    Stop,
    /// It runs on, and is never started elsewhere until its node is back, is proven dead, or an operator says so.
    Keep,
}

/// How one method is called.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct MethodOptions {
    /// Nobody waits for a result: never tried again.
    pub cast: bool,
    /// How often a call that may have started is sent again (0: at most once).
    pub max_task_retries: u32,
    /// The caller is an actor in a turn that has it for itself, and waits in it for the result: a call back would wait for
    /// ever.
    pub caller_waits: bool,
}
