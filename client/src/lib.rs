//! Mobula: distributed actors, tasks and objects.
//!
//! A function that is marked with `#[mobula::remote]` runs on a cluster: calling its `remote` and submitting that gives
//! an [`ObjectRef`] at once, which can be awaited, or passed to further calls before it is ready.
//!
//! ```no_run
//! # async fn example(square: impl Fn(u64) -> mobula::RemoteCall<mobula::ObjectRef<u64>>) -> mobula::Result<()> {
//! let cluster = mobula::Cluster::connect("http://127.0.0.1:7421").await?;
//! let reference = square(7).on(&cluster).submit();
//! println!("{}", reference.await?);
//! # Ok(()) }
//! ```
//!
//! | for | see |
//! |---|---|
//! | connecting | [`Cluster`], [`ClusterBuilder`], `ClusterArgs`, [`init`] |
//! | calling | [`RemoteCall`], [`Arg`], [`RemoteAll`], [`submit_all`] |
//! | actors | [`actor`](mod@actor), [`ActorHandle`], [`ActorContext`], [`ActorPool`], [`spawn_many`] |
//! | supervision | [`supervisor`], [`Supervisor`], [`SupervisorHandle`] |
//! | groups and topics | [`group`], [`topic`], [`subscribe`] |
//! | how things stand | [`observer`], [`StateChanges`], [`NodeChanges`] |
//! | results | [`ObjectRef`], [`get_batch`], [`wait`], [`as_completed`], [`cancel`] |
//! | values | [`put`], [`put_batch`], [`codec`] |
//! | where code runs | [`context`](mod@context), [`spawn`], [`TaskContext`] |
//! | tests | `#[mobula::test]`, `mobula::test` (feature `test`) |
//! | what goes wrong | [`Error`], [`ErrorKind`] |
//!
//! All input and output is done on a thread of this crate's own: a reference can be awaited on any runtime, and waited for
//! without one.

/// The guide's code compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/actors.md")]
mod guide {}

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
pub mod actor;
mod arg;
mod attributes;
mod cancel;
mod cluster;
pub mod codec;
pub mod context;
mod error;
mod executable;
mod link;
pub mod observer;
pub mod prelude;
mod put;
mod reference;
mod registry;
mod remote;
pub mod supervisor;
#[cfg(feature = "test")]
pub mod test;
mod topic;
mod worker;

pub use actor::{
    ActorCall, ActorContext, ActorHandle, ActorPool, Creation, Group, Monitor, Timer, group, spawn_many,
};
pub use arg::{Arg, IntoArg};
#[cfg(feature = "local")]
pub use attributes::test;
pub use attributes::{actor, main, remote};
pub use cancel::{Cancel, cancel};
#[cfg(feature = "clap")]
pub use cluster::ClusterArgs;
#[cfg(feature = "local")]
pub use cluster::LocalBuilder;
pub use cluster::{CLUSTER_VARIABLE, Cluster, ClusterBuilder, IntoAddresses, init};
pub use context::{Context, Scope, TaskContext, context, spawn, task_context};
pub use error::{Error, ErrorKind, Result};
pub use mobula_host::CancelToken;
pub use mobula_rpc::ClusterToken;
pub use mobula_types::actor::{
    ActorId, ActorInfo, ActorOptions, ActorSpec, ActorState, AutoShutdown, ChildInfo, ChildKind,
    ChildShutdown, ChildSpec, ChildState, Down, Epoch, ExitCause, ExitDetail, ExitKind, ExitReason,
    Incarnation, Intensity, OnIsolation, Placement, RestartType, StateChange, SupervisorInfo, SupervisorSpec,
    SupervisorStrategy,
};
pub use mobula_types::view::NodeLoad;
pub use mobula_types::{
    Attempt, ClusterView, Failure, FunctionId, FunctionInfo, FunctionKind, JobId, LabelExpression, Labels,
    NodeId, NodeInfo, NodeName, NodeState, ObjectId, Payload, Quantity, Resources, Strategy, TaskId,
    TaskOptions, TaskTemplate,
};
pub use observer::{NodeChange, NodeChanges, NodeReason, StateChanges};
pub use put::{Put, put, put_batch};
pub use reference::{
    AsCompleted, Get, IntoReferences, ObjectRef, References, as_completed, get_batch, get_batch_blocking,
    wait,
};
pub use remote::{CallBuilder, RemoteAll, RemoteCall, submit_all};
pub use supervisor::{Supervisor, SupervisorHandle};
pub use topic::{Subscription, Topic, subscribe, subscribe_in, topic};
pub use worker::{embedded, worker_entry};
