//! What the host of actors promises, each with a test of its name.

mod cancel;
mod ending;
mod errands;
mod failing;
mod fairness;
mod health;
mod marker;
mod order;
mod script;
mod sharing;
mod support;
mod timeout;
mod waking;
