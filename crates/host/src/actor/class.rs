//! Classes of actors, without their types.

use super::object::{ActorExit, Object, State};
use crate::embedded::BoxFuture;
use crate::{AsyncCall, Call, CallResult};
use mobula_types::actor::Down;
use mobula_types::{ExitReason, Failure};
use std::fmt;
use std::time::Duration;

/// Whether a method has its actor for itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// `&mut self`: it runs alone, and the actor is not re-entered while it awaits.
    Exclusive,
    /// `&self`: it runs together with others of its kind.
    Shared,
}

/// A class: what its actors are made by and what they can do. Built once in a process.
#[derive(Debug)]
pub struct Class {
    name: &'static str,
    constructors: Vec<Constructor>,
    methods: Vec<Method>,
    hooks: Hooks,
    /// The names of the methods' groups; the first is the group of those that name none.
    groups: Vec<&'static str>,
    /// For each method, the place of its group.
    group_of: Vec<usize>,
}

/// One way to make an actor.
#[derive(Clone, Copy, Debug)]
pub struct Constructor {
    /// Its name, for people.
    pub name: &'static str,
    /// What to run.
    pub body: ConstructorBody,
}

/// What a constructor runs. It may panic.
#[derive(Clone, Copy)]
pub enum ConstructorBody {
    /// On the thread of the actors, until it returns.
    Inline(fn(&ActorExit, Call) -> Constructed),
    /// On a thread where it may block.
    Blocking(fn(&ActorExit, Call) -> Constructed),
    /// Polled; dropped at its next await when the actor is killed.
    Async(fn(&ActorExit, Call) -> BoxFuture<Constructed>),
}

/// What a constructor answers.
#[derive(Debug)]
pub enum Constructed {
    /// The actor's state.
    Actor(State),
    /// There is to be no actor, and that is no failure.
    Ignore,
    /// It failed.
    Failed(Failure),
}

/// A method.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// Its name, for people.
    pub name: &'static str,
    /// Whether it runs alone.
    pub access: Access,
    /// The concurrency group of a shared one. The actor's options have the limit; a group that they do not name has the
    /// limit of those without a group.
    pub group: Option<&'static str>,
    /// Whether an exclusive async one may be dropped at its next await when its call is cancelled.
    pub cancel_safe: bool,
    /// What to run.
    pub body: MethodBody,
}

/// What a method runs. It may panic, which ends the actor.
#[derive(Clone, Copy)]
pub enum MethodBody {
    /// On the thread of the actors, until it returns.
    Inline(fn(Object, Call) -> CallResult),
    /// On a thread where it may block.
    Blocking(fn(Object, Call) -> CallResult),
    /// Polled on the threads of the actors.
    Async(fn(Object, Call) -> AsyncCall),
}

/// A health check, run once a period. After three failures in a row the actor exits as `Unhealthy`; a check that is
/// not done when the next is due has failed.
#[derive(Clone, Copy)]
pub struct HealthCheck {
    /// Whether it runs alone: `Exclusive` for classes whose state is not shared.
    pub access: Access,
    /// How long it is from one to the next; as the host has it where it does not say.
    pub period: Option<Duration>,
    /// What to run.
    pub body: fn(Object) -> HookFuture,
}

/// A hook on its way.
pub type HookFuture = BoxFuture<Result<(), Failure>>;

/// What a class has run besides calls. All but the health check run alone.
#[derive(Clone, Copy, Default)]
pub struct Hooks {
    /// After the constructor; a failure is one of the constructor.
    pub on_start: Option<fn(Object) -> HookFuture>,
    /// Before the exit, unless the actor was killed, panicked or is unhealthy.
    pub on_stop: Option<fn(Object, ExitReason) -> BoxFuture<()>>,
    /// When something that the actor watches has exited; a failure makes the actor exit with `Error`.
    pub on_down: Option<fn(Object, Down) -> HookFuture>,
    /// Now and then.
    pub health_check: Option<HealthCheck>,
}

impl Class {
    /// The class of that name (`crate::module::Type`).
    pub fn new(
        name: &'static str,
        constructors: Vec<Constructor>,
        methods: Vec<Method>,
        hooks: Hooks,
    ) -> Self {
        let mut groups = vec![""];
        let mut place = |group: &'static str| {
            groups.iter().position(|known| *known == group).unwrap_or_else(|| {
                groups.push(group);
                groups.len() - 1
            })
        };
        let group_of = methods.iter().map(|method| place(method.group.unwrap_or(""))).collect();
        Class { name, constructors, methods, hooks, groups, group_of }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its constructors.
    pub fn constructors(&self) -> &[Constructor] {
        &self.constructors
    }

    /// Its methods.
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }

    /// Its hooks.
    pub fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    /// The names of the methods' groups. The first, empty, is of the methods that name none.
    pub(crate) fn groups(&self) -> &[&'static str] {
        &self.groups
    }

    /// The place among [`groups`](Self::groups) of a method's group.
    pub(crate) fn group_of(&self, method: usize) -> usize {
        self.group_of.get(method).copied().unwrap_or(0)
    }
}

impl fmt::Debug for ConstructorBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConstructorBody::Inline(_) => "Inline",
            ConstructorBody::Blocking(_) => "Blocking",
            ConstructorBody::Async(_) => "Async",
        })
    }
}

impl fmt::Debug for MethodBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MethodBody::Inline(_) => "Inline",
            MethodBody::Blocking(_) => "Blocking",
            MethodBody::Async(_) => "Async",
        })
    }
}

impl fmt::Debug for HealthCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HealthCheck({:?})", self.access)
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("on_start", &self.on_start.is_some())
            .field("on_stop", &self.on_stop.is_some())
            .field("on_down", &self.on_down.is_some())
            .field("health_check", &self.health_check)
            .finish()
    }
}
