//! Actors: what they are made of, how they stand and how they end; supervisors and their trees; groups and topics.

mod call;
mod exit;
mod group;
mod id;
mod info;
mod observer;
mod options;
mod order;
mod parts;
mod record;
mod request;
mod size;
mod spec;
mod tree;

pub use call::{CallEnd, Caller, LaneCall, LaneId};
pub use exit::{ExitCause, ExitDetail, ExitKind, ExitReason};
pub use group::{
    Follow, GroupReport, Publication, Roster, RosterChange, RosterEntry, RosterNews, RosterPart,
    RosterUpdate, Subscriber,
};
pub use id::{ActorId, Epoch, Incarnation};
pub use info::{ActorInfo, ActorState, ChildInfo, ChildState, GroupInfo, SupervisorInfo};
pub use observer::{Observation, StateChange};
pub use options::{ActorOptions, Lifetime, MethodOptions, OnIsolation, Target};
pub use order::{
    ActorLocation, ActorOrder, ActorReport, Down, ExitReport, HostedActor, LinkChange, LinkDown, Location,
    StartActor, StopActor, Watch, WatchBound, WatchKind,
};
pub use record::{
    ActorRecord, ChildRecord, DecisionEnd, DecisionRecord, RecordChange, SpecKey, SpecRecord,
    SupervisorRecord,
};
pub use request::{
    ActorAnswer, ActorFilter, ActorRequest, ActorTarget, Asked, CreateActor, Question, SupervisorTarget,
};
pub use size::{EncodedSize, in_parts, in_parts_of, starts_in_parts};
pub use spec::{ActorSpec, Placement};
pub use tree::{
    AutoShutdown, ChildKind, ChildShutdown, ChildSpec, Intensity, RestartType, SupervisorSpec,
    SupervisorStrategy,
};
