//! Failures as gRPC statuses and back. A server of Mobula answers every refusal with a `mobula.v1.Failure` in the
//! status's details; a status without one, such as another proxy's, becomes a failure of the kind that its code means.

use bytes::Bytes;
use mobula_proto::wire;
use mobula_types::{Failure, FailureKind};
use prost::Message;
use tonic::{Code, Status};

/// The most bytes of details: a status of more than about 16 KiB never arrives, and details travel as base64.
const DETAILS_LIMIT: usize = 7 * 1024;
/// The most bytes of the message beside them, which may travel at three times its length.
const MESSAGE_LIMIT: usize = 512;
/// The most bytes of one failure's message where the whole chain would be too long.
const SHORT_MESSAGE: usize = 2 * 1024;

/// A failure as a status, shortened until it fits: first the user's error value goes, then the causes between the first
/// failure and the last, then text.
pub fn to_status(failure: &Failure) -> Status {
    let message = shortened(&failure.to_string(), MESSAGE_LIMIT);
    Status::with_details(code(failure.kind()), message, details(failure))
}

fn details(failure: &Failure) -> Bytes {
    let mut wire = wire::Failure::from(failure);
    let steps: [fn(&mut wire::Failure); 4] = [|_whole| {}, drop_values, drop_middle, cut_text];
    for shorten in steps {
        shorten(&mut wire);
        if wire.encoded_len() <= DETAILS_LIMIT {
            return wire.encode_to_vec().into();
        }
    }
    let message = shortened(failure.message(), SHORT_MESSAGE);
    wire::Failure { kind: wire.kind, message, ..Default::default() }.encode_to_vec().into()
}

fn drop_values(failure: &mut wire::Failure) {
    let mut next = Some(failure);
    while let Some(failure) = next {
        failure.user = None;
        next = failure.cause.as_deref_mut();
    }
}

fn drop_middle(failure: &mut wire::Failure) {
    let Some(mut root) = failure.cause.take() else { return };
    while let Some(cause) = root.cause.take() {
        root = cause;
    }
    failure.cause = Some(root);
}

fn cut_text(failure: &mut wire::Failure) {
    let mut next = Some(failure);
    while let Some(failure) = next {
        failure.message = shortened(&failure.message, SHORT_MESSAGE);
        next = failure.cause.as_deref_mut();
    }
}

fn shortened(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let cut = (0..=limit - '…'.len_utf8()).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", &text[..cut])
}

/// Whether a status is an answer of the peer's own, and not one of something on the way.
pub(crate) fn is_typed(status: &Status) -> bool {
    !status.details().is_empty() && wire::Failure::decode(status.details()).is_ok()
}

/// The failure that a status stands for. `what` was tried at `address`.
pub fn to_failure(status: &Status, what: &str, address: &str) -> Failure {
    let typed = wire::Failure::decode(status.details()).ok().and_then(|wire| Failure::try_from(wire).ok());
    match typed {
        Some(failure) if !status.details().is_empty() => failure,
        _ => {
            let message = format!("could not {what} at {address}: {}", described(status));
            Failure::new(kind(status.code()), message)
        }
    }
}

fn described(status: &Status) -> String {
    let mut text = match status.message() {
        "" => format!("{:?}", status.code()),
        message => message.to_owned(),
    };
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}

fn code(kind: FailureKind) -> Code {
    use FailureKind::*;
    match kind {
        Cancelled => Code::Cancelled,
        DeadlineExceeded | TimedOut => Code::DeadlineExceeded,
        Backpressure | StoreFull | TooDeep | TooLarge | ResourceExhausted | NoRoom => Code::ResourceExhausted,
        NotFound | UnknownFunction => Code::NotFound,
        AlreadyExists | NodeNameTaken => Code::AlreadyExists,
        InvalidArgument | BadArguments | BadValue | TypeMismatch | Malformed => Code::InvalidArgument,
        ProtocolVersion | FunctionMismatch | ExecutableRefused | Infeasible | WouldDeadlock | JobEnded
        | SessionExpired | NoContext => Code::FailedPrecondition,
        ObjectLost | LineageEvicted => Code::DataLoss,
        Unavailable | NodeLost | WorkerDied | WorkerStartFailed => Code::Unavailable,
        Unauthenticated => Code::Unauthenticated,
        PermissionDenied => Code::PermissionDenied,
        Fenced | PoisonSuspected => Code::Aborted,
        TaskFailed | TaskPanicked | DependencyFailed => Code::Unknown,
        _ => Code::Internal,
    }
}

fn kind(code: Code) -> FailureKind {
    match code {
        Code::Cancelled | Code::Unavailable | Code::Unknown | Code::Aborted => FailureKind::Unavailable,
        Code::InvalidArgument | Code::OutOfRange => FailureKind::InvalidArgument,
        Code::DeadlineExceeded => FailureKind::TimedOut,
        Code::NotFound => FailureKind::NotFound,
        Code::AlreadyExists => FailureKind::AlreadyExists,
        Code::PermissionDenied => FailureKind::PermissionDenied,
        Code::ResourceExhausted => FailureKind::ResourceExhausted,
        Code::FailedPrecondition | Code::Unimplemented => FailureKind::InvalidArgument,
        Code::Unauthenticated => FailureKind::Unauthenticated,
        Code::Ok | Code::Internal | Code::DataLoss => FailureKind::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::Payload;
    use mobula_types::error::UserError;

    #[test]
    fn a_failure_survives_its_journey() {
        let cause = Failure::new(FailureKind::TaskPanicked, "index out of bounds");
        let failure = Failure::new(FailureKind::DependencyFailed, "argument 0 failed").caused_by(cause);
        let status = to_status(&failure);
        assert_eq!(status.code(), Code::Unknown);
        assert_eq!(to_failure(&status, "call", "here"), failure);
    }

    #[test]
    fn a_long_failure_keeps_its_first_and_its_root() {
        let user = UserError { type_name: "E".into(), payload: Payload::from(vec![1; 50_000]) };
        let link = |failure: Option<Failure>, number: usize| {
            let next = Failure::new(FailureKind::DependencyFailed, format!("{number} {}", "ü".repeat(4_000)))
                .with(|detail| detail.user = Some(user.clone()));
            Some(match failure {
                None => next,
                Some(cause) => next.caused_by(cause),
            })
        };
        let failure = (0..50).fold(None, link).unwrap();
        let status = to_status(&failure);
        assert!(status.details().len() <= DETAILS_LIMIT);
        assert!(status.message().len() <= MESSAGE_LIMIT);
        let read = to_failure(&status, "call", "here");
        assert!(read.message().starts_with("49 "));
        assert!(read.root_cause().message().starts_with("0 "));
    }

    #[test]
    fn a_foreign_status_names_the_address() {
        let failure = to_failure(&Status::unavailable("gone"), "fetch an object", "http://h:1");
        assert_eq!(failure.kind(), FailureKind::Unavailable);
        assert_eq!(failure.message(), "could not fetch an object at http://h:1: gone");
    }
}
