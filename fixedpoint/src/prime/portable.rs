//! Digit kernels in plain Rust, written as loops over the 64 digits of a value that a compiler
//! turns into vectors.

use super::{Comparison, DIGITS, P, Value};
use crate::Side;

/// Writes the accepted bytes of `block`, reduced, until `out` is full; how many that were. `block`
/// is a multiple of 64 bytes, and places of `out` beyond the returned count may hold anything.
#[inline(always)]
pub(super) fn accept<const MODULUS: u8>(block: &[u8], out: &mut [u8]) -> usize {
    let mut taken = 0;
    for bytes in block.as_chunks::<64>().0 {
        let reduced = bytes.map(reduce_byte::<MODULUS>);
        let (mut kept, mut count) = ([0; 64], 0);
        for (&byte, reduced) in bytes.iter().zip(reduced) {
            // Which bytes are dropped says nothing about those that are kept, so this position is
            // no secret.
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

/// The masked digits of one value before their rotation. Residues are reduced only where a byte
/// would overflow, so the bounds matter; they are those of side one, for side zero they are lower.
#[inline(always)]
fn blind(side: Side, value: &Value<'_>) -> [u8; DIGITS] {
    let j = side.index() as u8;
    let (threshold, beta) = (spread(value.threshold), (value.beta as u8).wrapping_neg());
    let (x, s, z) = (value.bits, value.s, value.z);

    // w = x or j - x: at most 68.
    let w = std::array::from_fn(|i| select(threshold[i].wrapping_neg(), P + j - x[i], x[i]));
    // At most 75.
    let above = sum_of_higher(&w);
    std::array::from_fn(|i| {
        // j + j y - x or j + x - j y: at most 69.
        let ahead = x[i].wrapping_sub(j * threshold[i]);
        let own = select(beta, ahead.wrapping_add(j), (P + j).wrapping_sub(ahead));
        // At most 67.
        let z = select(j.wrapping_neg(), P - z[i], z[i]);
        // At most 13926, so a residue of at most 133.
        reduce_once(reduce_wide(u16::from(above[i] + own + z) * u16::from(s[i])) as u8)
    })
}

/// For every place a residue, at most 75, of the sum of all higher places, given digits of at most
/// 68.
#[inline(always)]
fn sum_of_higher(w: &[u8; DIGITS]) -> [u8; DIGITS] {
    // Within each group of eight digits: at most 136, 138 and 142 before the reductions.
    let sum = shift_groups::<1>(w);
    let sum = add_once(&sum, &shift_groups::<1>(&sum));
    let sum = add_once(&sum, &shift_groups::<2>(&sum));
    let sum = add_once(&sum, &shift_groups::<4>(&sum));
    // And all of the groups above: seven times 8 * 68 at most, a residue of at most 67.
    let mut higher = 0;
    let mut groups = [0; DIGITS];
    for (group, w) in groups.as_chunks_mut::<8>().0.iter_mut().zip(w.as_chunks::<8>().0).rev() {
        *group = [reduce_wide(higher) as u8; 8];
        higher += w.iter().map(|&w| u16::from(w)).sum::<u16>();
    }
    add_once(&sum, &groups)
}

/// Moves digits `BY` places down within groups of eight.
#[inline(always)]
fn shift_groups<const BY: u32>(digits: &[u8; DIGITS]) -> [u8; DIGITS] {
    let mut out = [0; DIGITS];
    for (out, group) in out.as_chunks_mut::<8>().0.iter_mut().zip(digits.as_chunks::<8>().0) {
        *out = (u64::from_le_bytes(*group) >> (8 * BY)).to_le_bytes();
    }
    out
}

/// Sums, less 67 where that is possible.
#[inline(always)]
fn add_once(a: &[u8; DIGITS], b: &[u8; DIGITS]) -> [u8; DIGITS] {
    std::array::from_fn(|i| reduce_once(a[i] + b[i]))
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

/// Subtracts 67 where that is possible.
#[inline(always)]
fn reduce_once(x: u8) -> u8 {
    x.min(x.wrapping_sub(P))
}

/// A residue of at most 67 of a number up to 6500, and of at most 133 of one up to 2^15: the
/// quotient is never too large, and too small by one at most.
#[inline(always)]
fn reduce_wide(x: u16) -> u16 {
    let quotient = (u32::from(x) * 978) >> 16;
    x - 67 * quotient as u16
}

/// Moves digit `by` to place 0, `by + 1` to 1, and so on around, in six conditional rotations:
/// neither a branch nor an address depends on `by`.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reductions_keep_their_bounds() {
        for x in 0..1 << 15 {
            let residue = reduce_wide(x);
            assert_eq!(residue % 67, x % 67);
            assert!(residue <= if x <= 6500 { 67 } else { 133 }, "{x}");
        }
        for x in 0..134 {
            assert_eq!(reduce_once(x), x % P);
        }
        for x in 0..3 * P {
            assert_eq!(reduce_byte::<P>(x), x % P);
        }
        for x in 0..3 * 66 {
            assert_eq!(reduce_byte::<66>(x), 1 + x % 66);
        }
    }
}
