//! Packing in plain Rust: a word of packed bits fills up, or runs empty, element by element.

use super::Width;

/// Packs the low bits of every word.
pub(super) fn pack(width: Width, values: &[u64], packed: &mut [u8]) {
    let (mut words, rest) = packed.as_chunks_mut::<8>();
    // The low `filled` bits of `word` are due for the next eight bytes.
    let (mut word, mut filled) = (0, 0);
    for &value in values {
        let value = width.reduce(value);
        word |= value << filled;
        filled += width.bits();
        if filled >= 64 {
            let (out, later) = words.split_first_mut().expect("eight bytes for 64 bits");
            *out = word.to_le_bytes();
            words = later;
            filled -= 64;
            word = value.unbounded_shr(width.bits() - filled);
        }
    }
    // A last word of 57 bits or more takes eight bytes as well.
    match words.first_mut() {
        Some(out) => *out = word.to_le_bytes(),
        None => rest.copy_from_slice(&word.to_le_bytes()[..rest.len()]),
    }
}

/// Undoes [`pack`].
pub(super) fn unpack(width: Width, packed: &[u8], values: &mut [u64]) {
    let (words, rest) = packed.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let mut words = words.iter().chain([&last]);
    // The low `left` bits of `word` belong to the next elements.
    let (mut word, mut left) = (0, 0);
    for value in values {
        if left >= width.bits() {
            *value = width.reduce(word);
            word = word.unbounded_shr(width.bits());
            left -= width.bits();
        } else {
            let next = words.next().map_or(0, |bytes| u64::from_le_bytes(*bytes));
            *value = width.reduce(word | next << left);
            word = next.unbounded_shr(width.bits() - left);
            left += 64 - width.bits();
        }
    }
}
