//! Who fetches which executable now.

use mobula_types::ExecutableHash;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::OwnedMutexGuard;

type Lock = tokio::sync::Mutex<()>;

/// One fetch of each executable at a time: whoever waits for its turn finds the executable there. Different ones do not
/// wait for each other.
#[derive(Debug, Default)]
pub(crate) struct Fetching(Mutex<BTreeMap<ExecutableHash, Weak<Lock>>>);

impl Fetching {
    /// Waits for the turn to fetch that executable. Cancellation safe.
    pub(crate) async fn turn(&self, hash: ExecutableHash) -> OwnedMutexGuard<()> {
        self.lock_of(hash).lock_owned().await
    }

    fn lock_of(&self, hash: ExecutableHash) -> Arc<Lock> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|_, lock| lock.strong_count() > 0);
        if let Some(lock) = locks.get(&hash).and_then(Weak::upgrade) {
            return lock;
        }
        let lock = Arc::new(Lock::default());
        locks.insert(hash, Arc::downgrade(&lock));
        lock
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn one_executables_fetch_holds_up_no_others() {
        let fetching = Fetching::default();
        let (one, other) = (ExecutableHash([1; 32]), ExecutableHash([2; 32]));
        let turn = fetching.turn(one).await;
        assert!(fetching.turn(other).now_or_never().is_some());
        let mut next = std::pin::pin!(fetching.turn(one));
        assert!(next.as_mut().now_or_never().is_none());
        drop(turn);
        drop(next.await);
        assert!(fetching.turn(other).now_or_never().is_some());
        assert_eq!(fetching.0.lock().unwrap().len(), 1, "what nobody fetches is forgotten");
    }
}
