//! Supervision trees as they are declared.

use super::spec::{ActorSpec, Placement};
use std::sync::Arc;
use std::time::Duration;

/// Which children start again when one exits.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, serde::Serialize, serde::Deserialize,
)]
pub enum SupervisorStrategy {
    /// That one.
    #[default]
    OneForOne,
    /// All.
    OneForAll,
    /// That one and those after it.
    RestForOne,
    /// That one; all children are of one spec and are added at run time.
    SimpleOneForOne,
}

/// After which exits a child starts again.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, serde::Serialize, serde::Deserialize,
)]
pub enum RestartType {
    /// After every exit.
    #[default]
    Permanent,
    /// After abnormal ones.
    Transient,
    /// Never; its spec goes with it.
    Temporary,
}

/// How a child is stopped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub enum ChildShutdown {
    /// It is killed at once.
    Brutal,
    /// It may finish what is queued, for so long (5 s); then it is killed.
    Within(Duration),
    /// It may take as long as it needs: for supervisors, whose children have bounds of their own.
    Infinity,
}

impl Default for ChildShutdown {
    fn default() -> Self {
        ChildShutdown::Within(Duration::from_secs(5))
    }
}

/// How many restarts a supervisor allows: over it, it stops its children and exits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub struct Intensity {
    /// So many (3)... Where it is more than [`MOST_COUNTED`](Self::MOST_COUNTED), any number is allowed.
    pub max_restarts: u32,
    /// ...within this time (5 s).
    pub within: Duration,
}

impl Intensity {
    /// The most restarts that are counted (1,000): the times of all of them are kept.
    pub const MOST_COUNTED: u32 = 1000;
}

impl Default for Intensity {
    fn default() -> Self {
        Intensity { max_restarts: 3, within: Duration::from_secs(5) }
    }
}

/// Whether a supervisor exits when significant children have exited by themselves.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, serde::Serialize, serde::Deserialize,
)]
pub enum AutoShutdown {
    /// It does not.
    #[default]
    Never,
    /// With the first of them.
    AnySignificant,
    /// With the last of them.
    AllSignificant,
}

/// A supervisor and what is below it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SupervisorSpec {
    /// Which children start again when one exits.
    pub strategy: SupervisorStrategy,
    /// How many restarts are too many.
    pub intensity: Intensity,
    /// Whether it exits with significant children.
    pub auto_shutdown: AutoShutdown,
    /// How its children are spread over nodes, beside what each of them asks for.
    pub placement: Placement,
    /// The children, in the order in which they start. `SimpleOneForOne`: exactly one, whose spec all children have.
    pub children: Vec<ChildSpec>,
}

/// A child as its supervisor keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChildSpec {
    /// Unique among its siblings.
    pub id: Arc<str>,
    /// After which exits it starts again.
    pub restart: RestartType,
    /// How it is stopped.
    pub shutdown: ChildShutdown,
    /// Whether its exit may end its supervisor.
    pub significant: bool,
    /// What it is.
    pub kind: ChildKind,
}

/// What a child is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ChildKind {
    /// An actor.
    Actor(Arc<ActorSpec>),
    /// A supervisor with children of its own.
    Supervisor(Arc<SupervisorSpec>),
}

impl SupervisorSpec {
    /// The most children that a supervisor is declared with, and the most supervisors above one another.
    pub const MOST_CHILDREN: usize = 10_000;
    /// The most supervisors above one another.
    pub const MOST_LEVELS: usize = 64;
}
