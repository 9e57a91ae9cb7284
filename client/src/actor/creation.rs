//! Creating actors.

use super::{ActorHandle, ActorRef};
use crate::context;
use crate::reference::GetBytes;
use crate::remote::Declared;
use crate::supervisor::SupervisorHandle;
use crate::{CallBuilder, Cluster, ErrorKind, ObjectRef, RemoteCall, Result, Strategy};
use mobula_types::actor::{ActorOptions, ChildShutdown, Lifetime, OnIsolation, RestartType, Target};
use mobula_types::{ActorId, Failure, NodeName, Payload, Resources, TaskId, TaskOptions};
use std::sync::Arc;
use std::time::Duration;

/// An actor that is to be created: made by a constructor of its handle, given options, and [spawned](Self::spawn).
///
/// ```no_run
/// # async fn example<H: mobula::ActorHandle>(creation: mobula::Creation<H>) -> mobula::Result<()> {
/// let tally = creation.named("tally").get_or_create().spawn().await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "nothing is created before `spawn` or `start`"]
pub struct Creation<H> {
    call: RemoteCall<ObjectRef<H>>,
}

/// For the macro's output: the creation of an actor.
pub fn creation<H: ActorHandle>(builder: CallBuilder) -> Creation<H> {
    Creation { call: builder.finish() }
}

/// For the macro's output: the options of creations.
pub fn creation_options(actor: ActorOptions) -> TaskOptions {
    TaskOptions {
        resources: Resources::default(),
        target: Target::Constructor(Arc::new(actor)),
        ..TaskOptions::default()
    }
}

/// How the actor is kept. Each replaces what the class's attribute says, for this actor alone.
impl<H: ActorHandle> Creation<H> {
    /// Its name, unique in its namespace. The name is free again when the actor is dead for good.
    pub fn named(self, name: impl Into<Arc<str>>) -> Self {
        let name = name.into();
        self.actor(|actor| actor.name = name)
    }

    /// Where its name is unique (`default`).
    pub fn namespace(self, namespace: impl Into<Arc<str>>) -> Self {
        let namespace = namespace.into();
        self.actor(|actor| actor.namespace = namespace)
    }

    /// Where an actor of that name lives, [`spawn`](Self::spawn) gives its handle instead of an error.
    pub fn get_or_create(self) -> Self {
        self.actor(|actor| actor.get_or_create = true)
    }

    /// It lives until it is stopped or killed, whatever becomes of its handles and its job.
    pub fn detached(self) -> Self {
        self.actor(|actor| actor.lifetime = Lifetime::Detached)
    }

    /// It becomes a child of that supervisor, and is started again as that says.
    pub fn supervised_by(self, supervisor: &SupervisorHandle) -> Self {
        let supervisor = supervisor.id();
        self.actor(|actor| actor.supervisor = Some(supervisor))
    }

    /// As a child: its id among its siblings (its name, else its actor's id).
    pub fn child_id(self, id: impl Into<Arc<str>>) -> Self {
        let id = id.into();
        self.actor(|actor| actor.child = id)
    }

    /// As a child: after which exits it is started again (`Permanent`).
    pub fn restart(self, restart: RestartType) -> Self {
        self.actor(|actor| actor.restart = restart)
    }

    /// As a child: how it is stopped (within 5 s).
    pub fn shutdown(self, shutdown: ChildShutdown) -> Self {
        self.actor(|actor| actor.shutdown = shutdown)
    }

    /// As a child: its exit may end its supervisor.
    pub fn significant(self) -> Self {
        self.actor(|actor| actor.significant = true)
    }

    /// How many `&self` methods run at once (1,000).
    pub fn max_concurrency(self, count: u32) -> Self {
        self.actor(|actor| actor.max_concurrency = count)
    }

    /// How many calls may wait before their callers are slowed (10,000).
    pub fn mailbox(self, count: u32) -> Self {
        self.actor(|actor| actor.mailbox = count)
    }

    /// How many calls may wait before further ones fail with `MailboxFull` (0: no such bound).
    pub fn max_pending_calls(self, count: u32) -> Self {
        self.actor(|actor| actor.max_pending_calls = count)
    }

    /// What it does on a node that has lost every head (`Stop`).
    pub fn on_isolation(self, on_isolation: OnIsolation) -> Self {
        self.actor(|actor| actor.on_isolation = on_isolation)
    }

    /// How long its constructor and `on_start` may take (60 s): after that its start has failed, at its first start as at a
    /// restart, and what runs of it is killed.
    pub fn start_timeout(mut self, limit: Duration) -> Self {
        self.call.task().timeout = Some(limit);
        self
    }

    /// Whether it has a worker process of its own.
    pub fn isolated(mut self, isolated: bool) -> Self {
        self.call.task().isolated = isolated;
        self
    }

    fn actor(mut self, change: impl FnOnce(&mut ActorOptions)) -> Self {
        if let Target::Constructor(actor) = &mut self.call.task().target {
            change(Arc::make_mut(actor));
        }
        self
    }
}

/// What the actor needs, and where it may be.
impl<H: ActorHandle> Creation<H> {
    /// How many CPUs are set aside for it (0). Fractions are in steps of 0.0001.
    pub fn num_cpus(self, count: f64) -> Self {
        Creation { call: self.call.num_cpus(count) }
    }

    /// How many GPUs are set aside for it (0).
    pub fn num_gpus(self, count: f64) -> Self {
        Creation { call: self.call.num_gpus(count) }
    }

    /// How many bytes of memory are set aside for it (none).
    pub fn memory(self, bytes: u64) -> Self {
        Creation { call: self.call.memory(bytes) }
    }

    /// How much of a custom resource is set aside for it.
    pub fn resource(self, name: &str, amount: f64) -> Self {
        Creation { call: self.call.resource(name, amount) }
    }

    /// Where it may be.
    pub fn strategy(self, strategy: Strategy) -> Self {
        Creation { call: self.call.strategy(strategy) }
    }

    /// On that node alone; with `soft`, on another one if it is gone or can never fit the actor.
    pub fn on_node(self, node: impl Into<NodeName>, soft: bool) -> Self {
        Creation { call: self.call.on_node(node, soft) }
    }

    /// Whether it fails with `Infeasible` instead of waiting where no node could ever host it (off).
    pub fn fail_if_infeasible(self, fail: bool) -> Self {
        Creation { call: self.call.fail_if_infeasible(fail) }
    }

    /// On that cluster, whatever the context is.
    pub fn on(self, cluster: &Cluster) -> Self {
        Creation { call: self.call.on(cluster) }
    }
}

impl<H: ActorHandle> Creation<H> {
    /// Creates the actor and waits until it has started. Dropped before it is ready, the actor ends as one without
    /// handles.
    ///
    /// # Errors
    /// What the constructor or `on_start` failed with; `AlreadyExists` where the name is another's; `Infeasible`
    /// where no node could host it and it is [not to wait](Self::fail_if_infeasible); `NoContext`.
    pub async fn spawn(self) -> Result<H> {
        let started = H::from_actor_ref(self.submit_wait().await);
        let actor = started.actor_ref();
        let payload = started_value(actor).await?;
        match other_actor(&payload) {
            None => Ok(started),
            Some(id) if id == actor.id() => Ok(started),
            Some(id) => Ok(H::from_actor_ref(ActorRef::uncounted(actor.link()?, id))),
        }
    }

    /// Creates the actor and gives its handle at once: calls that are made meanwhile wait. Where it does not start, they
    /// fail with the reason. With [`get_or_create`](Self::get_or_create) calls fail with `InvalidArgument`: which actor it
    /// is has yet to be heard.
    pub fn start(self) -> H {
        if self.is_get_or_create() {
            let message = "`get_or_create` may give another actor: use `spawn().await`";
            let reference = ObjectRef::<H>::failed(crate::Error::new(ErrorKind::InvalidArgument, message));
            return H::from_actor_ref(ActorRef::counted(reference.into_handle()));
        }
        H::from_actor_ref(ActorRef::counted(self.call.submit().into_handle()))
    }

    /// What a supervisor keeps of it.
    pub(crate) fn into_declared(self) -> Result<Declared, Failure> {
        self.call.declare()
    }

    async fn submit_wait(self) -> ActorRef {
        ActorRef::counted(self.call.submit_wait().await.into_handle())
    }

    fn is_get_or_create(&self) -> bool {
        match &self.call.asked().target {
            Target::Constructor(actor) => actor.get_or_create,
            _ => false,
        }
    }
}

/// Waits until an actor has started.
pub(super) async fn started_value(actor: &ActorRef) -> Result<Payload> {
    let _waiting = context::pending_wait();
    let value = GetBytes::new(actor.handle().clone()).await?;
    Ok(value.payload)
}

/// A creation's value is empty, or where `get_or_create` has found one, the 16 bytes of the other actor's id.
fn other_actor(payload: &Payload) -> Option<ActorId> {
    let bytes: &[u8; 16] = payload.as_slice().try_into().ok()?;
    let number = u128::from_le_bytes(*bytes);
    Some(ActorId(TaskId { high: (number >> 64) as u64, low: number as u64 }))
}

/// Creates actors, with as much in flight as there is room for, and waits until all have started. In the order given.
///
/// # Errors
/// The first failed one's error, in the order given; the others end as ones without handles.
pub async fn spawn_many<H: ActorHandle>(creations: impl IntoIterator<Item = Creation<H>>) -> Result<Vec<H>> {
    let creations = creations.into_iter();
    let mut started = Vec::with_capacity(creations.size_hint().0);
    for creation in creations {
        if creation.is_get_or_create() {
            started.push(creation.spawn().await?);
        } else {
            started.push(H::from_actor_ref(creation.submit_wait().await));
        }
    }
    for handle in &started {
        if handle.actor_ref().is_counted() {
            started_value(handle.actor_ref()).await?;
        }
    }
    Ok(started)
}
