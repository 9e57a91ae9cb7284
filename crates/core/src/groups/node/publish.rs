//! Messages to topics: on this node at once, on others where they are known to have somebody for them.

use super::{Delivery, Effect, Groups};
use mobula_types::actor::{Publication, Roster};
use std::sync::Arc;

impl Groups {
    pub(super) fn publish(&mut self, publication: &Arc<Publication>, effects: &mut Vec<Effect>) {
        self.deliver(publication, effects);
        let roster = Roster::Topics { namespace: publication.namespace.clone() };
        let Some(place) = self.follow(&roster, effects) else { return };
        let followed = &mut self.followed[place];
        if followed.has_view {
            return self.distribute(&roster, publication, effects);
        }
        let (most, most_bytes) = (self.options.most_waiting, self.options.most_waiting_bytes);
        if followed.wait(publication.clone(), most, most_bytes) {
            self.be_patient(place);
        }
    }

    /// Sends a message to the other nodes that have somebody for it, once to each.
    pub(super) fn distribute(
        &self,
        roster: &Roster,
        publication: &Arc<Publication>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(followed) = self.followed.get(roster) else { return };
        let nodes = followed.view.nodes_for(&publication.topic).into_iter();
        effects.extend(nodes.map(|node| Effect::Distribute { node, publication: publication.clone() }));
    }

    /// Gives a message to everybody on this node who wants it.
    pub(super) fn deliver(&self, publication: &Arc<Publication>, effects: &mut Vec<Effect>) {
        for number in self.held.matching(&publication.namespace, &publication.topic) {
            if let Some(subscription) = self.held.subscription(number) {
                effects.push(Effect::Deliver(Delivery {
                    subscription: number,
                    recipient: subscription.recipient.clone(),
                    publication: publication.clone(),
                }));
            }
        }
    }
}
