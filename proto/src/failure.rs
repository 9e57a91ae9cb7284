//! Failures. A chain of causes is cut in its middle: what failed and why at the root always travel.

use crate::error::ConvertError;
use crate::wire;
use mobula_types::error::{FailureDetail, UserError};
use mobula_types::{Failure, FailureKind, NodeId, ObjectId, Payload};
use std::sync::Arc;

/// The most failures of one chain that travel: the first ones, and the last.
pub const CHAIN_LIMIT: usize = 16;

macro_rules! kinds {
    ($($kind:ident),* $(,)?) => {
        /// The number that stands for a kind.
        pub fn kind_to_wire(kind: FailureKind) -> wire::FailureKind {
            match kind {
                $(FailureKind::$kind => wire::FailureKind::$kind,)*
                _ => wire::FailureKind::Internal,
            }
        }

        /// The kind that a number stands for; [`FailureKind::Internal`] for one of a later version.
        pub fn kind_from_wire(number: i32) -> FailureKind {
            match wire::FailureKind::try_from(number) {
                $(Ok(wire::FailureKind::$kind) => FailureKind::$kind,)*
                _ => FailureKind::Internal,
            }
        }

        /// Every kind that travels as itself.
        pub const KINDS: &[FailureKind] = &[$(FailureKind::$kind),*];
    };
}

kinds!(
    TaskFailed,
    TaskPanicked,
    WorkerDied,
    NodeLost,
    DependencyFailed,
    Cancelled,
    DeadlineExceeded,
    TimedOut,
    Backpressure,
    TooDeep,
    WouldDeadlock,
    Infeasible,
    PoisonSuspected,
    ObjectLost,
    LineageEvicted,
    StoreFull,
    TypeMismatch,
    BadArguments,
    BadValue,
    UnknownFunction,
    FunctionMismatch,
    ExecutableRefused,
    WorkerStartFailed,
    SessionExpired,
    JobEnded,
    Unavailable,
    Unauthenticated,
    PermissionDenied,
    NotFound,
    AlreadyExists,
    InvalidArgument,
    ProtocolVersion,
    Malformed,
    TooLarge,
    ResourceExhausted,
    NoContext,
    NodeNameTaken,
    Fenced,
    NoRoom,
    Internal,
    ActorDied,
    MailboxFull,
    ConstructorFailed,
    SupervisorEnded,
);

impl From<&Failure> for wire::Failure {
    fn from(failure: &Failure) -> Self {
        let mut chain = Vec::with_capacity(4);
        let mut next = Some(failure);
        while let Some(failure) = next {
            chain.push(failure);
            next = failure.detail().cause.as_ref();
        }
        if chain.len() > CHAIN_LIMIT {
            chain.drain(CHAIN_LIMIT - 1..chain.len() - 1);
        }
        let link = |cause: Option<wire::Failure>, failure: &&Failure| {
            Some(wire::Failure { cause: cause.map(Box::new), ..one_failure(failure.detail()) })
        };
        chain.iter().rev().fold(None, link).unwrap_or_default()
    }
}

impl From<Failure> for wire::Failure {
    fn from(failure: Failure) -> Self {
        wire::Failure::from(&failure)
    }
}

fn one_failure(detail: &FailureDetail) -> wire::Failure {
    let text = |text: &Option<Arc<str>>| text.as_deref().unwrap_or_default().to_owned();
    wire::Failure {
        kind: kind_to_wire(detail.kind).into(),
        message: detail.message.clone(),
        task: detail.task.map(Into::into),
        function: text(&detail.function),
        attempt: detail.attempt.map(Into::into),
        node: detail.node.as_ref().map(Into::into),
        object: detail.object.map(Into::into),
        place: text(&detail.place),
        exit: text(&detail.exit),
        user: detail.user.as_ref().map(|user| wire::UserError {
            type_name: user.type_name.as_ref().to_owned(),
            payload: user.payload.clone().into_bytes(),
        }),
        cause: None,
        incarnation: detail.incarnation.map(Into::into),
        may_have_run: detail.may_have_run,
    }
}

impl TryFrom<wire::Failure> for Failure {
    type Error = ConvertError;
    fn try_from(failure: wire::Failure) -> Result<Self, ConvertError> {
        let cause = failure.cause.map(|cause| Failure::try_from(*cause)).transpose()?;
        let text = |text: String| (!text.is_empty()).then(|| Arc::<str>::from(text));
        let bounded = Failure::new(kind_from_wire(failure.kind), failure.message);
        let node = failure.node.map(NodeId::try_from).transpose()?;
        let object = failure.object.map(ObjectId::try_from).transpose()?;
        Ok(bounded.with(|detail| {
            detail.task = failure.task.map(Into::into);
            detail.function = text(failure.function);
            detail.attempt = failure.attempt.map(Into::into);
            detail.node = node;
            detail.object = object;
            detail.place = text(failure.place);
            detail.exit = text(failure.exit);
            detail.incarnation = failure.incarnation.map(Into::into);
            detail.may_have_run = failure.may_have_run;
            detail.user = failure.user.map(|user| UserError {
                type_name: user.type_name.into(),
                payload: Payload::from(user.payload),
            });
            detail.cause = cause;
        }))
    }
}
