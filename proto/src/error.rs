//! What is wrong with a message that does not translate.

use std::fmt;

/// A field that cannot be read. Trying again does not help: the sender is broken, or speaks another version.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct ConvertError {
    /// The field, as `message.field`.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for ConvertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "field {}: {}", self.field, self.problem)
    }
}

impl ConvertError {
    /// The field holds something that makes no sense.
    #[cold]
    pub fn new(field: &'static str, problem: impl Into<String>) -> Self {
        ConvertError { field, problem: problem.into() }
    }

    /// The field must be there and is not.
    #[cold]
    pub fn missing(field: &'static str) -> Self {
        ConvertError::new(field, "is missing")
    }

    /// The field holds a number that stands for nothing.
    #[cold]
    pub fn unknown(field: &'static str, number: impl fmt::Display) -> Self {
        ConvertError::new(field, format!("{number} stands for nothing"))
    }
}

/// Names a field that must be there.
pub trait Required<T> {
    /// The content.
    ///
    /// # Errors
    /// [`ConvertError::missing`] where there is none.
    fn required(self, field: &'static str) -> Result<T, ConvertError>;
}

impl<T> Required<T> for Option<T> {
    #[inline]
    fn required(self, field: &'static str) -> Result<T, ConvertError> {
        self.ok_or_else(|| ConvertError::missing(field))
    }
}
