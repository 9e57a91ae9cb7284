//! Process groups and topics: drives their machine, and brings messages to those who have subscribed.

use super::super::{Input, Shard};
use mobula_core::groups::node::{Delivery, Effect, Event, Groups, GroupsOptions, Recipient};
use mobula_core::groups::{check_name, check_topic};
use mobula_core::hosting as host;
use mobula_core::tasks::SessionKey;
use mobula_runtime::spawn;
use mobula_types::actor::{
    ActorAnswer, ActorInfo, ActorReport, ActorRequest, ActorState, ActorTarget, MethodOptions, Publication,
    RosterUpdate, Subscriber, Target,
};
use mobula_types::frame::{Answer, Enrolment};
use mobula_types::{
    Failure, FailureKind, Frame, FunctionId, INLINE_LIMIT, Incarnation, NodeId, Payload, Resources, TaskId,
    TaskOptions, TaskTemplate, Time,
};
use std::sync::Arc;
use std::time::Duration;

/// How often a program is told at most that messages of it are refused.
const WARNINGS: Duration = Duration::from_secs(1);

/// The machine of groups, and what its driver keeps.
#[derive(Debug)]
pub(super) struct GroupsOfNode {
    machine: Groups,
    effects: Vec<Effect>,
    /// Names the next cast of a subscriber.
    next_cast: TaskId,
    /// When the next warning may be given.
    next_warning: Time,
}

/// Where an actor is that is to join or leave a group.
#[derive(Debug)]
pub(crate) struct FoundMember {
    session: SessionKey,
    number: u64,
    enrolment: Enrolment,
    found: Result<ActorInfo, Failure>,
}

impl GroupsOfNode {
    pub(super) fn new(node: &NodeId) -> Self {
        GroupsOfNode {
            machine: Groups::new(GroupsOptions::new(node.clone())),
            effects: Vec::new(),
            next_cast: TaskId { high: rand::random(), low: 0 },
            next_warning: Time::ZERO,
        }
    }

    pub(super) fn next_deadline(&self) -> Time {
        self.machine.next_deadline()
    }

    /// Whether there is nothing to perform.
    pub(super) fn is_done(&self) -> bool {
        self.effects.is_empty()
    }
}

impl Shard {
    pub(super) fn tell_groups(&mut self, event: Event) {
        let groups = &mut self.actors.groups;
        groups.machine.on_event(self.now, event, &mut groups.effects);
    }

    pub(super) fn tick_groups(&mut self) {
        if self.now >= self.actors.groups.next_deadline() {
            self.tell_groups(Event::Tick);
        }
    }

    pub(super) fn perform_group_effects(&mut self) {
        for effect in std::mem::take(&mut self.actors.groups.effects) {
            match effect {
                Effect::Report(report) => self.parts.head.report_actors(ActorReport::Groups(report)),
                Effect::Answer { session, number, answer } => {
                    self.sessions.send(session, Frame::Answered { number, answer: Box::new(answer) });
                }
                Effect::Distribute { node, publication } => {
                    if !self.is_behind(&node) {
                        self.send_to_peer(&node, Frame::Distribute(publication));
                    }
                }
                Effect::Deliver(delivery) => self.deliver(delivery),
            }
        }
    }

    fn deliver(&mut self, delivery: Delivery) {
        let Delivery { subscription, recipient, publication } = delivery;
        match recipient {
            Recipient::Session(session) => {
                if !self.sessions.is_behind(session) {
                    self.sessions.send(session, Frame::Published { subscription, publication });
                }
            }
            Recipient::Actor { incarnation, template } => {
                let groups = &mut self.actors.groups;
                groups.next_cast.low += 1;
                let task = groups.next_cast;
                let arguments = arguments(&publication);
                self.tell_host(host::Event::Told { incarnation, task, template, arguments });
            }
        }
    }

    /// What a program publishes. It is not answered, but warned where it makes no sense.
    pub(in super::super) fn on_publish(&mut self, session: SessionKey, publication: Publication) {
        match check(&publication) {
            Ok(()) => self.tell_groups(Event::Publish(Arc::new(publication))),
            Err(failure) if self.now >= self.actors.groups.next_warning => {
                self.actors.groups.next_warning = self.now + WARNINGS;
                let text = format!("a message was not published: {}", failure.message());
                self.sessions.send(session, Frame::Warning { text });
            }
            Err(_) => {}
        }
    }

    pub(super) fn on_distributed(&mut self, publication: Arc<Publication>) {
        self.tell_groups(Event::Distributed(publication));
    }

    pub(super) fn on_rosters(&mut self, updates: Vec<RosterUpdate>) {
        self.tell_groups(Event::Rosters(updates));
    }

    /// A head was joined, and has been told of the actors.
    pub(super) fn tell_head_of_groups(&mut self) {
        self.tell_groups(Event::Joined);
    }

    /// Exits that the host reports: what these incarnations have joined ends with them.
    pub(super) fn note_exits(&mut self, report: &ActorReport) {
        match report {
            ActorReport::Exited(exits) => exits.iter().for_each(|exit| self.note_exit(exit.incarnation)),
            ActorReport::Ignored(incarnation) => self.note_exit(*incarnation),
            _ => {}
        }
    }

    pub(super) fn note_exit(&mut self, incarnation: Incarnation) {
        self.tell_groups(Event::Exited { incarnation });
    }

    /// A session is over, and its subscriptions with it.
    pub(in super::super) fn session_leaves_topics(&mut self, session: SessionKey) {
        self.tell_groups(Event::SessionEnded { session });
    }

    /// Who is to get the messages of a subscription: an actor only where the session is that of its worker.
    pub(super) fn recipient(
        &self,
        session: SessionKey,
        subscriber: Subscriber,
    ) -> Result<Recipient, Failure> {
        let Subscriber::Actor { incarnation, method } = subscriber else {
            return Ok(Recipient::Session(session));
        };
        let worker = self.actors.host.seat_of(incarnation).map(|(worker, _)| worker);
        let is_its_worker = worker.and_then(|worker| self.worker_session(worker)) == Some(session);
        if !is_its_worker || self.actors.host.living(incarnation.actor) != Some(incarnation) {
            let message = format!("{incarnation} is not, or no longer, an actor of the worker that asks");
            return Err(Failure::new(FailureKind::InvalidArgument, message).of_incarnation(incarnation));
        }
        Ok(Recipient::Actor { incarnation, template: Arc::new(cast_of(method)) })
    }

    /// A member joins a group, or leaves it: at the node that hosts it.
    pub(super) fn on_enrol(&mut self, session: SessionKey, number: u64, mut enrolment: Enrolment) {
        let names = check_name("namespace", &enrolment.namespace)
            .and_then(|()| check_name("group", &enrolment.group));
        if let Err(failure) = names {
            let answer = Box::new(Answer::Failed(failure));
            return self.sessions.send(session, Frame::Answered { number, answer });
        }
        let wanted = enrolment.member;
        match self.actors.host.living(wanted.actor).filter(|here| is_meant(wanted, *here)) {
            Some(here) => {
                enrolment.member = here;
                self.tell_groups(Event::Enrol { asker: Some((session, number)), enrolment });
            }
            None => self.find_member(session, number, enrolment),
        }
    }

    fn find_member(&mut self, session: SessionKey, number: u64, enrolment: Enrolment) {
        if !self.begin_asking(session, number) {
            return;
        }
        let (head, inbox) = (self.parts.head.clone(), self.parts.inbox.clone());
        self.own(spawn("find a member of a group", async move {
            let find = ActorRequest::Find(ActorTarget::Id(enrolment.member.actor));
            let found = match head.actors(&find).await {
                Ok(ActorAnswer::Found(info)) => Ok(*info),
                Ok(_) => Err(Failure::new(FailureKind::Malformed, "the head answered something else")),
                Err(failure) => Err(failure),
            };
            let found = Box::new(FoundMember { session, number, enrolment, found });
            let _shard_ended = inbox.send(Input::MemberFound(found)).await;
        }));
    }

    pub(in super::super) fn on_member_found(&mut self, found: FoundMember) {
        let FoundMember { session, number, mut enrolment, found } = found;
        self.actors.asked -= 1;
        let answer = match found.and_then(|info| hosting_node(&info, enrolment.member)) {
            Ok((node, incarnation)) if node != self.parts.node => {
                enrolment.member = incarnation;
                self.send_to_peer(&node, Frame::Enrol(Box::new(enrolment)));
                Answer::Done
            }
            Ok((_, incarnation)) => {
                enrolment.member = incarnation;
                if self.actors.host.living(incarnation.actor) == Some(incarnation) {
                    return self.tell_groups(Event::Enrol { asker: Some((session, number)), enrolment });
                }
                Answer::Failed(gone(incarnation))
            }
            Err(failure) => Answer::Failed(failure),
        };
        self.sessions.send(session, Frame::Answered { number, answer: Box::new(answer) });
    }

    /// Another node passes on that an actor of this one joins a group, or leaves it.
    pub(super) fn on_enrolled_elsewhere(&mut self, enrolment: Enrolment) {
        if self.actors.host.living(enrolment.member.actor) == Some(enrolment.member) {
            self.tell_groups(Event::Enrol { asker: None, enrolment });
        }
    }
}

/// Whether an incarnation is the one that was named: any, where its epoch was left open.
fn is_meant(wanted: Incarnation, is: Incarnation) -> bool {
    wanted.epoch.0 == 0 || wanted == is
}

fn gone(incarnation: Incarnation) -> Failure {
    let message = format!("{incarnation} does not run");
    Failure::new(FailureKind::ActorDied, message).of_incarnation(incarnation)
}

/// Where the incarnation is that is meant.
fn hosting_node(info: &ActorInfo, wanted: Incarnation) -> Result<(NodeId, Incarnation), Failure> {
    let incarnation = Incarnation { actor: info.actor, epoch: info.epoch };
    match &info.node {
        _ if info.state == ActorState::Dead || !is_meant(wanted, incarnation) => Err(gone(wanted)),
        Some(node) if info.state == ActorState::Running => Ok((node.clone(), incarnation)),
        _ => {
            let message = format!("{} does not run at the moment", info.actor);
            Err(Failure::new(FailureKind::Unavailable, message).of_incarnation(incarnation))
        }
    }
}

fn check(publication: &Publication) -> Result<(), Failure> {
    check_name("namespace", &publication.namespace)?;
    check_topic(&publication.topic)?;
    if publication.payload.len() > INLINE_LIMIT {
        let message = format!(
            "a message to `{}` has {} bytes, the most are {INLINE_LIMIT}",
            publication.topic,
            publication.payload.len()
        );
        return Err(Failure::new(FailureKind::TooLarge, message));
    }
    Ok(())
}

/// The method that messages are cast to.
fn cast_of(method: FunctionId) -> TaskTemplate {
    let options = TaskOptions {
        resources: Resources::default(),
        num_returns: 0,
        max_retries: 0,
        target: Target::Method(MethodOptions { cast: true, ..MethodOptions::default() }),
        ..TaskOptions::default()
    };
    TaskTemplate { function: method, signature: None, options }
}

/// The topic and the message, as arguments one behind the other. A topic has at most 255 bytes.
fn arguments(publication: &Publication) -> Payload {
    let topic = publication.topic.as_bytes();
    let mut bytes = Vec::with_capacity(2 + topic.len() + publication.payload.len());
    match topic.len() as u8 {
        short @ ..=31 => bytes.push(0xa0 | short),
        long => bytes.extend([0xd9, long]),
    }
    bytes.extend_from_slice(topic);
    bytes.extend_from_slice(publication.payload.as_slice());
    Payload::from(&bytes[..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publication(topic: &str) -> Publication {
        let payload = Payload::from(&[0xc3][..]);
        Publication { namespace: "default".into(), topic: topic.into(), payload }
    }

    #[test]
    fn a_message_is_cast_with_its_topic() {
        assert_eq!(arguments(&publication("a.b")).as_slice(), b"\xa3a.b\xc3");
        let long = "a".repeat(255);
        let bytes = arguments(&publication(&long));
        assert_eq!((bytes.len(), &bytes.as_slice()[..2]), (258, &[0xd9, 255][..]));
    }

    #[test]
    fn messages_that_make_no_sense_are_refused() {
        assert!(check(&publication("a.b")).is_ok());
        assert_eq!(check(&publication("a.*")).unwrap_err().kind(), FailureKind::InvalidArgument);
        let large =
            Publication { payload: Payload::from(&vec![0; INLINE_LIMIT + 1][..]), ..publication("a") };
        assert_eq!(check(&large).unwrap_err().kind(), FailureKind::TooLarge);
    }
}
