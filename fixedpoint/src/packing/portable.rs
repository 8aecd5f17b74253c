//! Packing in plain Rust: eight digits in a machine word are multiplied by their weights at once.

use super::{PACKED_VALUE_BYTES, RADIX_2, RADIX_4, WORD_BITS, WORD_LIMIT};
use crate::prime::DIGITS;

/// Packs the digits of every value.
#[inline(always)]
pub(super) fn pack(values: &[[u8; DIGITS]], packed: &mut [[u8; PACKED_VALUE_BYTES]]) {
    for (digits, out) in values.iter().zip(packed) {
        pack_value(digits, out);
    }
}

/// Unpacks every value; whether all words were below the limit.
#[inline(always)]
pub(super) fn unpack(packed: &[[u8; PACKED_VALUE_BYTES]], values: &mut [[u8; DIGITS]]) -> bool {
    packed.iter().zip(values).fold(true, |sound, (bytes, out)| unpack_value(bytes, out) & sound)
}

#[inline(always)]
fn pack_value(digits: &[u8; DIGITS], out: &mut [u8; PACKED_VALUE_BYTES]) {
    let mut packed = [0u64; 7];
    for (i, eight) in digits.as_chunks::<8>().0.iter().enumerate() {
        let word = pack_word(u64::from_le_bytes(*eight));
        let (at, shift) = (i * WORD_BITS / 64, i * WORD_BITS % 64);
        packed[at] |= word << shift;
        if shift + WORD_BITS > 64 {
            packed[at + 1] |= word >> (64 - shift);
        }
    }
    for (out, word) in out.chunks_mut(8).zip(packed) {
        out.copy_from_slice(&word.to_le_bytes()[..out.len()]);
    }
}

#[inline(always)]
fn unpack_value(bytes: &[u8; PACKED_VALUE_BYTES], out: &mut [u8; DIGITS]) -> bool {
    let mut sound = true;
    for (i, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let word = word(bytes, i);
        sound &= word < WORD_LIMIT;
        *out = unpack_word(word).to_le_bytes();
    }
    sound
}

/// Word `i` of a packed value.
#[inline(always)]
pub(super) fn word(bytes: &[u8; PACKED_VALUE_BYTES], i: usize) -> u64 {
    // Word i begins at bit i of byte 6 i. Eight bytes from there would leave the value at the last
    // word.
    let start = (6 * i).min(PACKED_VALUE_BYTES - 8);
    let eight = bytes[start..start + 8].try_into().expect("eight bytes");
    u64::from_le_bytes(eight) >> (WORD_BITS * i - 8 * start) & ((1 << WORD_BITS) - 1)
}

const BYTES_OF_16: u64 = 0x00ff_00ff_00ff_00ff;
const HALVES_OF_32: u64 = 0x0000_ffff_0000_ffff;

#[inline(always)]
fn pack_word(digits: u64) -> u64 {
    let pairs = (digits & BYTES_OF_16) + 67 * (digits >> 8 & BYTES_OF_16);
    let fours = (pairs & HALVES_OF_32) + RADIX_2 * (pairs >> 16 & HALVES_OF_32);
    (fours & 0xffff_ffff) + RADIX_4 * (fours >> 32)
}

/// The digits of a word below the limit; of any other word, anything.
#[inline(always)]
fn unpack_word(word: u64) -> u64 {
    // Quotients by multiplication with a rounded-up reciprocal, exact as long as dividend / 2^shift
    // < 1 / divisor: 2^49 / 2^76, then 2^25 / 2^38. The last one rounds down and so takes its
    // dividend plus one.
    const BY_RADIX_4: u64 = ((1 << 76) / RADIX_4 as u128 + 1) as u64;
    const BY_RADIX_2: u64 = (1 << 38) / RADIX_2 + 1;
    const BY_67: u64 = (1 << 16) / 67;
    const ONES_OF_32: u64 = 0x0000_0001_0000_0001;

    let high = ((u128::from(word) * u128::from(BY_RADIX_4)) >> 76) as u64;
    let low = word.wrapping_sub(high.wrapping_mul(RADIX_4));
    let quotients =
        (low.wrapping_mul(BY_RADIX_2) >> 38) | (high.wrapping_mul(BY_RADIX_2) >> 38) << 32;
    let fours = low | high << 32;
    let pairs = fours.wrapping_add(quotients.wrapping_mul((1 << 16) - RADIX_2));
    let even = ((pairs & HALVES_OF_32) + ONES_OF_32).wrapping_mul(BY_67) >> 16 & HALVES_OF_32;
    let odd = ((pairs >> 16 & HALVES_OF_32) + ONES_OF_32).wrapping_mul(BY_67) >> 16 & HALVES_OF_32;
    pairs.wrapping_add((even | odd << 16).wrapping_mul((1 << 8) - 67))
}
