//! Digit kernels in plain Rust, written as loops over the 64 digits of a value that a compiler turns into vectors.

use super::{Comparison, DIGITS, P, Value};
use crate::Side;

/// Writes the accepted bytes of `block`, reduced, until `out` is full; how many that were. `block` is a multiple of 64 bytes,
/// and places of `out` beyond the returned count may hold anything.
#[inline(always)]
pub(super) fn accept<const MODULUS: u8>(block: &[u8], out: &mut [u8]) -> usize {
    let mut taken = 0;
    for bytes in block.as_chunks::<64>().0 {
        let reduced = bytes.map(reduce_byte::<MODULUS>);
        let (mut kept, mut count) = ([0; 64], 0);
        for (&byte, reduced) in bytes.iter().zip(reduced) {
            // Which bytes are dropped says nothing about those that are kept, so this position is no secret.
            kept[count % 64] = reduced;
            count += usize::from(byte < 3 * MODULUS);
        }
        let rest = &mut out[taken..];
        let count = count.min(rest.len());
        match rest.first_chunk_mut() {
            Some(whole) => *whole = kept,
            None => rest[..count].copy_from_slice(&kept[..count]),
        }
        taken += count;
    }
    taken
}

/// See [`super::share_bits`].
#[inline(always)]
pub(super) fn share_bits(values: &[u64], first: &[[u8; DIGITS]], second: &mut [[u8; DIGITS]]) {
    for ((&value, first), second) in values.iter().zip(first).zip(second) {
        let bits = spread(value);
        for ((second, &first), bit) in second.iter_mut().zip(first).zip(bits) {
            *second = reduce_once(bit + P - first);
        }
    }
}

/// See [`super::blind_compare`].
#[inline(always)]
pub(super) fn blind_compare(side: Side, c: &Comparison<'_>, out: &mut [[u8; DIGITS]]) {
    for (value, out) in c.values().zip(out) {
        rotate(&blind(side, &value), value.rotation, out);
    }
}

/// See [`super::zero_in_sum`].
#[inline(always)]
pub(super) fn zero_in_sum(d0: &[[u8; DIGITS]], d1: &[[u8; DIGITS]], out: &mut [u64]) {
    for ((d0, d1), out) in d0.iter().zip(d1).zip(out) {
        let zeros = d0.iter().zip(d1).map(|(&a, &b)| u8::from(reduce_once(a + b) == 0));
        *out = u64::from(zeros.fold(0, |found, zero| found | zero));
    }
}

/// The masked digits of one value before their rotation.
#[inline(always)]
fn blind(side: Side, value: &Value<'_>) -> [u8; DIGITS] {
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

    std::array::from_fn(|i| {
        let ahead = value.bits[i].wrapping_sub(j * threshold[i]);
        let own = select(beta, ahead.wrapping_add(j), (P + j).wrapping_sub(ahead));
        let z = select(j.wrapping_neg(), P - value.z[i], value.z[i]);
        let masked = reduce_wide(above[i] + u16::from(own) + u16::from(z));
        reduce_once(reduce_wide(masked * u16::from(value.s[i])) as u8)
    })
}

/// One digit of a byte below three times the modulus.
#[inline(always)]
fn reduce_byte<const MODULUS: u8>(byte: u8) -> u8 {
    let once = byte.min(byte.wrapping_sub(MODULUS));
    // Rejected bytes may be anything, but must not overflow.
    once.min(once.wrapping_sub(MODULUS)).wrapping_add(P - MODULUS)
}

/// The bits of a word, one a byte, least significant first.
#[inline(always)]
fn spread(word: u64) -> [u8; DIGITS] {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let mut out = [0; DIGITS];
    for (out, byte) in out.as_chunks_mut::<8>().0.iter_mut().zip(word.to_le_bytes()) {
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

/// A residue of at most 67 of a number up to 6500: the quotient is never too large, and too small only for a
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
