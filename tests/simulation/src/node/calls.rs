//! Calls between the router of this node and the hosts of this node and others.

use super::Node;
use crate::context::Context;
use crate::message::PeerFrame;
use crate::mutation::Mutation;
use mobula_core::calls::{Effect, HostedCall};
use mobula_core::hosting as host;
use mobula_core::tasks::Place;
use mobula_types::OwnerTerm;
use mobula_types::actor::ActorReport;

impl Node {
    pub(super) fn perform_router(&mut self, context: &mut Context, effect: Effect) {
        match effect {
            Effect::Send { place, call } => {
                context.observer.call_sent(call.task, call.attempt, call.epoch);
                match place {
                    Place::Local => self.called(context, Place::Local, call),
                    Place::Peer(node) => self.send_to_peer(context, &node, PeerFrame::Call(call)),
                }
            }
            Effect::End { task, attempt, place: _, end } => self.call_ended(context, task, attempt, end),
            Effect::Locate { actor } => self.report_actors(context, ActorReport::Locate(vec![actor])),
            Effect::Unlocate { actor } => self.report_actors(context, ActorReport::Unlocate(vec![actor])),
            Effect::OpenLane { place: Place::Local, lane, caller, actor, job } => {
                let from = Place::Local;
                self.tell_host(context, host::Event::LaneOpened { from, lane, caller, actor, job });
            }
            Effect::OpenLane { place: Place::Peer(node), lane, caller, actor, job } => {
                self.send_to_peer(context, &node, PeerFrame::OpenLane { lane, caller, actor, job });
            }
            Effect::CloseLane { place: Place::Local, lane } => {
                self.tell_host(context, host::Event::LaneClosed { from: Place::Local, lane });
            }
            Effect::CloseLane { place: Place::Peer(node), lane } => {
                self.send_to_peer(context, &node, PeerFrame::CloseLane(lane));
            }
            Effect::Cancel { place: Place::Local, lane, sequence, failure } => {
                let from = Place::Local;
                self.tell_host(context, host::Event::Cancelled { from, lane, sequence, failure });
            }
            Effect::Cancel { place: Place::Peer(node), lane, sequence, failure } => {
                self.send_to_peer(context, &node, PeerFrame::Cancel { lane, sequence, failure });
            }
        }
    }

    /// A call has come for an actor that is hosted here, or was.
    pub(super) fn called(&mut self, context: &mut Context, from: Place, mut call: HostedCall) {
        if context.mutated(Mutation::EpochOfCalls)
            && let Some(actor) = context.observer.target_of(call.task)
            && let Some(machines) = &self.machines
            && let Some(here) = machines.host.actors().find(|here| here.incarnation.actor == actor)
        {
            call.epoch = here.incarnation.epoch;
        }
        if context.mutated(Mutation::OwnerTerm) {
            call.attempt.owner_term = OwnerTerm(u32::MAX);
        }
        self.tell_host(context, host::Event::Called { from, call });
    }
}
