//! Memory for one large value.

use bytes::Bytes;
use memmap2::MmapMut;
use std::io;

/// From this size on, memory is mapped in huge pages where the system has them: touching fresh small pages costs more
/// than moving the bytes.
const HUGE: usize = 4 << 20;

/// Room of a known size that is filled from front to back and then becomes shared bytes.
///
/// ```
/// let mut buffer = mobula_objects::ValueBuffer::new(5)?;
/// assert!(buffer.push(b"hel") && buffer.push(b"lo"));
/// assert!(!buffer.push(b"!"), "it is full");
/// assert_eq!(&buffer.into_bytes()[..], b"hello");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct ValueBuffer {
    memory: Memory,
    filled: usize,
}

#[derive(Debug)]
enum Memory {
    Heap(Vec<u8>),
    Mapped(MmapMut),
}

impl ValueBuffer {
    /// Room for `length` bytes.
    ///
    /// # Errors
    /// Where the system has no memory for it.
    pub fn new(length: usize) -> io::Result<Self> {
        let memory = if length < HUGE { Memory::Heap(vec![0; length]) } else { Memory::Mapped(map(length)?) };
        Ok(ValueBuffer { memory, filled: 0 })
    }

    /// Adds bytes; `false`, and nothing added, where they do not fit.
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        let room: &mut [u8] = match &mut self.memory {
            Memory::Heap(memory) => memory,
            Memory::Mapped(memory) => memory,
        };
        let Some(place) = room.get_mut(self.filled..self.filled + bytes.len()) else { return false };
        place.copy_from_slice(bytes);
        self.filled += bytes.len();
        true
    }

    /// What was added, without a copy.
    pub fn into_bytes(self) -> Bytes {
        let bytes = match self.memory {
            Memory::Heap(memory) => Bytes::from(memory),
            Memory::Mapped(memory) => Bytes::from_owner(memory),
        };
        bytes.slice(..self.filled)
    }
}

fn map(length: usize) -> io::Result<MmapMut> {
    let map = MmapMut::map_anon(length)?;
    // A system without huge pages says no, and small ones do.
    let _advice = map.advise(memmap2::Advice::HugePage);
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_values_come_back_as_they_went_in() {
        for length in [0, 1, HUGE - 1, HUGE, HUGE + 4097] {
            let value: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let mut buffer = ValueBuffer::new(length).unwrap();
            for chunk in value.chunks(1 << 20) {
                assert!(buffer.push(chunk));
            }
            assert!(!buffer.push(&[1]));
            assert_eq!(&buffer.into_bytes()[..], &value[..]);
        }
    }

    #[test]
    fn what_was_not_filled_is_not_there() {
        let mut buffer = ValueBuffer::new(HUGE).unwrap();
        buffer.push(b"abc");
        assert_eq!(&buffer.into_bytes()[..], b"abc");
    }
}
