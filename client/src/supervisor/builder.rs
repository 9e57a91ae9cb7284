//! Trees as programs declare them.

use super::ask::{ask_again, job_of, next_id};
use super::child::Child;
use super::handle::{SupervisorHandle, supervisor_named};
use crate::actor::{ActorHandle, Creation, odd_actor_answer};
use crate::context::{self, Context};
use crate::{Cluster, Result};
use mobula_types::Failure;
use mobula_types::actor::{
    ActorAnswer, ActorOptions, ActorRequest, AutoShutdown, ChildShutdown, Intensity, Placement, RestartType,
    SupervisorSpec, SupervisorStrategy,
};
use std::sync::Arc;
use std::time::Duration;

/// A supervisor that is to be started, with its children in the order in which they start.
///
/// ```no_run
/// use mobula::prelude::*;
///
/// struct Store;
///
/// #[mobula::actor]
/// impl Store {
///     pub fn new(shelves: u64) -> Self {
///         Store
///     }
///     pub fn put(&mut self, thing: String) {}
/// }
///
/// #[mobula::main]
/// async fn main(_cluster: Cluster) -> mobula::Result<()> {
///     let stores = Supervisor::one_for_one("stores")
///         .child("left", StoreHandle::new(10_u64))
///         .child("right", StoreHandle::new(10_u64).restart(RestartType::Transient));
///     let shop = Supervisor::rest_for_one("shop")
///         .intensity(5, 10.secs())
///         .placement(Placement::Spread)
///         .child("front", StoreHandle::new(2_u64).named("front"))
///         .supervisor(stores)
///         .start()
///         .await?;
///     let front: StoreHandle = shop.child("front").await?;
///     front.put("a lamp").await?;
///     shop.stop().await
/// }
/// ```
///
/// # Children
/// A child is what a constructor of a handle makes, with its options: `restart`, `shutdown`, `significant`, a name, what it
/// needs, where it may be. It is started again from the same arguments, which the cluster keeps: all together at most 4 KiB,
/// and no references, nor handles that came from a creation. What is larger is put in a named actor, or made by the child.
///
/// Mistakes are kept, and are what [`start`](Self::start) fails with.
#[derive(Debug)]
#[must_use = "a tree does nothing before it is started, or made the child of another supervisor"]
pub struct Supervisor {
    name: Arc<str>,
    namespace: Arc<str>,
    detached: bool,
    context: Option<Context>,
    /// Without the children.
    pub(super) rules: SupervisorSpec,
    pub(super) children: Vec<Child>,
    pub(super) restart: RestartType,
    pub(super) shutdown: ChildShutdown,
    pub(super) significant: bool,
    pub(super) failure: Option<Failure>,
}

/// What happens when a child exits.
impl Supervisor {
    /// A child that exits is started again, alone.
    pub fn one_for_one(name: impl Into<Arc<str>>) -> Self {
        Supervisor::of_strategy(name.into(), SupervisorStrategy::OneForOne)
    }

    /// When a child exits, all are stopped and started again.
    pub fn one_for_all(name: impl Into<Arc<str>>) -> Self {
        Supervisor::of_strategy(name.into(), SupervisorStrategy::OneForAll)
    }

    /// When a child exits, it and those after it are stopped and started again.
    pub fn rest_for_one(name: impl Into<Arc<str>>) -> Self {
        Supervisor::of_strategy(name.into(), SupervisorStrategy::RestForOne)
    }

    /// Many children that are alike: they are added at run time by [`start_child`](SupervisorHandle::start_child), each
    /// with arguments of its own. Declared with exactly one child, which all are like, and started without any.
    pub fn simple_one_for_one(name: impl Into<Arc<str>>) -> Self {
        Supervisor::of_strategy(name.into(), SupervisorStrategy::SimpleOneForOne)
    }

    fn of_strategy(name: Arc<str>, strategy: SupervisorStrategy) -> Self {
        Supervisor {
            name,
            namespace: ActorOptions::DEFAULT_NAMESPACE.into(),
            detached: false,
            context: None,
            rules: SupervisorSpec { strategy, ..SupervisorSpec::default() },
            children: Vec::new(),
            restart: RestartType::Permanent,
            shutdown: ChildShutdown::Infinity,
            significant: false,
            failure: None,
        }
    }

    /// How many restarts are allowed within which time (3 in 5 s). Over it the supervisor stops its children and exits, and
    /// the supervisor above it decides. More than 1,000 are not counted: then any number is allowed.
    pub fn intensity(mut self, max_restarts: u32, within: Duration) -> Self {
        self.rules.intensity = Intensity { max_restarts, within };
        self
    }

    /// Whether it exits when significant children have exited by themselves (`Never`).
    pub fn auto_shutdown(mut self, auto_shutdown: AutoShutdown) -> Self {
        self.rules.auto_shutdown = auto_shutdown;
        self
    }

    /// How its own children are spread over the nodes, beside what each of them asks for.
    pub fn placement(mut self, placement: Placement) -> Self {
        self.rules.placement = placement;
        self
    }

    /// As a child of another supervisor: after which exits it is started again (`Permanent`).
    pub fn restart(mut self, restart: RestartType) -> Self {
        self.restart = restart;
        self
    }

    /// As a child of another supervisor: how long it may take to stop, with all that is below it (`Infinity`: each child
    /// below has a bound of its own). What is left of it then is killed.
    pub fn shutdown(mut self, shutdown: ChildShutdown) -> Self {
        self.shutdown = shutdown;
        self
    }

    /// As a child of another supervisor: its exit may end that one.
    pub fn significant(mut self) -> Self {
        self.significant = true;
        self
    }
}

/// What is below it.
impl Supervisor {
    /// One more child, started after those before it. Its id is unique among its siblings.
    pub fn child<H: ActorHandle>(mut self, id: impl Into<Arc<str>>, creation: Creation<H>) -> Self {
        match Child::actor(id.into(), creation) {
            Ok(child) => self.children.push(child),
            Err(failure) => drop(self.failure.get_or_insert(failure)),
        }
        self
    }

    /// Many more children.
    pub fn children<I: Into<Arc<str>>, H: ActorHandle>(
        self,
        children: impl IntoIterator<Item = (I, Creation<H>)>,
    ) -> Self {
        children.into_iter().fold(self, |this, (id, creation)| this.child(id, creation))
    }

    /// One more child that is a supervisor. Its name is its id among its siblings; its namespace, and whether it is
    /// detached, are those of the whole tree.
    pub fn supervisor(mut self, supervisor: Supervisor) -> Self {
        self.children.push(Child::supervisor(supervisor.name.clone(), supervisor));
        self
    }
}

/// Starting it.
impl Supervisor {
    /// Where its name is unique (`default`).
    pub fn namespace(mut self, namespace: impl Into<Arc<str>>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// It lives until it is stopped, whatever becomes of its job.
    pub fn detached(mut self) -> Self {
        self.detached = true;
        self
    }

    /// On that cluster, whatever the context is.
    pub fn on(mut self, cluster: &Cluster) -> Self {
        self.context = Some(cluster.context());
        self
    }

    /// Starts the tree, and waits until all children have started, one after the other. Its name is unique in its
    /// namespace, over supervisors and actors; an empty one is none.
    ///
    /// # Errors
    /// `ConstructorFailed` where a child does not start: what was started is stopped again. `AlreadyExists` where the name
    /// is taken. `InvalidArgument` and `TooLarge` for what cannot be declared; `NoContext`.
    pub async fn start(mut self) -> Result<SupervisorHandle> {
        let context = self.usable_context()?;
        let supervisor = next_id(&context, b"supervisor", &self.name)?;
        let job = job_of(&context);
        let request = ActorRequest::StartSupervisor {
            supervisor,
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            job,
            detached: self.detached,
            spec: Arc::new(self.spec(job)),
        };
        match ask_again(&context, request).await? {
            ActorAnswer::Started(_) => Ok(SupervisorHandle::of(supervisor)),
            other => Err(odd_actor_answer(other)),
        }
    }

    pub(super) fn usable_context(&mut self) -> Result<Context> {
        if let Some(failure) = self.failure() {
            return Err(failure.clone().into());
        }
        match self.context.take() {
            Some(context) => Ok(context),
            None => context::context(),
        }
    }

    /// Its child spec below another supervisor that runs already.
    pub(super) fn into_child(self) -> Child {
        Child::supervisor(self.name.clone(), self)
    }

    /// The supervisor of that name, in the namespace `default`.
    ///
    /// # Errors
    /// `NotFound`, `NoContext`.
    pub async fn get(name: impl Into<Arc<str>>) -> Result<SupervisorHandle> {
        Supervisor::get_in(ActorOptions::DEFAULT_NAMESPACE, name).await
    }

    /// The supervisor of that name in that namespace.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn get_in(
        namespace: impl Into<Arc<str>>,
        name: impl Into<Arc<str>>,
    ) -> Result<SupervisorHandle> {
        supervisor_named(namespace.into(), name.into()).await
    }
}
