//! What a node tells the new owner of a job that was taken over.

use super::Shard;
use mobula_core::executor::{self, Owner};
use mobula_core::hosting;
use mobula_core::tasks::{self, Place, SessionKey};
use mobula_types::frame::FoundJob;
use mobula_types::outcome::StoredCopy;
use mobula_types::{Frame, JobId, NodeId, ObjectId, OwnerTerm, ResultValue, StoredValue, TaskId};
use std::sync::Arc;

/// How many bytes of values, and how many entries, an answer has before the rest goes into another one.
const MOST_BYTES: u64 = 4 << 20;
const MOST_ENTRIES: usize = 20_000;

impl Shard {
    /// Another node owns the job from now on: it is told what is here, and what it was not told of counts no more.
    pub(super) fn on_find_job(
        &mut self,
        session: SessionKey,
        node: &NodeId,
        job: JobId,
        owner_term: OwnerTerm,
    ) {
        tracing::info!(%job, %node, owner_term = owner_term.0, "a new owner looks for a job");
        let legacy = self.tasks.legacy(job);
        self.copies.inherit(job);
        let owner = Owner::Peer(node.clone());
        self.tell_executor(executor::Event::Adopted { job, owner: owner.clone(), owner_term });
        self.tell_host(hosting::Event::Adopted { job, owner_term });
        self.tell_tasks(tasks::Event::TakenOver { job, owner: node.clone(), owner_term });
        // The new owner frees nothing before it has heard who refers to what.
        self.perform_task_effects();
        for found in self.found(job, &owner, legacy) {
            self.sessions.send(session, Frame::FoundJob(Box::new(found)));
        }
    }

    /// This node itself owns the job from now on.
    pub(super) fn find_job_here(&mut self, job: JobId, owner_term: OwnerTerm) {
        self.copies.inherit(job);
        let owner = Owner::Local;
        self.tell_executor(executor::Event::Adopted { job, owner: owner.clone(), owner_term });
        self.tell_host(hosting::Event::Adopted { job, owner_term });
        for found in self.found(job, &owner, Default::default()) {
            self.tell_tasks(tasks::Event::FoundJob { place: Place::Local, found });
        }
    }

    /// Copies in the store, attempts that are the owner's, and what this node's engine knew, in handy portions.
    fn found(
        &self,
        job: JobId,
        owner: &Owner,
        legacy: (Vec<(ObjectId, ResultValue)>, Vec<TaskId>),
    ) -> Vec<FoundJob> {
        let (values, unstarted) = legacy;
        let here = |(object, length, checksum)| {
            let copy = StoredCopy { length, checksum, holders: vec![self.parts.node.clone()] };
            (object, ResultValue { value: StoredValue::Stored(Arc::new(copy)), contained: None })
        };
        let stored = self.parts.store.objects_of(job).into_iter().map(here);
        let mut portions = vec![FoundJob { job, ..FoundJob::default() }];
        let mut bytes = 0;
        for (object, value) in values.into_iter().chain(stored) {
            let length = match &value.value {
                StoredValue::Inline(payload) => payload.len() as u64,
                StoredValue::Stored(_) => 0,
            };
            let portion = portion(&mut portions, bytes + length > MOST_BYTES);
            bytes = if portion.copies.is_empty() { length } else { bytes + length };
            portion.copies.push((object, value));
        }
        for attempt in self.executor.attempts_of(job, owner) {
            portion(&mut portions, false).running.push(attempt);
        }
        for task in unstarted {
            portion(&mut portions, false).unstarted.push(task);
        }
        portions
    }
}

/// The portion that takes the next entry.
fn portion(portions: &mut Vec<FoundJob>, is_full: bool) -> &mut FoundJob {
    let entries = |found: &FoundJob| found.copies.len() + found.running.len() + found.unstarted.len();
    if portions.last().is_none_or(|last| is_full || entries(last) >= MOST_ENTRIES) {
        let job = portions.last().map(|last| last.job).unwrap_or_default();
        if let Some(last) = portions.last_mut() {
            last.more = true;
        }
        portions.push(FoundJob { job, ..FoundJob::default() });
    }
    let last = portions.len() - 1;
    &mut portions[last]
}
