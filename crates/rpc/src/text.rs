//! Secrets and hashes as text: hexadecimal, as every tool prints them.

/// Lower-case hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
        .map(char::from)
        .collect()
}

/// The 32 bytes that 64 hexadecimal digits stand for.
pub(crate) fn read_32_bytes(text: &[u8]) -> Option<[u8; 32]> {
    let digits: &[u8; 64] = text.try_into().ok()?;
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_chunks::<2>().0) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_reads_back() {
        let bytes: [u8; 32] = std::array::from_fn(|index| (index as u8).wrapping_mul(9));
        assert_eq!(read_32_bytes(hexadecimal(&bytes).as_bytes()), Some(bytes));
        assert_eq!(read_32_bytes(b"00"), None);
        assert_eq!(read_32_bytes(&[b'g'; 64]), None);
    }
}
