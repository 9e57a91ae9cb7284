//! The error that a function returned, as it travels: its text, its causes, and it itself where it is serialisable.
//!
//! What an error type can do is found out without bounds on it: of several traits for [`ErrorProbe`] the compiler takes the one
//! that needs the fewest references, so that the output of the macro calls `(&&&ErrorProbe(&error)).describe()`.

use crate::Error;
use crate::codec;
use mobula_host::CallResult;
use mobula_types::error::UserError;
use mobula_types::{Failure, FailureKind, Outcome, Payload};
use serde::Serialize;
use std::any::{Any, type_name};
use std::error::Error as StdError;
use std::fmt::{Debug, Display};

/// How many causes of an error travel with it.
const MOST_CAUSES: usize = 16;

/// An error whose abilities are looked for.
#[derive(Debug)]
pub struct ErrorProbe<'a, E>(pub &'a E);

/// What people read of an error.
#[derive(Debug)]
pub struct Description {
    message: String,
    cause: Option<Failure>,
}

/// An [`std::error::Error`]: its text and its causes.
pub trait DescribeError {
    /// What people read of it.
    fn describe(&self) -> Description;
}

impl<E: StdError + 'static> DescribeError for &&ErrorProbe<'_, E> {
    fn describe(&self) -> Description {
        let error = self.0;
        if let Some(error) = (error as &dyn Any).downcast_ref::<Error>() {
            return Description { message: error.message().into(), cause: Some(error.failure().clone()) };
        }
        Description { message: error.to_string(), cause: causes(error.source(), MOST_CAUSES) }
    }
}

fn causes(source: Option<&(dyn StdError + 'static)>, left: usize) -> Option<Failure> {
    let source = source.filter(|_| left > 0)?;
    if let Some(error) = source.downcast_ref::<Error>() {
        return Some(error.failure().clone());
    }
    if let Some(failure) = source.downcast_ref::<Failure>() {
        return Some(failure.clone());
    }
    let failure = Failure::new(FailureKind::TaskFailed, source.to_string());
    Some(match causes(source.source(), left - 1) {
        Some(cause) => failure.caused_by(cause),
        None => failure,
    })
}

/// Something printable: its long text, in which `anyhow::Error` has its causes.
pub trait DescribeDisplay {
    /// What people read of it.
    fn describe(&self) -> Description;
}

impl<E: Display> DescribeDisplay for &ErrorProbe<'_, E> {
    fn describe(&self) -> Description {
        Description { message: format!("{:#}", self.0), cause: None }
    }
}

/// Anything else that can be shown to a programmer.
pub trait DescribeDebug {
    /// What people read of it.
    fn describe(&self) -> Description;
}

impl<E: Debug> DescribeDebug for ErrorProbe<'_, E> {
    fn describe(&self) -> Description {
        Description { message: format!("{:?}", self.0), cause: None }
    }
}

/// A serialisable error travels itself.
pub trait PayloadOfSerializable {
    /// Its bytes.
    fn payload(&self) -> Payload;
}

impl<E: Serialize + 'static> PayloadOfSerializable for &ErrorProbe<'_, E> {
    fn payload(&self) -> Payload {
        codec::encode_value(self.0).unwrap_or_default()
    }
}

/// Another one does not.
pub trait PayloadOfOther {
    /// No bytes.
    fn payload(&self) -> Payload;
}

impl<E> PayloadOfOther for ErrorProbe<'_, E> {
    fn payload(&self) -> Payload {
        Payload::EMPTY
    }
}

/// The result of a function that returned an error.
pub fn error_returned<E>(
    _error: &E,
    description: Description,
    payload: Payload,
    retryable: bool,
) -> CallResult {
    let Description { message, cause } = description;
    let user = UserError { type_name: type_name::<E>().into(), payload };
    let failure = Failure::new(FailureKind::TaskFailed, message).with(|detail| {
        detail.user = Some(user);
        detail.cause = cause;
    });
    CallResult { retryable, ..CallResult::of(Outcome::Failed(failure)) }
}

/// The value type of a `Result`, however it is spelt.
pub trait ResultType {
    /// What `Ok` holds.
    type Value;
}

impl<T, E> ResultType for Result<T, E> {
    type Value = T;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt;

    macro_rules! returned {
        ($error:expr) => {{
            let error = $error;
            let description = (&&&ErrorProbe(&error)).describe();
            let payload = (&&ErrorProbe(&error)).payload();
            match error_returned(&error, description, payload, false).outcome {
                Outcome::Failed(failure) => failure,
                outcome => panic!("{outcome:?}"),
            }
        }};
    }

    #[derive(Debug, thiserror::Error)]
    #[error("the outer one")]
    struct Outer(#[source] std::num::ParseIntError);

    #[test]
    fn an_error_travels_with_its_causes() {
        let failure = returned!(Outer("x".parse::<u8>().unwrap_err()));
        assert_eq!((failure.kind(), failure.message()), (FailureKind::TaskFailed, "the outer one"));
        assert_eq!(failure.root_cause().message(), "invalid digit found in string");
        assert!(failure.detail().user.as_ref().unwrap().payload.is_empty());
    }

    #[test]
    fn a_failed_child_stays_in_the_chain() {
        let failure = returned!(Error::new(crate::ErrorKind::TaskPanicked, "boom"));
        assert_eq!(failure.root_cause().kind(), FailureKind::TaskPanicked);
    }

    #[test]
    fn what_is_serialisable_comes_back() {
        let failure = returned!("just a text".to_string());
        assert_eq!(failure.message(), "just a text");
        assert_eq!(Error::from(failure).downcast::<String>().as_deref(), Some("just a text"));
    }

    #[test]
    fn printing_and_debugging_are_enough() {
        struct Printable;
        impl fmt::Display for Printable {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("printed")
            }
        }
        #[derive(Debug)]
        struct Debuggable;
        assert_eq!(returned!(Printable).message(), "printed");
        assert_eq!(returned!(Debuggable).message(), "Debuggable");
    }
}
