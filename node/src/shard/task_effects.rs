//! Performing what the task engine wants done.

use super::actors::NewActor;
use super::peers::Unsent;
use super::{CallWaits, Shard};
use mobula_core::assignment::Assignment;
use mobula_core::calls;
use mobula_core::executor::{self, Owner};
use mobula_core::tasks::{Effect, Place, Requester, SessionKey};
use mobula_types::actor::ActorSpec;
use mobula_types::{Failure, Frame, NodeId, ObjectAddress, ObjectId, Outcome, StoredValue, frame};

/// What an assignment, or an input that is stored, is taken to weigh beside its bytes.
const INPUT_WEIGHT: u64 = 128;

/// How many assignments one frame asks about: the node looks for each of them in the same turn.
const MOST_CONFIRMED: usize = 4096;

impl Shard {
    /// Performs everything that the task engine has asked for since the last time.
    pub(super) fn perform_task_effects(&mut self) {
        let mut effects = std::mem::take(&mut self.task_effects);
        for effect in effects.drain(..) {
            self.perform_task_effect(effect);
        }
        // Performing may have caused more; they keep the order.
        effects.append(&mut self.task_effects);
        self.task_effects = effects;
    }

    fn perform_task_effect(&mut self, effect: Effect) {
        match effect {
            Effect::Assign { place: Place::Local, assignment } => {
                self.assign_when_known(Owner::Local, assignment);
            }
            Effect::Assign { place: Place::Peer(node), assignment } => self.assign_to_peer(&node, assignment),
            Effect::CallMade(call) => self.tell_router(calls::Event::Made(call)),
            Effect::CallReady(call) => self.tell_router(calls::Event::Ready(call)),
            Effect::CallDropped { task } => self.tell_router(calls::Event::Dropped { task }),
            Effect::CallsGivenUp { tasks } => self.tell_router(calls::Event::GivenUp { tasks }),
            Effect::CreateActor { task, attempt, job, template, arguments, inputs } => {
                let spec = ActorSpec { job, template, arguments, inputs };
                self.create_actor(NewActor { task, attempt, job, spec, detached_from: None });
            }
            Effect::CancelRouted { task, attempt, failure } => {
                if !self.cancel_creation(task, &failure) {
                    self.tell_router(calls::Event::Cancel { task, attempt, failure });
                }
            }
            Effect::ActorNotCreated { actor, failure } => self.has_no_actor(actor, failure),
            Effect::ActorUnreferenced { actor } => self.actor_unreferenced(actor),
            Effect::Completed { session, task, outcome } => {
                self.sessions.send(session, Frame::Completed { task, outcome });
            }
            Effect::SubmitDone { requester, failure, .. } => self.answer_submit(&requester, failure),
            Effect::Charged { session, task, charges } => {
                self.sessions.send(session, Frame::Charged { task, charges });
            }
            Effect::Got { requester, object, outcome } => self.answer(requester, object, outcome),
            Effect::PutDone { requester, object, failure } => self.answer_put(requester, object, failure),
            Effect::Credit { session, total } => self.sessions.send(session, Frame::Credit { total }),
            Effect::CancelAssignment { place, task, attempt, failure, force } => match place {
                Place::Local => {
                    let owner = Owner::Local;
                    self.tell_executor(executor::Event::Cancel { owner, task, attempt, failure, force });
                }
                Place::Peer(node) => {
                    self.send_to_peer(&node, Frame::CancelAssignment { task, attempt, failure, force });
                }
            },
            Effect::RecallAssignments { place, tasks } => match place {
                Place::Local => self.tell_executor(executor::Event::Recall { owner: Owner::Local, tasks }),
                Place::Peer(node) => self.send_to_peer(&node, Frame::RecallAssignments { tasks }),
            },
            Effect::ConfirmAssignments { node, tasks } => {
                for tasks in tasks.chunks(MOST_CONFIRMED) {
                    self.send_to_peer(&node, Frame::ConfirmAssignments { tasks: tasks.to_vec() });
                }
            }
            Effect::Resolve { owner, object } => self.send_to_peer(&owner, Frame::Resolve { object }),
            Effect::Borrow { owner, objects } => self.send_to_peer(&owner, Frame::Borrow { objects }),
            Effect::Unborrow { owner, objects } => self.send_to_peer(&owner, Frame::Unborrow { objects }),
            Effect::CopyLost { owner, object, version, holder } => {
                self.send_to_peer(&owner, Frame::CopyLost { object, version, holder });
            }
            Effect::Free { place, objects } => match place {
                Place::Local => self.free_copies(&objects),
                Place::Peer(node) => self.send_to_peer(&node, Frame::Free { objects }),
            },
            Effect::CancelRemote { owner, object, force, recursive } => {
                let address = ObjectAddress::at_home(object);
                self.send_to_peer(&owner, Frame::Cancel { address, force, recursive });
            }
            Effect::FindJob { place: Place::Peer(node), job, owner_term } => {
                self.send_to_peer(&node, Frame::FindJob { job, owner_term });
            }
            Effect::FindJob { place: Place::Local, job, owner_term } => self.find_job_here(job, owner_term),
            Effect::Warn { job, text } => self.warn_drivers(job, &text),
        }
    }

    fn assign_to_peer(&mut self, node: &NodeId, assignment: Assignment) {
        let left = assignment.deadline.map(|deadline| deadline.since(self.now));
        let inputs = assignment.inputs.iter().map(|input| match &input.value {
            StoredValue::Inline(payload) => payload.len() as u64,
            StoredValue::Stored(_) => INPUT_WEIGHT,
        });
        let weight = INPUT_WEIGHT + assignment.arguments.len() as u64 + inputs.sum::<u64>();
        let unsent = Unsent::Assignment { task: assignment.task, attempt: assignment.attempt };
        self.send_templated(node, weight, unsent, move |sent, outgoing| {
            let template = sent.number(&assignment.template, outgoing);
            outgoing.push(Frame::Assign(Box::new(frame::Assignment {
                task: assignment.task,
                attempt: assignment.attempt,
                job: assignment.job,
                template,
                arguments: assignment.arguments,
                inputs: assignment.inputs,
                deadline: left,
                refusals: assignment.refusals,
            })));
        });
    }

    fn answer(&mut self, requester: Requester, object: ObjectId, outcome: Outcome) {
        match requester {
            Requester::Session(session) => self.sessions.send(session, Frame::Got { object, outcome }),
            Requester::Peer(node) => self.send_to_peer(&node, Frame::Resolved { object, outcome }),
            Requester::Call { call, .. } => match self.calls.swap_remove(&call) {
                Some(CallWaits::Get(get)) => {
                    self.call_ends.remove(&(get.until, call));
                    drop(get.reply.send(outcome));
                }
                Some(CallWaits::Put(_) | CallWaits::Submit(_)) | None => {}
            },
        }
    }

    fn answer_submit(&mut self, requester: &Requester, failure: Option<Failure>) {
        if let Requester::Call { call, .. } = requester
            && let Some(CallWaits::Submit(reply)) = self.calls.swap_remove(call)
        {
            let _gone = reply.send(failure);
        }
    }

    fn answer_put(&mut self, requester: Requester, object: ObjectId, failure: Option<Failure>) {
        match requester {
            Requester::Session(session) => self.sessions.send(session, Frame::PutDone { object, failure }),
            Requester::Call { call, .. } => {
                if let Some(CallWaits::Put(reply)) = self.calls.swap_remove(&call) {
                    let _gone = reply.send(failure);
                }
            }
            Requester::Peer(_) => {}
        }
    }

    pub(in crate::shard) fn warn_drivers(&mut self, job: mobula_types::JobId, text: &str) {
        let drivers: Vec<SessionKey> = self.sessions.clients_of(job).collect();
        for session in drivers {
            self.sessions.send(session, Frame::Warning { text: text.to_owned() });
        }
    }
}
