//! Spawning with the context.

use super::with_current;
use std::future::Future;
use tokio::task::JoinHandle;

/// Spawns a future on the current Tokio runtime, in the current context: `tokio::spawn` would lose it. Without a context
/// it spawns it all the same.
///
/// # Panics
/// Outside of a Tokio runtime, as `tokio::spawn`.
// The task belongs to the program that uses this crate, which gets Tokio's own handle to it.
#[allow(clippy::disallowed_methods)]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    match with_current(|context| context.cloned()) {
        Some(context) => tokio::spawn(context.scope(future)),
        None => tokio::spawn(future),
    }
}
