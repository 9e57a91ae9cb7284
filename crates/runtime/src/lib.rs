//! Owns every tokio task, clock and process-wide service of Mobula's programs.
//!
//! - [`spawn`], [`spawn_local`] and [`spawn_on`] give each task a name and an owner: the [`TaskHandle`] ends it when it is dropped.
//! - [`clock`] is the only place that reads a clock.
//! - [`led`]: a single-threaded runtime whose thread may do something else in between.
//! - [`Shutdown`] tells components to end, and waits for nobody by itself.
//! - [`telemetry`] sets up logging for a binary.

pub mod clock;
pub mod led;
mod shutdown;
mod task;
pub mod telemetry;
pub mod thread;

pub use shutdown::Shutdown;
pub use task::{TaskHandle, spawn, spawn_blocking, spawn_local, spawn_on};
