//! One list of tasks from what owners, the nodes that run them, and the head say.

use crate::state::record_of_event;
use mobula_rpc::head::TaskEventList;
use mobula_rpc::node::{TaskList, TaskRecord};
use mobula_types::{Attempt, Failure, NodeId, NodeName, TaskFilter, TaskId, TaskState};
use std::collections::{BTreeMap, BTreeSet};

/// What was answered in time.
pub(crate) struct Answers {
    /// The node that asks, and what it knows itself.
    pub(crate) own: (NodeId, TaskList),
    /// All other nodes that are alive.
    pub(crate) others: Vec<(NodeId, Result<TaskList, Failure>)>,
    /// What the head has heard, where it answered.
    pub(crate) heard: Option<TaskEventList>,
}

/// Each task as its owner says; whether one has started, as the node says that it was handed to; of owners that are silent,
/// and of tasks that their owners have forgotten since they ended, what the head has heard.
pub(crate) fn merge(answers: Answers, filter: &TaskFilter, limit: usize) -> TaskList {
    let mut list = TaskList::default();
    let mut tasks: BTreeMap<TaskId, TaskRecord> = BTreeMap::new();
    let mut started: BTreeMap<NodeId, BTreeSet<(TaskId, Attempt)>> = BTreeMap::new();
    let (node, own) = answers.own;
    for (node, answer) in answers.others.into_iter().chain([(node, Ok(own))]) {
        match answer {
            Ok(answer) => {
                list.more |= answer.more;
                tasks.extend(answer.tasks.into_iter().map(|task| (task.task, task)));
                started.insert(node, answer.started.into_iter().collect());
            }
            Err(_) => list.silent.push(node.name),
        }
    }
    for task in tasks.values_mut() {
        settle_state(task, &started);
    }
    list.head_silent = answers.heard.is_none();
    let heard = answers.heard.unwrap_or_default();
    list.left_out = heard.left_out;
    for event in heard.events {
        let of_silent = event.owner.as_ref().is_none_or(|owner| is_silent(&list.silent, owner));
        if event.state.is_final() || of_silent {
            tasks.entry(event.task).or_insert_with(|| record_of_event(event));
        }
    }
    tasks.retain(|_, task| filter.state.is_none_or(|wanted| task.state == wanted));
    list.tasks = tasks.into_values().collect();
    // The latest first; of what the head has heard only the end is known.
    let latest = |task: &TaskRecord| task.submitted_at.max(task.ended_at);
    list.tasks.sort_by_key(|task| (task.state.is_final(), std::cmp::Reverse(latest(task))));
    list.more |= list.tasks.len() > limit;
    list.tasks.truncate(limit);
    list.silent.sort_unstable();
    list
}

fn is_silent(silent: &[NodeName], owner: &NodeId) -> bool {
    silent.contains(&owner.name)
}

/// A task that was handed to another node runs only if that node says so. Where it says nothing, its owner is believed.
pub(crate) fn settle_state(task: &mut TaskRecord, started: &BTreeMap<NodeId, BTreeSet<(TaskId, Attempt)>>) {
    let Some(node) = task.node.as_ref().filter(|node| task.owner.as_ref() != Some(*node)) else { return };
    let waits = started.get(node).is_some_and(|here| !here.contains(&(task.task, task.attempt)));
    if task.state == TaskState::Running && waits {
        task.state = TaskState::Queued;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::{FailureKind, FunctionId, JobId, TaskEvent};

    fn node(name: &str) -> NodeId {
        NodeId::new(name, 1)
    }

    fn task(low: u64, owner: &str, runs_on: &str) -> TaskRecord {
        TaskRecord {
            task: TaskId { high: 1, low },
            job: JobId(1),
            name: "f".into(),
            function: FunctionId::new("f", ""),
            state: TaskState::Running,
            attempt: Attempt::default(),
            node: Some(node(runs_on)),
            owner: Some(node(owner)),
            parent: None,
            reason: String::new(),
            failure: None,
            submitted_at: 0,
            started_at: 0,
            ended_at: 0,
        }
    }

    fn event(low: u64, owner: &str, state: TaskState) -> TaskEvent {
        TaskEvent {
            task: TaskId { high: 1, low },
            job: JobId(1),
            name: "f".into(),
            state,
            attempt: Attempt::default(),
            node: None,
            owner: Some(node(owner)),
            at_millis: 7,
            detail: None,
        }
    }

    fn says(tasks: Vec<TaskRecord>, started: &[u64]) -> TaskList {
        let started = started.iter().map(|low| (TaskId { high: 1, low: *low }, Attempt::default()));
        TaskList { tasks, started: started.collect(), ..TaskList::default() }
    }

    fn silent() -> Result<TaskList, Failure> {
        Err(Failure::new(FailureKind::TimedOut, "no answer"))
    }

    fn shown(list: &TaskList) -> Vec<(u64, TaskState)> {
        let mut shown: Vec<_> = list.tasks.iter().map(|task| (task.task.low, task.state)).collect();
        shown.sort_unstable();
        shown
    }

    #[test]
    fn a_task_runs_where_its_node_says_so_and_waits_otherwise() {
        let answers = || Answers {
            own: (node("a"), says(vec![task(1, "a", "a"), task(2, "a", "b"), task(3, "a", "b")], &[])),
            others: vec![(node("b"), Ok(says(vec![task(4, "b", "a")], &[3])))],
            heard: Some(TaskEventList::default()),
        };
        let (running, queued) = (TaskState::Running, TaskState::Queued);
        let all = merge(answers(), &TaskFilter::default(), 10);
        assert_eq!(shown(&all), [(1, running), (2, queued), (3, running), (4, queued)]);
        let filter = TaskFilter { state: Some(queued), ..TaskFilter::default() };
        assert_eq!(shown(&merge(answers(), &filter, 10)), [(2, queued), (4, queued)]);
    }

    #[test]
    fn what_the_head_has_heard_stands_in_for_the_silent_and_the_forgotten() {
        let heard = vec![
            event(1, "a", TaskState::Succeeded),
            event(2, "a", TaskState::Running),
            event(3, "b", TaskState::Running),
            event(4, "a", TaskState::Failed),
        ];
        let answers = Answers {
            own: (node("a"), says(vec![task(1, "a", "a")], &[])),
            others: vec![(node("b"), silent())],
            heard: Some(TaskEventList { events: heard, left_out: 9 }),
        };
        let list = merge(answers, &TaskFilter::default(), 10);
        let expected = [(1, TaskState::Running), (3, TaskState::Running), (4, TaskState::Failed)];
        assert_eq!(shown(&list), expected, "what an owner has forgotten does not run");
        assert_eq!((list.silent, list.head_silent, list.left_out), (vec!["b".into()], false, 9));
    }

    #[test]
    fn the_latest_ends_are_shown_where_there_are_more() {
        let heard = (1..=5)
            .map(|low| TaskEvent { at_millis: low, ..event(low, "a", TaskState::Succeeded) })
            .collect();
        let own = (node("a"), says(Vec::new(), &[]));
        let heard = Some(TaskEventList { events: heard, left_out: 0 });
        let list = merge(Answers { own, others: Vec::new(), heard }, &TaskFilter::default(), 2);
        let ended = TaskState::Succeeded;
        assert_eq!((shown(&list), list.more), (vec![(4, ended), (5, ended)], true));
    }

    #[test]
    fn without_the_head_the_answer_says_so() {
        let own = (node("a"), says(vec![task(1, "a", "a"), task(2, "a", "a")], &[]));
        let list = merge(Answers { own, others: Vec::new(), heard: None }, &TaskFilter::default(), 1);
        assert!(list.head_silent && list.more);
        assert_eq!(list.tasks.len(), 1);
    }
}
