//! The context of the current thread at this moment.

use super::{CallChain, Context};
use crate::link::Link;
use crate::reference::Handle;
use crate::worker::PendingWait;
use mobula_types::{Failure, TaskId};
use std::cell::{Cell, RefCell};
use std::sync::{Arc, OnceLock};

thread_local! {
    static CURRENT: RefCell<Option<Context>> = const { RefCell::new(None) };
    static IS_WORKER: Cell<bool> = const { Cell::new(false) };
}

static DEFAULT: OnceLock<Context> = OnceLock::new();

/// Where nothing else is current, this context counts, on threads that belong to no worker. The first one stays.
pub(crate) fn set_default(context: Context) {
    let _the_first_stays = DEFAULT.set(context);
}

/// This thread runs tasks: between them it has no context at all.
pub(crate) fn mark_worker_thread() {
    IS_WORKER.with(|is_worker| is_worker.set(true));
}

/// Looks at the current context without cloning it. `look` must not enter another one.
pub(crate) fn with_current<R>(look: impl FnOnce(Option<&Context>) -> R) -> R {
    let current = CURRENT.with(|current| current.borrow().clone());
    match &current {
        Some(context) => look(Some(context)),
        None if IS_WORKER.with(Cell::get) => look(None),
        None => look(DEFAULT.get()),
    }
}

/// The session of the current context.
pub(crate) fn current_link() -> Option<Arc<Link>> {
    with_current(|context| context.map(|context| context.link().clone()))
}

/// The current task, if this is one, was lent a reference: until it ends, its caller keeps the object.
pub(crate) fn note_lent(handle: &Arc<Handle>) {
    with_current(|context| {
        if let Some(run) = context.and_then(Context::run) {
            run.waits().lend(handle);
        }
    });
}

/// Why the current turn, if this is one, must not wait for the result of that task.
pub(crate) fn hopeless_wait(task: TaskId) -> Option<Failure> {
    let chain = CallChain::current();
    if chain.is_empty() {
        return None;
    }
    with_current(|context| chain.refuse(context?.run()?.hopeless(task)?))
}

/// Tells the current task, if this is one, that a wait of its is pending until the result is dropped.
pub(crate) fn pending_wait() -> Option<PendingWait> {
    with_current(|context| Some(context?.run()?.waits().pending()))
}

/// A wait that blocks this thread: the current task's CPUs, if this is one, are used by others meanwhile.
pub(crate) fn blocking_wait<R>(wait: impl FnOnce() -> R) -> R {
    match with_current(|context| Some(context?.run()?.waits().clone())) {
        // On a thread of actors others go on meanwhile.
        Some(waits) => mobula_host::actor::blocking_wait(|| waits.blocking(wait)),
        None => wait(),
    }
}

/// Puts back what was current before.
pub(super) struct Entered(Option<Context>);

pub(super) fn enter(context: Context) -> Entered {
    Entered(CURRENT.with(|current| current.borrow_mut().replace(context)))
}

impl Drop for Entered {
    fn drop(&mut self) {
        let left = CURRENT.with(|current| std::mem::replace(&mut *current.borrow_mut(), self.0.take()));
        // Outside of the borrow: dropping the last clone may drop handles.
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::testing;

    #[test]
    fn a_context_ends_where_it_was_entered() {
        let link = testing::silent_link();
        let context = Context::of_driver(link);
        assert!(crate::context().is_err());
        context.enter(|| assert!(crate::context().is_ok()));
        let error = crate::context().unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::NoContext);
    }

    #[tokio::test]
    async fn a_scope_reaches_over_awaits_and_spawned_tasks() {
        let link = testing::silent_link();
        let context = Context::of_driver(link);
        let inside = context
            .scope(async {
                tokio::task::yield_now().await;
                let spawned = crate::spawn(async { crate::context().is_ok() }).await;
                crate::context().is_ok() && spawned.is_ok_and(|has_context| has_context)
            })
            .await;
        assert!(inside);
        assert!(crate::context().is_err());
    }
}
