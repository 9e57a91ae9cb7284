//! Executables that jobs bring along.

use std::fmt;
use std::str::FromStr;

/// BLAKE3 of the bytes of an executable, or of a job's packed files: their name in every node's cache and on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct ExecutableHash(pub [u8; 32]);

impl fmt::Display for ExecutableHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ExecutableHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExecutableHash({self})")
    }
}

impl FromStr for ExecutableHash {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, &'static str> {
        let error = "an executable's hash is 64 hexadecimal digits";
        if text.len() != 64 || !text.is_ascii() {
            return Err(error);
        }
        let mut hash = [0; 32];
        for (index, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).map_err(|_| error)?;
        }
        Ok(ExecutableHash(hash))
    }
}
