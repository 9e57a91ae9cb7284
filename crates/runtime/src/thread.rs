//! Threads that carry a single-threaded runtime.

use std::future::Future;
use std::io;
use std::thread::JoinHandle;

/// Starts a thread with a `current_thread` runtime and a `LocalSet`, and runs the future that `make` builds there.
///
/// # Errors
/// Where the thread or its runtime cannot be made: the system's limits.
pub fn spawn_runtime<M, F>(name: &str, make: M) -> io::Result<JoinHandle<F::Output>>
where
    M: FnOnce() -> F + Send + 'static,
    F: Future + 'static,
    F::Output: Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name(name.into()).spawn(move || {
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async move { make().await })
    })
}
