//! What heads say, and what a shard makes of it.

use super::Shard;
use mobula_core::tasks::{self, SessionKey};
use mobula_rpc::head::HeadEvent;
use mobula_types::job::JobState;
use mobula_types::{Frame, ViewDelta};
use std::sync::Arc;

impl Shard {
    pub(super) fn on_head_event(&mut self, event: HeadEvent) {
        match event {
            HeadEvent::Granted(grant) => {
                tracing::info!(node = %grant.node, term = %grant.term, rejoined = grant.rejoined, "member of the cluster");
                self.replication.look();
                self.tell_head_of_actors();
            }
            HeadEvent::View(delta) => self.on_view(&delta),
            HeadEvent::FenceNode(node) => self.on_fence(node),
            HeadEvent::JobOpened(info) if info.state == JobState::Running => self.open_job(info),
            HeadEvent::JobOpened(_) => {}
            HeadEvent::JobEnded { job, failure } => self.end_job(job, failure),
            HeadEvent::Actors(order) => self.on_actor_order(order),
            HeadEvent::Drain => self.begin_drain(None),
            HeadEvent::Disconnected { failure } => {
                tracing::warn!(%failure, "no head is connected; work goes on")
            }
            HeadEvent::Refused { failure } => tracing::warn!(%failure, "the head refuses this node for now"),
            HeadEvent::LeaseLost { node } => {
                tracing::warn!(%node, "the lease has ended; tasks and objects go on")
            }
            HeadEvent::Fenced { node, failure } => {
                tracing::error!(%node, %failure, "this generation was declared dead");
                self.parts.shutdown.trigger();
            }
        }
    }

    fn on_view(&mut self, delta: &ViewDelta) {
        let view = Arc::make_mut(&mut self.view);
        if !view.apply(delta) {
            tracing::debug!("a change of the view does not follow; the full one is on its way");
            return;
        }
        self.parts.transfer.set_view(self.view.clone());
        self.replication.set_view(&self.view);
        self.cut_off_earlier_generations();
        self.tell_tasks(tasks::Event::View(self.view.clone()));
        let watching = self.sessions.iter().filter(|(_, state)| state.sees_view).map(|(key, _)| key);
        for session in watching.collect::<Vec<_>>() {
            self.sessions.send(session, Frame::View(Box::new(delta.clone())));
        }
    }

    /// A session that is no driver's wants to see the cluster: the whole of it now, and each change of it.
    pub(super) fn show_view(&mut self, session: SessionKey) {
        let view = self.view.full_delta();
        if let Some(state) = self.sessions.get_mut(session).filter(|state| !state.sees_view) {
            state.sees_view = true;
            self.sessions.send(session, Frame::View(Box::new(view)));
        }
    }
}
