//! What owners do besides assigning: recall, vanish, take over; and the node's own wish to be empty.

use super::job::same_owner;
use super::pool::SlotRef;
use super::run::Phase;
use super::{Effect, Executor, Owner, RunKey};
use mobula_types::frame::AssignmentEnd;
use mobula_types::{Attempt, Failure, FailureKind, JobId, OwnerTerm, TaskId, Time};

impl Executor {
    pub(super) fn recall(&mut self, owner: &Owner, tasks: &[(TaskId, Attempt)], effects: &mut Vec<Effect>) {
        let own = |run: &super::run::Run| same_owner(&run.owner, owner);
        let keys: Vec<RunKey> = tasks
            .iter()
            .filter_map(|(task, attempt)| self.runs.find(*task, *attempt))
            .filter(|key| self.runs.get(*key).is_some_and(own))
            .collect();
        self.give_back(&keys, effects);
    }

    pub(super) fn drain(&mut self, effects: &mut Vec<Effect>) {
        self.draining = true;
        let keys = self.runs.keys_where(|_| true);
        self.give_back(&keys, effects);
    }

    /// Reports those that wait as returned, and recalls those that wait on slots so that they can be. What runs, runs on.
    fn give_back(&mut self, keys: &[RunKey], effects: &mut Vec<Effect>) {
        let mut recalled: Vec<SlotRef> = Vec::new();
        for key in keys.iter().copied() {
            let is_head = self.is_head(key);
            let Some(run) = self.runs.get_mut(key) else { continue };
            if run.phase != Phase::Sent {
                self.end_unsent(key, Some(AssignmentEnd::Returned), effects);
            } else if !is_head {
                run.give_back = true;
                recalled.push(SlotRef { worker: run.worker, slot: run.slot });
            }
        }
        recalled.sort_unstable_by_key(|at| (at.worker, at.slot));
        recalled.dedup();
        for at in recalled {
            self.recall_wanted(at, effects);
        }
    }

    /// Recalls those of a slot's runs that are to go back to their owners or were orphaned.
    fn recall_wanted(&mut self, at: SlotRef, effects: &mut Vec<Effect>) {
        let worker = self.workers.at_mut(at.worker);
        let id = worker.id;
        let slot = &mut worker.slots[at.slot as usize];
        let mut handles = Vec::new();
        for key in slot.queue.iter().skip(1) {
            let wanted = |run: &&mut super::run::Run| (run.give_back || run.is_orphan()) && !run.recalled;
            if let Some(run) = self.runs.get_mut(*key).filter(wanted) {
                run.recalled = true;
                slot.recalling += 1;
                handles.push(key.0);
            }
        }
        if !handles.is_empty() {
            effects.push(Effect::RecallRuns { worker: id, handles });
        }
    }

    pub(super) fn confirm(&mut self, owner: &Owner, tasks: &[(TaskId, Attempt)], effects: &mut Vec<Effect>) {
        for (task, attempt) in tasks {
            let Some(key) = self.runs.find(*task, *attempt) else {
                let text = "what was said of the task was lost on the way between its owner and the node";
                let failure = Failure::new(FailureKind::Unavailable, text).on_node(self.options.node.clone());
                let end = AssignmentEnd::Lost { failure, charged: false };
                effects.push(Effect::Report { owner: owner.clone(), task: *task, attempt: *attempt, end });
                continue;
            };
            let is_orphan = |run: &&mut super::run::Run| run.is_orphan() && run.cancelled.is_none();
            let own = |run: &&mut super::run::Run| same_owner(&run.owner, owner);
            if let Some(run) = self.runs.get_mut(key).filter(own).filter(is_orphan) {
                run.orphan_until = Time::NEVER;
                self.arm(key);
            }
        }
    }

    pub(super) fn owner_lost(&mut self, owner: &Owner, effects: &mut Vec<Effect>) {
        let until = self.now + self.options.orphan_grace;
        let mut recalled: Vec<SlotRef> = Vec::new();
        for key in self.runs.keys_where(|run| same_owner(&run.owner, owner) && !run.is_orphan()) {
            let Some(run) = self.runs.get_mut(key) else { continue };
            if run.phase != Phase::Sent {
                self.end_unsent(key, None, effects);
                continue;
            }
            run.orphan_until = until;
            recalled.push(SlotRef { worker: run.worker, slot: run.slot });
            self.arm(key);
        }
        recalled.sort_unstable_by_key(|at| (at.worker, at.slot));
        recalled.dedup();
        for at in recalled {
            self.recall_wanted(at, effects);
        }
    }

    /// A driver goes on through another owner: its runs are that one's from now on, whoever had them.
    pub(super) fn adopted(&mut self, job: JobId, owner: Owner, owner_term: OwnerTerm) {
        if !self.homes.note(job, owner_term, owner.clone()) {
            return;
        }
        // One that was ended because nobody took it over in time stays without an owner.
        let is_given_up = |run: &super::run::Run| run.is_orphan() && run.cancelled.is_some();
        for key in self.runs.keys_where(|run| run.is_of_driver(job) && !is_given_up(run)) {
            if let Some(run) = self.runs.get_mut(key) {
                run.owner = owner.clone();
                run.orphan_until = Time::NEVER;
            }
            self.arm(key);
        }
    }
}
