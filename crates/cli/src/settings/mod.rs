//! Where `mobula` reads its settings from, and where it keeps what it has to remember.

mod config;
mod contexts;
mod folders;
mod quantities;

pub(crate) use config::{ConfigSource, Pair, load, one_or_many, pairs};
pub(crate) use contexts::{Context, Contexts};
pub(crate) use folders::{config_folder, state_folder, write_private};
pub(crate) use quantities::{ByteSize, HumanDuration};
