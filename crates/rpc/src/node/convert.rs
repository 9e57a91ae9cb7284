//! Between the messages of `node.proto` and the domain's. Ids are text there.

mod actor;
mod state;
mod thin;

pub(super) use state::{
    function_from_wire, function_to_wire, started_from_wire, started_to_wire, status_from_wire,
    status_to_wire, task_from_wire, task_to_wire,
};
pub(super) use thin::open_job;

use crate::text::{hexadecimal, read_32_bytes};
use mobula_proto::{ConvertError, wire};
use mobula_types::session::JobSecret;
use mobula_types::{ExecutableHash, Failure, FailureKind, NodeId};
use std::str::FromStr;

use super::request::{ChunkEncoding, ExecutableUpload, JobAccess, ObjectUpload};

/// What a server answers to a request that does not make sense.
pub(super) fn refused(error: ConvertError) -> Failure {
    Failure::new(FailureKind::InvalidArgument, format!("the request cannot be read: {error}"))
}

/// What a client makes of an answer that does not make sense.
pub(super) fn unreadable(error: ConvertError) -> Failure {
    Failure::new(FailureKind::Malformed, format!("the node's answer cannot be read: {error}"))
}

/// An id, as it is printed.
pub(super) fn id<T: FromStr>(text: &str, field: &'static str) -> Result<T, ConvertError> {
    let shown: String = text.chars().take(80).collect();
    text.parse().map_err(|_| ConvertError::new(field, format!("'{shown}' is no such id")))
}

pub(super) fn ids<T: FromStr>(texts: &[String], field: &'static str) -> Result<Vec<T>, ConvertError> {
    texts.iter().map(|text| id(text, field)).collect()
}

pub(super) fn nodes(nodes: Vec<wire::NodeId>) -> Result<Vec<NodeId>, ConvertError> {
    nodes.into_iter().map(NodeId::try_from).collect()
}

pub(super) fn secret_to_text(secret: &JobSecret) -> String {
    hexadecimal(&secret.0)
}

/// A secret is not repeated in the error.
pub(super) fn secret(text: &str, field: &'static str) -> Result<JobSecret, ConvertError> {
    let bytes = read_32_bytes(text.as_bytes());
    bytes.map(JobSecret).ok_or_else(|| ConvertError::new(field, "is not 64 hexadecimal digits"))
}

pub(super) fn access(job: &str, secret: &str) -> Result<JobAccess, ConvertError> {
    Ok(JobAccess { job: id(job, "request.job")?, secret: self::secret(secret, "request.secret")? })
}

pub(super) fn hash(text: &str, field: &'static str) -> Result<ExecutableHash, ConvertError> {
    let bytes = read_32_bytes(text.as_bytes());
    bytes.map(ExecutableHash).ok_or_else(|| ConvertError::new(field, "is not 64 hexadecimal digits"))
}

impl From<&ObjectUpload> for wire::StoreHeader {
    fn from(upload: &ObjectUpload) -> Self {
        wire::StoreHeader {
            job: upload.access.job.to_string(),
            secret: secret_to_text(&upload.access.secret),
            object: Some(upload.object.into()),
            length: upload.length,
            checksum: upload.checksum,
        }
    }
}

impl TryFrom<wire::StoreHeader> for ObjectUpload {
    type Error = ConvertError;
    fn try_from(header: wire::StoreHeader) -> Result<Self, ConvertError> {
        let object = header.object.ok_or_else(|| ConvertError::missing("store_header.object"))?;
        Ok(ObjectUpload {
            access: access(&header.job, &header.secret)?,
            object: object.try_into()?,
            length: header.length,
            checksum: header.checksum,
        })
    }
}

impl From<&ExecutableUpload> for wire::ExecutableHeader {
    fn from(upload: &ExecutableUpload) -> Self {
        let encoding = match upload.encoding {
            ChunkEncoding::Plain => wire::ChunkEncoding::Plain,
            ChunkEncoding::Zstd => wire::ChunkEncoding::Zstd,
        };
        wire::ExecutableHeader {
            hash: upload.hash.to_string(),
            length: upload.length,
            target: upload.target.clone(),
            encoding: encoding.into(),
        }
    }
}

impl TryFrom<wire::ExecutableHeader> for ExecutableUpload {
    type Error = ConvertError;
    fn try_from(header: wire::ExecutableHeader) -> Result<Self, ConvertError> {
        let encoding = match wire::ChunkEncoding::try_from(header.encoding) {
            Ok(wire::ChunkEncoding::Plain) => ChunkEncoding::Plain,
            Ok(wire::ChunkEncoding::Zstd) => ChunkEncoding::Zstd,
            Err(_) => return Err(ConvertError::unknown("executable_header.encoding", header.encoding)),
        };
        Ok(ExecutableUpload {
            hash: hash(&header.hash, "executable_header.hash")?,
            length: header.length,
            target: header.target,
            encoding,
        })
    }
}
