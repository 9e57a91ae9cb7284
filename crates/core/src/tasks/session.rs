//! Sessions of this node, and how much each may send.

use crate::tasks::job::Job;
use crate::tasks::keys::{JobKey, ObjectKey, OrderedSet};
use crate::tasks::object::Holder;
use crate::tasks::timers::Timer;
use crate::tasks::{Effect, Requester, SessionKey, SessionKind, TaskEngine};
use mobula_types::JobId;

/// So many windows are let in from a session that has waited too long: more than a driver holds back.
const RELIEF: u64 = 8;

/// A session that is open.
#[derive(Debug)]
pub(super) struct Session {
    /// `None` for a worker of many jobs.
    pub(super) job: Option<JobId>,
    pub(super) kind: SessionKind,
    /// Submits and puts that are recorded.
    received: u64,
    /// Submits and puts that it was told it may send.
    announced: u64,
    /// Its credit is withheld, since it had sent that many requests.
    starved: Option<u64>,
    /// What a worker holds. A driver's holds are found by looking through all objects, once, when it leaves.
    pub(super) held: OrderedSet<ObjectKey>,
}

impl TaskEngine {
    pub(super) fn session_opened(
        &mut self,
        session: SessionKey,
        job: Option<JobId>,
        kind: SessionKind,
        effects: &mut Vec<Effect>,
    ) {
        let announced = self.options.credit_window;
        let record =
            Session { job, kind, received: 0, announced, starved: None, held: OrderedSet::default() };
        self.sessions.insert(session, record);
        if kind == SessionKind::Driver
            && let Some(job) = self.job_of_session(job)
        {
            job.drivers.insert(session);
        }
        effects.push(Effect::Credit { session, total: announced });
    }

    /// Counts a submit or a put, and says how many more may come: a quarter of the window at a time.
    #[inline]
    pub(super) fn count_request(&mut self, session: SessionKey, effects: &mut Vec<Effect>) {
        let Some(record) = self.sessions.get_mut(&session) else { return };
        record.received += 1;
        let window = self.options.credit_window;
        let total = record.received + window;
        if total < record.announced + (window / 4).max(1) || record.starved.is_some() {
            return;
        }
        if record.kind == SessionKind::Driver && self.store_bytes > self.options.store_bytes {
            let job = record.job;
            if self.withholds(job) {
                self.starve(session);
                return;
            }
        }
        let Some(record) = self.sessions.get_mut(&session) else { return };
        record.announced = total;
        effects.push(Effect::Credit { session, total });
    }

    /// Whether a job has to wait until the store is within its bound.
    fn withholds(&self, job: Option<JobId>) -> bool {
        let job = job.and_then(|job| self.job_index.get(&job)).copied().unwrap_or(JobKey::NONE);
        self.is_over(job, 0, self.options.store_bytes)
    }

    /// A session's credit is withheld, for a while: then what it sends is taken or refused.
    fn starve(&mut self, session: SessionKey) {
        if let Some(record) = self.sessions.get_mut(&session) {
            record.starved = Some(record.received);
            self.starved.push_back(session);
            self.timers.set(self.now + self.options.store_patience, Timer::Starved(session, record.received));
        }
    }

    /// Gives the credit that was withheld, once the store is within its bound again, or holds little of that job.
    pub(super) fn feed_starved(&mut self, effects: &mut Vec<Effect>) {
        for _ in 0..self.starved.len() {
            let Some(session) = self.starved.pop_front() else { break };
            let Some(job) = self.sessions.get(&session).map(|record| record.job) else { continue };
            if self.withholds(job) {
                self.starved.push_back(session);
            } else {
                self.feed(session, self.options.credit_window, effects);
            }
        }
    }

    /// A session has waited long enough, since it had sent that many requests: everything that it may still hold back is
    /// let in, and what finds no room is refused, which says what fills the store.
    pub(super) fn patience_over(&mut self, session: SessionKey, received: u64, effects: &mut Vec<Effect>) {
        let waits = |record: &Session| record.starved == Some(received);
        if self.sessions.get(&session).is_some_and(waits) {
            self.starved.retain(|starved| *starved != session);
            self.feed(session, self.options.credit_window.saturating_mul(RELIEF), effects);
        }
    }

    fn feed(&mut self, session: SessionKey, window: u64, effects: &mut Vec<Effect>) {
        if let Some(record) = self.sessions.get_mut(&session) {
            record.starved = None;
            record.announced = record.received + window;
            effects.push(Effect::Credit { session, total: record.announced });
        }
    }

    pub(super) fn session_closed(&mut self, session: SessionKey, effects: &mut Vec<Effect>) {
        let Some(record) = self.remove_session(session) else { return };
        let holder = Holder::session(session);
        let held: Vec<ObjectKey> = match record.kind {
            SessionKind::Worker => record.held.into_iter().collect(),
            SessionKind::Driver => {
                let holds = |object: &crate::tasks::object::Object| {
                    object.holds.iter().any(|hold| hold.holder == holder)
                };
                let all = self.objects.iter().filter(|(_, object)| holds(object));
                all.map(|(position, _)| ObjectKey::new(position)).collect()
            }
        };
        for object in held {
            if !self.objects.contains(object.at()) {
                continue;
            }
            self.keep_for_parent(object);
            self.objects[object.at()].drop_hold(holder, true);
            self.drop_if_unneeded(object, effects);
            self.run_steps(effects);
        }
    }

    fn remove_session(&mut self, session: SessionKey) -> Option<Session> {
        let record = self.sessions.swap_remove(&session)?;
        self.starved.retain(|starved| *starved != session);
        if let Some(job) = self.job_of_session(record.job) {
            job.drivers.swap_remove(&session);
        }
        Some(record)
    }

    /// The job of a session, while it is open here.
    fn job_of_session(&mut self, job: Option<JobId>) -> Option<&mut Job> {
        let key = self.job_index.get(&job?)?;
        self.jobs.get_mut(key.at())
    }

    /// A driver's session is over, and its driver may go on: see [`Event::SessionLost`](crate::tasks::Event::SessionLost).
    pub(super) fn session_lost(&mut self, session: SessionKey) {
        if self.remove_session(session).is_some() {
            self.timers.set(self.now + self.options.grace, Timer::ForgetHolder(session));
        }
    }

    /// Whether a requester may touch what belongs to a job. Peers have been let in by the cluster's token.
    pub(super) fn may_touch(&self, requester: &Requester, job: JobId) -> bool {
        match requester {
            Requester::Session(session) => self
                .sessions
                .get(session)
                .is_some_and(|session| session.job.is_none_or(|of_session| of_session == job)),
            Requester::Call { job: of_call, .. } => *of_call == job,
            Requester::Peer(_) => true,
        }
    }

    /// The job of a requester, where it has just one.
    pub(super) fn job_of(&self, requester: &Requester) -> Option<JobId> {
        match requester {
            Requester::Session(session) => self.sessions.get(session).and_then(|session| session.job),
            Requester::Call { job, .. } => Some(*job),
            Requester::Peer(_) => None,
        }
    }

    /// Gives a process a reference.
    #[inline]
    pub(super) fn hold(&mut self, object: ObjectKey, requester: &Requester) {
        let Some(holder) = Holder::of(requester) else { return };
        if let Requester::Session(session) = requester {
            // A session that is over holds nothing.
            let Some(record) = self.sessions.get_mut(session) else { return };
            if record.kind == SessionKind::Worker {
                record.held.insert(object);
            }
        }
        self.objects[object.at()].add_hold(holder);
    }

    /// Takes a reference back.
    #[inline]
    pub(super) fn unhold(&mut self, object: ObjectKey, requester: &Requester, effects: &mut Vec<Effect>) {
        let Some(holder) = Holder::of(requester) else { return };
        let record = &mut self.objects[object.at()];
        let is_adopted = record.remote.as_ref().is_some_and(|remote| remote.adopted);
        let adopted_gone = is_adopted && record.drop_hold(Holder::CALLS, true);
        if !record.drop_hold(holder, false) && !adopted_gone {
            return;
        }
        if let Requester::Session(session) = requester
            && let Some(record) = self.sessions.get_mut(session)
            && record.kind == SessionKind::Worker
        {
            record.held.swap_remove(&object);
        }
        self.drop_if_unneeded(object, effects);
    }
}
