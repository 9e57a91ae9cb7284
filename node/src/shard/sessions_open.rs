//! The beginning and the end of sessions.

use super::session::Party;
use super::{Input, Reply, Shard};
use mobula_core::tasks::{self, SessionKey, SessionKind};
use mobula_rpc::session::{Session, SessionEnd};
use mobula_runtime::{TaskHandle, clock, spawn};
use mobula_types::{Failure, FailureKind, SessionRole};
use tokio::sync::mpsc;

/// Reads a session to its end and tells the shard.
pub(super) fn read(key: SessionKey, session: Session, inbox: mpsc::Sender<Input>) -> TaskHandle<()> {
    spawn("read a session", async move {
        let mut events = session.sender.events();
        let mut receiver = session.receiver;
        let end = loop {
            let mut frames = Vec::new();
            let input = tokio::select! {
                biased;
                received = receiver.receive(&mut frames) => match received {
                    Ok(()) => Input::Frames { session: key, frames },
                    Err(end) => break end,
                },
                Ok(()) = events.changed() => {
                    let attached = events.borrow_and_update().is_attached();
                    Input::Attached { session: key, attached }
                }
            };
            if inbox.send(input).await.is_err() {
                return;
            }
        };
        let _shard_ended = inbox.send(Input::Ended { session: key, end }).await;
    })
}

impl Shard {
    pub(super) fn on_opened(
        &mut self,
        role: SessionRole,
        session: Session,
        reply: Reply<Result<(), Failure>>,
    ) {
        let result = match role {
            SessionRole::Client { job, owner_term, .. } => self.open_client(job, owner_term, session),
            SessionRole::Worker { worker, secret } => self.open_worker(worker, &secret, session),
            SessionRole::Peer { node } => self.open_peer(node, session),
        };
        let _gone = reply.send(result);
    }

    fn open_client(
        &mut self,
        job: mobula_types::JobId,
        owner_term: mobula_types::OwnerTerm,
        session: Session,
    ) -> Result<(), Failure> {
        let Some(info) = self.jobs.info(job) else { return Err(Shard::job_ended(job)) };
        if self.drain.has_begun() {
            let message = format!("{} is about to leave the cluster", self.parts.node);
            return Err(Failure::new(FailureKind::Unavailable, message));
        }
        let (has_executable, weight) = (info.spec.executable.is_some(), info.spec.weight.max(1));
        if owner_term > mobula_types::OwnerTerm::default() {
            if self.tasks.is_superseded(job, owner_term) {
                let message = format!("the driver of job {job} has gone on through another node since");
                return Err(Failure::new(FailureKind::Unavailable, message));
            }
            self.tell_tasks(tasks::Event::JobOpened { job, has_executable, weight, owner_term });
        }
        let id = session.info.id;
        let key = self.add_session(Party::Client { job, id }, session);
        self.tell_tasks(tasks::Event::SessionOpened {
            session: key,
            job: Some(job),
            kind: SessionKind::Driver,
        });
        self.parts.head.driver_attached(job, id);
        Ok(())
    }

    fn open_peer(&mut self, node: mobula_types::NodeId, session: Session) -> Result<(), Failure> {
        if self.peers.is_fenced(&node) {
            let message = format!("{node} was declared dead; it has to join as a new generation");
            return Err(Failure::new(FailureKind::Fenced, message));
        }
        self.add_peer(node, session);
        Ok(())
    }

    /// A session's stream broke, or is there again.
    pub(super) fn on_attached(&mut self, session: SessionKey, attached: bool) {
        if let Some(state) = self.sessions.get_mut(session) {
            state.detached = !attached;
        }
        match self.sessions.party(session).cloned() {
            Some(Party::Client { job, id }) if attached => self.parts.head.driver_attached(job, id),
            Some(Party::Client { job, id }) => self.parts.head.driver_detached(job, id, false),
            Some(Party::Peer { node }) => {
                if attached {
                    self.on_peer_attached(&node, session);
                }
                self.parts.head.peer_session(node, attached);
            }
            _ => {}
        }
    }

    /// A driver leaves for good.
    pub(super) fn on_goodbye(&mut self, session: SessionKey) {
        if let Some(state) = self.sessions.get_mut(session) {
            state.left = true;
        }
        if let Some(Party::Client { job, id }) = self.sessions.party(session).cloned() {
            let goodbye = !self.jobs.is_driven(job);
            self.parts.head.job_summary(job, self.tasks.job_summary(job, clock::wall_millis()));
            self.parts.head.driver_detached(job, id, goodbye);
        }
    }

    /// A session is over: nobody resumes it any more.
    pub(super) fn on_ended(&mut self, session: SessionKey, end: &SessionEnd) {
        let Some(state) = self.sessions.remove(session) else { return };
        self.watching_session_gone(session);
        self.observing_session_gone(session);
        self.session_leaves_topics(session);
        tracing::debug!(party = ?state.party, ?end, "a session is over");
        match state.party {
            Party::Client { job, id } => {
                self.parts.head.driver_detached(job, id, false);
                if !state.left {
                    return self.tell_tasks(tasks::Event::SessionLost { session });
                }
            }
            Party::Worker { worker, .. } | Party::Embedded { worker } => {
                self.report_ends();
                self.on_worker_session_ended(worker);
            }
            Party::Peer { node } => {
                self.on_peer_ended(node, session, state.doubt);
                return;
            }
        }
        self.tell_tasks(tasks::Event::SessionClosed { session });
    }

    /// Ends a session from this side, without a word.
    pub(super) fn drop_session(&mut self, session: SessionKey) {
        if let Some(state) = self.sessions.remove(session) {
            self.observing_session_gone(session);
            self.session_leaves_topics(session);
            state.sender.close();
        }
    }

    /// The other side broke the rules: it is told why, and what it had ends as if it had gone.
    pub(super) fn refuse_session(&mut self, session: SessionKey, failure: Failure) {
        if let Some(state) = self.sessions.get_mut(session) {
            tracing::warn!(party = ?state.party, %failure, "a session is refused");
            state.sender.abort(SessionEnd::Malformed(failure));
        }
        self.on_ended(session, &SessionEnd::Closed);
    }
}
