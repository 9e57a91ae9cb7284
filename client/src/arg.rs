//! What a parameter of a remote function takes.

use crate::ObjectRef;
use crate::reference::Handle;
use std::sync::Arc;

/// An argument for a parameter of type `T`: a value, or a reference that is resolved before the task starts.
///
/// ```
/// use mobula::{Arg, ObjectRef};
/// fn given(argument: impl Into<Arg<String>>) -> Arg<String> {
///     argument.into()
/// }
/// given("a text");
/// given("a text".to_string());
/// # fn references(reference: ObjectRef<String>) {
/// given(&reference);
/// given(reference);
/// # }
/// ```
#[derive(Debug)]
pub struct Arg<T>(pub(crate) Argument<T>);

#[derive(Debug)]
pub(crate) enum Argument<T> {
    Value(T),
    /// The object's value is the argument.
    Whole(Arc<Handle>),
    /// The objects' values are the elements of a `Vec` argument.
    Elements(Vec<Arc<Handle>>),
}

/// What can be passed for a parameter of type `T`: a `T`, an `ObjectRef<T>` or `&ObjectRef<T>`; for a `Vec<U>` also a
/// `Vec<ObjectRef<U>>`, for a `String` also a `&str`. A parameter of type `ObjectRef<U>` takes the reference itself.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be passed for a parameter of type `{T}`",
    label = "expected a `{T}`, or a reference to one",
    note = "a parameter `T` takes a `T`, an `ObjectRef<T>` or a `&ObjectRef<T>`",
    note = "a parameter `Vec<U>` also takes a `Vec<ObjectRef<U>>`, and a `String` also a `&str`"
)]
pub trait IntoArg<T> {
    /// The argument.
    fn into_arg(self) -> Arg<T>;
}

macro_rules! arguments {
    ($([$($generics:tt)*] $from:ty => $to:ty: |$value:ident| $make:expr;)+) => {$(
        impl<$($generics)*> From<$from> for Arg<$to> {
            fn from($value: $from) -> Self {
                Arg($make)
            }
        }
        impl<$($generics)*> IntoArg<$to> for $from {
            fn into_arg(self) -> Arg<$to> {
                self.into()
            }
        }
    )+};
}

arguments! {
    [T] T => T: |value| Argument::Value(value);
    [T] ObjectRef<T> => T: |reference| Argument::Whole(reference.into_handle());
    [T] &ObjectRef<T> => T: |reference| Argument::Whole(reference.handle().clone());
    [T] &ObjectRef<T> => ObjectRef<T>: |reference| Argument::Value(reference.clone());
    [U] Vec<ObjectRef<U>> => Vec<U>: |references| {
        Argument::Elements(references.into_iter().map(ObjectRef::into_handle).collect())
    };
    [U] &[ObjectRef<U>] => Vec<U>: |references| {
        Argument::Elements(references.iter().map(|reference| reference.handle().clone()).collect())
    };
    [U] &Vec<ObjectRef<U>> => Vec<U>: |references| {
        Argument::Elements(references.iter().map(|reference| reference.handle().clone()).collect())
    };
    [] &str => String: |text| Argument::Value(text.to_string());
    [] &String => String: |text| Argument::Value(text.clone());
}

impl<T> IntoArg<T> for Arg<T> {
    fn into_arg(self) -> Arg<T> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    fn arg<T>(argument: impl IntoArg<T>) -> Argument<T> {
        argument.into_arg().0
    }

    #[test]
    fn a_parameter_takes_values_and_references() {
        let reference = || ObjectRef::<u64>::failed(Error::new(crate::ErrorKind::NoContext, ""));
        assert!(matches!(arg::<u64>(7), Argument::Value(7)));
        assert!(matches!(arg::<u64>(reference()), Argument::Whole(_)));
        assert!(matches!(arg::<u64>(&reference()), Argument::Whole(_)));
        assert!(matches!(arg::<ObjectRef<u64>>(reference()), Argument::Value(_)));
        assert!(matches!(arg::<ObjectRef<u64>>(&reference()), Argument::Value(_)));
        assert!(matches!(arg::<Vec<u64>>(vec![1]), Argument::Value(_)));
        assert!(matches!(arg::<Vec<u64>>(vec![reference()]), Argument::Elements(one) if one.len() == 1));
        assert!(matches!(arg::<Vec<u64>>(&vec![reference()]), Argument::Elements(_)));
        assert!(matches!(arg::<Vec<u64>>(reference_to_list()), Argument::Whole(_)));
        assert!(matches!(arg::<String>("text"), Argument::Value(text) if text == "text"));
        assert!(matches!(arg::<f32>(1.5), Argument::Value(_)));
    }

    fn reference_to_list() -> ObjectRef<Vec<u64>> {
        ObjectRef::failed(Error::new(crate::ErrorKind::NoContext, ""))
    }
}
