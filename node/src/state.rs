//! The state API: tasks of the cluster.

use crate::service::Service;
use crate::shard::Call;
use crate::task_list::{Answers, merge, settle_state};
use futures::StreamExt;
use mobula_core::tasks::{EndedTask, TaskSnapshot};
use mobula_rpc::head::TaskEventList;
use mobula_rpc::node::{NodeClient, TaskList, TaskRecord, TaskScope};
use mobula_runtime::clock;
use mobula_types::{
    Failure, FailureKind, FunctionId, NodeId, NodeState, TaskEvent, TaskFilter, TaskId, TaskState, Time,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// The most tasks of one answer.
const MOST_TASKS: usize = 10_000;

/// How many nodes are asked at once.
const ASKED_AT_ONCE: usize = 32;
/// How long a node may take to answer before the list goes without it.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(2);

impl Service {
    /// The tasks that this node owns, and those of others that have started here.
    pub(crate) async fn own_tasks(&self, filter: TaskFilter, limit: usize) -> Result<TaskList, Failure> {
        let limit = limit.clamp(1, MOST_TASKS);
        let own = self.call(|reply| Call::Tasks { filter, limit: limit + 1, reply }).await?;
        let node = &self.grant.node;
        let mut tasks: Vec<_> = own.tasks.into_iter().map(|task| record_of_snapshot(task, node)).collect();
        let more = tasks.len() > limit;
        tasks.truncate(limit);
        Ok(TaskList { tasks, more, started: own.started, ..TaskList::default() })
    }

    /// The tasks of all owners, as each says itself; of owners that do not answer, and of tasks that ended, as the head has
    /// heard of them.
    pub(crate) async fn tasks_of_cluster(
        &self,
        filter: TaskFilter,
        limit: usize,
    ) -> Result<TaskList, Failure> {
        let limit = limit.clamp(1, MOST_TASKS);
        let list = |client: NodeClient| {
            let filter = filter.clone();
            async move { client.list_tasks(filter, limit, TaskScope::Owned).await }
        };
        let own = self.own_tasks(filter.clone(), limit);
        let (own, others, heard) =
            tokio::join!(own, self.ask_others(list), self.heard_by_head(&filter, limit + 1));
        let answers = Answers { own: (self.grant.node.clone(), own?), others, heard };
        Ok(merge(answers, &filter, limit))
    }

    /// What the head has heard of tasks; nothing where it does not answer in time.
    async fn heard_by_head(&self, filter: &TaskFilter, limit: usize) -> Option<TaskEventList> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let asked = self.head.client().list_tasks(filter, limit);
        tokio::time::timeout(ANSWER_WITHIN, asked).await.ok()?.ok()
    }

    /// A task that this node owns.
    pub(crate) async fn own_task(&self, task: TaskId) -> Result<Option<TaskRecord>, Failure> {
        let snapshot = self.call(|reply| Call::Task { task, reply }).await?;
        Ok(snapshot.map(|snapshot| record_of_snapshot(snapshot, &self.grant.node)))
    }

    /// A task of any owner.
    pub(crate) async fn task_of_cluster(&self, task: TaskId) -> Result<TaskRecord, Failure> {
        if let Some(mut record) = self.own_task(task).await? {
            self.ask_where_it_runs(&mut record).await;
            return Ok(record);
        }
        let look = |client: NodeClient| async move { client.get_task(task, TaskScope::Owned).await };
        let all = TaskFilter::default();
        let (answers, heard) = tokio::join!(self.ask_others(look), self.heard_by_head(&all, MOST_TASKS));
        let silent = answers.iter().filter(|(_, answer)| answer.as_ref().is_err_and(is_silence)).count();
        if let Some(mut record) = answers.into_iter().find_map(|(_, answer)| answer.ok()) {
            self.ask_where_it_runs(&mut record).await;
            return Ok(record);
        }
        let asked_head = heard.is_some();
        let event = heard.unwrap_or_default().events.into_iter().find(|event| event.task == task);
        match event {
            Some(event) => Ok(record_of_event(event)),
            None if silent == 0 && asked_head => Err(unknown_task(task)),
            None => {
                let head = if asked_head { "" } else { ", nor did the head" };
                let message = format!(
                    "nobody who answered knows task {task}, but {silent} nodes did not answer within {ANSWER_WITHIN:?}{head}; try again"
                );
                Err(Failure::new(FailureKind::Unavailable, message))
            }
        }
    }

    /// Asks the node that a task was handed to whether it has started.
    async fn ask_where_it_runs(&self, task: &mut TaskRecord) {
        let Some(node) = task.node.clone().filter(|_| task.state == TaskState::Running) else { return };
        let filter = TaskFilter { job: Some(task.job), ..TaskFilter::default() };
        let started = if node == self.grant.node {
            self.own_tasks(filter, 1).await
        } else {
            let Ok(client) = self.transfer.client_of(&node) else { return };
            let asked = client.list_tasks(filter, 1, TaskScope::Owned);
            tokio::time::timeout(ANSWER_WITHIN, asked).await.unwrap_or_else(late)
        };
        if let Ok(answer) = started {
            let started = answer.started.into_iter().collect();
            settle_state(task, &BTreeMap::from([(node, started)]));
        }
    }

    /// Asks all other nodes that are alive, some at a time, and gives what each has answered in time.
    pub(crate) async fn ask_others<T, F>(
        &self,
        ask: impl Fn(NodeClient) -> F,
    ) -> Vec<(NodeId, Result<T, Failure>)>
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

/// Nobody answered in time.
pub(crate) fn late<T>(_elapsed: tokio::time::error::Elapsed) -> Result<T, Failure> {
    Err(Failure::new(FailureKind::TimedOut, format!("no answer within {ANSWER_WITHIN:?}")))
}

/// Whether a failure says that nobody answered, rather than that what was asked for is not there.
pub(crate) fn is_silence(failure: &Failure) -> bool {
    failure.kind() != FailureKind::NotFound
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
        owner: None,
        at_millis: clock::wall_millis(),
        detail: task.reason.or(failure),
    }
}

/// The end of a task, as its owner reports it to the head.
pub(crate) fn end_of(task: EndedTask) -> TaskEvent {
    TaskEvent {
        task: task.task,
        job: task.job,
        name: task.name,
        state: task.state,
        attempt: task.attempt,
        node: task.node,
        owner: None,
        at_millis: wall(task.at),
        detail: task.failure.map(|failure| failure.message().into()),
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

/// What the head has heard of a task.
pub(crate) fn record_of_event(event: TaskEvent) -> TaskRecord {
    TaskRecord {
        task: event.task,
        job: event.job,
        name: event.name.to_string(),
        function: FunctionId::new(&event.name, ""),
        state: event.state,
        attempt: event.attempt,
        node: event.node,
        owner: event.owner,
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
