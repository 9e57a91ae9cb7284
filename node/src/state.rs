//! The state API: tasks of the cluster, and the logs of jobs.

use crate::service::Service;
use crate::shard::Call;
use crate::workers::JobLogs;
use futures::StreamExt;
use mobula_core::tasks::TaskSnapshot;
use mobula_rpc::node::{LogStream, TaskList, TaskRecord};
use mobula_runtime::clock;
use mobula_types::{Failure, FailureKind, FunctionId, NodeId, TaskEvent, TaskFilter, TaskId, Time};
use std::collections::BTreeMap;
use tokio_stream::wrappers::BroadcastStream;

/// The most tasks of one answer.
const MOST_TASKS: usize = 10_000;

impl Service {
    /// The tasks that this node owns, as they are, and those of other owners, as the head has heard of them.
    pub(crate) async fn tasks_of_cluster(
        &self,
        filter: TaskFilter,
        limit: usize,
    ) -> Result<TaskList, Failure> {
        let limit = limit.clamp(1, MOST_TASKS);
        let asked = filter.clone();
        let own = self.call(|reply| Call::Tasks { filter: asked, limit: limit + 1, reply }).await?;
        let node = &self.grant.node;
        let mut tasks: BTreeMap<TaskId, TaskRecord> = BTreeMap::new();
        // The head may be away: what this node owns is shown all the same.
        if let Ok(events) = self.head.client().list_tasks(&filter, limit as u32 + 1).await {
            tasks.extend(events.into_iter().map(|event| (event.task, record_of_event(event))));
        }
        tasks.extend(own.into_iter().map(|task| (task.task, record_of_snapshot(task, node))));
        let mut tasks: Vec<TaskRecord> = tasks.into_values().collect();
        tasks.sort_by_key(|task| (task.state.is_final(), std::cmp::Reverse(task.submitted_at)));
        let more = tasks.len() > limit;
        tasks.truncate(limit);
        Ok(TaskList { tasks, more })
    }

    pub(crate) async fn task_of_cluster(&self, task: TaskId) -> Result<TaskRecord, Failure> {
        if let Some(snapshot) = self.call(|reply| Call::Task { task, reply }).await? {
            return Ok(record_of_snapshot(snapshot, &self.grant.node));
        }
        let events =
            self.head.client().list_tasks(&TaskFilter::default(), u32::MAX).await.unwrap_or_default();
        events.into_iter().find(|event| event.task == task).map(record_of_event).ok_or_else(|| {
            let message = format!(
                "no task {task} is known: tasks whose results nobody holds are forgotten, `mobula list tasks` shows the others"
            );
            Failure::new(FailureKind::NotFound, message)
        })
    }
}

fn record_of_snapshot(task: TaskSnapshot, owner: &NodeId) -> TaskRecord {
    TaskRecord {
        task: task.task,
        job: task.job,
        name: task.name.to_string(),
        function: FunctionId::new(&task.name, ""),
        state: task.state,
        attempt: task.attempt,
        node: task.node,
        owner: Some(owner.clone()),
        parent: task.parent,
        reason: task.reason.map(|reason| reason.to_string()).unwrap_or_default(),
        failure: task.failure.as_ref().map(Into::into),
        submitted_at: wall(task.submitted),
        started_at: 0,
        ended_at: 0,
    }
}

fn record_of_event(event: TaskEvent) -> TaskRecord {
    TaskRecord {
        task: event.task,
        job: event.job,
        name: event.name.to_string(),
        function: FunctionId::new(&event.name, ""),
        state: event.state,
        attempt: event.attempt,
        node: event.node,
        owner: None,
        parent: None,
        reason: event.detail.map(|detail| detail.to_string()).unwrap_or_default(),
        failure: None,
        submitted_at: 0,
        started_at: 0,
        ended_at: if event.state.is_final() { event.at_millis } else { 0 },
    }
}

/// A time of this process's clock, in milliseconds since 1970.
fn wall(time: Time) -> u64 {
    clock::wall_millis().saturating_sub(clock::now().since(time).as_millis() as u64)
}

/// A job's output as a stream: what is kept, then, if it is to follow, what comes.
pub(crate) fn log_stream(logs: &JobLogs, follow: bool) -> LogStream {
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
