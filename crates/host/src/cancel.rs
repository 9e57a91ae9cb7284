//! How a running call is told to end.

use mobula_types::Failure;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Says whether a call should end, and why. Clones see the same; the default one is never cancelled.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Option<Arc<State>>);

#[derive(Debug, Default)]
struct State {
    cancelled: AtomicBool,
    failure: Mutex<Option<Failure>>,
    notify: Notify,
}

impl CancelToken {
    /// A token that can be cancelled.
    pub fn new() -> Self {
        CancelToken(Some(Arc::default()))
    }

    /// Cancels it. The first failure is kept. Does nothing to a default token.
    pub fn cancel(&self, failure: Failure) {
        let Some(state) = &self.0 else { return };
        state.failure.lock().get_or_insert(failure);
        state.cancelled.store(true, Ordering::Release);
        state.notify.notify_waiters();
    }

    /// Whether the call should end. Cheap: for loops of blocking code.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.0.as_ref().is_some_and(|state| state.cancelled.load(Ordering::Acquire))
    }

    /// Why: `Cancelled` or `DeadlineExceeded`.
    pub fn failure(&self) -> Option<Failure> {
        if !self.is_cancelled() {
            return None;
        }
        self.0.as_ref().and_then(|state| state.failure.lock().clone())
    }

    /// Waits until the call should end; for ever on a default token. Cancellation safe.
    pub async fn cancelled(&self) -> Failure {
        let Some(state) = &self.0 else { return std::future::pending().await };
        loop {
            let mut notified = std::pin::pin!(state.notify.notified());
            notified.as_mut().enable();
            if let Some(failure) = self.failure() {
                return failure;
            }
            notified.await;
        }
    }

    /// Makes it a fresh token, in place if nobody else holds it.
    pub(crate) fn renew(&mut self) {
        match self.0.as_mut().and_then(Arc::get_mut) {
            Some(state) => {
                *state.cancelled.get_mut() = false;
                *state.failure.get_mut() = None;
            }
            None => *self = CancelToken::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::FailureKind;

    fn failure(kind: FailureKind) -> Failure {
        Failure::new(kind, "stop")
    }

    #[tokio::test]
    async fn the_first_reason_is_kept_and_wakes_all() {
        let token = CancelToken::new();
        assert!(!token.is_cancelled());
        let waiting = tokio::join!(token.cancelled(), token.cancelled(), async {
            token.cancel(failure(FailureKind::Cancelled));
            token.cancel(failure(FailureKind::DeadlineExceeded));
        });
        assert_eq!(waiting.0.kind(), FailureKind::Cancelled);
        assert_eq!(waiting.1.kind(), FailureKind::Cancelled);
        assert_eq!(token.failure().map(|failure| failure.kind()), Some(FailureKind::Cancelled));
    }

    #[test]
    fn a_token_that_somebody_kept_is_not_renewed_under_him() {
        let mut token = CancelToken::new();
        let kept = token.clone();
        token.cancel(failure(FailureKind::Cancelled));
        token.renew();
        assert!(kept.is_cancelled());
        assert!(!token.is_cancelled());
        CancelToken::default().cancel(failure(FailureKind::Cancelled));
    }
}
