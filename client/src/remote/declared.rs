//! Calls that are kept as data: constructors with their arguments, from which a supervisor starts its children.

use super::RemoteCall;
use super::builder::Parts;
use mobula_types::actor::ActorSpec;
use mobula_types::{Failure, FailureKind, Payload, TaskTemplate};
use std::sync::Arc;

/// A constructor, its options, and its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Declared {
    pub(crate) template: Arc<TaskTemplate>,
    pub(crate) arguments: Payload,
}

impl<R> RemoteCall<R> {
    /// The call as data. It may be made long after this program's objects are gone, so that it refers to none.
    pub(crate) fn declare(mut self) -> Result<Declared, Failure> {
        self.check()?;
        self.settle_template();
        let Parts { template, arguments, references, large, .. } = self.parts;
        let length = arguments.len() + large.iter().map(|(_, large)| large.payload.len()).sum::<usize>();
        if length > ActorSpec::ARGUMENT_LIMIT {
            let most = ActorSpec::ARGUMENT_LIMIT;
            let message = format!(
                "the arguments of {} take {length} bytes, and those of a supervised actor at most {most}: what is larger \
                 is put in a named actor, or made by the child",
                template.function
            );
            return Err(Failure::new(FailureKind::TooLarge, message));
        }
        let (arguments, _, contained) = arguments.into_parts();
        if !references.is_empty() || !contained.is_empty() {
            let message = format!(
                "the arguments of {} refer to an object, or to an actor by the handle of its creation: a supervised \
                 actor outlives those; pass a value, a name, or a handle that was found by one",
                template.function
            );
            return Err(Failure::new(FailureKind::InvalidArgument, message));
        }
        Ok(Declared { template, arguments })
    }
}
