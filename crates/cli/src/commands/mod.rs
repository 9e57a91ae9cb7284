//! The commands, one file each.

pub(crate) mod actor;
mod actor_rows;
mod actor_words;
pub(crate) mod down;
pub(crate) mod get;
mod group_rows;
pub(crate) mod head;
pub(crate) mod healthcheck;
pub(crate) mod job;
mod json_arguments;
pub(crate) mod list;
pub(crate) mod node;
mod serve;
mod state;
pub(crate) mod status;
pub(crate) mod supervise;
mod supervisor_rows;
pub(crate) mod task;
pub(crate) mod tree;
pub(crate) mod up;
pub(crate) mod use_context;
pub(crate) mod version;
