//! Z_67: shares of single bits. A value is 64 digits, one byte each, that of the least significant bit first.
//!
//! Digits are canonical, 0 to 66, wherever they come in or go out. No branch and no memory address depends on a digit, a
//! bit of a value, a `beta` or a rotation.

mod portable;

use crate::Side;

/// The modulus.
pub const P: u8 = 67;

/// Digits of a value.
pub const DIGITS: usize = 64;

/// One side's input to a private comparison of n values x, shared bit by bit, with thresholds r that both sides know.
#[derive(Clone, Copy)]
pub struct Comparison<'a> {
    /// This side's shares of the bits of x: 64 n digits.
    pub bits: &'a [u8],
    /// The thresholds: n words, all below 2^64 - 1.
    pub r: &'a [u64],
    /// What the result is flipped by: n words, 0 or 1.
    pub beta: &'a [u64],
    /// Factors that hide the digits: 64 n digits from 1 to 66, the same on both sides.
    pub s: &'a [u8],
    /// What hides the ratio of the two sides' digits from whoever dealt the bits: 64 n digits, the same on both sides. Side
    /// zero adds them, side one subtracts.
    pub z: &'a [u8],
    /// Places by which the digits of a value are rotated: n bytes below 64, the same on both sides.
    pub rotation: &'a [u8],
}

/// Fills `out` with digits that are uniform in 0..67, from a stream of random bytes.
///
/// The stream is read in blocks whose sizes depend on nothing but how many digits are still missing, m: m + m/4 + m/16 bytes
/// (rounded down each), rounded up to a multiple of 64, at most 4096. Bytes below 201 are taken in order, modulo 67; what a
/// block has beyond the last digit is dropped. So two parties with the same stream get the same digits and leave it at the
/// same place, whatever their processors.
pub fn sample_digits(out: &mut [u8], fill: &mut dyn FnMut(&mut [u8])) {
    sample::<P>(out, fill);
}

/// As [`sample_digits`], uniform in 1..67: bytes below 198 are taken, modulo 66, plus one.
pub fn sample_units(out: &mut [u8], fill: &mut dyn FnMut(&mut [u8])) {
    sample::<{ P - 1 }>(out, fill);
}

/// Shares the bits of n values: `second` becomes bits minus `first`, 64 n digits each.
pub fn share_bits(values: &[u64], first: &[u8], second: &mut [u8]) {
    let (first, second) = (
        by_value(first, values.len()),
        by_value_mut(second, values.len()),
    );
    for ((&value, first), second) in values.iter().zip(first).zip(second) {
        portable::share_bits(value, first, second);
    }
}

/// One side's message in a private comparison of n values: 64 n digits.
///
/// With j = 0 or 1 for the side, x the shared digits, y = r + beta and, going down from the most significant place,
/// w = x + j y - 2 x y (on bits of y), c = +-(j y - x) + j + the sum of w at all higher places, minus for beta = 1: the
/// digits s (c +- z), rotated left. The two sides' messages add up to a zero in one place iff (x > r) XOR beta, and are
/// otherwise uniform in 1..67 at every place. A rotation moves that one zero to a uniform place and hides as much as a
/// permutation, for far less.
pub fn blind_compare(side: Side, c: &Comparison<'_>, out: &mut [u8]) {
    let n = c.r.len();
    assert_eq!(c.beta.len(), n, "one beta for every value");
    assert_eq!(c.rotation.len(), n, "one rotation for every value");
    let (bits, s, z) = (by_value(c.bits, n), by_value(c.s, n), by_value(c.z, n));
    for (i, out) in by_value_mut(out, n).iter_mut().enumerate() {
        let value = Value {
            bits: &bits[i],
            threshold: c.r[i].wrapping_add(c.beta[i]),
            beta: c.beta[i],
            s: &s[i],
            z: &z[i],
            rotation: c.rotation[i],
        };
        portable::blind_compare(side, &value, out);
    }
}

/// What the receiver of both messages of a private comparison learns: 1 for every value that has a digit whose two shares
/// add up to zero, else 0. 64 digits for every element of `out`.
pub fn zero_in_sum(d0: &[u8], d1: &[u8], out: &mut [u64]) {
    let (d0, d1) = (by_value(d0, out.len()), by_value(d1, out.len()));
    for ((d0, d1), out) in d0.iter().zip(d1).zip(out) {
        *out = portable::zero_in_sum(d0, d1);
    }
}

/// Bytes drawn at once, at most.
const BLOCK: usize = 4096;

/// One value of a [`Comparison`].
struct Value<'a> {
    bits: &'a [u8; DIGITS],
    /// r + beta
    threshold: u64,
    beta: u64,
    s: &'a [u8; DIGITS],
    z: &'a [u8; DIGITS],
    rotation: u8,
}

/// `MODULUS` residues up from 67 - `MODULUS`; bytes below three times the modulus are accepted.
fn sample<const MODULUS: u8>(out: &mut [u8], fill: &mut dyn FnMut(&mut [u8])) {
    let mut scratch = [0; BLOCK];
    let mut filled = 0;
    while filled < out.len() {
        let block = &mut scratch[..block_len(out.len() - filled)];
        fill(block);
        filled += portable::accept::<MODULUS>(block, &mut out[filled..]);
    }
}

/// Slightly more than the expected 1.27 or 1.29 bytes a digit. Both parties of a stream must agree on this formula.
fn block_len(missing: usize) -> usize {
    (missing + missing / 4 + missing / 16)
        .next_multiple_of(64)
        .min(BLOCK)
}

fn by_value(digits: &[u8], n: usize) -> &[[u8; DIGITS]] {
    assert_eq!(digits.len(), DIGITS * n, "64 digits for every value");
    digits.as_chunks().0
}

fn by_value_mut(digits: &mut [u8], n: usize) -> &mut [[u8; DIGITS]] {
    assert_eq!(digits.len(), DIGITS * n, "64 digits for every value");
    digits.as_chunks_mut().0
}
