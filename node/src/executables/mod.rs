//! The executables that jobs bring: kept by hash in the node's data folder, checked before they are run.

mod cache;
mod fetching;
mod index;
mod receive;
mod take;

pub(crate) use cache::{CacheOptions, ExecutableCache, ExecutableUse};
pub(crate) use fetching::Fetching;
pub(crate) use receive::receive;
pub(crate) use take::take;
