//! A bounded view of single tasks, from the samples that nodes report.

use mobula_types::{TaskEvent, TaskFilter, TaskId};
use std::collections::BTreeMap;

/// The latest event of each task; the tasks that were heard of longest ago are forgotten first.
#[derive(Debug)]
pub(crate) struct TaskEvents {
    limit: usize,
    next: u64,
    events: BTreeMap<TaskId, (u64, TaskEvent)>,
    order: BTreeMap<u64, TaskId>,
}

impl TaskEvents {
    pub(crate) fn new(limit: usize) -> Self {
        TaskEvents { limit, next: 0, events: BTreeMap::new(), order: BTreeMap::new() }
    }

    /// Takes an event, unless a later one of the same task is known.
    pub(crate) fn push(&mut self, event: TaskEvent) {
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
    pub(crate) fn list(&self, filter: &TaskFilter, limit: usize) -> Vec<TaskEvent> {
        let events =
            self.order.values().rev().filter_map(|task| self.events.get(task)).map(|(_, event)| event);
        events.filter(|event| filter.matches(event)).take(limit).cloned().collect()
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
            at_millis,
            detail: None,
        }
    }

    #[test]
    fn it_is_bounded_and_keeps_the_latest_of_each_task() {
        let mut events = TaskEvents::new(2);
        events.push(event(1, TaskState::Running, 1));
        events.push(event(2, TaskState::Running, 1));
        events.push(event(1, TaskState::Succeeded, 2));
        events.push(event(1, TaskState::Running, 2));
        events.push(event(3, TaskState::Queued, 3));
        let listed = events.list(&TaskFilter::default(), 10);
        let listed: Vec<_> = listed.iter().map(|event| (event.task.low, event.state)).collect();
        assert_eq!(listed, vec![(3, TaskState::Queued), (1, TaskState::Succeeded)]);
        let filter = TaskFilter { state: Some(TaskState::Queued), ..TaskFilter::default() };
        assert_eq!(events.list(&filter, 10).len(), 1);
        assert_eq!(events.list(&TaskFilter::default(), 1).len(), 1);
    }
}
