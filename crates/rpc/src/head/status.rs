//! Failures as gRPC statuses: the code for tools, the failure itself as the status's details.

use mobula_proto::wire;
use mobula_types::{Failure, FailureKind};
use prost::Message;
use tonic::{Code, Status};

/// Details past this many bytes are left out: a status of some 16 KiB hangs its call.
const DETAIL_LIMIT: usize = 8 * 1024;
const TEXT_LIMIT: usize = 2 * 1024;

pub(super) fn from_failure(failure: &Failure) -> Status {
    let message = &failure.message()[..failure.message().floor_char_boundary(TEXT_LIMIT)];
    let mut detail = wire::Failure::from(failure);
    if detail.encoded_len() > DETAIL_LIMIT {
        detail.cause = None;
        detail.message = message.to_owned();
        detail.user = None;
    }
    Status::with_details(code(failure.kind()), message, detail.encode_to_vec().into())
}

pub(super) fn to_failure(status: &Status) -> Failure {
    let detail = (!status.details().is_empty()).then(|| wire::Failure::decode(status.details()));
    if let Some(Ok(detail)) = detail
        && let Ok(failure) = Failure::try_from(detail)
    {
        return failure;
    }
    let mut message = status.message().to_owned();
    let mut source = std::error::Error::source(status);
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    Failure::new(kind(status.code()), message)
}

fn code(kind: FailureKind) -> Code {
    match kind {
        FailureKind::Unavailable | FailureKind::NodeNameTaken | FailureKind::SessionExpired => {
            Code::Unavailable
        }
        FailureKind::TimedOut | FailureKind::DeadlineExceeded => Code::DeadlineExceeded,
        FailureKind::NotFound | FailureKind::UnknownFunction => Code::NotFound,
        FailureKind::AlreadyExists => Code::AlreadyExists,
        FailureKind::Unauthenticated => Code::Unauthenticated,
        FailureKind::PermissionDenied => Code::PermissionDenied,
        FailureKind::InvalidArgument | FailureKind::Malformed => Code::InvalidArgument,
        FailureKind::ResourceExhausted | FailureKind::TooLarge => Code::ResourceExhausted,
        FailureKind::Internal => Code::Internal,
        _ => Code::FailedPrecondition,
    }
}

fn kind(code: Code) -> FailureKind {
    match code {
        Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Aborted => FailureKind::Unavailable,
        Code::DeadlineExceeded => FailureKind::TimedOut,
        Code::NotFound => FailureKind::NotFound,
        Code::AlreadyExists => FailureKind::AlreadyExists,
        Code::Unauthenticated => FailureKind::Unauthenticated,
        Code::PermissionDenied => FailureKind::PermissionDenied,
        Code::InvalidArgument | Code::OutOfRange => FailureKind::InvalidArgument,
        Code::ResourceExhausted => FailureKind::ResourceExhausted,
        _ => FailureKind::Internal,
    }
}
