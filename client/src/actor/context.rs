//! What an actor's own code knows of it.

use super::group::done;
use super::{ActorCall, ActorHandle, ActorRef, Creation};
use crate::context::{Context, RunContext};
use crate::link::{CallerKey, Link, odd_answer};
use crate::reference::References;
use crate::worker::{RunWaits, WorkerShared};
use crate::{Cluster, Error, ErrorKind, Result, context};
use mobula_host::actor::{ActorExit, Class, OwnWork};
use mobula_host::{Call, CancelToken};
use mobula_runtime::clock;
use mobula_types::actor::{ActorOptions, Epoch, ExitKind, Incarnation, Subscriber, WatchKind};
use mobula_types::frame::{Answer, Ask, actor_as_parent};
use mobula_types::{ActorId, Attempt, ExitReason, Failure, FunctionId, JobId, TaskId};
use parking_lot::Mutex;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// What a worker keeps of an incarnation while it is hosted.
pub(crate) struct ActorScope {
    shared: Arc<WorkerShared>,
    key: u32,
    incarnation: Incarnation,
    job: JobId,
    class: Arc<Class>,
    traps_exits: AtomicBool,
    /// How often it has done something outside of its turns.
    own_work: AtomicU64,
    timers: Mutex<Timers>,
}

/// The timers that have not rung; they end with the incarnation.
#[derive(Default)]
struct Timers {
    last: u64,
    running: std::collections::BTreeMap<u64, OwnWork>,
    is_over: bool,
}

impl ActorScope {
    pub(crate) fn new(
        shared: Arc<WorkerShared>,
        key: u32,
        (incarnation, job): (Incarnation, JobId),
        class: Arc<Class>,
    ) -> Arc<Self> {
        let (traps_exits, own_work) = (AtomicBool::new(false), AtomicU64::new(0));
        let timers = Mutex::default();
        Arc::new(ActorScope { shared, key, incarnation, job, class, traps_exits, own_work, timers })
    }

    fn link(&self) -> &Arc<Link> {
        self.shared.link()
    }

    /// The context of one turn.
    pub(super) fn turn(&self, call: &Call) -> Context {
        let waits = RunWaits::new(call.handle, self.shared.clone());
        // An actor holds no CPUs that others could use while it waits.
        waits.end();
        Context::of_run(RunContext {
            link: self.link().clone(),
            handle: call.handle,
            task: call.task,
            attempt: call.attempt,
            deadline: call.deadline,
            cancel: call.cancel.clone(),
            waits,
            caller: CallerKey::Actor(self.key),
        })
    }

    /// The context of what the actor does by itself: hooks and timers. Its calls are named by the incarnation.
    pub(super) fn between_turns(&self) -> Context {
        let handle = actor_as_parent(self.key);
        let waits = RunWaits::new(handle, self.shared.clone());
        waits.end();
        let TaskId { high, low } = self.incarnation.actor.0;
        let own = self.own_work.fetch_add(1, Ordering::Relaxed);
        let name = blake3::hash(&[high, low, self.incarnation.epoch.0, own].map(u64::to_le_bytes).concat());
        let mut half = [0; 16];
        half.copy_from_slice(&name.as_bytes()[..16]);
        Context::of_run(RunContext {
            link: self.link().clone(),
            handle,
            task: TaskId::from_hash(u128::from_le_bytes(half)),
            attempt: Attempt::default(),
            deadline: None,
            cancel: CancelToken::default(),
            waits,
            caller: CallerKey::Actor(self.key),
        })
    }

    /// Whether the exit of a linked actor comes to `on_down` instead of ending this one.
    pub(crate) fn traps_exits(&self) -> bool {
        self.traps_exits.load(Ordering::Acquire)
    }

    /// The incarnation is over: its timers ring no more.
    pub(crate) fn end(&self) {
        let mut timers = self.timers.lock();
        timers.is_over = true;
        let running = std::mem::take(&mut timers.running);
        drop(timers);
        drop(running);
    }
}

impl fmt::Debug for ActorScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActorScope({} as {})", self.incarnation, self.key)
    }
}

/// An actor as its own code sees it. A constructor, method or hook that has a parameter of this type, or a reference to it,
/// gets it from its host; callers do not see that parameter. Cheap to clone.
///
/// It may be kept, and does nothing once the incarnation is over.
#[derive(Clone)]
pub struct ActorContext {
    actor: ActorExit,
    scope: Arc<ActorScope>,
}

impl ActorContext {
    pub(super) fn new(actor: ActorExit, scope: Arc<ActorScope>) -> Self {
        ActorContext { actor, scope }
    }

    /// The actor's id.
    pub fn id(&self) -> ActorId {
        self.scope.incarnation.actor
    }

    /// Which incarnation of it this is. Things outside of the cluster can refuse what comes from an older one than they have
    /// heard of.
    pub fn epoch(&self) -> Epoch {
        self.scope.incarnation.epoch
    }

    /// A handle of the actor itself, which is not counted: it does not keep the actor alive, wherever it is passed on to.
    pub fn me<H: ActorHandle>(&self) -> H {
        H::from_actor_ref(ActorRef::uncounted(self.scope.link(), self.id()))
    }

    /// Has the actor exit when this turn has ended: calls that wait go to its next incarnation, or fail; `on_stop` runs. Its
    /// supervisor takes that for a normal exit.
    pub fn exit(&self) {
        self.actor.exit(ExitReason::of(ExitKind::Normal));
    }

    /// As [`exit`](Self::exit), with an error: an abnormal exit.
    pub fn fail(&self, error: impl Into<crate::Error>) {
        self.actor.exit(ExitReason::failed(ExitKind::Error, error.into().into_failure()));
    }

    /// The actor's own context, for threads and tasks that it starts: calls from there are the actor's.
    pub fn context(&self) -> Context {
        self.scope.between_turns()
    }

    /// The cluster that hosts the actor: its nodes and what they have, with what is put or called through it being the actor's
    /// own. Its home is the node that hosts the incarnation; it is told of changes from the first call on. To
    /// [close](Cluster::close) it does nothing.
    ///
    /// ```
    /// # use mobula::{ActorContext, Result};
    /// struct Planner;
    ///
    /// #[mobula::actor]
    /// impl Planner {
    ///     pub fn new() -> Self {
    ///         Planner
    ///     }
    ///
    ///     pub async fn cpus(&self, ctx: &ActorContext) -> Result<f64> {
    ///         Ok(ctx.cluster().await?.total_resources().cpu.as_f64())
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// Where the session with the node is over.
    pub async fn cluster(&self) -> Result<Cluster> {
        if self.scope.link().view().nodes.is_empty() {
            done(self.ask(Ask::View).await?)?;
        }
        Ok(Cluster::of_actor(self.context(), self.scope.job))
    }

    /// Watches an actor's incarnation of this moment: `on_down` hears of its exit, exactly once. Gives the number that the
    /// `Down` will bear.
    ///
    /// # Errors
    /// `Unavailable` where no head registers it within 30 s; `ResourceExhausted` where the actor has 10,000 monitors and
    /// links already.
    pub async fn monitor(&self, target: &impl ActorHandle) -> Result<u64> {
        self.watch(target, WatchKind::Monitor).await
    }

    /// Links the actor with another one: where that exits abnormally this one exits too, unless it
    /// [traps exits](Self::trap_exits). Gives the number of the watch.
    ///
    /// # Errors
    /// As [`monitor`](Self::monitor).
    pub async fn link(&self, target: &impl ActorHandle) -> Result<u64> {
        self.watch(target, WatchKind::Link).await
    }

    /// Creates an actor that is [linked](Self::link) with this one, and waits until it has started: where one of both exits
    /// abnormally, the other exits too, unless it [traps exits](Self::trap_exits). It lives, besides, while somebody holds
    /// its handle, such as this actor's state. For one that is to be started again, see
    /// [`Supervisor`](crate::Supervisor).
    ///
    /// # Errors
    /// As [`Creation::spawn`] and [`monitor`](Self::monitor).
    pub async fn spawn_child<H: ActorHandle>(&self, creation: Creation<H>) -> Result<H> {
        let child = self.context().scope(creation.spawn()).await?;
        self.link(&child).await?;
        Ok(child)
    }

    async fn watch(&self, target: &impl ActorHandle, kind: WatchKind) -> Result<u64> {
        let ask = Ask::Watch { target: target.actor_ref().id(), kind, epoch: None };
        match self.ask(ask).await? {
            Answer::Watching { number, .. } => Ok(number),
            other => Err(odd_answer(&other).into()),
        }
    }

    /// Ends a monitor or a link.
    ///
    /// # Errors
    /// Where the session is over.
    pub async fn unwatch(&self, number: u64) -> Result<()> {
        self.ask(Ask::Unwatch { number }).await?;
        Ok(())
    }

    async fn ask(&self, ask: Ask) -> Result<Answer, Failure> {
        let _waiting = context::pending_wait();
        self.scope.link().ask(ask, Some(actor_as_parent(self.scope.key))).await
    }

    /// Joins a process group of the namespace `default`, until the incarnation ends.
    ///
    /// # Errors
    /// `InvalidArgument` for a name that is empty or has more than 255 bytes.
    pub async fn join_group(&self, group: impl Into<Arc<str>>) -> Result<()> {
        self.join_group_in(ActorOptions::DEFAULT_NAMESPACE, group).await
    }

    /// As [`join_group`](Self::join_group), in another namespace.
    ///
    /// # Errors
    /// As [`join_group`](Self::join_group).
    pub async fn join_group_in(
        &self,
        namespace: impl Into<Arc<str>>,
        group: impl Into<Arc<str>>,
    ) -> Result<()> {
        let (namespace, group, member) = (namespace.into(), group.into(), self.scope.incarnation);
        done(self.ask(Ask::Join { namespace, group, member }).await?)
    }

    /// Leaves a process group of the namespace `default`.
    ///
    /// # Errors
    /// As [`join_group`](Self::join_group).
    pub async fn leave_group(&self, group: impl Into<Arc<str>>) -> Result<()> {
        self.leave_group_in(ActorOptions::DEFAULT_NAMESPACE, group).await
    }

    /// As [`leave_group`](Self::leave_group), in another namespace.
    ///
    /// # Errors
    /// As [`join_group`](Self::join_group).
    pub async fn leave_group_in(
        &self,
        namespace: impl Into<Arc<str>>,
        group: impl Into<Arc<str>>,
    ) -> Result<()> {
        let (namespace, group, member) = (namespace.into(), group.into(), self.scope.incarnation);
        done(self.ask(Ask::Leave { namespace, group, member }).await?)
    }

    /// Subscribes to topics of the namespace `default`, until the incarnation ends: the method of that name, of the actor's
    /// own class `H`, is cast with the topic, as a `String`, and the message. Messages that come before the actor's
    /// `on_start` has ended, or find its mailbox full, are lost. Gives the number of the subscription.
    ///
    /// # Errors
    /// `InvalidArgument` for a pattern that is none, and for a method that the actor does not have.
    pub async fn subscribe<H: ActorHandle>(&self, pattern: impl Into<Arc<str>>, method: &str) -> Result<u64> {
        self.subscribe_in::<H>(ActorOptions::DEFAULT_NAMESPACE, pattern, method).await
    }

    /// As [`subscribe`](Self::subscribe), in another namespace.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    pub async fn subscribe_in<H: ActorHandle>(
        &self,
        namespace: impl Into<Arc<str>>,
        pattern: impl Into<Arc<str>>,
        method: &str,
    ) -> Result<u64> {
        let (namespace, pattern) = (namespace.into(), pattern.into());
        let name = format!("{}::{method}", H::class());
        if !self.scope.class.methods().iter().any(|known| known.name == name) {
            let text =
                format!("{} has no method {name} that messages could be cast to", self.scope.incarnation);
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        let method = FunctionId::new(&name, "");
        let subscriber = Subscriber::Actor { incarnation: self.scope.incarnation, method };
        match self.ask(Ask::Subscribe { namespace, pattern, subscriber }).await? {
            Answer::Subscribed { subscription } => Ok(subscription),
            other => Err(odd_answer(&other).into()),
        }
    }

    /// Ends a subscription.
    ///
    /// # Errors
    /// Where the session is over.
    pub async fn unsubscribe(&self, subscription: u64) -> Result<()> {
        done(self.ask(Ask::Unsubscribe { subscription }).await?)
    }

    /// Whether the exit of a linked actor is told to `on_down` instead of ending this one (off).
    pub fn trap_exits(&self, trap: bool) {
        self.scope.traps_exits.store(trap, Ordering::Release);
    }

    /// Casts a call after that time, usually to the actor itself, unless the incarnation ends before.
    pub fn send_after<R: References + 'static>(&self, delay: Duration, call: ActorCall<R>) -> Timer {
        self.start_timer(|this| async move {
            clock::sleep(delay).await;
            if let Some(scope) = this.upgrade() {
                scope.between_turns().enter(|| call.cast());
            }
        })
    }

    /// Casts a call again and again, first after one period, until the incarnation ends. A period that is missed is left
    /// out. `call` runs on a thread of the actors, beside the actor's turns: it must not block for long, and where it panics
    /// the actor exits with `Panicked`.
    pub fn send_every<R: References + 'static>(
        &self,
        period: Duration,
        call: impl Fn() -> ActorCall<R> + Send + 'static,
    ) -> Timer {
        const SHORTEST: Duration = Duration::from_millis(1);
        let period = period.max(SHORTEST);
        self.start_timer(move |this| async move {
            let mut next = clock::now() + period;
            loop {
                clock::sleep_until(next).await;
                let Some(scope) = this.upgrade() else { return };
                scope.between_turns().enter(|| call().cast());
                while next <= clock::now() {
                    next = next + period;
                }
            }
        })
    }

    fn start_timer<F>(&self, timer: impl FnOnce(Weak<ActorScope>) -> F) -> Timer
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let scope = Arc::downgrade(&self.scope);
        let number = self.scope.start_timer(&self.actor, timer(scope.clone()));
        Timer { scope, number }
    }
}

impl ActorScope {
    /// What a timer calls is the user's: it runs where turns do, and holds up neither the session nor its I/O.
    fn start_timer(
        self: &Arc<Self>,
        actor: &ActorExit,
        timer: impl Future<Output = ()> + Send + 'static,
    ) -> u64 {
        let mut timers = self.timers.lock();
        if timers.is_over {
            return 0;
        }
        timers.last += 1;
        let number = timers.last;
        let this = Arc::downgrade(self);
        let work = async move {
            timer.await;
            if let Some(scope) = this.upgrade() {
                scope.stop_timer(number);
            }
        };
        timers.running.extend(actor.spawn("actor-timer", work).map(|task| (number, task)));
        number
    }

    fn stop_timer(&self, number: u64) {
        let stopped = self.timers.lock().running.remove(&number);
        drop(stopped);
    }
}

impl fmt::Debug for ActorContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActorContext({})", self.scope.incarnation)
    }
}

/// A timer of an actor. Dropping it changes nothing.
#[derive(Clone)]
pub struct Timer {
    scope: Weak<ActorScope>,
    number: u64,
}

impl Timer {
    /// Stops it: it rings no more.
    pub fn cancel(&self) {
        if let Some(scope) = self.scope.upgrade() {
            scope.stop_timer(self.number);
        }
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timer({})", self.number)
    }
}
