//! What heads are asked about actors and supervisors, and what they answer.

use super::exit::ExitReason;
use super::id::{ActorId, Incarnation};
use super::info::{ActorInfo, ActorState, ChildInfo, GroupInfo, SupervisorInfo};
use super::spec::ActorSpec;
use super::tree::{ChildSpec, SupervisorSpec};
use crate::{Failure, JobId};
use std::sync::Arc;
use std::time::Duration;

/// An actor to create.
#[derive(Clone, PartialEq, Debug)]
pub struct CreateActor {
    /// Its id, chosen by its creator.
    pub actor: ActorId,
    /// What it is started from.
    pub spec: Arc<ActorSpec>,
}

/// Which actor is meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ActorTarget {
    /// The one with this id.
    Id(ActorId),
    /// The one of that name.
    Named {
        /// The namespace.
        namespace: Arc<str>,
        /// The name.
        name: Arc<str>,
    },
}

/// Which supervisor is meant.
pub type SupervisorTarget = ActorTarget;

/// Which actors a list has.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ActorFilter {
    /// Of that job.
    pub job: Option<JobId>,
    /// In that namespace.
    pub namespace: Option<Arc<str>>,
    /// In that state.
    pub state: Option<ActorState>,
    /// With ids after this one: where the page before ended.
    pub after: Option<ActorId>,
}

/// What a head is asked.
#[derive(Clone, PartialEq, Debug)]
pub enum ActorRequest {
    /// Create actors. Each is answered by itself, once its record is durable; how its start went, the asking node hears as
    /// locations.
    Create(Vec<CreateActor>),
    /// Find an actor, alive or lately dead.
    Find(ActorTarget),
    /// List actors, at most `limit`.
    List {
        /// Which.
        filter: ActorFilter,
        /// How many at most.
        limit: usize,
    },
    /// Stop an actor for good: its supervisor, if it has one, treats that as `Shutdown`. With `kill` at once, as `Killed`.
    Stop {
        /// Which.
        target: ActorTarget,
        /// At once.
        kill: bool,
        /// How long it may take; the shorter of this and the child's shutdown counts.
        grace: Duration,
    },
    /// Stop an actor and start it again: a restart that its supervisor does not count.
    Restart(ActorTarget),
    /// Start a tree under the cluster's root, or under another supervisor. Answered once all children have started.
    StartSupervisor {
        /// Its id, chosen by its creator.
        supervisor: ActorId,
        /// Where its name is unique.
        namespace: Arc<str>,
        /// Its name; empty for none.
        name: Arc<str>,
        /// Whose it is.
        job: JobId,
        /// Whether it outlives that job.
        detached: bool,
        /// What it is.
        spec: Arc<SupervisorSpec>,
    },
    /// Stop a supervisor and what is below it.
    StopSupervisor(SupervisorTarget),
    /// Add a child and start it. Under `SimpleOneForOne` only the arguments of its spec count.
    StartChild {
        /// The supervisor.
        supervisor: SupervisorTarget,
        /// The id that the child's actor or supervisor gets.
        actor: ActorId,
        /// The child.
        child: ChildSpec,
    },
    /// Stop a child; its spec stays, unless it is `Temporary`.
    TerminateChild {
        /// The supervisor.
        supervisor: SupervisorTarget,
        /// The child's id.
        child: Arc<str>,
    },
    /// Start a child that was terminated or has ended.
    RestartChild {
        /// The supervisor.
        supervisor: SupervisorTarget,
        /// The child's id.
        child: Arc<str>,
    },
    /// Forget the spec of a child that does not run.
    DeleteChild {
        /// The supervisor.
        supervisor: SupervisorTarget,
        /// The child's id.
        child: Arc<str>,
    },
    /// A supervisor, its children in order, and how they stand.
    Children {
        /// The supervisor.
        supervisor: SupervisorTarget,
        /// Behind which place: where the page before ended.
        after: Option<u64>,
        /// How many children at most; one at least.
        limit: usize,
    },
    /// A child's spec.
    ChildSpec {
        /// The supervisor.
        supervisor: SupervisorTarget,
        /// The child's id.
        child: Arc<str>,
    },
    /// A supervisor and everything below it, or all trees.
    Tree(Option<SupervisorTarget>),
    /// List process groups that have members.
    ListGroups {
        /// In that namespace.
        namespace: Option<Arc<str>>,
        /// Behind that namespace and name: where the page before ended.
        after: Option<(Arc<str>, Arc<str>)>,
        /// How many at most.
        limit: usize,
    },
}

impl ActorRequest {
    /// Whether it changes what runs, and may take its time: heads are asked it as a [`Question`].
    pub const fn is_question(&self) -> bool {
        match self {
            ActorRequest::Stop { .. }
            | ActorRequest::Restart(_)
            | ActorRequest::StartSupervisor { .. }
            | ActorRequest::StopSupervisor(_)
            | ActorRequest::StartChild { .. }
            | ActorRequest::TerminateChild { .. }
            | ActorRequest::RestartChild { .. }
            | ActorRequest::DeleteChild { .. } => true,
            // Creations name their actors, and find them; the others change nothing.
            ActorRequest::Create(_)
            | ActorRequest::Find(_)
            | ActorRequest::List { .. }
            | ActorRequest::Children { .. }
            | ActorRequest::ChildSpec { .. }
            | ActorRequest::Tree(_)
            | ActorRequest::ListGroups { .. } => false,
        }
    }
}

/// A request that is made again until it is answered, and is done once: a head that has heard it remembers it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Question {
    /// Its number, which who asks chooses at random. It is the same each time.
    pub number: u128,
    /// Whether it may have been heard before, by this head or another one.
    pub again: bool,
}

/// What a head says to who asks.
#[derive(Clone, PartialEq, Debug)]
pub enum Asked {
    /// It is done, or refused for good.
    Answered(Result<ActorAnswer, Failure>),
    /// It is being done: the same question brings the answer.
    UnderWay,
}

/// What a head answers.
#[derive(Clone, PartialEq, Debug)]
pub enum ActorAnswer {
    /// To `Create`: for each actor in order, itself (or the one of its name, for `get_or_create`), or why not.
    Created(Vec<Result<ActorId, Failure>>),
    /// To `Find`.
    Found(Box<ActorInfo>),
    /// To `List`.
    List {
        /// The actors, by id.
        actors: Vec<ActorInfo>,
        /// Whether there are more.
        more: bool,
    },
    /// To `Stop` and `TerminateChild`: it has ended. To others: it is done.
    Done {
        /// The incarnation that ended and why, where one did.
        ended: Option<(Incarnation, ExitReason)>,
    },
    /// To `StartSupervisor`, `StartChild` and `RestartChild`.
    Started(Box<ChildInfo>),
    /// To `Children`.
    Children(Box<SupervisorInfo>),
    /// To `ChildSpec`.
    ChildSpec(Box<ChildSpec>),
    /// To `Tree`.
    Tree {
        /// Supervisors, each before those below it.
        supervisors: Vec<SupervisorInfo>,
        /// Their actors.
        actors: Vec<ActorInfo>,
        /// Whether there are more than an answer may have: the rest is left out.
        more: bool,
    },
    /// To `ListGroups`.
    Groups {
        /// The groups, by namespace and name. Fewer than asked for where they have many members.
        groups: Vec<GroupInfo>,
        /// Whether there are more.
        more: bool,
    },
}
