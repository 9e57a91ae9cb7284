//! The state API: tasks of the cluster, and the logs of jobs.

use crate::service::Service;
use crate::shard::Call;
use crate::workers::JobLogs;
use futures::StreamExt;
use mobula_core::tasks::TaskSnapshot;
use mobula_rpc::node::{LogStream, NodeClient, TaskList, TaskRecord, TaskScope};
use mobula_runtime::clock;
use mobula_types::{
    Failure, FailureKind, FunctionId, NodeId, NodeState, TaskEvent, TaskFilter, TaskId, Time,
};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_stream::wrappers::BroadcastStream;

/// The most tasks of one answer.
const MOST_TASKS: usize = 10_000;

/// How many nodes are asked at once.
const ASKED_AT_ONCE: usize = 32;
/// How long a node may take to answer before the list goes without it.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

impl Service {
    /// The tasks that this node owns.
    pub(crate) async fn own_tasks(&self, filter: TaskFilter, limit: usize) -> Result<TaskList, Failure> {
        let limit = limit.clamp(1, MOST_TASKS);
        let own = self.call(|reply| Call::Tasks { filter, limit: limit + 1, reply }).await?;
        let node = &self.grant.node;
        let mut tasks: Vec<_> = own.into_iter().map(|task| record_of_snapshot(task, node)).collect();
        let more = tasks.len() > limit;
        tasks.truncate(limit);
        Ok(TaskList { tasks, more, silent: Vec::new() })
    }

    /// The tasks of all owners, as each says itself; of owners that do not answer, as the head has heard of them.
    pub(crate) async fn tasks_of_cluster(
        &self,
        filter: TaskFilter,
        limit: usize,
    ) -> Result<TaskList, Failure> {
        let limit = limit.clamp(1, MOST_TASKS);
        let own = self.own_tasks(filter.clone(), limit).await?;
        let list = |client: NodeClient| {
            let filter = filter.clone();
            async move { client.list_tasks(filter, limit, TaskScope::Owned).await }
        };
        let (mut more, mut silent) = (own.more, Vec::new());
        let mut tasks: BTreeMap<TaskId, TaskRecord> = BTreeMap::new();
        let mut add = |list: Vec<TaskRecord>| tasks.extend(list.into_iter().map(|task| (task.task, task)));
        for (node, answer) in self.ask_others(list).await {
            match answer {
                Ok(list) => {
                    more |= list.more;
                    add(list.tasks);
                }
                Err(_) => silent.push(node.name),
            }
        }
        add(own.tasks);
        if !silent.is_empty() {
            // The head may be away too: what the others say is shown all the same.
            let heard = self.head.client().list_tasks(&filter, limit as u32 + 1).await.unwrap_or_default();
            for event in heard {
                tasks.entry(event.task).or_insert_with(|| record_of_event(event));
            }
        }
        let mut tasks: Vec<TaskRecord> = tasks.into_values().collect();
        tasks.sort_by_key(|task| (task.state.is_final(), std::cmp::Reverse(task.submitted_at)));
        more |= tasks.len() > limit;
        tasks.truncate(limit);
        Ok(TaskList { tasks, more, silent })
    }

    /// A task that this node owns.
    pub(crate) async fn own_task(&self, task: TaskId) -> Result<Option<TaskRecord>, Failure> {
        let snapshot = self.call(|reply| Call::Task { task, reply }).await?;
        Ok(snapshot.map(|snapshot| record_of_snapshot(snapshot, &self.grant.node)))
    }

    pub(crate) async fn task_of_cluster(&self, task: TaskId) -> Result<TaskRecord, Failure> {
        if let Some(record) = self.own_task(task).await? {
            return Ok(record);
        }
        let look = |client: NodeClient| async move { client.get_task(task, TaskScope::Owned).await };
        if let Some(record) = self.ask_others(look).await.into_iter().find_map(|(_, answer)| answer.ok()) {
            return Ok(record);
        }
        let events =
            self.head.client().list_tasks(&TaskFilter::default(), u32::MAX).await.unwrap_or_default();
        let event = events.into_iter().find(|event| event.task == task);
        event.map(record_of_event).ok_or_else(|| unknown_task(task))
    }

    /// Asks all other nodes that are alive, some at a time, and gives what each has answered in time.
    async fn ask_others<T, F>(&self, ask: impl Fn(NodeClient) -> F) -> Vec<(NodeId, Result<T, Failure>)>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let view = self.transfer.view();
        let alive = view.nodes.values().filter(|node| node.state == NodeState::Alive);
        let others: Vec<NodeId> =
            alive.map(|node| node.id.clone()).filter(|node| *node != self.grant.node).collect();
        let mut asking = Vec::new();
        for node in others {
            let asked = self.transfer.client_of(&node).map(&ask);
            asking.push(async move {
                let within = async { tokio::time::timeout(ANSWER_WITHIN, asked?).await.unwrap_or_else(late) };
                (node, within.await)
            });
        }
        futures::stream::iter(asking).buffer_unordered(ASKED_AT_ONCE).collect().await
    }
}

fn late<T>(_elapsed: tokio::time::error::Elapsed) -> Result<T, Failure> {
    Err(Failure::new(FailureKind::TimedOut, format!("no answer within {ANSWER_WITHIN:?}")))
}

/// A task of which nobody knows.
pub(crate) fn unknown_task(task: TaskId) -> Failure {
    let message = format!(
        "no task {task} is known: tasks whose results nobody holds are forgotten, `mobula list tasks` shows the others"
    );
    Failure::new(FailureKind::NotFound, message)
}

/// A task as its owner reports it to the head.
pub(crate) fn event_of(task: TaskSnapshot) -> TaskEvent {
    let failure = task.failure.as_ref().map(|failure| failure.message().into());
    TaskEvent {
        task: task.task,
        job: task.job,
        name: task.name,
        state: task.state,
        attempt: task.attempt,
        node: task.node,
        at_millis: clock::wall_millis(),
        detail: task.reason.or(failure),
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
