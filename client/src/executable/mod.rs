//! Bringing the program's executable to the cluster: a job's binary is its own worker.

mod binary;
mod hash_cache;
mod upload;

pub(crate) use binary::WorkerBinary;
pub(crate) use upload::{bring, bring_files};
