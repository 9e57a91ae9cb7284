//! The dead: remembered for a while, so that late handles learn why.

use super::Supervision;
use super::outbox::Said;
use super::write::Key;
use mobula_types::actor::{ActorAnswer, ActorInfo, ActorState};
use mobula_types::{ActorId, ExitReason, Incarnation, Time};
use std::collections::{BTreeMap, VecDeque};

/// An actor or supervisor that is dead for good.
#[derive(Clone, Debug)]
pub(super) struct Dead {
    pub(super) incarnation: Incarnation,
    pub(super) reason: ExitReason,
    /// Of an actor.
    pub(super) info: Option<Box<ActorInfo>>,
    pub(super) write: u64,
}

/// Those who died lately, bounded in time and number.
#[derive(Clone, Default, Debug)]
pub(super) struct Graveyard {
    dead: BTreeMap<ActorId, Dead>,
    order: VecDeque<(Time, ActorId)>,
}

impl Graveyard {
    pub(super) fn get(&self, id: ActorId) -> Option<&Dead> {
        self.dead.get(&id)
    }

    pub(super) fn next_deadline(&self) -> Time {
        self.order.front().map_or(Time::NEVER, |(until, _)| *until)
    }

    pub(super) fn forget(&mut self, now: Time, most: usize) {
        while let Some((until, id)) = self.order.front().copied()
            && (until <= now || self.order.len() > most)
        {
            self.order.pop_front();
            self.dead.remove(&id);
        }
    }
}

impl Supervision {
    /// An actor whose grant is over is dead for good.
    pub(super) fn bury(&mut self, id: ActorId, reason: ExitReason) {
        self.withdraw(id);
        if self.actors.get(&id).is_some_and(|actor| actor.is_granted()) {
            self.grant_over(id);
        }
        let Some(actor) = self.actors.get(&id) else { return };
        let mut info = self.actor_info(id, actor);
        info.state = ActorState::Dead;
        info.last_exit = reason.to_string();
        let incarnation = actor.incarnation(id);
        let Some(actor) = self.actors.remove(&id) else { return };
        self.by_job.remove(&(actor.spec.job, id));
        self.leave_job(actor.spec.job);
        self.leave_spec(actor.key);
        let options = actor.options();
        self.free_name(&options.namespace, &options.name, id);
        let write = self.mark(Key::Actor(id));
        self.remember(id, Dead { incarnation, reason: reason.clone(), info: Some(Box::new(info)), write });
        if actor.epoch.0 == 0 {
            self.say_downs(Incarnation { epoch: mobula_types::Epoch(1), ..incarnation }, &reason, write);
        }
        self.tell(actor.listeners, id, write);
        self.end_waiters(write, incarnation, &reason);
    }

    /// A supervisor without children is dead for good.
    pub(super) fn bury_supervisor(&mut self, id: ActorId, reason: &ExitReason) {
        let Some(supervisor) = self.supervisors.remove(&id) else { return };
        self.by_job.remove(&(supervisor.job, id));
        self.leave_job(supervisor.job);
        if let Some((_, key)) = &supervisor.rules.pattern {
            self.leave_spec(*key);
        }
        self.free_name(&supervisor.namespace, &supervisor.name, id);
        let write = self.mark(Key::Supervisor(id));
        let incarnation = supervisor.incarnation(id);
        self.remember(id, Dead { incarnation, reason: reason.clone(), info: None, write });
        self.end_waiters(write, incarnation, reason);
    }

    fn remember(&mut self, id: ActorId, dead: Dead) {
        self.dead.dead.insert(id, dead);
        self.dead.order.push_back((self.now + self.options.keep_dead, id));
        self.dead.forget(self.now, self.options.most_dead);
    }

    fn free_name(&mut self, namespace: &std::sync::Arc<str>, name: &std::sync::Arc<str>, id: ActorId) {
        let key = (namespace.clone(), name.clone());
        if !name.is_empty() && self.names.get(&key) == Some(&id) {
            self.names.remove(&key);
            self.mark(Key::Name(key.0, key.1));
        }
    }

    /// Whoever still waits for something of it is answered.
    fn end_waiters(&mut self, write: u64, incarnation: Incarnation, reason: &ExitReason) {
        self.fail_waiters(write, incarnation.actor, &super::decide::start_failure(incarnation, reason));
        for request in self.take_waiters(incarnation.actor, super::waiting::Wait::Ended) {
            let answer = ActorAnswer::Done { ended: Some((incarnation, reason.clone())) };
            self.say(write, Said::Answer { request, answer: Ok(answer) });
        }
    }
}
