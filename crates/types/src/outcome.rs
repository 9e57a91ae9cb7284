//! What became of a task.

use crate::{Failure, NodeId, ObjectAddress, Payload};
use std::sync::Arc;

/// The end of a task or the content of an object's request: values, or a failure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It returned exactly one value: the usual case, without an allocation.
    Value(ResultValue),
    /// It returned none, or several.
    Values(Vec<ResultValue>),
    /// It failed.
    Failed(Failure),
}

impl Outcome {
    /// The values in order, or the failure.
    pub fn values(&self) -> Result<&[ResultValue], &Failure> {
        match self {
            Outcome::Value(value) => Ok(std::slice::from_ref(value)),
            Outcome::Values(values) => Ok(values),
            Outcome::Failed(failure) => Err(failure),
        }
    }
}

/// One value that a task returned, or that was put.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResultValue {
    /// Its bytes, or where they are.
    pub value: StoredValue,
    /// The references inside it, which it keeps alive; at most one list per value is allocated.
    pub contained: Option<Arc<[ObjectAddress]>>,
}

impl ResultValue {
    /// A value in place that contains no references.
    pub fn inline(payload: Payload) -> Self {
        ResultValue { value: StoredValue::Inline(payload), contained: None }
    }
}

/// Where a value's bytes are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StoredValue {
    /// Here.
    Inline(Payload),
    /// In the stores of these nodes.
    Stored(Arc<StoredCopy>),
}

impl StoredValue {
    /// How many bytes the value has.
    pub fn len(&self) -> u64 {
        match self {
            StoredValue::Inline(payload) => payload.len() as u64,
            StoredValue::Stored(copy) => copy.length,
        }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A version of a value that lies in stores.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredCopy {
    /// Bytes.
    pub length: u64,
    /// CRC-32C of the bytes.
    pub checksum: u32,
    /// Nodes that hold it.
    pub holders: Vec<NodeId>,
}

impl StoredCopy {
    /// Which version it is, wherever it lies.
    pub fn version(&self) -> CopyVersion {
        CopyVersion { length: self.length, checksum: self.checksum }
    }
}

/// What tells a version of a value from another: one that is made again may come out differently.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CopyVersion {
    /// Bytes.
    pub length: u64,
    /// CRC-32C of the bytes.
    pub checksum: u32,
}
