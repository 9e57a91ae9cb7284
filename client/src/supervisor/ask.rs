//! Questions about supervisors, which can be asked twice.

use crate::Result;
use crate::actor::ask;
use crate::context::{self, Context};
use mobula_types::actor::{ActorAnswer, ActorRequest};
use mobula_types::{ActorId, FailureKind, JobId};

/// How often a question is asked whose home node was lost before it answered.
const TRIES: u32 = 4;

/// Asks, and asks again where the home node was lost meanwhile. For questions that find what they began themselves.
pub(super) async fn ask_again(context: &Context, request: ActorRequest) -> Result<ActorAnswer> {
    for _ in 1..TRIES {
        match ask(context, request.clone()).await {
            Err(failure) if failure.kind() == FailureKind::Unavailable => {
                tracing::debug!(%failure, "a question about a supervisor is asked again");
            }
            other => return Ok(other?),
        }
    }
    Ok(ask(context, request).await?)
}

/// As [`ask_again`], in the current context.
pub(super) async fn ask_here(request: ActorRequest) -> Result<ActorAnswer> {
    ask_again(&context::context()?, request).await
}

/// Asks once, in the current context: for what would not be done twice.
pub(super) async fn ask_once(request: ActorRequest) -> Result<ActorAnswer> {
    Ok(ask(&context::context()?, request).await?)
}

/// Whose the tree is. A worker leaves that to its node, which knows the job of what runs there.
pub(super) fn job_of(context: &Context) -> JobId {
    context.link().job().unwrap_or(JobId(0))
}

/// The id of what is about to be started: a task or turn that runs again gives the same one.
pub(super) fn next_id(context: &Context, what: &[u8], name: &str) -> Result<ActorId> {
    match (context.run(), context.link().job()) {
        (Some(run), _) => Ok(ActorId(run.named(what, name.as_bytes()))),
        (None, Some(job)) => Ok(ActorId(context.link().next_task(job))),
        (None, None) => Err(context::no_context()),
    }
}
