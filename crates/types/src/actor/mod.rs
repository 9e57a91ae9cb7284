//! Actors: what they are made of, how they stand and how they end; supervisors and their trees.

mod call;
mod exit;
mod id;
mod info;
mod options;
mod order;
mod record;
mod request;
mod spec;
mod tree;

pub use call::{CallEnd, Caller, LaneCall, LaneId};
pub use exit::{ExitCause, ExitDetail, ExitKind, ExitReason};
pub use id::{ActorId, Epoch, Incarnation};
pub use info::{ActorInfo, ActorState, ChildInfo, ChildState, GroupInfo, SupervisorInfo};
pub use options::{ActorOptions, Lifetime, MethodOptions, OnIsolation, Target};
pub use order::{
    ActorLocation, ActorOrder, ActorReport, Down, ExitReport, HostedActor, Location, StartActor, Watch,
    WatchKind,
};
pub use record::{
    ActorRecord, ChildRecord, DecisionEnd, DecisionRecord, RecordChange, SpecKey, SpecRecord,
    SupervisorRecord,
};
pub use request::{ActorAnswer, ActorFilter, ActorRequest, ActorTarget, CreateActor, SupervisorTarget};
pub use spec::{ActorSpec, Placement};
pub use tree::{
    AutoShutdown, ChildKind, ChildShutdown, ChildSpec, Intensity, RestartType, SupervisorSpec,
    SupervisorStrategy,
};
