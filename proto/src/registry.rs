//! Records of the registry: bytes to facts and back.

use crate::error::{ConvertError, Required};
use crate::head::{duration, duration_nanos, fixed};
use crate::view::node_state;
use crate::wire::{self, record::Kind};
use bytes::Bytes;
use mobula_types::{ClusterId, Generation, HeadRecord, JobRecord, NodeRecord};
use prost::Message;

/// The schema that this version writes, and the highest that it reads.
pub const SCHEMA: u32 = 1;

/// The cluster's own record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClusterRecord {
    /// Random, written once.
    pub cluster: ClusterId,
    /// When, in milliseconds since 1970.
    pub created_millis: u64,
    /// No generation up to this one is granted again, whatever the name.
    pub generation_floor: Generation,
}

/// A record that is not what its key says, or that a later version wrote.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RecordError {
    /// A later version wrote it: this one must not lead over it.
    #[error("schema {found} is newer than {SCHEMA}, the newest that this version reads")]
    NewerSchema {
        /// What it says.
        found: u32,
    },
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(String),
}

impl From<ConvertError> for RecordError {
    fn from(error: ConvertError) -> Self {
        RecordError::Unreadable(error.to_string())
    }
}

pub(crate) fn encode(kind: Kind) -> Bytes {
    wire::Record { schema: SCHEMA, kind: Some(kind) }.encode_to_vec().into()
}

pub(crate) fn decode(bytes: Bytes) -> Result<Kind, RecordError> {
    let record = wire::Record::decode(bytes).map_err(|error| RecordError::Unreadable(error.to_string()))?;
    if record.schema > SCHEMA {
        return Err(RecordError::NewerSchema { found: record.schema });
    }
    record.kind.ok_or_else(|| RecordError::Unreadable("it is empty".to_owned()))
}

pub(crate) fn other_kind(expected: &str) -> RecordError {
    RecordError::Unreadable(format!("it is not the record of a {expected}"))
}

/// The bytes of the cluster's record.
pub fn encode_cluster(record: &ClusterRecord) -> Bytes {
    encode(Kind::Cluster(wire::StoredCluster {
        cluster: record.cluster.0,
        created_millis: record.created_millis,
        generation_floor: record.generation_floor.0,
    }))
}

/// The cluster's record.
///
/// # Errors
/// Where the bytes are not one, or of a later version.
pub fn decode_cluster(bytes: Bytes) -> Result<ClusterRecord, RecordError> {
    let Kind::Cluster(record) = decode(bytes)? else { return Err(other_kind("cluster")) };
    Ok(ClusterRecord {
        cluster: ClusterId(record.cluster),
        created_millis: record.created_millis,
        generation_floor: Generation(record.generation_floor),
    })
}

/// The bytes of a head's record, or of the leader's.
pub fn encode_head(record: &HeadRecord) -> Bytes {
    let address = record.address.as_ref().to_owned();
    encode(Kind::Head(wire::StoredHead { address, seen_millis: record.seen_millis }))
}

/// A head's record, or the leader's.
///
/// # Errors
/// Where the bytes are not one, or of a later version.
pub fn decode_head(bytes: Bytes) -> Result<HeadRecord, RecordError> {
    match decode(bytes)? {
        Kind::Head(record) | Kind::Leader(record) => {
            Ok(HeadRecord { address: record.address.into(), seen_millis: record.seen_millis })
        }
        _ => Err(other_kind("head")),
    }
}

/// The bytes of a node's record.
pub fn encode_node(record: &NodeRecord) -> Bytes {
    encode(Kind::Node(wire::StoredNode {
        generation: record.generation.0,
        registration: Some((&record.registration).into()),
        state: wire::NodeState::from(record.state).into(),
        fenced: record.fenced,
        silent: record.silent,
        lease: record.lease,
        lease_nanos: duration_nanos(record.lease_length),
        written_millis: record.written_millis,
    }))
}

/// A node's record.
///
/// # Errors
/// Where the bytes are not one, or of a later version.
pub fn decode_node(bytes: Bytes) -> Result<NodeRecord, RecordError> {
    let Kind::Node(record) = decode(bytes)? else { return Err(other_kind("node")) };
    Ok(NodeRecord {
        generation: Generation(record.generation),
        registration: record.registration.required("stored_node.registration")?.try_into()?,
        state: node_state(record.state)?,
        fenced: record.fenced,
        silent: record.silent,
        lease: record.lease,
        lease_length: duration(record.lease_nanos),
        written_millis: record.written_millis,
    })
}

/// The bytes of a job's record.
pub fn encode_job(record: &JobRecord) -> Bytes {
    encode(Kind::Job(wire::StoredJob {
        info: Some((&record.info).into()),
        secret_hash: record.secret_hash.to_vec().into(),
        summary: Some((&record.summary).into()),
    }))
}

/// A job's record.
///
/// # Errors
/// Where the bytes are not one, or of a later version.
pub fn decode_job(bytes: Bytes) -> Result<JobRecord, RecordError> {
    let Kind::Job(record) = decode(bytes)? else { return Err(other_kind("job")) };
    Ok(JobRecord {
        info: record.info.required("stored_job.info")?.try_into()?,
        secret_hash: fixed(&record.secret_hash, "stored_job.secret_hash")?,
        summary: record.summary.unwrap_or_default().try_into()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::job::JobState;
    use mobula_types::{JobId, JobInfo, JobSpec, JobSummary, NodeRegistration, NodeState, Resources};
    use std::time::Duration;

    fn node() -> NodeRecord {
        NodeRecord {
            generation: Generation(3),
            registration: NodeRegistration {
                name: "a:1".into(),
                address: "http://a:1".into(),
                own_address: "a:1".into(),
                resources: Resources::cpus(4),
                labels: [("zone".into(), "x".into())].into_iter().collect(),
                functions: Vec::new(),
                object_store_memory: 1 << 30,
                version: "0.1.0".into(),
                data_folder: Some(7),
            },
            state: NodeState::Draining,
            fenced: false,
            silent: true,
            lease: 9,
            lease_length: Duration::from_secs(60),
            written_millis: 5,
        }
    }

    #[test]
    fn records_survive_the_registry() {
        assert_eq!(decode_node(encode_node(&node())), Ok(node()));
        let job = JobRecord {
            info: JobInfo {
                job: JobId(1),
                spec: JobSpec {
                    name: "j".into(),
                    weight: 1,
                    files: Some(mobula_types::ExecutableHash([3; 32])),
                    worker_arguments: vec!["--exact".into()],
                    ..JobSpec::default()
                },
                state: JobState::Running,
                reason: String::new(),
                opened_millis: 1,
                ended_millis: 0,
            },
            secret_hash: [4; 32],
            summary: JobSummary::default(),
        };
        assert_eq!(decode_job(encode_job(&job)), Ok(job));
        let head = HeadRecord { address: "http://h:1".into(), seen_millis: 2 };
        assert_eq!(decode_head(encode_head(&head)), Ok(head));
    }

    #[test]
    fn what_is_not_understood_is_told_apart() {
        let later = wire::Record { schema: SCHEMA + 1, kind: None }.encode_to_vec();
        assert_eq!(decode_node(later.into()), Err(RecordError::NewerSchema { found: SCHEMA + 1 }));
        assert!(matches!(decode_node(Bytes::from_static(b"\xff\xff")), Err(RecordError::Unreadable(_))));
        assert!(matches!(decode_job(encode_node(&node())), Err(RecordError::Unreadable(_))));
    }
}
