//! The control plane, wired up: a head.
//!
//! A head reaches its registry, campaigns, and leads or stands by. The leader is the only one who decides and writes:
//! who is a member, who is dead, which jobs there are. It is never on the path of a task or an object, and may be away
//! for some seconds without anybody noticing. Standbys renew nodes' leases, and name the leader to whoever asks them for
//! more.
//!
//! | module | for |
//! |---|---|
//! | `head` | starts and stops one |
//! | `campaign` | its life: registry, election, standing by, leading |
//! | `leadership` | the leader's lease, by its own clock |
//! | `image` | what the registry holds when a leadership begins |
//! | `leader` | drives the pure machines of `mobula-core` |
//! | `writer` | the single writer: batches, conditions, unknown outcomes |
//! | `desk` | the service that others call |
//! | `task_events` | what nodes have told of single tasks |
//! | `upkeep` | keeps the registry small, makes room in it when it is full |
//! | `keys` | where things are in the registry |
//!
//! What it promises:
//!
//! - A write of a leader that was deposed fails.
//! - Nothing is granted by a head whose own lease may be over.
//! - While the registry is away, the view is served and writes wait; nothing is lost, and nobody is declared dead for it.
//! - A record that cannot be read is left alone, its name stays reserved, and the head starts.

mod campaign;
mod command;
mod desk;
mod error;
mod head;
mod image;
mod keys;
mod leader;
mod leadership;
mod open;
mod options;
mod task_events;
mod upkeep;
mod writer;

pub use error::HeadError;
pub use head::{Head, HeadHandle};
pub use options::{HeadOptions, RegistryChoice};
