//! Worker processes: a job's own executable, started by the node to run its functions.

mod launch;
mod logs;
mod process;

pub(crate) use launch::{Launch, launch};
pub(crate) use logs::JobLogs;
pub(crate) use process::{WorkerExit, WorkerProcess, signal_group};
