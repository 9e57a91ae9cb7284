//! Jobs for what outlives the job that made it: detached actors and trees have one of their own.

use mobula_rpc::head::HeadLinkHandle;
use mobula_types::actor::{ActorSpec, ChildKind, ChildSpec, SupervisorSpec};
use mobula_types::{Failure, JobId, JobInfo, JobSpec};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};

use tokio::sync::OnceCell;

/// The jobs that this node has opened for what is detached: one for each job that made something so. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct DetachedJobs(Arc<Mutex<BTreeMap<JobId, Arc<OnceCell<JobId>>>>>);

impl DetachedJobs {
    /// The job for what is detached from that one: with the same executable and files, and without a driver. A job that is
    /// detached itself is its own.
    pub(crate) async fn of(&self, info: &JobInfo, head: &HeadLinkHandle) -> Result<JobId, Failure> {
        if info.spec.detached {
            return Ok(info.job);
        }
        let opened =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(info.job).or_default().clone();
        let open = || async {
            let name = match info.spec.name.as_str() {
                "" => format!("detached from {}", info.job),
                name => format!("{name} (detached)"),
            };
            let spec = JobSpec { name, driven: false, detached: true, ..info.spec.clone() };
            head.open_job(spec).await.map(|opened| opened.job)
        };
        opened.get_or_try_init(open).await.copied()
    }

    /// A job has ended: nothing more is detached from it, nor is what is detached of it when it is another's own.
    pub(crate) fn forget(&self, job: JobId) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|of, opened| *of != job && opened.get() != Some(&job));
    }
}

/// The tree as one of another job.
pub(crate) fn tree_of_job(spec: &SupervisorSpec, job: JobId) -> SupervisorSpec {
    let children = spec.children.iter().map(|child| child_of_job(child, job)).collect();
    SupervisorSpec { children, ..spec.clone() }
}

/// A child with that job in every spec.
pub(crate) fn child_of_job(child: &ChildSpec, job: JobId) -> ChildSpec {
    let kind = match &child.kind {
        ChildKind::Actor(spec) => ChildKind::Actor(Arc::new(ActorSpec { job, ..ActorSpec::clone(spec) })),
        ChildKind::Supervisor(spec) => ChildKind::Supervisor(Arc::new(tree_of_job(spec, job))),
    };
    ChildSpec { kind, ..child.clone() }
}
