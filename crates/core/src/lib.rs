//! Every decision, pure: machines that are told what happened and say what is to be done.
//!
//! Nothing here is async, reads a clock, draws a random number, does I/O or logs: time and seeds are arguments. A machine
//! has one entry, `on_event(now, event, &mut effects)`; a driver receives events, applies them and performs the effects.

pub mod assignment;
pub mod calls;
pub mod directory;
pub mod executor;
pub mod groups;
mod homes;
pub mod hosting;
pub mod jobs;
mod lookup;
pub mod membership;
mod numbered;
pub mod placement;
pub mod supervision;
pub mod tasks;
pub mod upkeep;
