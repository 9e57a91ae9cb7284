//! The beginning and the end of sessions.

use super::session::Party;
use super::{Input, Reply, Shard, TURN};
use mobula_core::tasks::{self, SessionKey, SessionKind};
use mobula_rpc::session::{Session, SessionEnd};
use mobula_runtime::{TaskHandle, clock, spawn};
use mobula_types::{Failure, FailureKind, Frame, SessionRole};
use tokio::sync::mpsc;

/// Reads a session to its end and tells the shard.
pub(super) fn read(key: SessionKey, session: Session, inbox: mpsc::Sender<Input>) -> TaskHandle<()> {
    spawn("read a session", async move {
        let mut events = session.sender.events();
        let mut receiver = session.receiver;
        let mut frames = Vec::new();
        let end = loop {
            let sent = tokio::select! {
                biased;
                received = receiver.receive(&mut frames) => match received {
                    Ok(()) => send_frames(key, &mut frames, &inbox).await,
                    Err(end) => break end,
                },
                Ok(()) = events.changed() => {
                    let attached = events.borrow_and_update().is_attached();
                    inbox.send(Input::Attached { session: key, attached }).await
                }
            };
            if sent.is_err() {
                return;
            }
        };
        let _shard_ended = inbox.send(Input::Ended { session: key, end }).await;
    })
}

/// Sends frames in the portions that a turn takes; leaves `frames` empty.
async fn send_frames(
    session: SessionKey,
    frames: &mut Vec<Frame>,
    inbox: &mpsc::Sender<Input>,
) -> Result<(), mpsc::error::SendError<Input>> {
    if frames.len() <= TURN {
        return inbox.send(Input::Frames { session, frames: std::mem::take(frames) }).await;
    }
    let mut rest = std::mem::take(frames).into_iter();
    while rest.len() > 0 {
        let frames = rest.by_ref().take(TURN).collect();
        inbox.send(Input::Frames { session, frames }).await?;
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn many_frames_come_in_order_and_in_portions_of_a_turn() {
        let (inbox, mut inputs) = mpsc::channel(8);
        for count in [1, TURN, TURN + 1, 3 * TURN] {
            let mut frames: Vec<Frame> = (0..count as u64).map(|total| Frame::Credit { total }).collect();
            send_frames(SessionKey(1), &mut frames, &inbox).await.unwrap();
            let mut came = Vec::new();
            while let Ok(Input::Frames { frames, .. }) = inputs.try_recv() {
                assert!(frames.len() <= TURN);
                came.extend(frames);
            }
            let totals: Vec<u64> = came
                .iter()
                .map(|frame| match frame {
                    Frame::Credit { total } => *total,
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(totals, (0..count as u64).collect::<Vec<_>>());
            assert!(frames.is_empty());
        }
    }
}
