//! All tasks on record.

use crate::lookup::Lookup;
use crate::tasks::keys::TaskKey;
use crate::tasks::task::Task;
use mobula_types::TaskId;
use slab::Slab;
use std::ops::{Deref, Index, IndexMut};

/// Tasks by their place in the table, and the places by the tasks' ids.
#[derive(Debug)]
pub(super) struct TaskTable {
    tasks: Slab<Task>,
    places: Lookup<TaskKey>,
}

impl TaskTable {
    pub(super) fn new() -> Self {
        TaskTable { tasks: Slab::new(), places: Lookup::new(0x7461_736b) }
    }

    /// The place of a task.
    #[inline]
    pub(super) fn find(&self, id: &TaskId) -> Option<TaskKey> {
        self.places.find(id, |key| self.tasks[key.at()].id)
    }

    /// Records a task that is not there yet.
    pub(super) fn insert(&mut self, task: Task) -> TaskKey {
        let id = task.id;
        let key = TaskKey::new(self.tasks.insert(task));
        self.places.insert(&id, key, |key| self.tasks[key.at()].id);
        key
    }

    /// Forgets a task that is there.
    pub(super) fn remove(&mut self, key: TaskKey) -> Task {
        let id = self.tasks[key.at()].id;
        self.places.remove(&id, |key| self.tasks[key.at()].id);
        self.tasks.remove(key.at())
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut Task> {
        self.tasks.get_mut(place)
    }

    /// How many tasks can be found, which are all of them.
    pub(super) fn known(&self) -> usize {
        self.places.len()
    }
}

impl Deref for TaskTable {
    type Target = Slab<Task>;

    fn deref(&self) -> &Slab<Task> {
        &self.tasks
    }
}

impl Index<usize> for TaskTable {
    type Output = Task;

    #[inline]
    fn index(&self, place: usize) -> &Task {
        &self.tasks[place]
    }
}

impl IndexMut<usize> for TaskTable {
    #[inline]
    fn index_mut(&mut self, place: usize) -> &mut Task {
        &mut self.tasks[place]
    }
}
