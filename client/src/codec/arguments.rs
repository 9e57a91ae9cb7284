//! The arguments of a call: written by the caller, read by the function's body.

use super::scope::{self, DecodeScope};
use super::value::{decode_with, read, write};
use crate::link::Link;
use crate::reference::Handle;
use mobula_types::{ArgumentShape, Failure, FailureKind, Payload};
use serde::Serialize;
use serde::de::DeserializeOwned;
use smallvec::SmallVec;
use std::any::type_name;
use std::fmt;
use std::iter::Peekable;
use std::sync::Arc;

/// Collects arguments that are given by value.
#[derive(Debug, Default)]
pub(crate) struct ArgumentWriter {
    bytes: SmallVec<[u8; 48]>,
    /// The same, independent of where the objects' owners are; kept only once there is a reference inside.
    without_owners: Option<Vec<u8>>,
    contained: Vec<Arc<Handle>>,
}

/// An argument that would make a task too large for a frame.
#[derive(Debug)]
pub(crate) struct LargeValue {
    pub(crate) payload: Payload,
    /// What it counts by in the names of tasks, where that is not the payload.
    pub(crate) without_owners: Option<Vec<u8>>,
    pub(crate) contained: Vec<Arc<Handle>>,
}

impl ArgumentWriter {
    /// Adds an argument, or gives it back where all together would be more than `limit` bytes.
    ///
    /// # Errors
    /// `BadValue` where the type's own `Serialize` refuses.
    pub(crate) fn push<T: Serialize + 'static>(
        &mut self,
        value: &T,
        limit: usize,
    ) -> Result<Option<LargeValue>, Failure> {
        let bytes = &mut self.bytes;
        let (written, contained) = scope::encoding(|| {
            scope::with_buffer(|buffer| {
                write(value, buffer)?;
                let fits = bytes.len() + buffer.len() <= limit;
                if fits {
                    bytes.extend_from_slice(buffer);
                }
                Ok::<_, Failure>((fits, buffer.len()))
            })
        });
        let (fits, length) = written?;
        let without_owners = if contained.is_empty() { None } else { Some(encode_without_owners(value)?) };
        if !fits {
            // Once more, as a value of its own: `Bytes` are raw there.
            let (payload, contained) = super::encode(value)?.into_parts();
            return Ok(Some(LargeValue { payload, without_owners, contained }));
        }
        self.note(length, without_owners);
        self.contained.extend(contained);
        Ok(None)
    }

    fn note(&mut self, length: usize, without_owners: Option<Vec<u8>>) {
        let before = self.bytes.len() - length;
        match (&mut self.without_owners, without_owners) {
            (None, None) => {}
            (Some(all), Some(this)) => all.extend(this),
            (Some(all), None) => all.extend_from_slice(&self.bytes[before..]),
            (all @ None, Some(this)) => *all = Some([&self.bytes[..before], &this].concat()),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes, and those that the task's name is made of, and what the values refer to.
    pub(crate) fn into_parts(self) -> (Payload, Option<Vec<u8>>, Vec<Arc<Handle>>) {
        let payload = if self.bytes.spilled() {
            Payload::from(self.bytes.into_vec())
        } else {
            Payload::from(&self.bytes[..])
        };
        (payload, self.without_owners, self.contained)
    }
}

fn encode_without_owners<T: Serialize + 'static>(value: &T) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    scope::encoding_without_owners(|| write(value, &mut bytes))?;
    Ok(bytes)
}

/// Hands a function its arguments, one parameter after the other.
pub struct ArgumentReader<'a, I: Iterator> {
    rest: &'a [u8],
    inputs: Peekable<I>,
    parameter: u32,
    link: Option<Arc<Link>>,
}

impl<'a, I> ArgumentReader<'a, I>
where
    I: Iterator<Item = (u32, ArgumentShape, &'a Payload)>,
{
    /// A reader of the encoded arguments and the resolved references, which are sorted by parameter. References inside
    /// the values belong to the session of the current [`Context`](crate::Context).
    pub fn new(arguments: &'a [u8], inputs: I) -> Self {
        let link = crate::context::current_link();
        ArgumentReader { rest: arguments, inputs: inputs.peekable(), parameter: 0, link }
    }

    /// The next parameter, where it is no `Vec`.
    ///
    /// # Errors
    /// `BadArguments` where there are too few or they do not decode.
    pub fn take<T: DeserializeOwned + 'static>(&mut self) -> Result<T, Failure> {
        let parameter = self.parameter;
        self.parameter += 1;
        match self.inputs.next_if(|(of, _, _)| *of == parameter) {
            None => self.read_value(parameter),
            Some((_, ArgumentShape::Whole, payload)) => self.read_input(parameter, payload),
            Some(_) => {
                let message = format!(
                    "parameter {parameter} is no Vec but a {}, and was given a list of references",
                    type_name::<T>()
                );
                Err(Failure::new(FailureKind::BadArguments, message))
            }
        }
    }

    /// The next parameter, where it is a `Vec`.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub fn take_vec<T: DeserializeOwned + 'static>(&mut self) -> Result<Vec<T>, Failure> {
        let parameter = self.parameter;
        match self.inputs.peek() {
            Some((of, ArgumentShape::Element | ArgumentShape::EmptyVec, _)) if *of == parameter => {}
            _ => return self.take(),
        }
        self.parameter += 1;
        let mut elements = Vec::new();
        while let Some((_, shape, payload)) = self.inputs.next_if(|(of, _, _)| *of == parameter) {
            if shape == ArgumentShape::Element {
                elements.push(self.read_input(parameter, payload)?);
            }
        }
        Ok(elements)
    }

    /// Says that the function has no more parameters.
    ///
    /// # Errors
    /// `BadArguments` where more were given.
    pub fn finish(mut self) -> Result<(), Failure> {
        if self.rest.is_empty() && self.inputs.next().is_none() {
            return Ok(());
        }
        let message = format!("the function takes {} arguments and was given more", self.parameter);
        Err(Failure::new(FailureKind::BadArguments, message))
    }

    fn scope(&self) -> DecodeScope {
        DecodeScope::new(self.link.clone(), None)
    }

    fn read_value<T: DeserializeOwned>(&mut self, parameter: u32) -> Result<T, Failure> {
        if self.rest.is_empty() {
            let message = format!("the argument for parameter {parameter} is missing");
            return Err(Failure::new(FailureKind::BadArguments, message));
        }
        let scope = self.scope();
        scope::decoding(scope, || read(&mut self.rest)).map_err(|cause| bad_argument(parameter, cause))
    }

    fn read_input<T: DeserializeOwned + 'static>(
        &self,
        parameter: u32,
        payload: &Payload,
    ) -> Result<T, Failure> {
        decode_with(payload, self.scope()).map_err(|cause| bad_argument(parameter, cause))
    }
}

impl<I: Iterator> fmt::Debug for ArgumentReader<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArgumentReader")
            .field("parameter", &self.parameter)
            .field("bytes_left", &self.rest.len())
            .finish_non_exhaustive()
    }
}

fn bad_argument(parameter: u32, cause: Failure) -> Failure {
    Failure::new(FailureKind::BadArguments, format!("argument {parameter} cannot be read")).caused_by(cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn arguments_are_read_as_they_were_written() {
        let mut writer = ArgumentWriter::default();
        writer.push(&7_u64, 100).unwrap();
        writer.push(&"two".to_string(), 100).unwrap();
        writer.push(&Bytes::from_static(b"raw"), 100).unwrap();
        let (payload, _, _) = writer.into_parts();
        let element = super::super::encode_value(&5_u8).unwrap();
        let raw = Payload::from(&b"as it is"[..]);
        let inputs = [
            (1, ArgumentShape::Element, &element),
            (1, ArgumentShape::Element, &element),
            (3, ArgumentShape::EmptyVec, &Payload::EMPTY),
            (5, ArgumentShape::Whole, &raw),
        ];
        let mut reader = ArgumentReader::new(payload.as_slice(), inputs.into_iter());
        assert_eq!(reader.take::<u64>().unwrap(), 7);
        assert_eq!(reader.take_vec::<u8>().unwrap(), [5, 5]);
        assert_eq!(reader.take::<String>().unwrap(), "two");
        assert!(reader.take_vec::<u8>().unwrap().is_empty());
        assert_eq!(reader.take::<Bytes>().unwrap(), "raw");
        assert_eq!(reader.take::<Bytes>().unwrap(), "as it is");
        reader.finish().unwrap();
    }

    #[test]
    fn what_names_a_task_does_not_depend_on_owners() {
        let link = crate::link::testing::silent_link();
        let named = |owner: &str| {
            let object = crate::link::testing::pending(&link, 1).object();
            let owner = Some(mobula_types::NodeId::new(owner, 1));
            let reference = crate::ObjectRef::<u8>::new(Handle::lent(link.clone(), object, owner));
            let mut writer = ArgumentWriter::default();
            writer.push(&1_u8, 1000).unwrap();
            writer.push(&reference, 1000).unwrap();
            writer.push(&2_u8, 1000).unwrap();
            let (payload, without_owners, _) = writer.into_parts();
            (payload, without_owners.unwrap())
        };
        let ((one, one_named), (other, other_named)) = (named("here"), named("over-there"));
        assert_ne!(one, other);
        assert_eq!(one_named, other_named);
        assert_eq!((one_named.first(), one_named.last()), (Some(&1), Some(&2)));
    }

    #[test]
    fn a_large_argument_is_given_back() {
        let mut writer = ArgumentWriter::default();
        assert!(writer.push(&1_u8, 4).unwrap().is_none());
        let large = writer.push(&Bytes::from_static(b"12345"), 4).unwrap().unwrap();
        assert_eq!(large.payload.as_slice(), b"12345");
        assert!(writer.push(&2_u8, 4).unwrap().is_none());
        assert_eq!(writer.into_parts().0.as_slice(), [1, 2]);
    }

    #[test]
    fn too_few_and_too_many_are_refused() {
        let none = std::iter::empty::<(u32, ArgumentShape, &Payload)>;
        let failure = ArgumentReader::new(&[], none()).take::<u8>().unwrap_err();
        assert_eq!(failure.kind(), FailureKind::BadArguments);
        assert!(ArgumentReader::new(&[1], none()).finish().is_err());
    }
}
