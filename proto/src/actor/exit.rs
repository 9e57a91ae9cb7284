//! Why incarnations ended. The causes of an exit travel as a list; of a long one the first ones and the root.

use crate::error::{ConvertError, Required};
use crate::identity::incarnation;
use crate::wire;
use mobula_types::Failure;
use mobula_types::actor::{ExitCause, ExitDetail, ExitKind, ExitReason, Incarnation};

macro_rules! kinds {
    ($($kind:ident),* $(,)?) => {
        pub(crate) fn kind_to_wire(kind: ExitKind) -> i32 {
            match kind {
                $(ExitKind::$kind => wire::ExitKind::$kind,)*
                _ => wire::ExitKind::Error,
            }
            .into()
        }

        /// [`ExitKind::Error`] for one of a later version.
        pub(crate) fn kind_from_wire(number: i32) -> ExitKind {
            match wire::ExitKind::try_from(number) {
                $(Ok(wire::ExitKind::$kind) => ExitKind::$kind,)*
                _ => ExitKind::Error,
            }
        }

        /// Every kind that travels as itself.
        pub const EXIT_KINDS: &[ExitKind] = &[$(ExitKind::$kind),*];
    };
}

kinds!(
    Normal,
    Shutdown,
    Error,
    Panicked,
    Killed,
    Unhealthy,
    WorkerDied,
    NodeLost,
    ConstructorFailed,
    RestartIntensity,
    Linked,
    Drained,
    JobEnded,
    Isolated,
    Lost,
);

impl From<&ExitReason> for wire::ExitReason {
    fn from(reason: &ExitReason) -> Self {
        let chain = std::iter::successors(reason.cause(), |cause| cause.reason.cause());
        let mut causes: Vec<&ExitCause> = chain.collect();
        bound(&mut causes);
        let cause = |cause: &&ExitCause| wire::ExitCause {
            incarnation: Some(cause.incarnation.into()),
            name: cause.name.as_ref().into(),
            kind: kind_to_wire(cause.reason.kind()),
            failure: cause.reason.failure().map(Into::into),
        };
        wire::ExitReason {
            kind: kind_to_wire(reason.kind()),
            failure: reason.failure().map(Into::into),
            causes: causes.iter().map(cause).collect(),
        }
    }
}

impl TryFrom<wire::ExitReason> for ExitReason {
    type Error = ConvertError;
    fn try_from(mut reason: wire::ExitReason) -> Result<Self, ConvertError> {
        bound(&mut reason.causes);
        // From the root on.
        let mut cause = None;
        for link in reason.causes.into_iter().rev() {
            cause = Some(ExitCause {
                incarnation: incarnation(link.incarnation, "exit_cause.incarnation")?,
                name: link.name.into(),
                reason: one(link.kind, link.failure, cause)?,
            });
        }
        one(reason.kind, reason.failure, cause)
    }
}

/// Leaves out the middle of a chain that is too long.
fn bound<T>(causes: &mut Vec<T>) {
    if causes.len() > ExitReason::CHAIN_LIMIT {
        causes.drain(ExitReason::CHAIN_LIMIT - 1..causes.len() - 1);
    }
}

fn one(
    kind: i32,
    failure: Option<wire::Failure>,
    cause: Option<ExitCause>,
) -> Result<ExitReason, ConvertError> {
    let failure = failure.map(Failure::try_from).transpose()?;
    Ok(ExitReason::with_detail(kind_from_wire(kind), ExitDetail { failure, cause }))
}

/// A reason that must be there.
pub(crate) fn reason(
    reason: Option<wire::ExitReason>,
    field: &'static str,
) -> Result<ExitReason, ConvertError> {
    reason.required(field)?.try_into()
}

pub(super) fn exit_to_wire(incarnation: Incarnation, reason: &ExitReason) -> wire::Exit {
    wire::Exit { incarnation: Some(incarnation.into()), reason: Some(reason.into()) }
}

pub(super) fn exit_from_wire(exit: wire::Exit) -> Result<(Incarnation, ExitReason), ConvertError> {
    Ok((incarnation(exit.incarnation, "exit.incarnation")?, reason(exit.reason, "exit.reason")?))
}
