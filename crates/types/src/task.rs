//! Tasks as they are submitted.

use crate::actor::Target;
use crate::{Failure, FailureKind, FunctionId, ObjectAddress, Resources, Strategy};
use std::sync::Arc;
use std::time::Duration;

/// How many templates one side of a session has named at once. Numbers are given in a ring: past this many, the oldest is
/// given anew.
pub const MAX_TEMPLATES: u32 = 4096;

/// The most results that a task may have.
pub const MAX_RETURNS: u32 = 65_536;

/// A template's number within one session, below [`MAX_TEMPLATES`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct TemplateId(pub u32);

/// What repeats from task to task; sent once per session, before the first task that uses it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TaskTemplate {
    /// The function.
    pub function: FunctionId,
    /// The signature hash that the caller was compiled with; `None` where the caller has none (a shell, a thin client).
    pub signature: Option<u64>,
    /// The options.
    pub options: TaskOptions,
}

/// How a task is to be run. Defaults as in `docs/guarantees.md`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TaskOptions {
    /// A name for people; the function's where empty.
    pub name: Arc<str>,
    /// What it needs: 1 CPU unless set.
    pub resources: Resources,
    /// Where it may run.
    pub strategy: Strategy,
    /// How many references it returns (1).
    pub num_returns: u32,
    /// How many worker deaths and node losses it survives, and errors where `retry_on` says so (3).
    pub max_retries: u32,
    /// How long one attempt may run; without an end unless set.
    pub timeout: Option<Duration>,
    /// Higher runs first within its job (0).
    pub priority: i32,
    /// Whether a task that no node could ever run fails instead of waiting.
    pub fail_if_infeasible: bool,
    /// Whether it gets a worker process that runs nothing else.
    pub isolated: bool,
    /// What it is: a run of a function, or something with an actor.
    pub target: Target,
}

impl Default for TaskOptions {
    fn default() -> Self {
        TaskOptions {
            name: "".into(),
            resources: Resources::cpus(1),
            strategy: Strategy::Default,
            num_returns: 1,
            max_retries: 3,
            timeout: None,
            priority: 0,
            fail_if_infeasible: false,
            isolated: false,
            target: Target::Function,
        }
    }
}

impl TaskOptions {
    /// Whether a task may have these options, wherever it comes from.
    ///
    /// # Errors
    /// `InvalidArgument` for more than [`MAX_RETURNS`] results.
    pub fn validate(&self) -> Result<(), Failure> {
        if self.num_returns > MAX_RETURNS {
            let text = format!("num_returns is {}, the most is {MAX_RETURNS}", self.num_returns);
            return Err(Failure::new(FailureKind::InvalidArgument, text));
        }
        Ok(())
    }
}

impl TaskTemplate {
    /// The name for people: the option's, else the function's.
    pub fn display_name(&self) -> Arc<str> {
        if self.options.name.is_empty() { self.function.name.clone() } else { self.options.name.clone() }
    }
}

/// A reference among a task's arguments.
///
/// Arguments are encoded one behind the other into the task's payload; a parameter that has `ArgumentRef`s has no bytes
/// there and is made from the references instead.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ArgumentRef {
    /// Which parameter, from 0.
    pub parameter: u32,
    /// How the reference fills it.
    pub shape: ArgumentShape,
    /// The object.
    pub address: ObjectAddress,
}

/// How a reference fills a parameter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ArgumentShape {
    /// The object's value is the argument.
    Whole,
    /// The object's value is the next element of a `Vec` argument; the references of one parameter are in order.
    Element,
    /// A `Vec` argument of no elements: stands once, with an address that is not looked at.
    EmptyVec,
}
