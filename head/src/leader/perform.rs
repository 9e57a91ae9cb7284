//! What the machines want done.

use super::Leader;
use super::purpose::Admission;
use mobula_core::groups::head as groups;
use mobula_core::membership::{Effect, LinkKey};
use mobula_core::{jobs, supervision};
use mobula_registry::{LeaseId, RegistryError};
use mobula_rpc::head::{Grant, HeadOrder, HeadRefusal, probe};
use mobula_runtime::clock;
use mobula_types::job::JobState;
use mobula_types::{JobInfo, NodeId, NodeRecord, ViewDelta};
use std::sync::Arc;
use std::time::Duration;

impl Leader {
    pub(super) fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Admit { record, held } => self.admit(record, held),
            Effect::Grant { link, node, lease, lease_id, rejoined } => {
                self.grant(link, node, lease, lease_id, rejoined);
            }
            Effect::GrantLease { node, length } => self.grant_another_lease(node, length),
            Effect::OfferLease { link, lease_id, length } => self.offer_lease(link, lease_id, length),
            Effect::SwitchLease { record } => self.switch_lease(record),
            Effect::LeaseInForce { link, lease_id } => self.send(link, HeadOrder::LeaseInForce { lease_id }),
            Effect::Refuse { link, failure } => self.refuse(link, failure.into()),
            Effect::Fenced { link, failure } => self.fenced(link, failure),
            Effect::Close { link } => drop(self.remove_link(link)),
            Effect::View(delta) => self.broadcast_view(&delta),
            Effect::ViewTo { link, view } => self.send(link, HeadOrder::View(view)),
            Effect::Fence { link, dead } => self.send(link, HeadOrder::Fence { node: dead }),
            Effect::Drain { link } => self.send(link, HeadOrder::Drain),
            Effect::Probe { node, address } => self.probe(node, address),
            Effect::ConfirmDeath { link, node, address } => {
                self.send(link, HeadOrder::ConfirmDeath { node, own_address: address });
            }
            Effect::Write { record, write } => self.write_node(record, write),
            Effect::Forget { node } => self.forget_node(node),
            Effect::Revoke { lease } => self.revoke(lease),
            Effect::NodeLost { node } => self.node_lost(node),
            Effect::Settled => self.tell_jobs(jobs::Event::Settled),
        }
    }

    pub(super) fn perform_job(&mut self, effect: jobs::Effect) {
        match effect {
            jobs::Effect::Write { record, write } => self.write_job(&record, write),
            jobs::Effect::Delete { job } => self.delete_job(job),
            jobs::Effect::Announce(info) => {
                self.tell_actors_of_job(&info);
                tracing::info!(job = %info.job, name = %info.spec.name, state = ?info.state, reason = %info.reason, "job");
                self.broadcast(&job_order(info));
            }
            jobs::Effect::Tell { node, info } => {
                if let Some(link) = self.links_by_node.get(&node).copied() {
                    self.send(link, job_order(info));
                }
            }
            jobs::Effect::Answer { request, answer } => {
                if let Some(reply) = self.requests.remove(&request) {
                    // Who asked may have given up.
                    let _given_up = reply.send(answer.map_err(HeadRefusal::from));
                }
            }
        }
    }

    fn admit(&mut self, record: NodeRecord, held: u64) {
        let registry = self.registry.clone();
        let length = record.lease_length;
        self.admissions.push(Box::pin(async move {
            let known = match held {
                0 => None,
                held => match registry.renew_lease(LeaseId::new(held)).await {
                    Err(RegistryError::LeaseNotFound { .. }) => None,
                    renewed => Some(renewed.map(|_| LeaseId::new(held))),
                },
            };
            let (lease, is_new) = match known {
                Some(lease) => (lease, false),
                None => (registry.grant_lease(length).await.map(|lease| lease.id), true),
            };
            Admission { record, lease, is_new }
        }));
    }

    fn grant_another_lease(&mut self, node: NodeId, length: Duration) {
        let registry = self.registry.clone();
        self.other_leases.push(Box::pin(async move {
            let lease = registry.grant_lease(length).await;
            (node, lease)
        }));
    }

    /// Without an offer that is acknowledged in time, another one is made.
    fn offer_lease(&mut self, link: LinkKey, lease_id: u64, length: Duration) {
        if self.may_grant(clock::now()) {
            self.send(link, HeadOrder::LeaseOffered { lease_id, length });
        }
    }

    fn grant(&mut self, link: LinkKey, node: NodeId, lease: Duration, lease_id: u64, rejoined: bool) {
        if !self.may_grant(clock::now()) {
            // It joins again where it can be granted.
            self.refuse(link, HeadRefusal::not_leader(None));
            return;
        }
        let grant = Grant {
            node: node.clone(),
            cluster: self.cluster.cluster,
            term: self.leadership.term,
            lease,
            lease_id,
            rejoined,
        };
        tracing::info!(%node, rejoined, ?lease, "a node has joined");
        self.open_link(link, node, grant);
    }

    fn node_lost(&mut self, node: NodeId) {
        tracing::warn!(%node, "a node is dead");
        self.directory.remove_node(&node);
        self.executables.remove_node(&node);
        self.tell_jobs(jobs::Event::NodeLost { node: node.clone() });
        self.tell_groups(groups::Event::Lost { node: node.clone() });
        let is_silent = self.membership.is_silent(&node);
        self.tell_actors(match is_silent {
            true => supervision::Event::NodeSilent { node },
            false => supervision::Event::NodeLost { node },
        });
    }

    fn probe(&mut self, node: NodeId, address: Arc<str>) {
        self.probes.push(Box::pin(async move {
            let answer = probe(&address).await;
            (node, answer)
        }));
    }

    /// Ends a lease, beside everything else; where that fails it ends by itself.
    pub(super) fn revoke(&mut self, lease: u64) {
        let registry = self.registry.clone();
        let revoking = async move {
            if let Err(error) = registry.revoke_lease(LeaseId::new(lease)).await {
                tracing::debug!(%error, "a lease was not revoked");
            }
        };
        // It ends by itself: each call of the registry has a deadline.
        mobula_runtime::spawn("revoke lease", revoking).detach();
    }

    fn tell_actors_of_job(&mut self, info: &JobInfo) {
        let job = info.job;
        self.tell_actors(match info.state {
            JobState::Running => {
                let has_executable = info.spec.executable.is_some();
                supervision::Event::JobOpened { job, has_executable }
            }
            JobState::Ended | JobState::Failed | JobState::Stopped => supervision::Event::JobEnded { job },
        });
    }

    fn broadcast_view(&mut self, delta: &ViewDelta) {
        let view = std::sync::Arc::new(self.membership.view().clone());
        self.tell_actors(supervision::Event::View(view));
        self.broadcast(&HeadOrder::View(delta.clone()));
        // One that is too slow asks again, and starts with the whole view.
        self.watchers.retain(|watcher| watcher.try_send(delta.clone()).is_ok());
    }
}

fn job_order(info: JobInfo) -> HeadOrder {
    match info.state {
        JobState::Running => HeadOrder::JobOpened(info),
        JobState::Ended | JobState::Failed | JobState::Stopped => HeadOrder::JobEnded(info),
    }
}
