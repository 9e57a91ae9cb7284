//! Performing what the router of calls wants.

use super::super::Shard;
use super::super::peers::Unsent;
use mobula_core::calls::{self, Effect, HostedCall};
use mobula_core::hosting as host;
use mobula_core::tasks::{self, Place};
use mobula_types::actor::{ActorLocation, ActorReport, LaneCall};
use mobula_types::{ActorId, Frame, NodeId, StoredValue, frame};

/// What a call, or an input that is stored, is taken to weigh beside its bytes.
const CALL_WEIGHT: u64 = 128;

impl Shard {
    pub(super) fn perform_router_effect(&mut self, effect: Effect) {
        match effect {
            Effect::Send { place: Place::Local, call } => {
                self.tell_host(host::Event::Called { from: Place::Local, call });
            }
            Effect::Send { place: Place::Peer(node), call } => self.send_call(&node, call),
            Effect::End { task, attempt, place, end } => {
                self.tell_tasks(tasks::Event::Ended { place, task, attempt, end });
            }
            Effect::Locate { actor } => self.locate(actor),
            Effect::Unlocate { actor } if self.actors.creations.location_of(actor).is_none() => {
                self.parts.head.report_actors(ActorReport::Unlocate(vec![actor]));
            }
            // The head goes on telling where it is.
            Effect::Unlocate { .. } => {}
            Effect::OpenLane { place, lane, caller, actor, job } => match place {
                Place::Local => {
                    let from = Place::Local;
                    self.tell_host(host::Event::LaneOpened { from, lane, caller, actor, job });
                }
                Place::Peer(node) => {
                    let lane = frame::Lane { lane, caller, actor, job };
                    self.send_to_peer(&node, Frame::OpenLane(Box::new(lane)));
                }
            },
            Effect::CloseLane { place, lane } => match place {
                Place::Local => self.tell_host(host::Event::LaneClosed { from: Place::Local, lane }),
                Place::Peer(node) => self.send_to_peer(&node, Frame::CloseLane { lane }),
            },
            Effect::Cancel { place, lane, sequence, failure } => match place {
                Place::Local => {
                    let from = Place::Local;
                    self.tell_host(host::Event::Cancelled { from, lane, sequence, failure });
                }
                Place::Peer(node) => {
                    self.send_to_peer(&node, Frame::CancelLaneCall { lane, sequence, failure });
                }
            },
        }
    }

    /// Of what was created through this node, the place is known; of others the head is asked. One that has yet to be created
    /// through this node no head knows: its calls wait for its creation.
    fn locate(&mut self, actor: ActorId) {
        match self.actors.creations.location_of(actor).cloned() {
            Some(location) => self.tell_router(calls::Event::Located(ActorLocation { actor, location })),
            None if self.tasks.is_unfinished(actor.0) => {}
            None => self.parts.head.report_actors(ActorReport::Locate(vec![actor])),
        }
    }

    fn send_call(&mut self, node: &NodeId, call: HostedCall) {
        let left = call.deadline.map(|deadline| deadline.since(self.now));
        let inputs = call.inputs.iter().map(|input| match &input.value {
            StoredValue::Inline(payload) => payload.len() as u64,
            StoredValue::Stored(_) => CALL_WEIGHT,
        });
        let weight = CALL_WEIGHT + call.arguments.len() as u64 + inputs.sum::<u64>();
        let unsent = Unsent::Call { lane: call.lane, sequence: call.sequence };
        self.send_templated(node, weight, unsent, move |sent, outgoing| {
            let template = sent.number(&call.template, outgoing);
            outgoing.push(Frame::LaneCall(Box::new(LaneCall {
                lane: call.lane,
                sequence: call.sequence,
                epoch: call.epoch,
                task: call.task,
                attempt: call.attempt,
                template,
                arguments: call.arguments,
                inputs: call.inputs,
                deadline: left,
                answered_below: call.answered_below,
                resent: call.resent,
            })));
        });
    }
}
