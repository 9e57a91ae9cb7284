//! What programs usually need: `use mobula::prelude::*`.

#[cfg(feature = "clap")]
pub use crate::ClusterArgs;
pub use crate::{
    ActorContext, ActorHandle, Cluster, Error, ErrorKind, ObjectRef, RemoteCall, Strategy, as_completed,
    cancel, get_batch, put, wait,
};
