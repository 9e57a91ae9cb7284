//! Where slots note what they run.

use std::fmt;

/// Survives the process: says afterwards which runs had started and what the last panic was.
///
/// Called on slot threads before and after every run, so it must be cheap and must not panic.
pub trait CrashMarker: Send + Sync + fmt::Debug {
    /// The slot starts a run.
    fn started(&self, slot: u32, handle: u64);
    /// The slot's run is over. Its end has yet to be reported.
    fn finished(&self, slot: u32, handle: u64);
    /// A panic is about to end the process.
    fn panicked(&self, message: &str, place: &str);
}

/// Notes nothing: for guests in the node's own process, whose death nobody survives.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMarker;

impl CrashMarker for NoMarker {
    fn started(&self, _slot: u32, _handle: u64) {}
    fn finished(&self, _slot: u32, _handle: u64) {}
    fn panicked(&self, _message: &str, _place: &str) {}
}
