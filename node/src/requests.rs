//! Requests of thin clients that were answered, so that a repeat is answered and not run again.
//!
//! An id belongs to its job and method: others may number their requests alike. Answers are kept as long as their job is
//! open, the latest [`REMEMBERED`] of each; those of methods that open jobs, the latest [`REMEMBERED`] of all.

use mobula_rpc::node::RequestId;
use mobula_runtime::spawn;
use mobula_types::{Failure, FailureKind, JobId};
use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Requests of one job whose answers are remembered.
const REMEMBERED: usize = 10_000;

/// What takes request ids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Method {
    OpenJob,
    SubmitJob,
    SubmitTask,
    CallActor,
    PutObject,
}

/// The answers. Clones are the same ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests(Arc<Mutex<BTreeMap<Option<JobId>, Answers>>>);

#[derive(Default)]
struct Answers {
    by_id: BTreeMap<(Method, String), Slot>,
    order: VecDeque<(Method, String)>,
}

/// Held while a request runs, so that its repeat waits for the same answer.
type Slot = Arc<tokio::sync::Mutex<Option<Arc<dyn Any + Send + Sync>>>>;

impl std::fmt::Debug for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answers({})", self.order.len())
    }
}

impl Requests {
    /// Runs a request once: a repeat with the same id gets the first one's answer. It is remembered from its start on, and
    /// goes on to its end even if the caller leaves, which a broken connection makes it do. Failures are not remembered.
    /// `job` is the one that the request belongs to, `None` for one that opens a job.
    pub(crate) async fn once<T: Clone + Send + Sync + 'static>(
        &self,
        job: Option<JobId>,
        method: Method,
        id: &RequestId,
        request: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        if id.0.is_empty() {
            return request.await;
        }
        let key = (method, id.0.clone());
        let slot = self.slot(job, &key);
        let mut answer = slot.clone().lock_owned().await;
        if let Some(known) = answer.as_ref().and_then(|answer| answer.downcast_ref::<T>()) {
            return Ok(known.clone());
        }
        let (reply, answered) = oneshot::channel();
        let requests = self.clone();
        let running = spawn("a thin client's request", async move {
            let result = request.await;
            if let Ok(value) = &result {
                *answer = Some(Arc::new(value.clone()));
            }
            drop(answer);
            if result.is_err() {
                requests.forget_failed(job, &key, slot);
            }
            let _gone = reply.send(result);
        });
        // It asks the shard and the head, which answer or are given up.
        running.detach();
        let ended = |_| Failure::new(FailureKind::Unavailable, "the node ended while it served the request");
        answered.await.map_err(ended)?
    }

    /// Forgets the answers of a job that has ended.
    pub(crate) fn forget_job(&self, job: JobId) {
        self.lock().remove(&Some(job));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Option<JobId>, Answers>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, job: Option<JobId>, key: &(Method, String)) -> Slot {
        let mut jobs = self.lock();
        let answers = jobs.entry(job).or_default();
        if let Some(slot) = answers.by_id.get(key) {
            return slot.clone();
        }
        if answers.order.len() >= REMEMBERED
            && let Some(oldest) = answers.order.pop_front()
        {
            answers.by_id.remove(&oldest);
        }
        let slot = Slot::default();
        answers.by_id.insert(key.clone(), slot.clone());
        answers.order.push_back(key.clone());
        slot
    }

    /// A request has failed: unless a repeat of it waits, nothing of it is kept, so that one that came too late for its
    /// job leaves nothing behind.
    fn forget_failed(&self, job: Option<JobId>, key: &(Method, String), slot: Slot) {
        let mut jobs = self.lock();
        let Some(answers) = jobs.get_mut(&job) else { return };
        let kept = answers.by_id.get(key).is_some_and(|kept| Arc::ptr_eq(kept, &slot));
        // The map's and this one.
        if kept && Arc::strong_count(&slot) == 2 {
            answers.by_id.remove(key);
            answers.order.retain(|other| other != key);
            if answers.by_id.is_empty() {
                jobs.remove(&job);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::Notify;

    async fn ask(requests: &Requests, job: u64, method: Method, id: &str, answer: u64) -> u64 {
        let id = RequestId(id.into());
        requests.once(Some(JobId(job)), method, &id, async move { Ok(answer) }).await.unwrap()
    }

    #[tokio::test]
    async fn a_repeated_request_is_answered_and_not_run_again() {
        let requests = Requests::default();
        assert_eq!(ask(&requests, 1, Method::SubmitTask, "x", 1).await, 1);
        assert_eq!(ask(&requests, 1, Method::SubmitTask, "x", 2).await, 1);
        assert_eq!(ask(&requests, 1, Method::SubmitTask, "", 3).await, 3, "without an id it is another one");
        assert_eq!(ask(&requests, 1, Method::SubmitTask, "", 4).await, 4);
    }

    #[tokio::test]
    async fn a_request_whose_caller_leaves_goes_on_and_a_repeat_gets_its_answer() {
        let requests = Requests::default();
        let (started, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let id = RequestId("x".into());
        let request = {
            let (started, go_on) = (started.clone(), go_on.clone());
            async move {
                started.notify_one();
                go_on.notified().await;
                Ok(1_u64)
            }
        };
        tokio::select! {
            biased;
            _ = requests.once(Some(JobId(1)), Method::SubmitTask, &id, request) => panic!("it was answered"),
            () = started.notified() => {}
        }
        go_on.notify_one();
        assert_eq!(ask(&requests, 1, Method::SubmitTask, "x", 2).await, 1);
    }

    #[tokio::test]
    async fn jobs_and_methods_number_their_requests_for_themselves() {
        let requests = Requests::default();
        assert_eq!(ask(&requests, 1, Method::SubmitTask, "1", 1).await, 1);
        assert_eq!(ask(&requests, 2, Method::SubmitTask, "1", 2).await, 2);
        assert_eq!(ask(&requests, 1, Method::PutObject, "1", 3).await, 3);
        let id = RequestId("1".into());
        assert_eq!(requests.once(None, Method::OpenJob, &id, async { Ok(4) }).await, Ok(4));
        assert_eq!(requests.once(None, Method::SubmitJob, &id, async { Ok(5) }).await, Ok(5));
        assert_eq!(ask(&requests, 1, Method::SubmitTask, "1", 6).await, 1);
    }

    #[tokio::test]
    async fn the_oldest_of_a_job_are_forgotten_first_and_all_with_the_job() {
        let requests = Requests::default();
        for number in 0..=REMEMBERED as u64 {
            ask(&requests, 1, Method::SubmitTask, &number.to_string(), number).await;
        }
        ask(&requests, 2, Method::SubmitTask, "0", 7).await;
        let kept = |job| requests.lock().get(&Some(JobId(job))).map(|answers| answers.by_id.len());
        assert_eq!((kept(1), kept(2)), (Some(REMEMBERED), Some(1)));
        assert_eq!(ask(&requests, 1, Method::SubmitTask, "0", 8).await, 8, "it was the oldest");
        requests.forget_job(JobId(1));
        assert_eq!((kept(1), kept(2)), (None, Some(1)));
    }

    #[tokio::test]
    async fn a_failure_is_not_remembered() {
        let requests = Requests::default();
        let id = RequestId("1".into());
        let failing = async { Err::<u64, _>(Failure::new(FailureKind::JobEnded, "too late")) };
        assert!(requests.once(Some(JobId(1)), Method::PutObject, &id, failing).await.is_err());
        assert!(requests.lock().is_empty());
        assert_eq!(ask(&requests, 1, Method::PutObject, "1", 2).await, 2);
    }
}
