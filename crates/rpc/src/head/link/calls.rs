//! Unary calls of thin clients: a job lives as long as one is under way, as it does while a driver has a stream.

use super::handle::LinkShared;
use mobula_types::JobId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A call of a thin client. Its job does not end for want of a driver as long as this lives.
#[derive(Debug)]
pub struct CallGuard {
    job: JobId,
    shared: Arc<LinkShared>,
}

impl CallGuard {
    pub(super) fn new(job: JobId, shared: Arc<LinkShared>) -> Self {
        let is_news = shared.state.lock().call_started(job);
        if is_news {
            shared.changed.notify_one();
        }
        CallGuard { job, shared }
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        self.shared.state.lock().call_ended(self.job);
    }
}

/// The jobs of calls. Heads hear of the first call of a job at once, and of the end of the last one with the next beat:
/// a client that makes one call after the other costs them two words a beat, however many there are.
#[derive(Debug, Default)]
pub(super) struct Calls {
    under_way: BTreeMap<JobId, u32>,
    /// Jobs that heads believe to have calls.
    told: BTreeSet<JobId>,
}

impl Calls {
    /// Counts a call; `true` where heads are to hear that the job has some.
    pub(super) fn start(&mut self, job: JobId) -> bool {
        *self.under_way.entry(job).or_default() += 1;
        self.told.insert(job)
    }

    pub(super) fn end(&mut self, job: JobId) {
        if let Some(count) = self.under_way.get_mut(&job) {
            *count -= 1;
            if *count == 0 {
                self.under_way.remove(&job);
            }
        }
    }

    /// The jobs whose calls are over, of which heads are to hear now.
    pub(super) fn over(&mut self) -> Vec<JobId> {
        let (told, over) =
            std::mem::take(&mut self.told).into_iter().partition(|job| self.under_way.contains_key(job));
        self.told = told;
        let over: BTreeSet<JobId> = over;
        over.into_iter().collect()
    }

    /// `true` where heads are to hear now that the job's calls are over.
    pub(super) fn is_over(&mut self, job: JobId) -> bool {
        !self.under_way.contains_key(&job) && self.told.remove(&job)
    }

    /// Heads know of no calls any more: each job's next one is news.
    pub(super) fn forget_told(&mut self) {
        self.told.clear();
    }

    pub(super) fn forget_job(&mut self, job: JobId) {
        self.told.remove(&job);
    }
}
