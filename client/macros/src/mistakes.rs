//! Mistakes of the user, collected so that all are shown at once.

use quote::ToTokens;
use syn::Error;

/// What was found so far.
#[derive(Default)]
pub(crate) struct Mistakes(Option<Error>);

impl Mistakes {
    /// A mistake there.
    pub(crate) fn add(&mut self, at: &dyn ToTokens, message: &str) {
        self.merge(Error::new_spanned(at.to_token_stream(), message));
    }

    /// One or several more.
    pub(crate) fn merge(&mut self, error: Error) {
        match &mut self.0 {
            Some(all) => all.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// What is right, or one more.
    pub(crate) fn keep<T>(&mut self, result: Result<T, Error>) -> Option<T> {
        result.map_err(|error| self.merge(error)).ok()
    }

    /// All of them, if there are any.
    pub(crate) fn into_result(self) -> Result<(), Error> {
        self.0.map_or(Ok(()), Err)
    }
}
