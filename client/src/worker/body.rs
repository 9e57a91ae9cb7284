//! From a host's call to the user's function and back: what the macro's output runs in.

use super::shared::WorkerShared;
use super::{GatedRun, RunWaits};
use crate::codec::{self, ArgumentReader};
use crate::context::{Context, RunContext};
use crate::link::CallerKey;
use crate::reference::Handle;
use mobula_host::{AsyncCall, Call, CallResult, InputValue};
use mobula_types::actor::Target;
use mobula_types::{
    ArgumentShape, Failure, FailureKind, Outcome, Payload, ResultValue, TaskId, TaskTemplate,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::iter::Map;
use std::slice::Iter;
use std::sync::Arc;

type Inputs<'a> = Map<Iter<'a, InputValue>, fn(&'a InputValue) -> (u32, ArgumentShape, &'a Payload)>;

/// The arguments of a call, taken one parameter after the other.
#[derive(Debug)]
pub struct Arguments<'a> {
    reader: ArgumentReader<'a, Inputs<'a>>,
    returns: Returns,
}

impl<'a> Arguments<'a> {
    pub(crate) fn of(call: &'a Call) -> Self {
        let input: fn(&'a InputValue) -> _ = |input| (input.parameter, input.shape, &input.payload);
        let reader = ArgumentReader::new(call.arguments.as_slice(), call.inputs.iter().map(input));
        let options = &call.template.options;
        let is_cast = matches!(options.target, Target::Method(method) if method.cast);
        Arguments { reader, returns: Returns { count: options.num_returns, is_cast } }
    }

    /// The next parameter, where it is no `Vec`.
    ///
    /// # Errors
    /// `BadArguments`.
    pub fn take<T: DeserializeOwned + 'static>(&mut self) -> Result<T, Failure> {
        self.reader.take()
    }

    /// The next parameter, where it is a `Vec`.
    ///
    /// # Errors
    /// `BadArguments`.
    pub fn take_vec<T: DeserializeOwned + 'static>(&mut self) -> Result<Vec<T>, Failure> {
        self.reader.take_vec()
    }

    /// No more parameters; what the caller expects to be returned.
    ///
    /// # Errors
    /// `BadArguments` where more were given.
    pub fn finish(self) -> Result<Returns, Failure> {
        self.reader.finish()?;
        Ok(self.returns)
    }
}

/// How many values the caller expects.
#[derive(Clone, Copy, Debug)]
pub struct Returns {
    count: u32,
    /// Nobody waits, whatever comes of it.
    is_cast: bool,
}

impl Returns {
    /// One value.
    pub fn one<T: Serialize + 'static>(self, value: &T) -> CallResult {
        if self.is_cast {
            return CallResult::of(Outcome::Values(Vec::new()));
        }
        if self.count != 1 {
            let message =
                format!("{} references were asked for, and the function returns one value", self.count);
            return CallResult::failed(Failure::new(FailureKind::BadArguments, message));
        }
        Returned::default().value(value).finish_one()
    }

    /// A list: one value, or as many as the caller expects.
    pub fn list<T: Serialize + 'static>(self, values: &Vec<T>) -> CallResult {
        let count = self.count as usize;
        if count == 1 || self.is_cast {
            return self.one(values);
        }
        if count != values.len() {
            let message =
                format!("{count} references were asked for, and the list has {} elements", values.len());
            return CallResult::failed(Failure::new(FailureKind::BadValue, message));
        }
        values.iter().fold(Returned::default(), Returned::value).finish()
    }

    /// The elements of a tuple.
    pub fn several(self) -> Returned {
        Returned::default()
    }
}

/// Collects encoded values.
#[derive(Debug, Default)]
pub struct Returned {
    values: Vec<ResultValue>,
    held: Vec<Arc<Handle>>,
    failure: Option<Failure>,
}

impl Returned {
    /// The next value.
    pub fn value<T: Serialize + 'static>(mut self, value: &T) -> Self {
        match codec::encode(value).map(codec::Encoded::into_result) {
            Ok((value, held)) => {
                self.values.push(value);
                self.held.extend(held);
            }
            Err(cause) => {
                let message = format!("result {} cannot be encoded", self.values.len());
                self.failure.get_or_insert(Failure::new(FailureKind::BadValue, message).caused_by(cause));
            }
        }
        self
    }

    /// All values.
    pub fn finish(mut self) -> CallResult {
        let values = std::mem::take(&mut self.values);
        self.into_result(Outcome::Values(values))
    }

    fn finish_one(mut self) -> CallResult {
        let outcome = match self.values.pop() {
            Some(value) => Outcome::Value(value),
            None => Outcome::Values(Vec::new()),
        };
        self.into_result(outcome)
    }

    fn into_result(mut self, outcome: Outcome) -> CallResult {
        // What was lent to the run is kept for it until its end is known.
        self.held.retain(|handle| handle.is_given());
        match self.failure {
            Some(failure) => CallResult::failed(failure),
            None if self.held.is_empty() => CallResult::of(outcome),
            None => CallResult { kept: Some(Box::new(self.held)), ..CallResult::of(outcome) },
        }
    }
}

/// Runs a blocking function in the context of its run.
pub fn run_blocking(
    call: Call,
    body: impl FnOnce(Arguments<'_>) -> Result<CallResult, Failure>,
) -> CallResult {
    let run = match Run::of(&call) {
        Ok(run) => run,
        Err(failure) => return CallResult::failed(failure),
    };
    let result = run.context.enter(|| body(Arguments::of(&call)));
    run.named.name(result.unwrap_or_else(CallResult::failed))
}

/// Decodes the arguments of an async function and gives the run, in its context.
pub fn run_async<F>(call: Call, body: impl FnOnce(Arguments<'_>) -> Result<F, Failure>) -> AsyncCall
where
    F: Future<Output = CallResult> + Send + 'static,
{
    let run = match Run::of(&call) {
        Ok(run) => run,
        Err(failure) => return Box::pin(std::future::ready(CallResult::failed(failure))),
    };
    match run.context.enter(|| body(Arguments::of(&call))) {
        Err(failure) => Box::pin(std::future::ready(run.named.name(CallResult::failed(failure)))),
        Ok(future) => {
            let gated = GatedRun::new(run.context.scope(future), run.waits.clone());
            Box::pin(async move { run.named.name(gated.await) })
        }
    }
}

/// A run, while it runs.
struct Run {
    context: Context,
    waits: Arc<RunWaits>,
    named: Named,
}

/// Which call it is, for failures that do not say.
pub(crate) struct Named {
    task: TaskId,
    template: Arc<TaskTemplate>,
}

impl Named {
    pub(crate) fn of(call: &Call) -> Self {
        Named { task: call.task, template: call.template.clone() }
    }

    /// Adds task and function to a failure that has none.
    pub(crate) fn name(&self, mut result: CallResult) -> CallResult {
        if let Outcome::Failed(failure) = &mut result.outcome
            && failure.detail().task.is_none()
        {
            *failure = failure.clone().of_task(self.task, self.template.display_name());
        }
        result
    }
}

impl Run {
    fn of(call: &Call) -> Result<Self, Failure> {
        let shared = call.guest.clone().downcast::<WorkerShared>().map_err(|_| {
            Failure::new(FailureKind::Internal, "a function was called by a host of another kind")
        })?;
        let link = shared.link().clone();
        let waits = RunWaits::new(call.handle, shared);
        let context = Context::of_run(RunContext {
            link,
            handle: call.handle,
            task: call.task,
            attempt: call.attempt,
            deadline: call.deadline,
            cancel: call.cancel.clone(),
            waits: waits.clone(),
            caller: CallerKey::Run(call.handle),
        });
        Ok(Run { context, waits, named: Named::of(call) })
    }
}
