//! References inside values.
//!
//! A reference is one `bin` of: task (two 64-bit numbers), index (64 bits), hash of the type's name (32 bits), all
//! little-endian; generation of the owner (64 bits), length of the owner's name (16 bits), the owner's name; the type's
//! name, where it is given. Where no owner is given its name is empty.

use super::{ObjectRef, types};
use crate::codec::scope;
use mobula_types::id::ObjectIndex;
use mobula_types::{Failure, FailureKind, ObjectId, TaskId};
use serde::de::Visitor;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smallvec::SmallVec;
use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;

impl<T> Serialize for ObjectRef<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let handle = self.handle();
        let rules = scope::note_written(handle).ok_or_else(|| S::Error::custom(scope::OUTSIDE))?;
        if handle.link().is_none() {
            let cause = handle.failure().map(|failure| format!(": {failure}")).unwrap_or_default();
            return Err(S::Error::custom(format!("a reference inside is to no object{cause}")));
        }
        let ObjectId { task, index } = self.id();
        let mut bytes: SmallVec<[u8; 128]> = SmallVec::new();
        for number in [task.high, task.low, index.to_bits()] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&types::hash_of::<T>().to_le_bytes());
        let owner = handle.owner().filter(|owner| !rules.without_owner && owner.name.as_str().len() < 0xffff);
        let (name, generation) = match &owner {
            Some(owner) => (owner.name.as_str(), owner.generation.0),
            None => ("", 0),
        };
        bytes.extend_from_slice(&generation.to_le_bytes());
        bytes.extend_from_slice(&(name.len() as u16).to_le_bytes());
        bytes.extend_from_slice(name.as_bytes());
        if rules.named {
            bytes.extend_from_slice(type_name::<T>().as_bytes());
        }
        serializer.serialize_bytes(&bytes)
    }
}

impl<'de, T> Deserialize<'de> for ObjectRef<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(ReferenceVisitor(PhantomData))
    }
}

struct ReferenceVisitor<T>(PhantomData<fn() -> T>);

impl<'de, T> Visitor<'de> for ReferenceVisitor<T> {
    type Value = ObjectRef<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reference to an object")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<ObjectRef<T>, E> {
        let written = Written::read(bytes).ok_or_else(|| E::custom("a damaged reference to an object"))?;
        if !written.type_name.is_empty() {
            types::learn(written.type_hash, written.type_name);
        }
        if written.type_hash != types::hash_of::<T>() {
            return Err(mismatch::<T, E>(&written));
        }
        let owner = (!written.owner.is_empty()).then_some((written.owner, written.generation));
        scope::resolve_read(written.object, owner).map(ObjectRef::new).map_err(E::custom)
    }

    fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<ObjectRef<T>, E> {
        self.visit_bytes(&bytes)
    }
}

fn mismatch<T, E: serde::de::Error>(written: &Written<'_>) -> E {
    let message = format!(
        "a reference to a {} was read as a reference to a {}",
        types::name(written.type_hash),
        type_name::<T>()
    );
    scope::refuse(Failure::new(FailureKind::TypeMismatch, message.clone()).of_object(written.object));
    E::custom(message)
}

struct Written<'a> {
    object: ObjectId,
    type_hash: u32,
    generation: u64,
    owner: &'a str,
    type_name: &'a str,
}

impl<'a> Written<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let number = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let task = TaskId { high: number(0)?, low: number(8)? };
        let object = ObjectId { task, index: ObjectIndex::from_bits(number(16)?)? };
        let type_hash = u32::from_le_bytes(bytes.get(24..28)?.try_into().ok()?);
        let generation = number(28)?;
        let owner_length = u16::from_le_bytes(bytes.get(36..38)?.try_into().ok()?) as usize;
        let owner = std::str::from_utf8(bytes.get(38..38 + owner_length)?).ok()?;
        let type_name = std::str::from_utf8(&bytes[38 + owner_length..]).ok()?;
        Some(Written { object, type_hash, generation, owner, type_name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;
    use crate::link::testing;

    #[test]
    fn outside_of_the_codec_it_says_so() {
        let link = testing::silent_link();
        let reference = ObjectRef::<u64>::new(testing::pending(&link, 1));
        let error = rmp_serde::to_vec(&reference).unwrap_err();
        assert!(error.to_string().contains("only be serialised"), "{error}");
        let error = rmp_serde::from_slice::<ObjectRef<u64>>(&rmp_serde::to_vec(&vec![0_u8; 4]).unwrap());
        assert!(error.is_err());
    }

    #[test]
    fn a_value_knows_the_references_inside_it() {
        let link = testing::silent_link();
        let references: Vec<ObjectRef<u64>> =
            (1..=40).map(|number| ObjectRef::new(testing::pending(&link, number))).collect();
        let encoded = codec::encode(&references).unwrap();
        assert_eq!(encoded.addresses().len(), 40);
        let scope = scope::DecodeScope::new(Some(link.clone()), None);
        let back: Vec<ObjectRef<u64>> = codec::decode_with(&encoded.payload, scope).unwrap();
        assert_eq!(back, references);
        assert_eq!(back[7].handle().address().owner, None, "the home node's own objects have no other owner");
    }

    #[test]
    fn another_type_is_refused_with_both_names() {
        let link = testing::silent_link();
        let encoded = codec::encode(&ObjectRef::<u64>::new(testing::pending(&link, 1))).unwrap();
        let scope = scope::DecodeScope::new(Some(link), None);
        let failure = codec::decode_with::<ObjectRef<String>>(&encoded.payload, scope).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::TypeMismatch);
        assert!(failure.message().contains("u64") && failure.message().contains("String"), "{failure}");
    }
}
