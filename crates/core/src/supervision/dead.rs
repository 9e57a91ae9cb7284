//! The dead: remembered for a while, so that late handles learn why.

use super::Supervision;
use super::outbox::Said;
use super::write::Key;
use mobula_types::actor::{ActorAnswer, ActorInfo, ActorState, EncodedSize};
use mobula_types::{ActorId, ExitReason, Incarnation, JobId, Time};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

/// An actor or supervisor that is dead for good.
#[derive(Clone, Debug)]
pub(super) struct Dead {
    pub(super) incarnation: Incarnation,
    /// Why there is no further incarnation.
    pub(super) reason: ExitReason,
    /// Why the last incarnation exited, where that was before and for another reason.
    pub(super) earlier: Option<ExitReason>,
    /// Of an actor.
    pub(super) info: Option<Box<ActorInfo>>,
    pub(super) write: u64,
    pub(super) job: JobId,
    pub(super) since_millis: u64,
    /// Whether the registry remembers it too: an actor that was granted an epoch.
    pub(super) recorded: bool,
}

impl Dead {
    /// Why the last incarnation exited.
    pub(super) fn exit(&self) -> &ExitReason {
        self.earlier.as_ref().unwrap_or(&self.reason)
    }

    /// What it takes, beside what all take.
    fn bytes(&self) -> usize {
        let earlier = self.earlier.as_ref().map_or(0, ExitReason::encoded_size);
        self.reason.encoded_size() + earlier + self.info.as_ref().map_or(0, |info| info.last_exit.len())
    }
}

/// Those who died lately, bounded in time, number and bytes.
#[derive(Clone, Default, Debug)]
pub(super) struct Graveyard {
    /// Each with the time until which it is remembered.
    dead: BTreeMap<ActorId, (Time, Dead)>,
    order: VecDeque<(Time, ActorId)>,
    bytes: usize,
}

impl Graveyard {
    pub(super) fn get(&self, id: ActorId) -> Option<&Dead> {
        self.dead.get(&id).map(|(_, dead)| dead)
    }

    /// What is remembered of actors behind that one, by their ids.
    pub(super) fn infos(&self, after: Bound<ActorId>) -> impl Iterator<Item = &ActorInfo> {
        self.dead.range((after, Bound::Unbounded)).filter_map(|(_, (_, dead))| dead.info.as_deref())
    }

    pub(super) fn next_deadline(&self) -> Time {
        self.order.front().map_or(Time::NEVER, |(until, _)| *until)
    }

    /// As if it had never been.
    pub(super) fn remove(&mut self, id: ActorId) {
        self.take(id);
    }

    fn take(&mut self, id: ActorId) -> Option<Dead> {
        let (_, dead) = self.dead.remove(&id)?;
        self.bytes -= dead.bytes();
        Some(dead)
    }

    fn insert(&mut self, until: Time, id: ActorId, dead: Dead) {
        self.take(id);
        self.bytes += dead.bytes();
        self.dead.insert(id, (until, dead));
        self.order.push_back((until, id));
    }

    /// The next one that is to be forgotten.
    fn pop(&mut self, now: Time, most: usize, most_bytes: usize) -> Option<(ActorId, Option<Dead>)> {
        let (until, id) = *self.order.front()?;
        if until > now && self.order.len() <= most && self.bytes <= most_bytes {
            return None;
        }
        self.order.pop_front();
        // One that died again since, after a tree was declared anew, has a later place.
        let again = self.dead.get(&id).is_some_and(|(later, _)| *later > until);
        Some((id, if again { None } else { self.take(id) }))
    }
}

impl Supervision {
    /// An actor whose grant is over is dead for good.
    pub(super) fn bury(&mut self, id: ActorId, reason: ExitReason) {
        self.withdraw(id);
        let Some(actor) = self.actors.get(&id) else { return };
        let earlier = actor.last.clone().filter(|(epoch, _)| *epoch == actor.epoch && !actor.is_granted());
        let earlier = earlier.map(|(_, exit)| exit).filter(|exit| *exit != reason);
        if actor.is_granted() {
            self.grant_over(id);
        }
        let Some(actor) = self.actors.get(&id) else { return };
        let mut info = self.actor_info(id, actor);
        info.state = ActorState::Dead;
        info.last_exit = reason.to_string();
        let incarnation = actor.incarnation(id);
        let Some(actor) = self.actors.remove(&id) else { return };
        self.note_burial(id, actor.child.map(|(above, _)| above));
        self.by_job.remove(&(actor.spec.job, id));
        self.leave_job(actor.spec.job);
        self.leave_spec(actor.key);
        let options = actor.options();
        self.free_name(&options.namespace, &options.name, id);
        let write = self.mark(Key::Actor(id));
        let recorded = incarnation.epoch.0 > 0;
        let (info, job, since_millis) = (Some(Box::new(info)), actor.spec.job, self.wall_millis);
        let reason_kept = reason.clone();
        self.remember(
            id,
            Dead { incarnation, reason: reason_kept, earlier, info, write, job, since_millis, recorded },
        );
        self.say_last_downs(id, &reason, write);
        self.tell(actor.listeners, id, write);
        self.end_waiters(write, incarnation, &reason);
    }

    /// A supervisor without children is dead for good.
    pub(super) fn bury_supervisor(&mut self, id: ActorId, reason: &ExitReason) {
        let Some(supervisor) = self.supervisors.remove(&id) else { return };
        self.note_burial(id, supervisor.parent.map(|(above, _)| above));
        self.by_job.remove(&(supervisor.job, id));
        self.leave_job(supervisor.job);
        if let Some((_, key)) = &supervisor.rules.pattern {
            self.leave_spec(*key);
        }
        self.free_name(&supervisor.namespace, &supervisor.name, id);
        let write = self.mark(Key::Supervisor(id));
        let incarnation = supervisor.incarnation(id);
        let (job, since_millis) = (supervisor.job, self.wall_millis);
        let reason_kept = reason.clone();
        let recorded = false;
        self.say_last_downs(id, reason, write);
        self.remember(
            id,
            Dead {
                incarnation,
                reason: reason_kept,
                earlier: None,
                info: None,
                write,
                job,
                since_millis,
                recorded,
            },
        );
        self.end_waiters(write, incarnation, reason);
    }

    pub(super) fn remember(&mut self, id: ActorId, dead: Dead) {
        self.dead.insert(self.now + self.options.keep_dead, id, dead);
    }

    /// Forgets those who are dead for long, and the oldest where there are too many.
    pub(super) fn forget_dead(&mut self) {
        let (most, bytes) = (self.options.most_dead, self.options.most_dead_bytes);
        while let Some((id, dead)) = self.dead.pop(self.now, most, bytes) {
            if dead.is_some_and(|dead| dead.recorded) {
                self.mark(Key::Actor(id));
            }
        }
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
