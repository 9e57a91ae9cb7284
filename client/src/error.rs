//! The one error of this crate.

use crate::codec;
use mobula_types::{Failure, FailureKind};
use serde::de::DeserializeOwned;
use std::fmt;

/// What kind of error it is.
pub use mobula_types::FailureKind as ErrorKind;

/// Why something could not be done: one pointer, cheap to clone, with the chain of its causes.
///
/// ```
/// use mobula::{Error, ErrorKind};
/// let error = Error::new(ErrorKind::InvalidArgument, "the width is 0");
/// assert_eq!(error.kind(), ErrorKind::InvalidArgument);
/// assert!(!error.is_retryable());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Failure);

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of that kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error(Failure::new(kind, message))
    }

    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind()
    }

    /// What happened, without the causes.
    pub fn message(&self) -> &str {
        self.0.message()
    }

    /// Whether the same request may succeed when it is made again.
    pub fn is_retryable(&self) -> bool {
        self.kind().is_retryable()
    }

    /// The error value that a function returned, here or in the chain of causes, if it is an `E`.
    ///
    /// `None` where no function's error is in the chain, where it is of another type (compared by
    /// [`std::any::type_name`]), or where it was not serialisable.
    pub fn downcast<E: DeserializeOwned + 'static>(&self) -> Option<E> {
        let mut failure = Some(&self.0);
        while let Some(current) = failure {
            if let Some(user) = &current.detail().user
                && &*user.type_name == std::any::type_name::<E>()
                && !user.payload.is_empty()
            {
                return codec::decode_value(&user.payload).ok();
            }
            failure = current.detail().cause.as_ref();
        }
        None
    }

    /// Whether the call that failed may have run: `false` where it certainly did not, so that making it again does nothing
    /// twice. Says something of calls of actors alone.
    pub fn may_have_run(&self) -> bool {
        self.0.detail().may_have_run
    }

    /// Task, function, attempt, node, object, place and exit code, as far as they are known.
    pub fn failure(&self) -> &Failure {
        &self.0
    }

    /// The error at the end of the chain of causes.
    pub fn root_cause(&self) -> Error {
        Error(self.0.root_cause().clone())
    }

    /// The error as it is stored and travels.
    pub fn into_failure(self) -> Failure {
        self.0
    }

    /// This error and all its causes, one a line, for people.
    pub fn chain(&self) -> String {
        let mut text = self.0.to_string();
        let mut cause = self.0.detail().cause.as_ref();
        while let Some(failure) = cause {
            text.push_str("\n  caused by: ");
            text.push_str(&failure.to_string());
            cause = failure.detail().cause.as_ref();
        }
        text
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Error(failure)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        error.0
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => FailureKind::NotFound,
            std::io::ErrorKind::PermissionDenied => FailureKind::PermissionDenied,
            std::io::ErrorKind::AlreadyExists => FailureKind::AlreadyExists,
            _ => FailureKind::Unavailable,
        };
        Error::new(kind, error.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chain())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::error::UserError;

    #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
    struct Overflow {
        at: u32,
    }

    #[test]
    fn the_value_of_a_function_is_found_in_the_chain() {
        let payload = codec::encode_value(&Overflow { at: 7 }).unwrap();
        let type_name = std::any::type_name::<Overflow>().into();
        let user = Failure::new(FailureKind::TaskFailed, "overflow")
            .with(|detail| detail.user = Some(UserError { type_name, payload }));
        let error = Error::from(Failure::new(FailureKind::DependencyFailed, "argument 0").caused_by(user));
        assert_eq!(error.downcast::<Overflow>(), Some(Overflow { at: 7 }));
        assert_eq!(error.downcast::<u64>(), None);
        assert_eq!(error.root_cause().kind(), ErrorKind::TaskFailed);
        assert!(error.chain().contains("caused by: TaskFailed"));
    }
}
