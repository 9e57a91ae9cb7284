//! Encoded bytes of an argument or a value.

use bytes::Bytes;
use std::fmt;

const SMALL: usize = 23;

/// Immutable encoded bytes. Up to 23 bytes lie in place, without an allocation and without keeping the frame
/// that they came in alive; more are shared.
///
/// ```
/// use mobula_types::Payload;
/// assert_eq!(Payload::from(&b"ok"[..]).as_slice(), b"ok");
/// ```
#[derive(Clone)]
pub struct Payload(Kind);

#[derive(Clone)]
enum Kind {
    Small { length: u8, bytes: [u8; SMALL] },
    Shared(Bytes),
}

impl Payload {
    /// No bytes.
    pub const EMPTY: Payload = Payload(Kind::Small { length: 0, bytes: [0; SMALL] });

    /// The bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Kind::Small { length, bytes } => &bytes[..usize::from(*length)],
            Kind::Shared(bytes) => bytes,
        }
    }

    /// How many bytes.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.0 {
            Kind::Small { length, .. } => usize::from(*length),
            Kind::Shared(bytes) => bytes.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes as a shared buffer; copies only small ones.
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Kind::Small { length, bytes } => Bytes::copy_from_slice(&bytes[..usize::from(length)]),
            Kind::Shared(bytes) => bytes,
        }
    }
}

impl Default for Payload {
    fn default() -> Self {
        Payload::EMPTY
    }
}

impl From<&[u8]> for Payload {
    #[inline]
    fn from(slice: &[u8]) -> Self {
        if slice.len() <= SMALL {
            let mut bytes = [0; SMALL];
            bytes[..slice.len()].copy_from_slice(slice);
            Payload(Kind::Small { length: slice.len() as u8, bytes })
        } else {
            Payload(Kind::Shared(Bytes::copy_from_slice(slice)))
        }
    }
}

impl From<Vec<u8>> for Payload {
    #[inline]
    fn from(vector: Vec<u8>) -> Self {
        if vector.len() <= SMALL { Payload::from(&vector[..]) } else { Payload(Kind::Shared(vector.into())) }
    }
}

impl From<Bytes> for Payload {
    #[inline]
    fn from(bytes: Bytes) -> Self {
        if bytes.len() <= SMALL { Payload::from(&bytes[..]) } else { Payload(Kind::Shared(bytes)) }
    }
}

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Payload {}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = &self.as_slice()[..self.len().min(16)];
        write!(f, "Payload({} bytes: {:02x?})", self.len(), head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_shared_are_equal_by_content() {
        for length in [0, 1, SMALL, SMALL + 1, 1000] {
            let vector = vec![7_u8; length];
            let payload = Payload::from(vector.clone());
            assert_eq!(payload.len(), length);
            assert_eq!(payload.as_slice(), &vector[..]);
            assert_eq!(payload, Payload::from(&vector[..]));
            assert_eq!(&payload.into_bytes()[..], &vector[..]);
        }
        assert!(size_of::<Payload>() <= 40);
    }
}
