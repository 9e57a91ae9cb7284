//! Asks heads about actors and supervisors.

use super::client::{HeadClient, unreadable};
use super::link::HeadLinkHandle;
use mobula_proto::wire;
use mobula_types::actor::{ActorAnswer, ActorRequest};
use mobula_types::{Failure, NodeId};
use std::time::Duration;

/// How much longer than others a request may take that waits for actors to start or to stop.
const STARTS_AND_STOPS: Duration = Duration::from_secs(60);

/// How much longer than others a request may take.
pub fn allowance(request: &ActorRequest) -> Duration {
    match request {
        ActorRequest::Stop { grace, .. } => *grace,
        ActorRequest::Restart(_)
        | ActorRequest::StartSupervisor { .. }
        | ActorRequest::StopSupervisor(_)
        | ActorRequest::StartChild { .. }
        | ActorRequest::TerminateChild { .. }
        | ActorRequest::RestartChild { .. } => STARTS_AND_STOPS,
        ActorRequest::Create(_)
        | ActorRequest::Find(_)
        | ActorRequest::List { .. }
        | ActorRequest::DeleteChild { .. }
        | ActorRequest::Children(_)
        | ActorRequest::ChildSpec { .. }
        | ActorRequest::Tree(_)
        | ActorRequest::ListGroups { .. } => Duration::ZERO,
    }
}

impl HeadClient {
    /// Asks about actors and supervisors. A try whose answer was lost is made again: what creates or starts something
    /// names it, and finds itself.
    ///
    /// # Errors
    /// `Unavailable` when no head led in time; what the head refused.
    pub async fn actors(&self, request: &ActorRequest) -> Result<ActorAnswer, Failure> {
        self.actors_for(None, request).await
    }

    async fn actors_for(
        &self,
        asker: Option<&NodeId>,
        request: &ActorRequest,
    ) -> Result<ActorAnswer, Failure> {
        let more = allowance(request);
        let request = wire::AskActors { asker: asker.map(Into::into), request: Some(request.into()) };
        let call = async |mut stub: super::targets::Stub, request| stub.actors(request).await;
        self.unary_within("ask about actors", more, call, request).await?.try_into().map_err(unreadable)
    }
}

impl HeadLinkHandle {
    /// Asks about actors and supervisors, as this node: where actors that it creates are, it hears without asking.
    ///
    /// # Errors
    /// As for [`HeadClient::actors`].
    pub async fn actors(&self, request: &ActorRequest) -> Result<ActorAnswer, Failure> {
        let asker = self.lease().map(|(node, _)| node);
        self.client().actors_for(asker.as_ref(), request).await
    }
}
