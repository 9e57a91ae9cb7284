//! A hash of encoded values that does not depend on the order in which a map was iterated.
//!
//! A task that runs again must name its children as before, and a `HashMap` among their arguments has another order
//! each time. So MessagePack maps count as the set of their entries.

/// Feeds one or several encoded values to the hasher, maps with their entries sorted. Bytes that are no MessagePack count
/// as they are.
pub(crate) fn canonical_hash(bytes: &[u8], hasher: &mut blake3::Hasher) {
    if !has_map(bytes) {
        hasher.update(bytes);
        return;
    }
    let mut sorted = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        match value(rest, &mut sorted, 0) {
            Some(length) => rest = &rest[length..],
            None => {
                hasher.update(bytes);
                return;
            }
        }
    }
    hasher.update(&sorted);
}

/// Whether a byte could be the head of a map with two entries or more. May say yes where it is part of something else.
fn has_map(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| matches!(byte, 0x82..=0x8f | 0xde | 0xdf))
}

const DEPTH: u32 = 512;

/// Appends the value at the front of `bytes` in canonical form and returns its length there; `None` for what is none.
fn value(bytes: &[u8], sorted: &mut Vec<u8>, depth: u32) -> Option<usize> {
    let (head, children) = shape(bytes)?;
    sorted.extend_from_slice(bytes.get(..head)?);
    if depth > DEPTH {
        return None;
    }
    match children {
        Children::None => Some(head),
        Children::Elements(count) => {
            let mut at = head;
            for _ in 0..count {
                at += value(bytes.get(at..)?, sorted, depth + 1)?;
            }
            Some(at)
        }
        Children::Entries(count) => {
            let mut at = head;
            let mut entries = Vec::new();
            for _ in 0..count {
                let mut entry = Vec::new();
                at += value(bytes.get(at..)?, &mut entry, depth + 1)?;
                at += value(bytes.get(at..)?, &mut entry, depth + 1)?;
                entries.push(entry);
            }
            entries.sort_unstable();
            entries.iter().for_each(|entry| sorted.extend_from_slice(entry));
            Some(at)
        }
    }
}

enum Children {
    None,
    Elements(usize),
    Entries(usize),
}

/// How long the value at the front is without its children, and how many those are.
fn shape(bytes: &[u8]) -> Option<(usize, Children)> {
    let first = *bytes.first()?;
    let number = |length: usize| -> Option<usize> {
        bytes
            .get(1..1 + length)?
            .iter()
            .try_fold(0_usize, |sum, byte| sum.checked_mul(256)?.checked_add(*byte as usize))
    };
    let sized = |width: usize, extra: usize| -> Option<(usize, Children)> {
        Some((1 + width + extra + number(width)?, Children::None))
    };
    match first {
        0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => Some((1, Children::None)),
        0x80..=0x8f => Some((1, Children::Entries((first & 0x0f) as usize))),
        0x90..=0x9f => Some((1, Children::Elements((first & 0x0f) as usize))),
        0xa0..=0xbf => Some((1 + (first & 0x1f) as usize, Children::None)),
        0xc4 | 0xd9 => sized(1, 0),
        0xc5 | 0xda => sized(2, 0),
        0xc6 | 0xdb => sized(4, 0),
        0xc7 => sized(1, 1),
        0xc8 => sized(2, 1),
        0xc9 => sized(4, 1),
        0xcc | 0xd0 => Some((2, Children::None)),
        0xcd | 0xd1 => Some((3, Children::None)),
        0xca | 0xce | 0xd2 => Some((5, Children::None)),
        0xcb | 0xcf | 0xd3 => Some((9, Children::None)),
        0xd4..=0xd8 => Some((2 + (1 << (first - 0xd4)), Children::None)),
        0xdc => Some((3, Children::Elements(number(2)?))),
        0xdd => Some((5, Children::Elements(number(4)?))),
        0xde => Some((3, Children::Entries(number(2)?))),
        0xdf => Some((5, Children::Entries(number(4)?))),
        0xc1 => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(bytes: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        canonical_hash(bytes, &mut hasher);
        hasher.finalize()
    }

    #[test]
    fn the_order_of_a_map_does_not_count() {
        // {1: [2, "a"], 3: {4: 5, 6: 7}} and the same backwards, behind a value of its own.
        let one = [0x07, 0x82, 0x01, 0x92, 0x02, 0xa1, b'a', 0x03, 0x82, 0x04, 0x05, 0x06, 0x07];
        let other = [0x07, 0x82, 0x03, 0x82, 0x06, 0x07, 0x04, 0x05, 0x01, 0x92, 0x02, 0xa1, b'a'];
        assert_eq!(hash(&one), hash(&other));
        let different = [0x07, 0x82, 0x03, 0x82, 0x06, 0x07, 0x04, 0x06, 0x01, 0x92, 0x02, 0xa1, b'a'];
        assert_ne!(hash(&one), hash(&different));
    }

    #[test]
    fn the_order_of_a_list_counts() {
        assert_ne!(hash(&[0x92, 0x01, 0x02]), hash(&[0x92, 0x02, 0x01]));
    }

    #[test]
    fn damaged_bytes_count_as_they_are() {
        assert_eq!(hash(&[0x82, 0x01]), hash(&[0x82, 0x01]));
        assert_ne!(hash(&[0x82, 0x01]), hash(&[0x82, 0x02]));
        assert_eq!(hash(&[0xdf, 0xff, 0xff, 0xff, 0xff]), hash(&[0xdf, 0xff, 0xff, 0xff, 0xff]));
    }
}
