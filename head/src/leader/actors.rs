//! Drives the supervision: questions about actors, what nodes report of them, and what is to be done.

use super::Leader;
use super::purpose::Purpose;
use crate::command::{AskActors, Reply};
use mobula_core::jobs;
use mobula_core::supervision::{Effect, Event, RequestKey};
use mobula_proto::actor_registry::{encode_actor, encode_name, encode_spec, encode_supervisor};
use mobula_registry::Operation;
use mobula_rpc::head::{HeadOrder, HeadRefusal};
use mobula_runtime::clock;
use mobula_types::NodeId;
use mobula_types::actor::{ActorAnswer, ActorOrder, RecordChange};

impl Leader {
    pub(super) fn tell_actors(&mut self, event: Event) {
        let mut effects = Vec::new();
        self.supervision.on_event(clock::now(), clock::wall_millis(), event, &mut effects);
        self.perform_actors(effects);
    }

    pub(super) fn perform_actors(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Write { write, changes, may_fail } => {
                    let operations = changes.iter().map(|change| self.operation(change)).collect();
                    self.write(Purpose::Actors { write, may_fail }, !may_fail, operations);
                }
                Effect::Answer { request, answer } => {
                    if let Some(reply) = self.actor_requests.remove(&request) {
                        // Who asked may have given up.
                        let _given_up = reply.send(answer.map_err(HeadRefusal::from));
                    }
                }
                Effect::Order { node, order } => self.order(&node, order),
            }
        }
    }

    pub(super) fn order(&mut self, node: &NodeId, order: ActorOrder) {
        // Without a stream it is not lost: the node's inventory brings it up again.
        if let Some(link) = self.links_by_node.get(node).copied() {
            self.send(link, HeadOrder::Actors(order));
        }
    }

    /// A question that is known by its number is heard also where nobody waits for its answer any more: who asks was told
    /// that it is under way. Of others, who asked asks anew.
    pub(super) fn ask_of_actors(&mut self, ask: AskActors, reply: Reply<ActorAnswer>) {
        let AskActors { asker, question, request: ask } = ask;
        if question.is_none() && reply.is_closed() {
            return;
        }
        let ask = match self.list_groups(ask) {
            Ok(answer) => {
                // Who asked may have given up.
                let _given_up = reply.send(Ok(answer));
                return;
            }
            Err(ask) => ask,
        };
        self.next_request += 1;
        let request = RequestKey(self.next_request);
        self.actor_requests.insert(request, reply);
        self.tell_actors(Event::Request { request, asker, question, ask });
    }

    /// Jobs without a driver live while something of them does.
    pub(super) fn keep_detached_jobs(&mut self) {
        let in_use: Vec<_> =
            self.jobs.without_driver().filter(|job| self.supervision.is_in_use(*job)).collect();
        for job in in_use {
            self.tell_jobs(jobs::Event::KeepAlive { job });
        }
    }

    /// Nobody waits any more for the answers to these.
    pub(super) fn forget_actor_requests(&mut self) {
        let gone = self.actor_requests.iter().filter(|(_, reply)| reply.is_closed());
        let gone: Vec<RequestKey> = gone.map(|(request, _)| *request).collect();
        for request in gone {
            self.actor_requests.remove(&request);
            self.tell_actors(Event::RequestGone { request });
        }
    }

    fn operation(&self, change: &RecordChange) -> Operation {
        let put = |key, value| Operation::Put { key, value, lease: None };
        match change {
            RecordChange::PutActor(record) => put(self.keys.actor(record.actor), encode_actor(record)),
            RecordChange::DeleteActor(actor) => Operation::Delete { key: self.keys.actor(*actor) },
            RecordChange::PutSpec(record) => put(self.keys.spec(record.key), encode_spec(record)),
            RecordChange::DeleteSpec(key) => Operation::Delete { key: self.keys.spec(*key) },
            RecordChange::PutSupervisor(record) => {
                put(self.keys.supervisor(record.supervisor), encode_supervisor(record))
            }
            RecordChange::DeleteSupervisor(supervisor) => {
                Operation::Delete { key: self.keys.supervisor(*supervisor) }
            }
            RecordChange::PutName { namespace, name, actor } => {
                put(self.keys.actor_name(namespace, name), encode_name(*actor))
            }
            RecordChange::DeleteName { namespace, name } => {
                Operation::Delete { key: self.keys.actor_name(namespace, name) }
            }
        }
    }
}
