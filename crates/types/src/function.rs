//! Functions: named, versioned user code that tasks run.

use std::fmt;
use std::sync::Arc;

/// A function's identity: crate, module path and name, and the crate's version.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct FunctionId {
    /// `crate::module::name`.
    pub name: Arc<str>,
    /// The version of the crate that defines it; empty where any version will do.
    pub version: Arc<str>,
}

impl FunctionId {
    /// The function of that name and version.
    pub fn new(name: &str, version: &str) -> Self {
        FunctionId { name: name.into(), version: version.into() }
    }
}

impl fmt::Display for FunctionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.version.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}@{}", self.name, self.version)
        }
    }
}

impl fmt::Debug for FunctionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// How a function's body runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub enum FunctionKind {
    /// On a slot thread of its own until it returns.
    Blocking,
    /// As a future on the worker's runtime.
    Async,
}

/// What a node or a worker announces of a function that it can run.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct FunctionInfo {
    /// Its identity.
    pub id: FunctionId,
    /// A hash of the names and types of its parameters and result; callers and runners must agree on it.
    pub signature: u64,
    /// The signature as text, for people.
    pub signature_text: Arc<str>,
    /// How it runs.
    pub kind: FunctionKind,
    /// `file:line` of its definition.
    pub place: Arc<str>,
}
