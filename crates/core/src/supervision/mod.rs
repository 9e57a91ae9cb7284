//! Which actors there are, where each of them runs, and what happens when one exits: supervision trees that reach over
//! nodes, decided by the leading head.

mod effect;
mod event;

pub use effect::Effect;
pub use event::{Event, RequestKey};
