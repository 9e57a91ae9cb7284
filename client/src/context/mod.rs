//! Where code runs: which cluster, inside which task, until when.
//!
//! The context is task-local: [`Context::scope`] carries it over the awaits of a future, [`Context::enter`] over a
//! closure, [`spawn`] to a task of the current runtime. `#[mobula::main]` and every task run in one. Where there is none:
//! in a driver that has called [`init`](crate::init) (as `#[mobula::main]` does) its cluster counts; everywhere
//! else, and always on a worker's threads, a call fails with `NoContext`.

mod chain;
mod current;
mod run;
mod scope;
mod spawn;
mod task_context;

pub(crate) use chain::{CallChain, InChain};
pub(crate) use current::{
    blocking_wait, current_link, hopeless_wait, mark_worker_thread, note_lent, pending_wait, set_default,
    with_current,
};
pub(crate) use run::{RunContext, RunScope};
pub use scope::Scope;
pub use spawn::spawn;
pub use task_context::TaskContext;

use crate::link::{CallerKey, Link, Parent};
use crate::{Error, ErrorKind, Result};
use mobula_types::Time;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

/// Which cluster calls go to, and on whose behalf. Cheap to clone.
#[derive(Clone)]
pub struct Context(Arc<Inner>);

struct Inner {
    link: Arc<Link>,
    run: Option<RunScope>,
}

/// The current context.
///
/// # Errors
/// `NoContext` where there is none; see [the module](self).
pub fn context() -> Result<Context> {
    with_current(|context| context.cloned()).ok_or_else(no_context)
}

/// What the current code knows of the task that it is; `None` outside of tasks.
pub fn task_context() -> Option<TaskContext> {
    with_current(|context| TaskContext::of(context?))
}

pub(crate) fn no_context() -> Error {
    let message = "this code runs outside of any cluster's context: run it under #[mobula::main], in \
         `cluster.scope(…)` or `mobula::context()?.enter(…)`, spawn it with mobula::spawn, or name the cluster with \
         `.on(&cluster)`";
    Error::new(ErrorKind::NoContext, message)
}

impl Context {
    pub(crate) fn of_driver(link: Arc<Link>) -> Self {
        Context(Arc::new(Inner { link, run: None }))
    }

    /// The context of one run of a task on a worker.
    pub(crate) fn of_run(run: RunContext) -> Self {
        let (link, run) = RunScope::new(run);
        Context(Arc::new(Inner { link, run: Some(run) }))
    }

    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.0.link
    }

    pub(crate) fn run(&self) -> Option<&RunScope> {
        self.0.run.as_ref()
    }

    /// Who calls from here.
    pub(crate) fn caller(&self) -> CallerKey {
        self.0.run.as_ref().map_or(CallerKey::Driver, RunScope::caller)
    }

    /// The run or turn that requests from here are made by.
    pub(crate) fn parent(&self) -> Parent {
        self.0.run.as_ref().map(RunScope::handle)
    }

    /// When the current task must have ended.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.0.run.as_ref().and_then(RunScope::deadline)
    }

    /// Runs the future in this context.
    pub fn scope<F: Future>(&self, future: F) -> Scope<F> {
        Scope::new(self.clone(), future)
    }

    /// Runs the closure in this context: for threads and code that is not async.
    pub fn enter<R>(&self, work: impl FnOnce() -> R) -> R {
        let _entered = current::enter(self.clone());
        work()
    }

    /// The task that this is the context of.
    pub fn task(&self) -> Option<TaskContext> {
        TaskContext::of(self)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("run", &self.0.run).finish_non_exhaustive()
    }
}
