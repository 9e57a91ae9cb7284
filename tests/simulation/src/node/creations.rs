//! Creations of actors, and everything else that the head is asked for.

use super::Node;
use crate::context::Context;
use crate::message::{Datagram, HomeFrame};
use crate::process::Host;
use mobula_types::actor::{ActorAnswer, ActorLocation, ActorRequest, ActorSpec, CreateActor, Location};
use mobula_types::{ActorId, Failure, JobId, Time};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a head may take to answer; a tree that starts may take longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it waits after a head could not be reached.
const PAUSE: Duration = Duration::from_millis(200);

/// Something that a head was asked.
#[derive(Debug)]
enum Asked {
    Create(ActorId),
    /// For a driver, by its number.
    Driver(JobId, u64),
}

#[derive(Debug)]
struct Creation {
    job: JobId,
    spec: Arc<ActorSpec>,
    /// When the head is to be asked; `NEVER` while it is.
    ask_at: Time,
}

/// What was asked of heads and is not over.
#[derive(Default, Debug)]
pub(super) struct Creations {
    open: BTreeMap<ActorId, Creation>,
    asked: BTreeMap<u64, (Asked, Time)>,
}

impl Creations {
    pub(super) fn next_deadline(&self) -> Time {
        let asked = self.asked.values().map(|(_, until)| *until).min().unwrap_or(Time::NEVER);
        let open = self.open.values().map(|creation| creation.ask_at).min().unwrap_or(Time::NEVER);
        asked.min(open)
    }
}

impl Node {
    pub(super) fn create_actor(
        &mut self,
        context: &mut Context,
        job: JobId,
        actor: ActorId,
        spec: Arc<ActorSpec>,
    ) {
        let ask_at = context.local(self.id);
        self.creations.open.insert(actor, Creation { job, spec, ask_at });
    }

    pub(super) fn forget_creations(&mut self, job: JobId) {
        self.creations.open.retain(|_, creation| creation.job != job);
    }

    /// A head was joined: it may not have heard of what was asked before.
    pub(super) fn create_again(&mut self, context: &mut Context) {
        let now = context.local(self.id);
        self.creations.open.values_mut().for_each(|creation| creation.ask_at = now);
    }

    /// Asks for what is due, and gives up what was not answered.
    pub(super) fn ask_heads(&mut self, context: &mut Context) {
        let now = context.local(self.id);
        let late = self.creations.asked.iter().filter(|(_, (_, until))| *until <= now);
        for number in late.map(|(number, _)| *number).collect::<Vec<_>>() {
            let failure = Failure::new(mobula_types::FailureKind::Unavailable, "no head has answered");
            self.head_answered(context, number, Err(failure));
        }
        let due = self.creations.open.iter().filter(|(_, creation)| creation.ask_at <= now);
        let due: Vec<(ActorId, Arc<ActorSpec>)> =
            due.map(|(actor, creation)| (*actor, creation.spec.clone())).collect();
        for (actor, spec) in due {
            if let Some(creation) = self.creations.open.get_mut(&actor) {
                creation.ask_at = Time::NEVER;
            }
            let request = ActorRequest::Create(vec![CreateActor { actor, spec }]);
            self.ask_head(context, Asked::Create(actor), request);
        }
    }

    pub(super) fn ask_head_for(
        &mut self,
        context: &mut Context,
        job: JobId,
        number: u64,
        request: ActorRequest,
    ) {
        self.ask_head(context, Asked::Driver(job, number), request);
    }

    fn ask_head(&mut self, context: &mut Context, asked: Asked, request: ActorRequest) {
        let number = self.link.number();
        let until = context.local(self.id) + PATIENCE;
        self.creations.asked.insert(number, (asked, until));
        let asker = self.machines.as_ref().map(|machines| machines.node.clone());
        let head = self.link.likely_head(context);
        if let Some(to) = context.at.get(&Host::Head(head)).copied() {
            context.post(self.host(), to, Datagram::Ask { by: self.id, number, asker, request });
        }
    }

    pub(super) fn head_answered(
        &mut self,
        context: &mut Context,
        number: u64,
        answer: Result<ActorAnswer, Failure>,
    ) {
        let Some((asked, _)) = self.creations.asked.remove(&number) else { return };
        match (asked, answer) {
            (Asked::Driver(job, number), answer) => {
                self.tell_driver(context, job, HomeFrame::Answered { number, answer });
            }
            // It is over when it has started.
            (Asked::Create(actor), Ok(ActorAnswer::Created(mut results))) => {
                if let Some(Err(_)) = results.pop() {
                    self.creation_over(context, actor);
                }
            }
            (Asked::Create(actor), Ok(_)) => self.creation_over(context, actor),
            (Asked::Create(actor), Err(failure)) if failure.kind().is_retryable() => {
                let at = context.local(self.id) + PAUSE;
                if let Some(creation) = self.creations.open.get_mut(&actor) {
                    creation.ask_at = at;
                }
            }
            (Asked::Create(actor), Err(_)) => self.creation_over(context, actor),
        }
    }

    /// Where an actor is that may be on its way into being.
    pub(super) fn creation_located(&mut self, context: &mut Context, located: &ActorLocation) {
        if !matches!(located.location, Location::Pending { .. }) {
            self.creation_over(context, located.actor);
        }
    }

    fn creation_over(&mut self, context: &mut Context, actor: ActorId) {
        if let Some(creation) = self.creations.open.remove(&actor) {
            self.tell_driver(context, creation.job, HomeFrame::Created(actor));
        }
    }
}
