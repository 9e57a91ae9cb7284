//! What a node and the workers that it starts agree on: variables and inherited descriptors.

/// Set to `1` in a worker's environment.
pub const WORKER_VARIABLE: &str = "MOBULA_WORKER";
/// The worker's number, decimal.
pub const WORKER_ID_VARIABLE: &str = "MOBULA_WORKER_ID";
/// The worker's job, as it prints.
pub const JOB_VARIABLE: &str = "MOBULA_JOB";
/// A connected Unix stream socket for the session.
pub const SESSION_FD: i32 = 3;
/// A connected Unix stream socket for bulk transfers.
pub const BULK_FD: i32 = 4;
/// The memory file of the crash page.
pub const CRASH_PAGE_FD: i32 = 5;
/// The read end of a pipe that closes when the node ends.
pub const LIFELINE_FD: i32 = 6;
/// A pipe that holds the 32 bytes of the job's secret.
pub const SECRET_FD: i32 = 7;
