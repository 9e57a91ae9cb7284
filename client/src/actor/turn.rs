//! From a host's turn to the user's method and back: what the macro's output runs in.

use super::{ActorContext, ActorScope};
use crate::context::{CallChain, Context, InChain};
use crate::worker::body::{Arguments, Named};
use mobula_host::actor::{Access, ActorExit, Constructed, Object, State};
use mobula_host::{AsyncCall, BoxFuture, Call, CallResult};
use mobula_types::actor::Target;
use mobula_types::{Failure, FailureKind, Outcome};
use std::sync::Arc;

/// An actor's scope, as its host keeps it.
fn scope_of(actor: &ActorExit) -> Result<Arc<ActorScope>, Failure> {
    actor
        .context()
        .clone()
        .downcast::<ActorScope>()
        .map_err(|_| Failure::new(FailureKind::Internal, "an actor was started by a host of another kind"))
}

/// A turn, while it runs.
struct Turn {
    context: Context,
    actor: ActorContext,
    named: Named,
    chain: CallChain,
}

impl Turn {
    fn of(object: &Object, call: &Call) -> Result<Self, Failure> {
        let options = match &call.template.options.target {
            Target::Method(options) => Some(options),
            _ => None,
        };
        let chain = CallChain::of(object.actor().incarnation().actor, object.turn(), options);
        Ok(Turn { chain, ..Turn::of_actor(object.actor(), call)? })
    }

    fn of_actor(actor: &ActorExit, call: &Call) -> Result<Self, Failure> {
        let scope = scope_of(actor)?;
        let context = scope.turn(call);
        let named = Named::of(call);
        Ok(Turn {
            context,
            actor: ActorContext::new(actor.clone(), scope),
            named,
            chain: CallChain::alone(actor.incarnation().actor),
        })
    }
}

/// Runs a method that is not async.
pub fn turn(
    object: Object,
    call: Call,
    body: impl FnOnce(Object, Arguments<'_>, &ActorContext) -> Result<CallResult, Failure>,
) -> CallResult {
    let turn = match Turn::of(&object, &call) {
        Ok(turn) => turn,
        Err(failure) => return CallResult::failed(failure),
    };
    let part = || body(object, Arguments::of(&call), &turn.actor);
    let result = turn.chain.enter(|| turn.context.enter(part));
    turn.named.name(result.unwrap_or_else(CallResult::failed))
}

/// Decodes the arguments of an async method and gives its run.
pub fn turn_async<F>(
    object: Object,
    call: Call,
    body: impl FnOnce(Object, Arguments<'_>, &ActorContext) -> Result<F, Failure>,
) -> AsyncCall
where
    F: Future<Output = CallResult> + Send + 'static,
{
    let turn = match Turn::of(&object, &call) {
        Ok(turn) => turn,
        Err(failure) => return Box::pin(std::future::ready(CallResult::failed(failure))),
    };
    let Turn { context, actor, named, chain } = turn;
    match context.enter(|| body(object, Arguments::of(&call), &actor)) {
        Err(failure) => Box::pin(std::future::ready(named.name(CallResult::failed(failure)))),
        Ok(future) => {
            let scoped = InChain::new(chain, context.scope(future));
            Box::pin(async move { named.name(scoped.await) })
        }
    }
}

/// Runs a constructor that is not async.
pub fn construct<A>(
    actor: &ActorExit,
    call: Call,
    state: fn(A) -> State,
    body: impl FnOnce(Arguments<'_>, &ActorContext) -> Result<Result<Option<A>, Failure>, Failure>,
) -> Constructed {
    let turn = match Turn::of_actor(actor, &call) {
        Ok(turn) => turn,
        Err(failure) => return Constructed::Failed(failure),
    };
    let part = || body(Arguments::of(&call), &turn.actor);
    let made = turn.chain.enter(|| turn.context.enter(part));
    constructed(made.and_then(|made| made), state)
}

/// Decodes the arguments of an async constructor and gives its run.
pub fn construct_async<A, F>(
    actor: &ActorExit,
    call: Call,
    state: fn(A) -> State,
    body: impl FnOnce(Arguments<'_>, &ActorContext) -> Result<F, Failure>,
) -> BoxFuture<Constructed>
where
    A: Send + 'static,
    F: Future<Output = Result<Option<A>, Failure>> + Send + 'static,
{
    let turn = match Turn::of_actor(actor, &call) {
        Ok(turn) => turn,
        Err(failure) => return Box::pin(std::future::ready(Constructed::Failed(failure))),
    };
    match turn.context.enter(|| body(Arguments::of(&call), &turn.actor)) {
        Err(failure) => Box::pin(std::future::ready(Constructed::Failed(failure))),
        Ok(future) => {
            let scoped = InChain::new(turn.chain, turn.context.scope(future));
            Box::pin(async move { constructed(scoped.await, state) })
        }
    }
}

fn constructed<A>(made: Result<Option<A>, Failure>, state: fn(A) -> State) -> Constructed {
    match made {
        Ok(Some(actor)) => Constructed::Actor(state(actor)),
        Ok(None) => Constructed::Ignore,
        Err(failure) => Constructed::Failed(failure),
    }
}

/// Runs a hook, in its actor's own context. Only one with shared access leaves the actor free for other turns meanwhile.
pub fn hook<F>(
    object: &Object,
    access: Access,
    body: impl FnOnce(ActorContext) -> F,
) -> BoxFuture<Result<(), Failure>>
where
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let scope = match scope_of(object.actor()) {
        Ok(scope) => scope,
        Err(failure) => return Box::pin(std::future::ready(Err(failure))),
    };
    let chain = match access {
        Access::Exclusive => CallChain::alone(object.actor().incarnation().actor),
        Access::Shared => CallChain::default(),
    };
    let context = scope.between_turns();
    let scoped = context.scope(body(ActorContext::new(object.actor().clone(), scope)));
    Box::pin(InChain::new(chain, scoped))
}

/// Runs the hook before an exit, whose failure changes nothing.
pub fn stopping(hook: BoxFuture<Result<(), Failure>>) -> BoxFuture<()> {
    Box::pin(async move {
        if let Err(failure) = hook.await {
            tracing::warn!(%failure, "an actor's `on_stop` failed");
        }
    })
}

/// The error that a constructor or a hook returned.
///
/// # Errors
/// Always: that error.
pub fn failed<T>(returned: CallResult) -> Result<T, Failure> {
    match returned.outcome {
        Outcome::Failed(failure) => Err(failure),
        _ => Err(Failure::new(FailureKind::Internal, "an error was returned without a failure")),
    }
}
