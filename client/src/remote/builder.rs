//! Putting a call's arguments together.

use super::RemoteCall;
use crate::actor::ActorRef;
use crate::arg::{Arg, Argument};
use crate::codec::{ArgumentWriter, LargeValue};
use crate::reference::{Handle, References};
use crate::registry::RemoteFunction;
use mobula_types::{ArgumentRef, ArgumentShape, Failure, INLINE_LIMIT, ObjectAddress, TaskTemplate};
use serde::Serialize;
use std::sync::Arc;

/// Collects the arguments of a call, one parameter after the other. Used by the output of the macros, and by those who
/// call a function whose code they do not have.
///
/// Arguments are encoded here; a mistake is kept, and is what the call's references resolve to.
#[derive(Debug)]
pub struct CallBuilder(pub(super) Parts);

/// A call without its options.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) template: Arc<TaskTemplate>,
    pub(super) arguments: ArgumentWriter,
    pub(super) references: Vec<(ArgumentRef, Arc<Handle>)>,
    /// Values that are too large to travel with the task: they are put when it is submitted.
    pub(super) large: Vec<(u32, LargeValue)>,
    parameters: u32,
    /// Where it is a call of an actor: that actor's handle.
    pub(super) actor: Option<ActorRef>,
    pub(super) failure: Option<Failure>,
}

impl CallBuilder {
    /// A call of a function of this program.
    pub fn new(function: &'static RemoteFunction) -> Self {
        CallBuilder::of_template(function.template().clone())
    }

    /// A call of any function.
    pub fn of_template(template: Arc<TaskTemplate>) -> Self {
        CallBuilder(Parts {
            template,
            arguments: ArgumentWriter::default(),
            references: Vec::new(),
            large: Vec::new(),
            parameters: 0,
            actor: None,
            failure: None,
        })
    }

    /// The next argument.
    pub fn argument<T: Serialize + 'static>(&mut self, argument: impl Into<Arg<T>>) {
        let parts = &mut self.0;
        let parameter = parts.parameters;
        parts.parameters += 1;
        match argument.into().0 {
            Argument::Value(value) => parts.value(parameter, &value),
            Argument::Whole(handle) => parts.reference(parameter, ArgumentShape::Whole, handle),
            Argument::Elements(handles) if handles.is_empty() => parts.empty_list(parameter),
            Argument::Elements(handles) => handles
                .into_iter()
                .for_each(|handle| parts.reference(parameter, ArgumentShape::Element, handle)),
        }
    }

    /// Makes it a call of an actor: the template is that of a method.
    pub(crate) fn of_actor(mut self, actor: &ActorRef) -> Self {
        self.0.actor = Some(actor.clone());
        self
    }

    /// The call, to be given options and submitted.
    pub fn finish<R: References>(self) -> RemoteCall<R> {
        RemoteCall::new(self.0)
    }
}

impl Parts {
    /// What the call takes in the link's buffer, roughly.
    pub(super) fn bytes(&self) -> usize {
        let large: usize = self.large.iter().map(|(_, large)| 256 + large.payload.len()).sum();
        256 + self.arguments.len() + 96 * self.references.len() + large
    }

    fn value<T: Serialize + 'static>(&mut self, parameter: u32, value: &T) {
        match self.arguments.push(value, INLINE_LIMIT) {
            Ok(None) => {}
            Ok(Some(large)) => self.large.push((parameter, large)),
            Err(cause) => self.fail(parameter, cause),
        }
    }

    fn fail(&mut self, parameter: u32, cause: Failure) {
        let function = &self.template.function;
        let message = format!("argument {parameter} of {function} cannot be encoded");
        let failure = Failure::new(crate::ErrorKind::BadArguments, message).caused_by(cause);
        self.failure.get_or_insert(failure);
    }

    fn reference(&mut self, parameter: u32, shape: ArgumentShape, handle: Arc<Handle>) {
        if handle.link().is_none() {
            // A reference to nothing: its failure is this call's.
            let message = format!("argument {parameter} of {} is no object", self.template.function);
            let failure = Failure::new(crate::ErrorKind::DependencyFailed, message);
            let failure = match handle.failure() {
                Some(cause) => failure.caused_by(cause),
                None => failure,
            };
            self.failure.get_or_insert(failure);
            return;
        }
        let reference = ArgumentRef { parameter, shape, address: handle.address() };
        self.references.push((reference, handle));
    }

    fn empty_list(&mut self, parameter: u32) {
        let address = ObjectAddress::at_home(Default::default());
        let reference = ArgumentRef { parameter, shape: ArgumentShape::EmptyVec, address };
        let nothing = Handle::failed(Failure::new(crate::ErrorKind::Internal, "an empty list has no object"));
        self.references.push((reference, nothing));
    }
}
