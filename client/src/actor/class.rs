//! The classes that are linked into this program.

use crate::registry::RemoteFunction;
use foldhash::HashMap;
use mobula_host::actor::{
    Access, Class, Constructor, ConstructorBody, HealthCheck, Hooks, Method, MethodBody, Object,
};
use mobula_host::{Body, BoxFuture, Call, CallResult};
use mobula_types::actor::Down;
use mobula_types::{ExitReason, Failure, FailureKind};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Every class of the program.
#[linkme::distributed_slice]
pub static CLASSES: [ActorClass];

/// One class of `#[mobula::actor]`. Made by the macro.
pub struct ActorClass {
    name: &'static str,
    place: &'static str,
    build: fn() -> BuiltClass,
}

impl ActorClass {
    /// For the macro's output. `name` is `crate::module::Type`, `place` is `file:line`.
    pub const fn new(name: &'static str, place: &'static str, build: fn() -> BuiltClass) -> Self {
        ActorClass { name, place, build }
    }

    /// Its name: `crate::module::Type`.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl fmt::Debug for ActorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.name, self.place)
    }
}

/// What a constructor or method is announced with: it is found in its class, and its function runs nothing.
pub const INLINE: Body = Body::Blocking(not_a_function);
/// As [`INLINE`], of an async one.
pub const ASYNC: Body = Body::Async(|call| Box::pin(std::future::ready(not_a_function(call))));

fn not_a_function(call: Call) -> CallResult {
    let message = format!("{} belongs to an actor: call it on a handle", call.template.function);
    CallResult::failed(Failure::new(FailureKind::InvalidArgument, message))
}

/// How a method is run, beside what its signature says.
#[derive(Clone, Copy, Debug)]
pub struct MethodRules {
    /// Its concurrency group.
    pub group: Option<&'static str>,
    /// Dropped at an await, it leaves the actor as it should be.
    pub cancel_safe: bool,
}

/// Puts a class together.
#[derive(Debug)]
pub struct ClassBuilder {
    name: &'static str,
    constructors: Vec<(&'static RemoteFunction, Constructor)>,
    methods: Vec<(&'static RemoteFunction, Method)>,
    hooks: Hooks,
}

/// A class, and by which functions its constructors and methods are known.
#[derive(Debug)]
pub struct BuiltClass {
    class: Arc<Class>,
    constructors: Vec<&'static RemoteFunction>,
    methods: Vec<&'static RemoteFunction>,
}

impl ClassBuilder {
    /// The class of that name.
    pub fn new(name: &'static str) -> Self {
        ClassBuilder { name, constructors: Vec::new(), methods: Vec::new(), hooks: Hooks::default() }
    }

    /// A constructor.
    pub fn constructor(&mut self, function: &'static RemoteFunction, body: ConstructorBody) {
        self.constructors.push((function, Constructor { name: function.name(), body }));
    }

    /// A method.
    pub fn method(
        &mut self,
        function: &'static RemoteFunction,
        access: Access,
        rules: MethodRules,
        body: MethodBody,
    ) {
        let MethodRules { group, cancel_safe } = rules;
        self.methods.push((function, Method { name: function.name(), access, group, cancel_safe, body }));
    }

    /// What runs behind the constructor.
    pub fn on_start(&mut self, hook: fn(Object) -> BoxFuture<Result<(), Failure>>) {
        self.hooks.on_start = Some(hook);
    }

    /// What runs before the exit.
    pub fn on_stop(&mut self, hook: fn(Object, ExitReason) -> BoxFuture<()>) {
        self.hooks.on_stop = Some(hook);
    }

    /// What runs when something that the actor watches has exited.
    pub fn on_down(&mut self, hook: fn(Object, Down) -> BoxFuture<Result<(), Failure>>) {
        self.hooks.on_down = Some(hook);
    }

    /// What runs once a period, and the period where the class names one.
    pub fn health_check(
        &mut self,
        access: Access,
        period: Option<Duration>,
        body: fn(Object) -> BoxFuture<Result<(), Failure>>,
    ) {
        self.hooks.health_check = Some(HealthCheck { access, period, body });
    }

    /// The class.
    pub fn finish(self) -> BuiltClass {
        let (constructors, made): (Vec<_>, Vec<_>) = self.constructors.into_iter().unzip();
        let (methods, called): (Vec<_>, Vec<_>) = self.methods.into_iter().unzip();
        let class = Arc::new(Class::new(self.name, made, called, self.hooks));
        BuiltClass { class, constructors, methods }
    }
}

/// What a function of a class stands for.
#[derive(Clone, Debug)]
pub(crate) enum Member {
    Constructor(Arc<Class>, usize),
    Method(Arc<Class>, usize),
}

/// The classes of a worker, by the functions of their constructors and methods.
#[derive(Debug, Default)]
pub(crate) struct ClassTable {
    members: HashMap<&'static str, Member>,
}

impl ClassTable {
    /// The program's.
    pub(crate) fn of_program() -> Self {
        let mut members = HashMap::default();
        for class in CLASSES {
            let BuiltClass { class, constructors, methods } = (class.build)();
            for (place, function) in constructors.into_iter().enumerate() {
                members.insert(function.name(), Member::Constructor(class.clone(), place));
            }
            for (place, function) in methods.into_iter().enumerate() {
                members.insert(function.name(), Member::Method(class.clone(), place));
            }
        }
        ClassTable { members }
    }

    /// What the function of that name stands for; `None` where it is a function alone.
    pub(crate) fn get(&self, name: &str) -> Option<&Member> {
        self.members.get(name)
    }
}

/// Whether a type is `Sync`, without a bound: found out by which of two constants is there.
#[derive(Debug)]
pub struct IsShareable<T>(std::marker::PhantomData<fn() -> T>);

impl<T: Sync> IsShareable<T> {
    /// It is.
    pub const YES: bool = true;
}

/// A type that may not be `Sync`.
pub trait NotShareable {
    /// It is not, unless the type says otherwise.
    const YES: bool = false;
}

impl<T> NotShareable for IsShareable<T> {}
