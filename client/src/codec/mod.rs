//! How values become bytes: MessagePack with named fields, and raw bytes for [`Bytes`](bytes::Bytes).
//!
//! - A *value* (a result, a put, an argument given by reference) is one payload: `Bytes` as it is, everything else as
//!   one MessagePack value.
//! - *Arguments* given by value lie one behind the other, each one MessagePack value, `Bytes` as MessagePack `bin`.
//! - An `ObjectRef` inside a value becomes a MessagePack `bin` of its own format and is noted in the
//!   scope of the encoding, so that the value keeps the object alive. Outside of a scope it does not serialise.
//!
//! What a value's type is called does not travel with the value: a reference carries the name of its type, and
//! is refused with `TypeMismatch` where it is read as a reference to another one.

mod arguments;
mod canonical;
pub(crate) mod scope;
mod value;

pub use arguments::ArgumentReader;
pub(crate) use arguments::{ArgumentWriter, LargeValue};
pub(crate) use canonical::canonical_hash;
pub use value::{Encoded, decode_value, encode, encode_value};
pub(crate) use value::{decode_message, decode_with, encode_message};
