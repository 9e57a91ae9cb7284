//! Drives the memberships of groups and topics: what nodes report of them, and what is pushed to those that follow them.

use super::Leader;
use mobula_core::groups::head::{Effect, Event};
use mobula_runtime::clock;
use mobula_types::actor::{ActorAnswer, ActorOrder, ActorRequest};

impl Leader {
    pub(super) fn tell_groups(&mut self, event: Event) {
        let mut effects = Vec::new();
        self.groups.on_event(clock::now(), event, &mut effects);
        for Effect::Tell { node, updates } in effects {
            self.order(&node, ActorOrder::Rosters(updates));
        }
    }

    /// Answers a question about groups; gives back what is about something else.
    pub(super) fn list_groups(&self, ask: ActorRequest) -> Result<ActorAnswer, ActorRequest> {
        match ask {
            ActorRequest::ListGroups { namespace, after, limit } => {
                let (groups, more) = self.groups.list(namespace.as_deref(), after, limit);
                Ok(ActorAnswer::Groups { groups, more })
            }
            other => Err(other),
        }
    }
}
