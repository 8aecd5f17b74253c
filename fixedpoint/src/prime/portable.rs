//! Digit kernels in plain Rust, written as loops over the 64 digits of a value that a compiler turns into vectors.

use super::{DIGITS, P, Value};
use crate::Side;

/// Writes the accepted bytes of `block`, reduced, until `out` is full; how many that were.
#[inline(always)]
pub(super) fn accept<const MODULUS: u8>(block: &[u8], out: &mut [u8]) -> usize {
    let mut taken = 0;
    for &byte in block {
        // Which bytes are dropped says nothing about those that are kept, so this position is no secret.
        let Some(place) = out.get_mut(taken) else {
            break;
        };
        *place = reduce_byte::<MODULUS>(byte);
        taken += usize::from(byte < 3 * MODULUS);
    }
    taken
}

/// One digit of a byte below three times the modulus.
#[inline(always)]
fn reduce_byte<const MODULUS: u8>(byte: u8) -> u8 {
    let once = byte.min(byte.wrapping_sub(MODULUS));
    once.min(once.wrapping_sub(MODULUS)) + (P - MODULUS)
}

/// The second shares of the bits of one value.
#[inline(always)]
pub(super) fn share_bits(value: u64, first: &[u8; DIGITS], second: &mut [u8; DIGITS]) {
    let bits = spread(value);
    for ((second, &first), bit) in second.iter_mut().zip(first).zip(bits) {
        *second = reduce_once(bit + P - first);
    }
}

/// The masked digits of one value.
#[inline(always)]
pub(super) fn blind_compare(side: Side, value: &Value<'_>, out: &mut [u8; DIGITS]) {
    let j = side.index() as u8;
    let (threshold, beta) = (spread(value.threshold), (value.beta as u8).wrapping_neg());

    // w = x if the threshold's bit is 0, else j - x. A digit's `above` is the sum of all w at more significant places.
    let mut above = [0u16; DIGITS];
    let mut sum = 0;
    for i in (0..DIGITS).rev() {
        above[i] = sum;
        let x = value.bits[i];
        sum += u16::from(select(threshold[i].wrapping_neg(), P + j - x, x));
    }

    let mut blinded = [0u8; DIGITS];
    for i in 0..DIGITS {
        let ahead = value.bits[i].wrapping_sub(j * threshold[i]);
        let c = select(beta, ahead.wrapping_add(j), (P + j).wrapping_sub(ahead));
        let z = select(j.wrapping_neg(), P - value.z[i], value.z[i]);
        let masked = reduce_wide(above[i] + u16::from(c) + u16::from(z));
        blinded[i] = reduce_once(reduce_wide(masked * u16::from(value.s[i])) as u8);
    }
    rotate(&blinded, value.rotation, out);
}

/// 1 iff two shares of some digit of a value add up to zero.
#[inline(always)]
pub(super) fn zero_in_sum(d0: &[u8; DIGITS], d1: &[u8; DIGITS]) -> u64 {
    let mut found = 0;
    for (&a, &b) in d0.iter().zip(d1) {
        found |= u8::from(a + b == 0) | u8::from(a + b == P);
    }
    u64::from(found)
}

/// The bits of a word, one a byte, least significant first.
#[inline(always)]
fn spread(word: u64) -> [u8; DIGITS] {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let mut out = [0; DIGITS];
    for (out, byte) in out
        .as_chunks_mut::<8>()
        .0
        .iter_mut()
        .zip(word.to_le_bytes())
    {
        // Byte i keeps bit i of its copy, and the sum moves that to its top bit.
        let kept = (u64::from(byte) * EACH) & 0x8040_2010_0804_0201;
        *out = ((kept + 0x7f * EACH) >> 7 & EACH).to_le_bytes();
    }
    out
}

/// `a` under a mask of ones, `b` under a mask of zeros.
#[inline(always)]
fn select(mask: u8, a: u8, b: u8) -> u8 {
    (a & mask) | (b & !mask)
}

/// A residue below 67 of a number below 134.
#[inline(always)]
fn reduce_once(x: u8) -> u8 {
    x.min(x.wrapping_sub(P))
}

/// A residue of at most 67 of a number of at most 2^16 / 10: the quotient is never too large, and too small only for a
/// multiple of 67.
#[inline(always)]
fn reduce_wide(x: u16) -> u16 {
    let quotient = (u32::from(x) * 978) >> 16;
    x - 67 * quotient as u16
}

/// Moves digit `by` to place 0, `by + 1` to 1, and so on around, in six conditional rotations: neither a branch nor an
/// address depends on `by`.
#[inline(always)]
fn rotate(digits: &[u8; DIGITS], by: u8, out: &mut [u8; DIGITS]) {
    let mut words: [u64; 8] = std::array::from_fn(|i| {
        u64::from_le_bytes(digits[8 * i..8 * i + 8].try_into().expect("eight bytes"))
    });
    for level in 0..3 {
        let mask = u64::from(by >> level & 1).wrapping_neg();
        let bits = 8 << level;
        words = std::array::from_fn(|i| {
            let moved = words[i] >> bits | words[(i + 1) % 8] << (64 - bits);
            words[i] ^ (words[i] ^ moved) & mask
        });
    }
    for level in 0..3 {
        let mask = u64::from(by >> (3 + level) & 1).wrapping_neg();
        words =
            std::array::from_fn(|i| words[i] ^ (words[i] ^ words[(i + (1 << level)) % 8]) & mask);
    }
    for (out, word) in out.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *out = word.to_le_bytes();
    }
}
