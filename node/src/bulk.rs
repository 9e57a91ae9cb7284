//! The thread on which bulk bytes move, so that a gigabyte never stands in front of a task.

use mobula_objects::ObjectStore;
use mobula_runtime::{Shutdown, TaskHandle, clock, spawn_on};
use mobula_types::{Failure, FailureKind};
use std::io;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Handle;

/// Memory of values that are gone is given back to the system after one to two of these.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// Owns the thread: dropping it ends what runs there, and waits for its end.
#[derive(Debug)]
pub(crate) struct BulkThread {
    runtime: BulkRuntime,
    shutdown: Shutdown,
    thread: Option<JoinHandle<()>>,
}

/// Runs work on the thread. Clones run it on the same one.
#[derive(Clone, Debug)]
pub(crate) struct BulkRuntime(Handle);

impl BulkThread {
    /// Starts the thread, which looks after the idle memory of `store` too.
    ///
    /// # Errors
    /// Where a thread or its runtime cannot be made.
    pub(crate) fn start(store: ObjectStore) -> io::Result<Self> {
        let shutdown = Shutdown::new();
        let (started, handle) = std::sync::mpsc::sync_channel(1);
        let end = shutdown.clone();
        let thread = mobula_runtime::thread::spawn_runtime("mobula-bulk", move || {
            let _starter_gone = started.send(Handle::current());
            async move {
                tokio::select! {
                    () = end.wait() => {}
                    () = sweep(store) => {}
                }
            }
        })?;
        let runtime = BulkRuntime(handle.recv().map_err(io::Error::other)?);
        Ok(BulkThread { runtime, shutdown, thread: Some(thread) })
    }

    pub(crate) fn runtime(&self) -> BulkRuntime {
        self.runtime.clone()
    }
}

impl Drop for BulkThread {
    fn drop(&mut self) {
        self.shutdown.trigger();
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

async fn sweep(store: ObjectStore) {
    loop {
        clock::sleep(SWEEP_EVERY).await;
        store.sweep();
    }
}

impl BulkRuntime {
    /// Starts work there; the future waits for its result, and dropping it ends the work.
    ///
    /// # Errors
    /// The work's own; `Unavailable` where the node ends.
    pub(crate) fn run<T, W>(
        &self,
        name: &'static str,
        work: W,
    ) -> impl Future<Output = Result<T, Failure>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let task = self.spawn(name, work);
        async move {
            task.await.unwrap_or_else(|| {
                let message = format!("could not {name}: the node is shutting down");
                Err(Failure::new(FailureKind::Unavailable, message))
            })
        }
    }

    /// Starts a task there.
    pub(crate) fn spawn<F>(&self, name: &'static str, future: F) -> TaskHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        spawn_on(&self.0, name, future)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_runs_on_the_thread_and_ends_with_it() {
        let bulk = BulkThread::start(ObjectStore::new(0)).unwrap();
        let runtime = bulk.runtime();
        let name = runtime.run("look", async { Ok(std::thread::current().name().map(str::to_owned)) });
        assert_eq!(name.await.unwrap().as_deref(), Some("mobula-bulk"));
        let endless = runtime.run("wait", std::future::pending::<Result<(), Failure>>());
        drop(bulk);
        assert_eq!(endless.await.unwrap_err().kind(), FailureKind::Unavailable);
    }
}
