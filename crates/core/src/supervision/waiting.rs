//! Who waits for something to start or to end.

use super::outbox::Said;
use super::{RequestKey, Supervision};
use mobula_types::actor::{ActorAnswer, ChildInfo, ChildShutdown, ChildState, RestartType};
use mobula_types::{ActorId, ExitReason, Failure, Incarnation};
use std::collections::BTreeMap;

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wait {
    Started,
    Ended,
}

/// Questions that are answered later, by what they are about. Bounded by the driver, which tells of those that are gone.
#[derive(Clone, Default, Debug)]
pub(super) struct Waiters {
    by_actor: BTreeMap<ActorId, Vec<(RequestKey, Wait)>>,
    by_request: BTreeMap<RequestKey, ActorId>,
}

/// Creations of one request.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) created: Vec<Option<Result<ActorId, Failure>>>,
    pub(super) missing: usize,
}

impl Supervision {
    pub(super) fn wait(&mut self, request: RequestKey, id: ActorId, wait: Wait) {
        self.waiters.by_actor.entry(id).or_default().push((request, wait));
        self.waiters.by_request.insert(request, id);
    }

    pub(super) fn request_gone(&mut self, request: RequestKey) {
        self.batches.remove(&request);
        self.unsay(request);
        let Some(id) = self.waiters.by_request.remove(&request) else { return };
        if let Some(waiters) = self.waiters.by_actor.get_mut(&id) {
            waiters.retain(|(waiting, _)| *waiting != request);
            if waiters.is_empty() {
                self.waiters.by_actor.remove(&id);
            }
        }
    }

    pub(super) fn take_waiters(&mut self, id: ActorId, wait: Wait) -> Vec<RequestKey> {
        let Some(waiters) = self.waiters.by_actor.get_mut(&id) else { return Vec::new() };
        let taken: Vec<RequestKey> =
            waiters.iter().filter(|(_, of)| *of == wait).map(|(request, _)| *request).collect();
        waiters.retain(|(_, of)| *of != wait);
        if waiters.is_empty() {
            self.waiters.by_actor.remove(&id);
        }
        for request in &taken {
            self.waiters.by_request.remove(request);
        }
        taken
    }

    /// A child has started.
    pub(super) fn answer_started(&mut self, supervisor: ActorId, ordinal: u64, id: ActorId) {
        if !self.waiters.by_actor.contains_key(&id) {
            return;
        }
        let Some(child) = self.child_mut(supervisor, ordinal) else { return };
        let info = super::lists::child_info(child);
        let write = self.writes_of(id);
        for request in self.take_waiters(id, Wait::Started) {
            let answer = Ok(ActorAnswer::Started(Box::new(info.clone())));
            self.say(write, Said::Answer { request, answer });
        }
    }

    /// A tree has started.
    pub(super) fn answer_tree_started(&mut self, id: ActorId) {
        let write = self.writes_of(id);
        for request in self.take_waiters(id, Wait::Started) {
            let answer = Ok(ActorAnswer::Started(Box::new(self.root_info(id))));
            self.say(write, Said::Answer { request, answer });
        }
    }

    /// The root of a tree, as if it were a child of the cluster.
    pub(super) fn root_info(&self, id: ActorId) -> ChildInfo {
        ChildInfo {
            id: self.name_of(id),
            state: ChildState::Present,
            actor: id,
            is_supervisor: true,
            restart: RestartType::Temporary,
            shutdown: ChildShutdown::Infinity,
            significant: false,
        }
    }

    /// The last write that has an actor or supervisor.
    pub(super) fn writes_of(&self, id: ActorId) -> u64 {
        let supervisor = self.supervisors.get(&id).map(|supervisor| supervisor.write);
        supervisor.unwrap_or_else(|| self.write_of(id))
    }

    /// An incarnation of it has ended.
    pub(super) fn answer_ended(&mut self, write: u64, id: ActorId, reason: &ExitReason) {
        if !self.waiters.by_actor.contains_key(&id) {
            return;
        }
        let epoch = match (self.actors.get(&id), self.supervisors.get(&id)) {
            (Some(actor), _) => actor.epoch,
            (None, Some(supervisor)) => supervisor.epoch,
            (None, None) => return,
        };
        let ended = Some((Incarnation { actor: id, epoch }, reason.clone()));
        for request in self.take_waiters(id, Wait::Ended) {
            let answer = Ok(ActorAnswer::Done { ended: ended.clone() });
            self.say(write, Said::Answer { request, answer });
        }
    }

    /// It is not to start any more, until somebody asks for it: whoever waits for it waits in vain.
    pub(super) fn not_wanted(&mut self, write: u64, id: ActorId, reason: &ExitReason) {
        if !self.waiters.by_actor.contains_key(&id) {
            return;
        }
        let epoch = self.actors.get(&id).map(|actor| actor.epoch).unwrap_or_default();
        let failure = super::decide::start_failure(Incarnation { actor: id, epoch }, reason);
        self.fail_waiters(write, id, &failure);
        for request in self.take_waiters(id, Wait::Ended) {
            self.say(write, Said::Answer { request, answer: Ok(ActorAnswer::Done { ended: None }) });
        }
    }

    /// As [`not_wanted`](Self::not_wanted), of all children of a supervisor that has ended.
    pub(super) fn none_wanted(&mut self, supervisor: ActorId, write: u64, reason: &ExitReason) {
        let Some(supervisor) = self.supervisors.get(&supervisor) else { return };
        let waited = |id: &ActorId| self.waiters.by_actor.contains_key(id);
        let children = supervisor.children.values().map(|child| child.actor).filter(waited);
        for id in children.collect::<Vec<_>>() {
            self.not_wanted(write, id, reason);
        }
    }

    /// It will not start.
    pub(super) fn fail_waiters(&mut self, write: u64, id: ActorId, failure: &Failure) {
        for request in self.take_waiters(id, Wait::Started) {
            self.say(write, Said::Answer { request, answer: Err(failure.clone()) });
        }
    }

    /// One of the creations of a request is durable, or refused.
    pub(super) fn created_one(
        &mut self,
        request: RequestKey,
        index: usize,
        created: Result<ActorId, Failure>,
    ) {
        let Some(batch) = self.batches.get_mut(&request) else { return };
        let Some(place) = batch.created.get_mut(index).filter(|place| place.is_none()) else { return };
        *place = Some(created);
        batch.missing -= 1;
        if batch.missing > 0 {
            return;
        }
        if let Some(batch) = self.batches.remove(&request) {
            let created = batch.created.into_iter().flatten().collect();
            self.release(Said::Answer { request, answer: Ok(ActorAnswer::Created(created)) });
        }
    }
}
