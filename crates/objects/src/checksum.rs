//! The checksum of values.

/// CRC-32C of the bytes: what every stored copy and every transfer is checked against.
///
/// ```
/// assert_eq!(mobula_objects::checksum(b"123456789"), 0xe306_9283);
/// ```
pub fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
}
