//! Single values.

use super::scope::{self, DecodeScope};
use crate::reference::Handle;
use bytes::Bytes;
use mobula_types::{Failure, FailureKind, ObjectAddress, Payload, ResultValue, StoredValue};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::{Any, TypeId, type_name};
use std::sync::Arc;

/// A value's bytes and the references inside it, which must live until the bytes have been sent.
#[derive(Debug)]
pub struct Encoded {
    /// The bytes.
    pub payload: Payload,
    pub(crate) contained: Vec<Arc<Handle>>,
}

impl Encoded {
    /// Where the contained objects are asked for, in the order in which they were met.
    pub fn addresses(&self) -> Vec<ObjectAddress> {
        self.contained.iter().map(|handle| handle.address()).collect()
    }

    pub(crate) fn into_parts(self) -> (Payload, Vec<Arc<Handle>>) {
        (self.payload, self.contained)
    }

    /// The value as it travels, and what must be kept until it has been sent.
    pub(crate) fn into_result(self) -> (ResultValue, Vec<Arc<Handle>>) {
        let contained = if self.contained.is_empty() { None } else { Some(self.addresses().into()) };
        (ResultValue { value: StoredValue::Inline(self.payload), contained }, self.contained)
    }
}

/// Encodes one value.
///
/// # Errors
/// `BadValue` where the type's own `Serialize` refuses, or where a reference of another cluster is inside.
pub fn encode<T: Serialize + 'static>(value: &T) -> Result<Encoded, Failure> {
    if let Some(bytes) = (value as &dyn Any).downcast_ref::<Bytes>() {
        return Ok(Encoded { payload: Payload::from(bytes.clone()), contained: Vec::new() });
    }
    let (written, contained) = scope::encoding(|| {
        scope::with_buffer(|buffer| write(value, buffer).map(|()| Payload::from(&buffer[..])))
    });
    Ok(Encoded { payload: written?, contained })
}

/// Encodes one value that contains no references.
///
/// # Errors
/// `BadValue` where the type's own `Serialize` refuses, or where there is a reference inside.
pub fn encode_value<T: Serialize + 'static>(value: &T) -> Result<Payload, Failure> {
    if let Some(bytes) = (value as &dyn Any).downcast_ref::<Bytes>() {
        return Ok(Payload::from(bytes.clone()));
    }
    scope::with_buffer(|buffer| write(value, buffer).map(|()| Payload::from(&buffer[..])))
}

/// Encodes a message to a topic: as an argument is, since it may become one. It contains no references.
///
/// # Errors
/// As [`encode_value`].
pub(crate) fn encode_message<T: Serialize>(message: &T) -> Result<Payload, Failure> {
    scope::with_buffer(|buffer| write(message, buffer).map(|()| Payload::from(&buffer[..])))
}

/// Decodes a message to a topic.
///
/// # Errors
/// As [`decode_value`].
pub(crate) fn decode_message<T: DeserializeOwned>(payload: &Payload) -> Result<T, Failure> {
    let mut rest = payload.as_slice();
    let message = scope::decoding(DecodeScope::default(), || read(&mut rest))?;
    if rest.is_empty() {
        return Ok(message);
    }
    let text = format!("{} bytes are left behind a {}", rest.len(), type_name::<T>());
    Err(Failure::new(FailureKind::BadValue, text))
}

pub(super) fn write<T: Serialize + ?Sized>(value: &T, buffer: &mut Vec<u8>) -> Result<(), Failure> {
    value.serialize(&mut rmp_serde::Serializer::new(buffer).with_struct_map()).map_err(|error| {
        Failure::new(FailureKind::BadValue, format!("a {} does not encode: {error}", type_name::<T>()))
    })
}

/// Decodes one value in which references are taken from nowhere: for values without any.
///
/// # Errors
/// `BadValue`, or `TypeMismatch` where a reference inside is one to another type.
pub fn decode_value<T: DeserializeOwned + 'static>(payload: &Payload) -> Result<T, Failure> {
    decode_with(payload, DecodeScope::default())
}

pub(crate) fn decode_with<T: DeserializeOwned + 'static>(
    payload: &Payload,
    scope: DecodeScope,
) -> Result<T, Failure> {
    if TypeId::of::<T>() == TypeId::of::<Bytes>() {
        let mut bytes = Some(payload.clone().into_bytes());
        if let Some(bytes) = (&mut bytes as &mut dyn Any).downcast_mut::<Option<T>>()
            && let Some(bytes) = bytes.take()
        {
            return Ok(bytes);
        }
    }
    let mut rest = payload.as_slice();
    let value = scope::decoding(scope, || read(&mut rest))?;
    if rest.is_empty() {
        return Ok(value);
    }
    let message = format!("{} bytes are left behind a {}", rest.len(), type_name::<T>());
    Err(Failure::new(FailureKind::BadValue, message))
}

/// Reads one value off the front of `bytes`. Takes the failure that a reference inside left behind, if one did.
pub(super) fn read<T: DeserializeOwned>(bytes: &mut &[u8]) -> Result<T, Failure> {
    T::deserialize(&mut rmp_serde::Deserializer::new(bytes)).map_err(|error| {
        scope::take_refusal().unwrap_or_else(|| {
            let message = format!("the bytes are no {}: {error}", type_name::<T>());
            Failure::new(FailureKind::BadValue, message)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_raw() {
        let bytes = Bytes::from_static(b"as it is");
        let encoded = encode(&bytes).unwrap();
        assert_eq!(encoded.payload.as_slice(), b"as it is");
        assert_eq!(decode_value::<Bytes>(&encoded.payload).unwrap(), bytes);
    }

    #[test]
    fn fields_are_named() {
        #[derive(serde::Serialize)]
        struct New {
            added: u8,
            kept: u8,
        }
        #[derive(serde::Deserialize, PartialEq, Debug)]
        struct Old {
            kept: u8,
        }
        let payload = encode_value(&New { added: 1, kept: 2 }).unwrap();
        assert_eq!(decode_value::<Old>(&payload).unwrap(), Old { kept: 2 });
    }

    #[test]
    fn what_does_not_decode_names_the_type() {
        let payload = encode_value(&"text").unwrap();
        let failure = decode_value::<u64>(&payload).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::BadValue);
        assert!(failure.message().contains("u64"), "{failure}");
        let two = Payload::from(&[1_u8, 2][..]);
        assert_eq!(decode_value::<u64>(&two).unwrap_err().kind(), FailureKind::BadValue);
    }
}
