//! What a job's processes print, on whichever nodes they run.

use crate::service::Service;
use crate::shard::Call;
use crate::state::{ANSWER_WITHIN, is_silence};
use crate::workers::JobLogs;
use futures::StreamExt;
use mobula_core::jobs::DRIVER_NODE_LOST;
use mobula_rpc::node::{LogScope, LogStream, NodeClient};
use mobula_types::job::JobState;
use mobula_types::{Failure, FailureKind, JobId, JobInfo, NodeId};
use std::sync::{Arc, OnceLock};
use tokio_stream::wrappers::BroadcastStream;

impl Service {
    /// What the job's processes on this node print.
    pub(crate) async fn own_logs(&self, job: JobId, follow: bool) -> Result<LogStream, Failure> {
        let logs = self.call(|reply| Call::Logs { job, reply }).await?;
        let logs = logs.ok_or_else(|| {
            let message = format!("{} has no logs of job {job}: nothing of it ran here", self.grant.node);
            Failure::new(FailureKind::NotFound, message)
        })?;
        Ok(log_stream(&logs, follow))
    }

    /// What its processes on all nodes print. Where some of that is out of reach, or gone with its node, the stream ends with
    /// a failure that says so.
    pub(crate) async fn logs_of_cluster(&self, job: JobId, follow: bool) -> Result<LogStream, Failure> {
        let ask = |client: NodeClient| async move { client.job_logs(job, follow, LogScope::Node).await };
        let known = async { tokio::time::timeout(ANSWER_WITHIN, self.head.get_job(job)).await.ok()?.ok() };
        let (own, others, info) = tokio::join!(self.own_logs(job, follow), self.ask_others(ask), known);
        let missing = Arc::new(OnceLock::new());
        if let Some(failure) = info.as_ref().and_then(lost_with_its_node) {
            note(&missing, failure);
        }
        let mut streams = Vec::new();
        for (node, answer) in others {
            match answer {
                Ok(stream) => streams.push(until_it_breaks(stream, job, node, missing.clone())),
                Err(failure) if is_silence(&failure) => note(&missing, out_of_reach(job, &node, &failure)),
                // Nothing of the job ran there.
                Err(_) => {}
            }
        }
        match own {
            Ok(stream) => streams.push(stream),
            Err(failure) if streams.is_empty() => return Err(missing.get().cloned().unwrap_or(failure)),
            Err(_) => {}
        }
        let last = futures::stream::once(async move { missing.get().cloned().map(Err) });
        let last = last.filter_map(|failure| async move { failure });
        Ok(futures::stream::select_all(streams).chain(last).boxed())
    }
}

/// The first thing that is missing is told.
fn note(missing: &OnceLock<Failure>, failure: Failure) {
    let _an_earlier_one_stays = missing.set(failure);
}

/// What another node shows. Where its stream breaks the others go on, and the break is told after them.
fn until_it_breaks(
    stream: LogStream,
    job: JobId,
    node: NodeId,
    missing: Arc<OnceLock<Failure>>,
) -> LogStream {
    let lines = stream.filter_map(move |line| {
        let line = line.map_err(|failure| note(&missing, out_of_reach(job, &node, &failure)));
        async move { line.ok().map(Ok) }
    });
    lines.boxed()
}

/// A submitted driver that was lost with its node has taken what it printed with it.
fn lost_with_its_node(info: &JobInfo) -> Option<Failure> {
    let is_lost =
        info.spec.driven && info.state == JobState::Failed && info.reason.starts_with(DRIVER_NODE_LOST);
    is_lost.then(|| {
        let message = format!("what the driver of job {} printed is gone: {}", info.job, info.reason);
        Failure::new(FailureKind::NodeLost, message)
    })
}

fn out_of_reach(job: JobId, node: &NodeId, failure: &Failure) -> Failure {
    let message = format!("what job {job} printed on {node} is not shown: {failure}; try again");
    Failure::new(FailureKind::Unavailable, message).on_node(node.clone())
}

/// A job's output as a stream: what is kept, then, if it is to follow, what comes.
fn log_stream(logs: &JobLogs, follow: bool) -> LogStream {
    let (kept, live) = logs.follow();
    let kept = futures::stream::iter(kept.into_iter().map(Ok));
    match live {
        Some(live) if follow => {
            // A follower that is too slow misses lines, and goes on with the next.
            let coming = BroadcastStream::new(live).filter_map(|line| async move { line.ok().map(Ok) });
            kept.chain(coming).boxed()
        }
        _ => kept.boxed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::JobSpec;

    #[test]
    fn only_a_submitted_driver_is_lost_with_its_node() {
        let reason = format!("{DRIVER_NODE_LOST}: nothing was heard of the driver for 30s");
        let spec = JobSpec { driven: true, ..JobSpec::default() };
        let lost = JobInfo {
            job: JobId(7),
            spec,
            state: JobState::Failed,
            reason,
            opened_millis: 1,
            ended_millis: 2,
        };
        let failure = lost_with_its_node(&lost).expect("it is lost");
        assert_eq!(failure.kind(), FailureKind::NodeLost);
        assert!(failure.message().contains(&JobId(7).to_string()), "{failure}");
        let exited = JobInfo { reason: "its driver ended with exit status: 1".into(), ..lost.clone() };
        let connected = JobInfo { spec: JobSpec::default(), ..lost };
        assert!(lost_with_its_node(&exited).is_none() && lost_with_its_node(&connected).is_none());
    }
}
