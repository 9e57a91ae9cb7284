//! From a call to a request on the session.

use super::RemoteCall;
use super::builder::Parts;
use crate::actor::ActorRef;
use crate::codec::{LargeValue, canonical_hash};
use crate::context::{self, CallChain, Context};
use crate::link::{CallTarget, LaneKey, Link, PutRequest, Request, SubmitRequest};
use crate::put::name_put;
use crate::reference::{Handle, HeldValue, References, sealed};
use mobula_runtime::clock;
use mobula_types::{
    ActorId, ArgumentRef, ArgumentShape, Failure, FailureKind, ObjectId, TaskId, TaskTemplate, TemplateId,
    frame,
};
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::Duration;

type Handles = SmallVec<[Arc<Handle>; 1]>;

/// A call on its way: what is sent, and the handles of its results.
struct Prepared {
    context: Context,
    puts: Vec<PutRequest>,
    request: SubmitRequest,
    handles: Handles,
}

impl<R: References> RemoteCall<R> {
    pub(super) fn submit_now(self) -> R {
        let count = self.result_count();
        match self.prepare() {
            Ok(prepared) => references(submit(prepared)),
            Err(failure) => failed(failure, count),
        }
    }

    pub(super) async fn submit_with_room(self) -> R {
        let count = self.result_count();
        let context = match self.resolve_context() {
            Ok(context) => context,
            Err(failure) => return failed(failure, count),
        };
        context.link().room(self.parts.bytes()).await;
        self.submit_now()
    }

    fn resolve_context(&self) -> Result<Context, Failure> {
        match (&self.context, &self.parts.actor) {
            (Some(context), _) => Ok(context.clone()),
            (None, Some(actor)) => actor.context(),
            (None, None) => context::context().map_err(crate::Error::into_failure),
        }
    }

    fn prepare(mut self) -> Result<Prepared, Failure> {
        self.check()?;
        let context = self.resolve_context()?;
        let count = self.result_count();
        let asked = self.options.as_ref().and_then(|options| options.deadline);
        let own = context.deadline().map(|end| end.since(clock::now()));
        let deadline = [own, asked].into_iter().flatten().min();
        self.settle_template();
        prepare(self.parts, context, count, deadline)
    }
}

impl<R> RemoteCall<R> {
    fn result_count(&self) -> u32 {
        let options = self.options.as_ref().and_then(|options| options.num_returns);
        options.unwrap_or(self.parts.template.options.num_returns)
    }

    /// What was wrong with an argument or an option.
    pub(super) fn check(&mut self) -> Result<(), Failure> {
        let of_options = self.options.as_mut().and_then(|options| options.failure.take());
        self.parts.failure.take().or(of_options).map_or(Ok(()), Err)
    }

    /// The template has the options that were asked for.
    pub(super) fn settle_template(&mut self) {
        let count = self.result_count();
        let Some(mut options) = self.options.take() else { return };
        if options.task.is_some() || options.num_returns.is_some() {
            let function = &self.parts.template;
            let mut task = options.task.take().unwrap_or_else(|| function.options.clone());
            task.num_returns = count;
            self.parts.template = Arc::new(TaskTemplate {
                function: function.function.clone(),
                signature: function.signature,
                options: task,
            });
        }
    }
}

fn prepare(
    mut parts: Parts,
    context: Context,
    count: u32,
    deadline: Option<Duration>,
) -> Result<Prepared, Failure> {
    let link = context.link();
    let contents = content_hashes(&context, &parts.large);
    let puts = std::mem::take(&mut parts.large)
        .into_iter()
        .map(|(parameter, large)| put_argument(&mut parts, &context, parameter, large))
        .collect::<Result<Vec<_>, _>>()?;
    let Parts { template, arguments, mut references, actor, .. } = parts;
    if !references.is_sorted_by_key(|(reference, _)| reference.parameter) {
        references.sort_by_key(|(reference, _)| reference.parameter);
    }
    let (arguments, without_owners, contained) = arguments.into_parts();
    let mut holds = Vec::with_capacity(references.len() + contained.len());
    let references: Vec<ArgumentRef> = references
        .into_iter()
        .map(|(reference, handle)| {
            holds.push(handle);
            reference
        })
        .collect();
    check_same_cluster(link, holds.iter().chain(&contained).chain(actor.iter().map(ActorRef::handle)))?;
    let named = without_owners.as_deref().unwrap_or(arguments.as_slice());
    let target = actor.as_ref().map(ActorRef::id);
    let task = name_task(&context, &template, target, named, &references, &contents)?;
    if let (Some(run), Some(actor)) = (context.run(), target)
        && count > 0
        && CallChain::current().refuse(actor).is_some()
    {
        run.note_hopeless(task, actor);
    }
    let addresses = contained.iter().map(|handle| handle.address()).collect();
    holds.extend(contained);
    let handles: Handles = (0..u64::from(count))
        .map(|position| Handle::of_task(link.clone(), ObjectId::result(task, position)))
        .collect();
    let submit = frame::Submit {
        task,
        template: TemplateId::default(),
        arguments,
        parent: context.parent(),
        extras: frame::SubmitExtras { references, contained: addresses, deadline, reoffer: None }.boxed(),
    };
    let weak = handles.iter().map(Arc::downgrade).collect();
    let call = actor.map(|actor| {
        let lane = LaneKey { caller: context.caller(), actor: actor.id() };
        Box::new(CallTarget { lane, _handle: actor.into_handle() })
    });
    let request = SubmitRequest { submit, template, handles: weak, holds, call };
    Ok(Prepared { context, puts, request, handles })
}

/// A driver's tasks are counted, a task's children named by what they are.
fn name_task(
    context: &Context,
    template: &TaskTemplate,
    actor: Option<ActorId>,
    arguments: &[u8],
    references: &[ArgumentRef],
    large: &[(u32, [u8; 32])],
) -> Result<TaskId, Failure> {
    match (context.run(), context.link().job()) {
        (Some(run), _) => Ok(run.child(template, actor, arguments, references, large)),
        (None, Some(job)) => Ok(context.link().next_task(job)),
        (None, None) => Err(context::no_context().into_failure()),
    }
}

/// In a task, what its large arguments count by in the names of its children.
fn content_hashes(context: &Context, large: &[(u32, LargeValue)]) -> Vec<(u32, [u8; 32])> {
    if context.run().is_none() {
        return Vec::new();
    }
    let hash = |(parameter, large): &(u32, LargeValue)| {
        let mut hasher = blake3::Hasher::new();
        let bytes = large.without_owners.as_deref().unwrap_or(large.payload.as_slice());
        canonical_hash(bytes, &mut hasher);
        (*parameter, *hasher.finalize().as_bytes())
    };
    large.iter().map(hash).collect()
}

/// References mean nothing to another cluster, or to another job.
fn check_same_cluster<'a>(
    link: &Arc<Link>,
    mut handles: impl Iterator<Item = &'a Arc<Handle>>,
) -> Result<(), Failure> {
    if handles.all(|handle| handle.link().is_none_or(|of| Arc::ptr_eq(of, link))) {
        return Ok(());
    }
    let message =
        "an argument refers to an object of another connection to a cluster; get its value and pass that";
    Err(Failure::new(FailureKind::InvalidArgument, message))
}

/// Puts a large argument first; the task then refers to it.
fn put_argument(
    parts: &mut Parts,
    context: &Context,
    parameter: u32,
    large: LargeValue,
) -> Result<PutRequest, Failure> {
    let LargeValue { payload, contained, .. } = large;
    let object = name_put(context)?;
    let handles = if contained.is_empty() { None } else { Some(contained.clone().into()) };
    let value = HeldValue { payload: payload.clone(), contained: handles };
    let handle = Handle::of_put(context.link().clone(), object, value);
    let reference = ArgumentRef { parameter, shape: ArgumentShape::Whole, address: handle.address() };
    let weak = Arc::downgrade(&handle);
    parts.references.push((reference, handle));
    Ok(PutRequest { object, handle: weak, payload, holds: contained, done: None })
}

fn submit(prepared: Prepared) -> Handles {
    let Prepared { context, puts, request, handles } = prepared;
    let link = context.link();
    for put in puts {
        if let Err(failure) = link.request(Request::Put(put)) {
            return refused(&handles, failure);
        }
    }
    match link.request(Request::Submit(request)) {
        Ok(()) => handles,
        Err(failure) => refused(&handles, failure),
    }
}

/// Handles that resolve to the failure, instead of those whose task was never submitted.
fn refused(handles: &Handles, failure: Failure) -> Handles {
    handles.iter().for_each(|handle| handle.disown());
    handles.iter().map(|_| Handle::failed(failure.clone())).collect()
}

fn references<R: References>(handles: Handles) -> R {
    R::from_handles(handles.into_iter().map(sealed::Handles))
}

fn failed<R: References>(failure: Failure, count: u32) -> R {
    references((0..count).map(|_| Handle::failed(failure.clone())).collect())
}
