//! The checksum of values.

/// CRC-32C of the bytes: what every stored copy and every transfer is checked against.
///
/// ```
/// assert_eq!(mobula_objects::checksum(b"123456789"), 0xe306_9283);
/// ```
pub fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
}

/// The checksum of everything before, whose checksum is `before`, and these bytes.
///
/// ```
/// use mobula_objects::{checksum, checksum_of_more};
/// assert_eq!(checksum_of_more(checksum(b"1234"), b"56789"), checksum(b"123456789"));
/// ```
pub fn checksum_of_more(before: u32, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(before, bytes)
}
