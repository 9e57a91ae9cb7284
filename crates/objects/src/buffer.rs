//! Memory for one large value.

use crate::checksum::checksum_of_more;
use crate::pool::{BufferPool, PooledMemory, map};
use bytes::Bytes;
use memmap2::MmapMut;
use mobula_types::JobId;
use std::io;

/// A part of a value that stays in the nearest cache while its checksum is computed and it is copied.
const PART: usize = 16 << 10;

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
    /// How much of it may be filled.
    length: usize,
    filled: usize,
}

#[derive(Debug)]
enum Memory {
    Heap(Vec<u8>),
    Mapped(MmapMut),
    Pooled(PooledMemory),
}

impl ValueBuffer {
    /// Room for `length` bytes.
    ///
    /// # Errors
    /// Where the system has no memory for it.
    pub fn new(length: usize) -> io::Result<Self> {
        let memory = if length < HUGE { Memory::Heap(vec![0; length]) } else { Memory::Mapped(map(length)?) };
        Ok(ValueBuffer { memory, length, filled: 0 })
    }

    /// Room for `length` bytes of a job's value, in memory that its earlier values lay in where there is some.
    pub(crate) fn pooled(pool: &BufferPool, job: JobId, length: usize) -> io::Result<Self> {
        if length < HUGE {
            return ValueBuffer::new(length);
        }
        Ok(ValueBuffer { memory: Memory::Pooled(pool.take(job, length)?), length, filled: 0 })
    }

    /// Adds bytes; `false`, and nothing added, where they do not fit.
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        let Some(place) = self.place(bytes.len()) else { return false };
        place.copy_from_slice(bytes);
        self.filled += bytes.len();
        true
    }

    /// Adds bytes, and goes on with the checksum of all before; `None`, and nothing added, where they do not fit.
    ///
    /// ```
    /// let mut buffer = mobula_objects::ValueBuffer::new(9)?;
    /// let checksum = buffer.push_checked(0, b"1234").and_then(|so_far| buffer.push_checked(so_far, b"56789"));
    /// assert_eq!(checksum, Some(mobula_objects::checksum(b"123456789")));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn push_checked(&mut self, checksum: u32, bytes: &[u8]) -> Option<u32> {
        let place = self.place(bytes.len())?;
        let mut checksum = checksum;
        for (from, to) in bytes.chunks(PART).zip(place.chunks_mut(PART)) {
            checksum = checksum_of_more(checksum, from);
            to.copy_from_slice(from);
        }
        self.filled += bytes.len();
        Some(checksum)
    }

    /// Where the next bytes go.
    fn place(&mut self, length: usize) -> Option<&mut [u8]> {
        let memory: &mut [u8] = match &mut self.memory {
            Memory::Heap(memory) => memory,
            Memory::Mapped(memory) => memory,
            Memory::Pooled(memory) => memory.bytes_mut(),
        };
        memory.get_mut(..self.length)?.get_mut(self.filled..)?.get_mut(..length)
    }

    /// What was added, without a copy.
    pub fn into_bytes(self) -> Bytes {
        let bytes = match self.memory {
            Memory::Heap(memory) => Bytes::from(memory),
            Memory::Mapped(memory) => Bytes::from_owner(memory),
            Memory::Pooled(memory) => Bytes::from_owner(memory),
        };
        bytes.slice(..self.filled)
    }
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
    fn memory_that_is_larger_than_the_value_is_not_filled_beyond_it() {
        let pool = BufferPool::new(u64::MAX);
        let mut buffer = ValueBuffer::pooled(&pool, JobId(1), HUGE + 1).unwrap();
        let value = vec![9; HUGE + 1];
        assert_eq!(buffer.push_checked(0, &value), Some(crate::checksum(&value)));
        assert_eq!(buffer.push_checked(0, b"!"), None);
        assert!(!buffer.push(b"!"));
        let bytes = buffer.into_bytes();
        assert_eq!(bytes, value);
        assert_eq!(pool.idle_bytes(), 0);
        drop(bytes);
        assert!(pool.idle_bytes() > HUGE as u64);
    }

    #[test]
    fn what_was_not_filled_is_not_there() {
        let mut buffer = ValueBuffer::new(HUGE).unwrap();
        buffer.push(b"abc");
        assert_eq!(&buffer.into_bytes()[..], b"abc");
    }
}
