//! What writes are for, and what follows from their outcomes.

use super::Leader;
use mobula_core::jobs::{self, JobWrite};
use mobula_core::membership::{self, NodeWrite};
use mobula_core::supervision;
use mobula_proto::registry::{ClusterRecord, encode_cluster, encode_job, encode_node};
use mobula_registry::{Lease, LeaseId, Operation, RegistryError, Revision};
use mobula_runtime::clock;
use mobula_types::{Failure, FailureKind, Generation, JobId, JobRecord, NodeId, NodeRecord};

/// What a write is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// A node becomes a member under that lease; whether it has not held it before.
    Admit { node: NodeId, lease: LeaseId, is_new: bool },
    /// A lease of another length takes the place of a node's.
    Lease { node: NodeId, lease: LeaseId },
    /// A node's record changes.
    Node { node: NodeId, write: NodeWrite },
    /// A node's record is deleted.
    Forget { node: NodeId },
    /// A job's record changes.
    Job { job: JobId, write: JobWrite },
    /// A job's record is deleted.
    DeleteJob { job: JobId },
    /// Records of actors and supervisors change. Of a write that must not fail, what follows from it is decided already.
    Actors { write: u64, may_fail: bool },
}

/// A lease for a node that is to be admitted, or why there is none.
pub(super) struct Admission {
    pub(super) record: NodeRecord,
    pub(super) lease: Result<LeaseId, RegistryError>,
    pub(super) is_new: bool,
}

impl Leader {
    /// A node's record and the key that shows that it lives become durable together.
    pub(super) fn lease_granted(&mut self, admission: Admission) {
        let Admission { mut record, lease, is_new } = admission;
        let node = record.id();
        let lease = match lease {
            Ok(lease) => lease,
            Err(error) => {
                if matches!(error, RegistryError::NoSpace { .. }) {
                    self.leadership.refused.notify_one();
                }
                let failure = unavailable(&error).on_node(node.clone());
                return self.tell_membership(membership::Event::NotAdmitted { node, failure });
            }
        };
        record.lease = lease.get();
        record.written_millis = clock::wall_millis();
        let operations = self.under_lease(&record, lease);
        self.write(Purpose::Admit { node, lease, is_new }, false, operations);
    }

    /// A node's record, and under that lease the key that shows that it lives.
    fn under_lease(&self, record: &NodeRecord, lease: LeaseId) -> Vec<Operation> {
        let name = &record.registration.name;
        let alive = Operation::Put {
            key: self.keys.node_alive(name),
            value: record.generation.to_string().into(),
            lease: Some(lease),
        };
        vec![Operation::Put { key: self.keys.node(name), value: encode_node(record), lease: None }, alive]
    }

    pub(super) fn other_lease_granted(&mut self, node: NodeId, lease: Result<Lease, RegistryError>) {
        if let Err(error) = &lease {
            tracing::warn!(%node, %error, "the node's lease keeps its length for now");
        }
        let lease_id = lease.ok().map(|lease| lease.id.get());
        self.tell_membership(membership::Event::LeaseGranted { node, lease_id });
    }

    pub(super) fn switch_lease(&mut self, mut record: NodeRecord) {
        record.written_millis = clock::wall_millis();
        let (node, lease) = (record.id(), LeaseId::new(record.lease));
        let operations = self.under_lease(&record, lease);
        self.write(Purpose::Lease { node, lease }, false, operations);
    }

    pub(super) fn write_node(&mut self, mut record: NodeRecord, write: NodeWrite) {
        record.written_millis = clock::wall_millis();
        let node = record.id();
        let key = self.keys.node(&node.name);
        let value = encode_node(&record);
        self.write(Purpose::Node { node, write }, true, vec![Operation::Put { key, value, lease: None }]);
    }

    /// The floor of generations rises with the deletion, so that none is granted twice.
    pub(super) fn forget_node(&mut self, node: NodeId) {
        let floor =
            self.cluster.generation_floor.max(node.generation).max(self.membership.generation_floor());
        self.cluster = ClusterRecord { generation_floor: Generation(floor.0), ..self.cluster };
        let operations = vec![
            Operation::Put { key: self.keys.cluster(), value: encode_cluster(&self.cluster), lease: None },
            Operation::Delete { key: self.keys.node(&node.name) },
        ];
        self.write(Purpose::Forget { node }, true, operations);
    }

    pub(super) fn write_job(&mut self, record: &JobRecord, write: JobWrite) {
        let job = record.info.job;
        let (key, value) = (self.keys.job(job), encode_job(record));
        let waits = write == JobWrite::Ended;
        self.write(Purpose::Job { job, write }, waits, vec![Operation::Put { key, value, lease: None }]);
    }

    pub(super) fn delete_job(&mut self, job: JobId) {
        let key = self.keys.job(job);
        self.write(Purpose::DeleteJob { job }, true, vec![Operation::Delete { key }]);
    }

    pub(super) fn purpose_written(&mut self, purpose: Purpose, revision: Revision) {
        match purpose {
            Purpose::Admit { node, lease, is_new: _ } => {
                let (lease_id, revision) = (lease.get(), revision.get());
                self.tell_membership(membership::Event::Admitted { node, lease_id, revision });
            }
            Purpose::Lease { node, lease } => {
                tracing::info!(%node, "the node's lease has another length from now on");
                let (lease_id, revision) = (lease.get(), Some(revision.get()));
                self.tell_membership(membership::Event::LeaseSwitched { node, lease_id, revision });
            }
            Purpose::Node { node, write } => {
                self.tell_membership(membership::Event::Written { node: node.clone(), write });
                match write {
                    NodeWrite::Drain => {
                        self.drained(&node);
                        self.tell_actors(supervision::Event::NodeDraining { node });
                    }
                    NodeWrite::Fenced => self.tell_actors(supervision::Event::NodeFenced { node }),
                    NodeWrite::Death => {}
                }
            }
            Purpose::Forget { node } => self.tell_membership(membership::Event::Forgotten { node }),
            Purpose::Job { job, write } => self.tell_jobs(jobs::Event::Written { job, write }),
            Purpose::DeleteJob { job } => self.tell_jobs(jobs::Event::Deleted { job }),
            Purpose::Actors { write, .. } => self.tell_actors(supervision::Event::Written { write }),
        }
    }

    /// A write that cannot be made. Where that leaves a decision hanging, another election decides anew.
    pub(super) fn purpose_failed(&mut self, purpose: Purpose, error: RegistryError) {
        tracing::warn!(?purpose, %error, "a write failed");
        match purpose {
            Purpose::Admit { node, lease, is_new } => {
                if is_new {
                    self.revoke(lease.get());
                }
                let failure = unavailable(&error).on_node(node.clone());
                self.tell_membership(membership::Event::NotAdmitted { node, failure });
            }
            Purpose::Lease { node, lease } => {
                let (lease_id, revision) = (lease.get(), None);
                self.tell_membership(membership::Event::LeaseSwitched { node, lease_id, revision });
            }
            Purpose::Job { job, write } => {
                let failure = unavailable(&error);
                self.tell_jobs(jobs::Event::NotWritten { job, write, failure });
            }
            Purpose::Actors { write, may_fail: true } => {
                let failure = unavailable(&error);
                self.tell_actors(supervision::Event::NotWritten { write, failure });
            }
            Purpose::Node { .. }
            | Purpose::Forget { .. }
            | Purpose::DeleteJob { .. }
            | Purpose::Actors { may_fail: false, .. } => self.step_down(&error),
        }
    }
}

/// What a caller hears of a write that failed.
fn unavailable(error: &RegistryError) -> Failure {
    let kind = match error {
        RegistryError::TooLarge { .. } => FailureKind::TooLarge,
        RegistryError::NoSpace { .. } => FailureKind::ResourceExhausted,
        _ => FailureKind::Unavailable,
    };
    Failure::new(kind, format!("the registry did not take it: {error}"))
}
