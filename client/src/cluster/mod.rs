//! Connections to clusters.

mod addresses;
#[cfg(feature = "clap")]
mod args;
mod brought;
mod builder;
mod bulk;
mod connection;
mod driver;
mod inherited;
#[cfg(feature = "local")]
mod local;
mod process;

pub use addresses::IntoAddresses;
#[cfg(feature = "clap")]
pub use args::ClusterArgs;
pub use builder::ClusterBuilder;
pub(crate) use bulk::NodeBulk;
#[cfg(feature = "local")]
pub use local::LocalBuilder;
pub use process::init;

use crate::context::{self, Context, Scope};
use crate::link::{Command, Link};
use crate::observer::NodeChanges;
use crate::put::Put;
use crate::{ErrorKind, Result};
use mobula_runtime::led::LedThread;
use mobula_types::{ClusterView, JobId, NodeId, NodeInfo, NodeState, Resources};
use parking_lot::Mutex;
use serde::Serialize;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// The variable that names the cluster's addresses, separated by commas.
pub const CLUSTER_VARIABLE: &str = "MOBULA_CLUSTER";

/// How long closing waits for the end of a cluster inside this program.
#[cfg(feature = "local")]
const LOCAL_ENDS_WITHIN: Duration = Duration::from_secs(2);

/// A connection to a cluster, and the job that everything done through it belongs to. Cheap to clone.
///
/// The job ends when the connection is [closed](Self::close), or when its last clone is dropped. Should the program vanish,
/// the cluster ends the job 30 s later.
///
/// ```no_run
/// # async fn example() -> mobula::Result<()> {
/// let cluster = mobula::Cluster::connect("http://127.0.0.1:7421").await?;
/// let greeting = cluster.put("hello".to_string()).await?;
/// println!("{}", greeting.await?);
/// cluster.close().await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

struct Inner {
    context: Context,
    job: JobId,
    thread: Mutex<Option<LedThread>>,
    /// The connection is a worker's, and goes on without this.
    is_borrowed: bool,
    /// What the cluster itself runs on, where it is inside this program: ends after the connection.
    #[cfg(feature = "local")]
    local: Mutex<Option<mobula_local::LocalCluster>>,
}

impl Cluster {
    /// Connects to a cluster through one of the addresses: nodes' (`http://host:7421`) or a head's. Opens a job, and
    /// brings this program's executable to the cluster if it has remote functions and is not there yet.
    ///
    /// The token is taken from the file that `MOBULA_TOKEN_FILE` names, else from the one that `mobula up` has stored
    /// for the address.
    ///
    /// # Errors
    /// `Unavailable` where none answers, `Unauthenticated` without the right token, `ExecutableRefused` where the program
    /// cannot run as a worker there.
    pub async fn connect(addresses: impl IntoAddresses) -> Result<Cluster> {
        Cluster::builder().connect(addresses).await
    }

    /// A connection with settings of its own.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::default()
    }

    /// Starts a cluster inside this program, with one node that runs the program's functions on the machine's CPUs, and
    /// connects to it. For tests and first steps: it ends with the connection.
    ///
    /// # Errors
    /// Where a listener or a thread cannot be made.
    #[cfg(feature = "local")]
    pub async fn local() -> Result<Cluster> {
        Cluster::local_builder().start().await
    }

    /// A cluster inside this program, with settings.
    #[cfg(feature = "local")]
    pub fn local_builder() -> LocalBuilder {
        LocalBuilder::default()
    }

    pub(crate) fn new(link: Arc<Link>, job: JobId, thread: LedThread) -> Self {
        Cluster(Arc::new(Inner {
            context: Context::of_driver(link),
            job,
            thread: Mutex::new(Some(thread)),
            is_borrowed: false,
            #[cfg(feature = "local")]
            local: Mutex::new(None),
        }))
    }

    /// The cluster as an actor of that job sees it.
    pub(crate) fn of_actor(context: Context, job: JobId) -> Self {
        Cluster(Arc::new(Inner {
            context,
            job,
            thread: Mutex::new(None),
            is_borrowed: true,
            #[cfg(feature = "local")]
            local: Mutex::new(None),
        }))
    }

    #[cfg(feature = "local")]
    pub(crate) fn keep_local(&self, local: mobula_local::LocalCluster) {
        *self.0.local.lock() = Some(local);
    }

    /// Works on the cluster inside this program, if this is one and it has not been closed.
    #[cfg(feature = "test")]
    pub(crate) fn with_local<T>(&self, work: impl FnOnce(&mut mobula_local::LocalCluster) -> T) -> Option<T> {
        self.0.local.lock().as_mut().map(work)
    }

    /// The job.
    pub fn job(&self) -> JobId {
        self.0.job
    }

    /// The node through which this program works. Where it is lost, another takes its place.
    pub fn home(&self) -> NodeId {
        self.0.context.link().home()
    }

    /// A context for code that is to use this cluster.
    pub fn context(&self) -> Context {
        self.0.context.clone()
    }

    /// This cluster's context; inside a task of the same connection, the task's own.
    pub(crate) fn context_here(&self) -> Context {
        let own = self.0.context.link();
        let current = context::context().ok().filter(|context| Arc::ptr_eq(context.link(), own));
        current.unwrap_or_else(|| self.context())
    }

    /// Runs a future in this cluster's context: its calls go here.
    pub fn scope<F: Future>(&self, future: F) -> Scope<F> {
        self.0.context.scope(future)
    }

    /// Runs a closure in this cluster's context.
    pub fn enter<R>(&self, work: impl FnOnce() -> R) -> R {
        self.0.context.enter(work)
    }

    /// Puts a value into the cluster: awaiting it waits until the home node has it, its
    /// [`submit`](crate::Put::submit) gives the reference at once. The program keeps what it has put, up to 1 GiB in
    /// all, to offer it again should the home node be lost.
    pub fn put<T: Serialize + 'static>(&self, value: T) -> Put<T> {
        Put::new(Ok(self.context_here()), &value)
    }

    /// The cluster as the home node sees it: it is pushed, so this asks nobody.
    ///
    /// ```no_run
    /// use mobula::{Cluster, ClusterView, FunctionId, FunctionInfo, FunctionKind, JobId, NodeInfo, NodeLoad, NodeState};
    ///
    /// fn asynchronous(functions: &[FunctionInfo]) -> impl Iterator<Item = &FunctionId> {
    ///     functions.iter().filter(|function| matches!(function.kind, FunctionKind::Async)).map(|function| &function.id)
    /// }
    ///
    /// fn show(cluster: &Cluster) {
    ///     let (job, view): (JobId, ClusterView) = (cluster.job(), cluster.view());
    ///     for node in view.nodes.values() {
    ///         let NodeInfo { id, state, functions, load, .. } = &**node;
    ///         let NodeLoad { running, queued, .. } = load;
    ///         match state {
    ///             NodeState::Alive => println!("{id} runs {running} of {queued}, {}", asynchronous(functions).count()),
    ///             NodeState::Draining | NodeState::Dead => println!("{id} does not take {job}"),
    ///         }
    ///     }
    /// }
    /// ```
    pub fn view(&self) -> ClusterView {
        self.0.context.link().view()
    }

    /// A stream of how the nodes stand: first all that are there, then each that joins, drains or is lost, with the reason
    /// and the time. It is read off the view, so this asks nobody.
    pub fn watch_nodes(&self) -> NodeChanges {
        NodeChanges::of(self.0.context.link().clone())
    }

    /// What all living nodes have together, used or not.
    pub fn total_resources(&self) -> Resources {
        let mut total = Resources::default();
        let view = self.view();
        living(&view).for_each(|node| total.add(&node.resources));
        total
    }

    /// Waits until that many nodes are alive.
    ///
    /// # Errors
    /// `TimedOut` where they are not in time.
    pub async fn wait_for_nodes(&self, count: usize, within: Duration) -> Result<()> {
        let link = self.0.context.link();
        let enough = async {
            loop {
                let seen = link.views().seen();
                if living(&link.view()).count() >= count {
                    return;
                }
                link.views().changed(seen).await;
            }
        };
        let message = || format!("fewer than {count} nodes are alive after {within:?}");
        tokio::time::timeout(within, enough)
            .await
            .map_err(|_| crate::Error::new(ErrorKind::TimedOut, message()))
    }

    /// Leaves: sends what was submitted, ends the job, and closes the connection. References that are left resolve to
    /// `JobEnded`. At most about 2 s, and 2 s more for a cluster inside this program. Other clones of this connection are
    /// closed as well. Nothing happens to the cluster [of an actor](crate::ActorContext::cluster).
    pub async fn close(&self) {
        if self.0.is_borrowed {
            return;
        }
        let (closed, is_closed) = tokio::sync::oneshot::channel();
        self.0.context.link().command(Command::Close(Some(closed)));
        // An error means that it was closed before.
        let _closed_before = is_closed.await;
        let thread = self.0.thread.lock().take();
        #[cfg(feature = "local")]
        let local = self.0.local.lock().take();
        let ends = tokio::task::spawn_blocking(move || {
            let _its_panic_was_reported = thread.map(LedThread::join);
        });
        let _its_panic_was_reported = ends.await;
        #[cfg(feature = "local")]
        if let Some(local) = local {
            local.stop(LOCAL_ENDS_WITHIN).await;
        }
    }
}

fn living(view: &ClusterView) -> impl Iterator<Item = &Arc<NodeInfo>> {
    view.nodes.values().filter(|node| node.state == NodeState::Alive)
}

impl Drop for Inner {
    fn drop(&mut self) {
        if !self.is_borrowed {
            self.context.link().command(Command::Close(None));
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("job", &self.0.job).finish_non_exhaustive()
    }
}
