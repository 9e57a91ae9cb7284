//! The word to end.

use tokio_util::sync::CancellationToken;

/// A signal that is given once and seen by every clone.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// A signal that has not been given.
    pub fn new() -> Self {
        Shutdown::default()
    }

    /// Gives it. Giving it again does nothing.
    pub fn trigger(&self) {
        self.0.cancel();
    }

    /// Whether it was given.
    pub fn is_triggered(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until it is given. Cancellation safe.
    pub async fn wait(&self) {
        self.0.cancelled().await;
    }

    /// A signal that is given with this one, or by itself.
    pub fn child(&self) -> Shutdown {
        Shutdown(self.0.child_token())
    }
}
