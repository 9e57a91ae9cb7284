//! The words of the domain: ids, specs, resources, options, errors, time, frames.
//!
//! Nothing here does I/O, reads a clock or decides anything; a type's behaviour is its own arithmetic, order,
//! parsing and printing. Every other crate speaks these words, and only `proto` knows how they look on the wire.

pub mod actor;
pub mod address;
pub mod error;
pub mod executable;
pub mod frame;
pub mod function;
pub mod id;
pub mod job;
pub mod labels;
pub mod outcome;
pub mod payload;
pub mod record;
pub mod resources;
pub mod session;
pub mod strategy;
pub mod summary;
pub mod task;
pub mod time;
pub mod view;
pub mod worker;

pub use actor::{ActorId, Epoch, ExitKind, ExitReason, Incarnation};
pub use address::ObjectAddress;
pub use error::{Failure, FailureKind};
pub use executable::ExecutableHash;
pub use frame::Frame;
pub use function::{FunctionId, FunctionInfo, FunctionKind};
pub use id::{
    Attempt, ClusterId, Generation, HeadTerm, JobId, NodeId, NodeName, ObjectId, ObjectIndex, ObjectSpace,
    OwnerTerm, TaskId, TermHeard, WorkerId,
};
pub use job::JobSpec;
pub use labels::{LabelExpression, Labels};
pub use outcome::{Outcome, ResultValue, StoredValue};
pub use payload::Payload;
pub use record::{
    HeadRecord, JobInfo, JobRecord, JobStatus, NodeRecord, NodeRegistration, OpenedJob, ProbeAnswer,
};
pub use resources::{Quantity, Resources};
pub use session::{SessionId, SessionRole};
pub use strategy::Strategy;
pub use summary::{FailedTask, JobSummary, StateCounts, TaskEvent, TaskFilter, TaskState};
pub use task::{
    ArgumentRef, ArgumentShape, MAX_RETURNS, MAX_TEMPLATES, TaskOptions, TaskTemplate, TemplateId,
};
pub use time::Time;
pub use view::{ClusterView, NodeInfo, NodeState, ViewDelta, ViewVersion};

/// Values up to this many bytes travel inside frames; larger ones move on calls of their own (100 KiB).
pub const INLINE_LIMIT: usize = 100 * 1024;
