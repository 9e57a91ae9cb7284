//! Tests of groups and topics.

mod head;
mod node;
mod patterns;
mod property;

use super::head::{self as on_head, Memberships, MembershipsOptions};
use super::node::{Effect, Event, Groups, GroupsOptions, Recipient};
use crate::tasks::SessionKey;
use mobula_types::actor::{ActorId, Epoch, Publication};
use mobula_types::frame::Enrolment;
use mobula_types::{Generation, Incarnation, NodeId, NodeName, Payload, TaskId};
use std::sync::Arc;

fn node_id(number: u64) -> NodeId {
    NodeId { name: NodeName::from(&*format!("n{number}")), generation: Generation(1) }
}

fn incarnation(low: u64) -> Incarnation {
    Incarnation { actor: ActorId(TaskId { high: 9, low }), epoch: Epoch(1) }
}

fn enrol(group: &str, member: u64, joins: bool) -> Event {
    let (namespace, group) = ("default".into(), group.into());
    let enrolment = Enrolment { namespace, group, member: incarnation(member), joins };
    Event::Enrol { asker: None, enrolment }
}

fn members(session: u64, group: &str) -> Event {
    Event::Members { asker: (SessionKey(session), 1), namespace: "default".into(), group: group.into() }
}

fn subscribe(session: u64, pattern: &str) -> Event {
    Event::Subscribe {
        asker: (SessionKey(session), 1),
        namespace: "default".into(),
        pattern: pattern.into(),
        recipient: Recipient::Session(SessionKey(session)),
    }
}

fn publication(topic: &str) -> Arc<Publication> {
    let payload = Payload::from(&b"x"[..]);
    Arc::new(Publication { namespace: "default".into(), topic: topic.into(), payload })
}
