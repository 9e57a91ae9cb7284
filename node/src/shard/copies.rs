//! Copies in this node's store: brought for runs, kept while they are needed, and made known to their owners.

use super::{Input, Shard};
use crate::bring::{NotBrought, Wanted};
use indexmap::IndexMap;
use mobula_core::executor::{self, Owner, RunKey};
use mobula_core::tasks;
use mobula_objects::Pin;
use mobula_runtime::spawn;
use mobula_types::frame::Input as TaskInput;
use mobula_types::outcome::CopyVersion;
use mobula_types::{
    Attempt, Failure, Frame, JobId, NodeId, ObjectId, Outcome, StoredValue, TaskId, Time, WorkerId,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long what a dead node owned waits for another owner.
const HEIR_PATIENCE: Duration = Duration::from_secs(30);

/// The copies that runs need, and those whose owner is dead.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    pins: IndexMap<(TaskId, Attempt), Vec<Pin>, foldhash::fast::FixedState>,
    /// Dead owners, and until when what they owned waits for others.
    orphaned: BTreeMap<NodeId, Time>,
    /// Jobs with another owner, who has been told what is here and frees what it does not claim.
    inherited: BTreeSet<JobId>,
}

impl Copies {
    /// A node is dead: what it owned is dropped after a while.
    pub(crate) fn owner_lost(&mut self, node: NodeId, now: Time) {
        self.orphaned.insert(node, now + HEIR_PATIENCE);
    }

    /// Another owner of the job has been told what is here.
    pub(crate) fn inherit(&mut self, job: JobId) {
        self.inherited.insert(job);
    }

    pub(crate) fn job_ended(&mut self, job: JobId) {
        self.inherited.remove(&job);
    }

    /// The run is over.
    pub(crate) fn unpin(&mut self, task: TaskId, attempt: Attempt) {
        self.pins.swap_remove(&(task, attempt));
    }
}

impl Shard {
    /// Brings the inputs of a run into this node's store: all of them, or none.
    pub(super) fn fetch_inputs(&mut self, run: RunKey, inputs: Vec<TaskInput>) {
        let transfer = self.parts.transfer.clone();
        let inbox = self.parts.inbox.clone();
        let here = self.parts.node.clone();
        let owner = match self.executor.owner_of_run(run) {
            Some(Owner::Peer(node)) => node.clone(),
            Some(Owner::Local) | None => here.clone(),
        };
        let job = self.executor.job_of_run(run).unwrap_or_default();
        let wanted = inputs.iter().filter_map(|input| match &input.value {
            StoredValue::Stored(copy) => Some(Wanted { object: input.object, copy: copy.clone() }),
            StoredValue::Inline(_) => None,
        });
        let wanted: Vec<Wanted> = wanted.collect();
        let fetching = spawn("fetch inputs", async move {
            let pins = transfer.bring(job, &owner, wanted).await;
            let all_here =
                |inputs: Vec<TaskInput>| inputs.into_iter().map(|input| here_now(input, &here)).collect();
            let result = pins.map(|pins| (all_here(inputs), pins));
            let _shard_ended = inbox.send(Input::Fetched { run, result }).await;
        });
        self.jobs.fetching(run, fetching);
    }

    /// The inputs of a run are here, or were not brought. Of a run that is gone nobody needs them, and they go too.
    pub(super) fn on_fetched(
        &mut self,
        run: RunKey,
        result: Result<(Vec<TaskInput>, Vec<Pin>), (ObjectId, NotBrought)>,
    ) {
        self.jobs.cancel_fetch(run);
        let Some(attempt) = self.executor.attempt_of_run(run) else { return };
        let event = match result {
            Ok((inputs, pins)) => {
                let owner = match self.executor.owner_of_run(run) {
                    Some(Owner::Peer(node)) => node.clone(),
                    Some(Owner::Local) | None => self.parts.node.clone(),
                };
                for pin in pins.iter().filter(|pin| pin.is_news()) {
                    self.tell_of_copy(&owner, pin.object(), pin.version());
                    pin.told();
                }
                self.copies.pins.insert(attempt, pins);
                executor::Event::InputsReady { run, inputs }
            }
            Err((object, NotBrought::Gone(holder))) => executor::Event::InputLost { run, object, holder },
            Err((_, NotBrought::Unavailable(failure))) => executor::Event::InputsUnavailable { run, failure },
        };
        self.tell_executor(event);
    }

    /// Another copy of an object is in this node's store: its owner is told, and this node's engine knows.
    pub(super) fn tell_of_copy(&mut self, owner: &NodeId, object: ObjectId, version: CopyVersion) {
        if *owner != self.parts.node {
            self.send_to_peer(owner, Frame::CopyMade { object, version });
        }
        let node = self.parts.node.clone();
        if *owner == node || self.tasks.object(object).is_some() {
            self.tell_tasks(tasks::Event::CopyMade { node, object, version });
        }
    }

    /// Tells the owners of copies that have made room for others, and lets go of what no run needs any more.
    pub(super) fn look_after_copies(&mut self) {
        for dropped in self.parts.store.take_dropped() {
            let (node, object, version) = (self.parts.node.clone(), dropped.object, dropped.version);
            if dropped.owner != node {
                let holder = node.clone();
                self.send_to_peer(&dropped.owner, Frame::CopyLost { object, version, holder });
            }
            let reporter = node.clone();
            self.tell_tasks(tasks::Event::CopyLost { node, reporter, object, version });
        }
    }

    /// Runs that nobody is told the end of let go of their copies here.
    pub(super) fn unpin_ended(&mut self) {
        let executor = &self.executor;
        self.copies.pins.retain(|(task, attempt), _| executor.run(*task, *attempt).is_some());
    }

    /// Drops what dead nodes owned and nobody has claimed in time.
    pub(super) fn drop_orphaned(&mut self) {
        let due = self.copies.orphaned.iter().filter(|(_, until)| **until <= self.now);
        let due: Vec<NodeId> = due.map(|(node, _)| node.clone()).collect();
        for node in due {
            self.copies.orphaned.remove(&node);
            let inherited = &self.copies.inherited;
            let dropped = self.parts.store.remove_owned_by(&node, |job| inherited.contains(&job));
            if dropped > 0 {
                tracing::info!(%node, dropped, "values of a dead owner were claimed by nobody");
            }
        }
    }

    /// The end of a run is about to be told: what it has stored is its owner's.
    pub(super) fn note_owner(&mut self, worker: WorkerId, handle: u64, outcome: &Outcome) {
        let values = outcome.values().unwrap_or_default().iter().enumerate();
        let stored = values.filter(|(_, value)| matches!(value.value, StoredValue::Stored(_)));
        let positions: Vec<u64> = stored.map(|(position, _)| position as u64).collect();
        if positions.is_empty() {
            return;
        }
        let Some(Owner::Peer(owner)) = self.executor.owner_of(worker, handle).cloned() else { return };
        let Some((_, task, _)) = self.executor.task_of(worker, handle) else { return };
        for position in positions {
            self.parts.store.set_owner(&ObjectId::result(task, position), &owner);
        }
        if self.peers.is_fenced(&owner) {
            self.copies.owner_lost(owner, self.now);
        }
    }

    /// A worker could not read an input of a run from this node's store.
    pub(super) fn on_unreadable(
        &mut self,
        worker: WorkerId,
        handle: u64,
        object: ObjectId,
        failure: Failure,
    ) {
        let version = self.executor.input_version(worker, handle, object);
        let is_here = version.is_some_and(|version| self.parts.store.holds(&object, version));
        self.tell_executor(executor::Event::Unreadable { worker, handle, object, is_here, failure });
    }
}

/// The input as a worker of this node gets it: the copy to read is the node's own.
pub(super) fn here_now(mut input: TaskInput, here: &NodeId) -> TaskInput {
    if let StoredValue::Stored(copy) = &mut input.value {
        std::sync::Arc::make_mut(copy).holders = vec![here.clone()];
    }
    input
}
