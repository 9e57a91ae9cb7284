//! A task on record.

use crate::tasks::keys::{JobKey, ObjectKey, ShapeKey, TaskKey};
use crate::tasks::{Place, SessionKey};
use mobula_types::summary::TaskState;
use mobula_types::{ArgumentRef, Attempt, NodeId, Payload, TaskId, Time};
use smallvec::SmallVec;

/// What a record is taken to cost beside its payload, in bytes.
pub(super) const TASK_COST: u64 = 512;
/// What a reference among the arguments is taken to cost, in bytes.
const REFERENCE_COST: u64 = 128;

/// A task, from its submit until it has ended and nobody holds its results.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) id: TaskId,
    pub(super) job: JobKey,
    pub(super) shape: ShapeKey,
    pub(super) phase: Phase,
    pub(super) attempt: Attempt,
    pub(super) retries: u32,
    /// How many nodes have refused the attempt.
    pub(super) refusals: u32,
    /// Made again because a copy was lost; its submitters were told long ago.
    pub(super) recovering: bool,
    /// Whether it is in the lineage: ended, with everything kept that it takes to run it again.
    pub(super) in_lineage: bool,
    /// Placed by itself: it has large arguments somewhere, or nodes to avoid.
    pub(super) single: bool,
    /// The creation of an actor that lives and may keep what its constructor was given.
    pub(super) feeds_actor: bool,
    /// A call that its router knows of.
    pub(super) in_lane: bool,
    /// What it counts for among what is under way to executors.
    pub(super) heavy: u64,
    /// Raised whenever the task enters a queue or waits for inputs: what refers to an older one is stale.
    pub(super) ticket: u64,
    /// What it counts for in the store.
    pub(super) cost: u64,
    pub(super) arguments: Payload,
    pub(super) inputs: Option<Box<Inputs>>,
    /// Its results by position; `NONE` where nobody holds one.
    pub(super) results: SmallVec<[ObjectKey; 2]>,
    /// Sessions to be told its end, once for each submit.
    pub(super) submitters: SmallVec<[SessionKey; 2]>,
    /// Where the attempt is. An ended task may still have one there, which was cancelled.
    pub(super) place: Option<Place>,
    pub(super) submitted: Time,
    /// `NEVER` for none.
    pub(super) deadline: Time,
    pub(super) deadline_timer: u64,
    /// When a pause ends, and its timer.
    pub(super) pause: (Time, u64),
    pub(super) kinship: Option<Box<Kinship>>,
    pub(super) history: Option<Box<History>>,
}

/// How far a task is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Waits until the nodes have said what they have of its job.
    Seeking,
    /// Waits for its inputs.
    Waiting,
    /// Waits for a place.
    Queued,
    /// Waits for a moment in time: after a failure, or after several refusals.
    Paused,
    /// Handed to an executor.
    Assigned,
    /// Over.
    Ended(TaskState),
}

/// The references of a task.
#[derive(Default, Debug)]
pub(super) struct Inputs {
    pub(super) references: Vec<ArgumentRef>,
    /// The object of each reference; `NONE` for one that stands for no object, or for one that does not exist.
    pub(super) keys: Vec<ObjectKey>,
    /// Objects referred to inside encoded arguments.
    pub(super) contained: Vec<ObjectKey>,
    pub(super) missing: u32,
    pub(super) hold: InputHold,
}

/// In what way a task keeps its inputs.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) enum InputHold {
    /// Not at all.
    #[default]
    None,
    /// Their values: it has yet to run.
    Pinned,
    /// Their records: it may have to be run again.
    Lineage,
}

/// A nested task among its parent's children.
#[derive(Debug)]
pub(super) struct Kinship {
    pub(super) parent: TaskId,
    pub(super) previous: TaskKey,
    pub(super) next: TaskKey,
    /// The attempt of the parent that last submitted it.
    pub(super) claim: Attempt,
}

/// What went wrong before.
#[derive(Debug)]
pub(super) struct History {
    /// When nodes were lost under it.
    pub(super) losses: Vec<Time>,
    /// Nodes that refused or lost it, or could not bring its inputs.
    pub(super) avoid: Vec<NodeId>,
    /// Those of them that did not get workers for this attempt started.
    pub(super) unable: Vec<NodeId>,
    /// Since when nodes have not been able to bring this attempt's inputs; `NEVER` where none has said so. And how often
    /// all that were tried were given a pause.
    pub(super) unavailable_since: Time,
    pub(super) rounds_unavailable: u32,
}

impl Default for History {
    fn default() -> Self {
        History {
            losses: Vec::new(),
            avoid: Vec::new(),
            unable: Vec::new(),
            unavailable_since: Time::NEVER,
            rounds_unavailable: 0,
        }
    }
}

impl History {
    /// Nodes are tried again, but for those that cannot run the task.
    pub(super) fn forgive(&mut self) {
        self.avoid.clone_from(&self.unable);
    }

    /// Another attempt begins.
    pub(super) fn next_attempt(&mut self) {
        let unable = std::mem::take(&mut self.unable);
        self.avoid.retain(|node| !unable.contains(node));
        self.unavailable_since = Time::NEVER;
        self.rounds_unavailable = 0;
    }
}

impl Task {
    pub(super) fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended(_))
    }

    /// What arguments and references cost.
    pub(super) fn input_cost(&self) -> u64 {
        let references = self.inputs.as_ref().map_or(0, |inputs| inputs.keys.len() + inputs.contained.len());
        self.arguments.len() as u64 + references as u64 * REFERENCE_COST
    }

    /// Whether the record serves nobody any more.
    #[inline]
    pub(super) fn is_unused(&self) -> bool {
        self.is_ended()
            && !self.feeds_actor
            && self.place.is_none()
            && self.results.iter().all(|result| result.is_none())
    }

    /// Nodes not to try while there are others.
    pub(super) fn avoid(&self) -> &[NodeId] {
        self.history.as_ref().map_or(&[], |history| &history.avoid)
    }
}
