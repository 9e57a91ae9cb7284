//! Parents and children: what a task submitted ends with it, unless it was handed on.
//!
//! A parent that runs again submits its children again under the same ids. It is attached to those that succeeded or still
//! run; what its last attempt has not submitted when it ends is cancelled.

use crate::tasks::TaskEngine;
use crate::tasks::engine::Step;
use crate::tasks::keys::{ObjectKey, TaskKey};
use crate::tasks::task::{Kinship, Phase};
use mobula_types::summary::TaskState;
use mobula_types::{Attempt, Failure, FailureKind, TaskId, Time};

/// The children of one task.
#[derive(Debug)]
pub(super) struct Family {
    first: TaskKey,
    /// What a worker held that died under the parent, kept for the parent's next attempt.
    kept: Vec<ObjectKey>,
}

impl Family {
    /// How often it keeps an object.
    pub(super) fn keeps(&self, object: ObjectKey) -> usize {
        self.kept.iter().filter(|kept| **kept == object).count()
    }
}

impl TaskEngine {
    /// The deadline of a task that runs here or is owned here.
    pub(super) fn deadline_of(&self, parent: Option<TaskId>) -> Time {
        let key = parent.and_then(|parent| self.tasks.find(&parent));
        key.map_or(Time::NEVER, |key| self.tasks[key.at()].deadline)
    }

    /// Puts a task among the children of the one that submitted it.
    pub(super) fn join_family(&mut self, child: TaskKey, parent: TaskId) {
        let mut claim = Attempt::default();
        if let Some(key) = self.tasks.find(&parent) {
            let record = &self.tasks[key.at()];
            claim = record.attempt;
            match record.phase {
                Phase::Ended(TaskState::Succeeded) => return,
                Phase::Ended(_) => {
                    let task = self.tasks[child.at()].id;
                    let text = format!("its parent {parent} had been cancelled when it was submitted");
                    let failure = Failure::new(FailureKind::Cancelled, text);
                    self.steps.push_back(Step::Cancel { task, failure, force: false });
                    return;
                }
                _ => {}
            }
        }
        let family = self.families.entry(parent).or_insert(Family { first: TaskKey::NONE, kept: Vec::new() });
        let next = std::mem::replace(&mut family.first, child);
        let kinship = Kinship { parent, previous: TaskKey::NONE, next, claim };
        self.tasks[child.at()].kinship = Some(Box::new(kinship));
        if !next.is_none()
            && let Some(sibling) = &mut self.tasks[next.at()].kinship
        {
            sibling.previous = child;
        }
    }

    /// The parent's present attempt has submitted a child that is known.
    pub(super) fn claim(&mut self, child: TaskKey, parent: TaskId) {
        let attempt = self.tasks.find(&parent).map(|key| self.tasks[key.at()].attempt);
        match &mut self.tasks[child.at()].kinship {
            Some(kinship) if kinship.parent == parent => {
                kinship.claim = attempt.unwrap_or(kinship.claim);
            }
            Some(_) => {}
            None => self.join_family(child, parent),
        }
    }

    /// Takes a task out of its family, before its record goes.
    pub(super) fn leave_family(&mut self, child: TaskKey) {
        let Some(kinship) = self.tasks[child.at()].kinship.take() else { return };
        if !kinship.next.is_none()
            && let Some(next) = &mut self.tasks[kinship.next.at()].kinship
        {
            next.previous = kinship.previous;
        }
        if !kinship.previous.is_none() {
            if let Some(previous) = &mut self.tasks[kinship.previous.at()].kinship {
                previous.next = kinship.next;
            }
            return;
        }
        let Some(family) = self.families.get_mut(&kinship.parent) else { return };
        family.first = kinship.next;
        if family.first.is_none() && family.kept.is_empty() {
            self.families.swap_remove(&kinship.parent);
        }
    }

    /// The children of a task that are on record, the last one submitted first.
    pub(super) fn children_of(&self, parent: TaskId) -> Vec<TaskKey> {
        let mut children = Vec::new();
        let mut next = self.families.get(&parent).map_or(TaskKey::NONE, |family| family.first);
        while !next.is_none() {
            children.push(next);
            next = self.tasks[next.at()].kinship.as_ref().map_or(TaskKey::NONE, |kinship| kinship.next);
        }
        children
    }

    /// A task of this node has ended: children that its last attempt did not submit are cancelled.
    pub(super) fn parent_over(&mut self, parent: TaskId, key: TaskKey) {
        let attempt = self.tasks[key.at()].attempt;
        for child in self.dissolve(parent) {
            let (task, claim) = child;
            if claim < attempt {
                let text = format!("its parent {parent} ran again and did not submit it again");
                let failure = Failure::new(FailureKind::Cancelled, text);
                self.steps.push_back(Step::Cancel { task, failure, force: false });
            }
        }
    }

    /// Another node's task, which ran here, is over here.
    pub(super) fn guest_parent_ended(&mut self, parent: TaskId, cancel: Option<Failure>, force: bool) {
        if self.tasks.find(&parent).is_some() {
            return;
        }
        if let Some(failure) = cancel {
            self.cancel_children(parent, &failure, force);
        }
        self.dissolve(parent);
    }

    /// Ends a family. Its children are on their own; says who they were, and whose attempt submitted them last.
    pub(super) fn dissolve(&mut self, parent: TaskId) -> Vec<(TaskId, Attempt)> {
        let mut children = Vec::new();
        let Some(family) = self.families.swap_remove(&parent) else { return children };
        self.steps.extend(family.kept.into_iter().map(Step::Unpin));
        let mut next = family.first;
        while !next.is_none() {
            let child = &mut self.tasks[next.at()];
            let Some(kinship) = child.kinship.take() else { break };
            children.push((child.id, kinship.claim));
            next = kinship.next;
        }
        children
    }

    /// A worker is gone that held this object: where the object's task is the child of one that has yet to end, it is
    /// kept for that one's next attempt.
    pub(super) fn keep_for_parent(&mut self, object: ObjectKey) {
        let task = self.objects[object.at()].task;
        if task.is_none() {
            return;
        }
        let Some(kinship) = &self.tasks[task.at()].kinship else { return };
        let Some(parent) = self.tasks.find(&kinship.parent) else { return };
        if self.tasks[parent.at()].is_ended() {
            return;
        }
        if let Some(family) = self.families.get_mut(&kinship.parent) {
            family.kept.push(object);
            self.objects[object.at()].pins += 1;
        }
    }
}
