//! What programs usually need: `use mobula::prelude::*`.

#[cfg(feature = "clap")]
pub use crate::ClusterArgs;
pub use crate::supervisor::Seconds;
pub use crate::{
    ActorContext, ActorHandle, AutoShutdown, ChildShutdown, Cluster, Error, ErrorKind, ObjectRef, Placement,
    RemoteCall, RestartType, Strategy, Supervisor, SupervisorHandle, as_completed, cancel, get_batch, put,
    wait,
};
