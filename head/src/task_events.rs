//! A bounded view of single tasks, from the samples that nodes report.

use mobula_rpc::head::TaskEventList;
use mobula_types::{NodeId, TaskEvent, TaskFilter, TaskId};
use std::collections::BTreeMap;

/// The latest event of each task; the tasks that were heard of longest ago are forgotten first.
#[derive(Debug)]
pub(crate) struct TaskEvents {
    limit: usize,
    next: u64,
    events: BTreeMap<TaskId, (u64, TaskEvent)>,
    order: BTreeMap<u64, TaskId>,
    left_out: u64,
}

impl TaskEvents {
    pub(crate) fn new(limit: usize) -> Self {
        TaskEvents { limit, next: 0, events: BTreeMap::new(), order: BTreeMap::new(), left_out: 0 }
    }

    /// Takes what the owner of tasks reports of them, and how many ends of others it has left out.
    pub(crate) fn report(&mut self, owner: &NodeId, events: Vec<TaskEvent>, left_out: u64) {
        self.left_out = self.left_out.saturating_add(left_out);
        for event in events {
            self.push(TaskEvent { owner: Some(owner.clone()), ..event });
        }
    }

    /// Takes an event, unless a later one of the same task is known.
    fn push(&mut self, event: TaskEvent) {
        if let Some((position, known)) = self.events.get(&event.task) {
            let older = (event.attempt, event.at_millis) < (known.attempt, known.at_millis);
            if older || (known.state.is_final() && event.attempt == known.attempt && !event.state.is_final())
            {
                return;
            }
            self.order.remove(position);
        }
        let position = self.next;
        self.next += 1;
        self.order.insert(position, event.task);
        self.events.insert(event.task, (position, event));
        while self.events.len() > self.limit {
            let Some((_, task)) = self.order.pop_first() else { break };
            self.events.remove(&task);
        }
    }

    /// Those that are asked for, latest first.
    pub(crate) fn list(&self, filter: &TaskFilter, limit: usize) -> TaskEventList {
        let events =
            self.order.values().rev().filter_map(|task| self.events.get(task)).map(|(_, event)| event);
        let events = events.filter(|event| filter.matches(event)).take(limit).cloned().collect();
        TaskEventList { events, left_out: self.left_out }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::{Attempt, JobId, TaskState};

    fn event(low: u64, state: TaskState, at_millis: u64) -> TaskEvent {
        TaskEvent {
            task: TaskId { high: 1, low },
            job: JobId(1),
            name: "f".into(),
            state,
            attempt: Attempt::default(),
            node: None,
            owner: None,
            at_millis,
            detail: None,
        }
    }

    #[test]
    fn it_is_bounded_and_keeps_the_latest_of_each_task() {
        let mut events = TaskEvents::new(2);
        let owner = NodeId::new("a", 1);
        let mut hear = |event, left_out| events.report(&owner, vec![event], left_out);
        hear(event(1, TaskState::Running, 1), 0);
        hear(event(2, TaskState::Running, 1), 3);
        hear(event(1, TaskState::Succeeded, 2), 0);
        hear(event(1, TaskState::Running, 2), 4);
        hear(event(3, TaskState::Queued, 3), 0);
        let TaskEventList { events: listed, left_out } = events.list(&TaskFilter::default(), 10);
        assert_eq!(left_out, 7);
        assert!(listed.iter().all(|event| event.owner.as_ref() == Some(&owner)));
        let listed: Vec<_> = listed.iter().map(|event| (event.task.low, event.state)).collect();
        assert_eq!(listed, vec![(3, TaskState::Queued), (1, TaskState::Succeeded)]);
        let filter = TaskFilter { state: Some(TaskState::Queued), ..TaskFilter::default() };
        assert_eq!(events.list(&filter, 10).events.len(), 1);
        assert_eq!(events.list(&TaskFilter::default(), 1).events.len(), 1);
    }
}
