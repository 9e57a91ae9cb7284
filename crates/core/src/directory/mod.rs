//! The catalogue: which functions nodes embed, and which nodes hold which executables.
//!
//! One name and version means one signature in the whole cluster: a node that embeds another one is refused, and told
//! both. Everything here is what living nodes said last, and is forgotten with them.

mod copies;
mod executables;
mod functions;

pub use copies::copy_targets;
pub use executables::Executables;
pub use functions::{Directory, Entry};
