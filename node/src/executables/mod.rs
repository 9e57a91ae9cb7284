//! The executables that jobs bring: kept by hash in the node's data folder, checked before they are run.

mod cache;
mod receive;

pub(crate) use cache::ExecutableCache;
pub(crate) use receive::receive;
