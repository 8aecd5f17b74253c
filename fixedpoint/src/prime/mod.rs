//! Z_67: shares of single bits. A value is 64 digits, one byte each, that of the least significant
//! bit first.
//!
//! Digits are canonical, 0 to 66, wherever they come in or go out. No branch and no memory address
//! depends on a digit, a bit of a value, a `beta` or a rotation.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use crate::Side;
use crate::dispatch::{self, Level, at_level};

/// The modulus.
pub const P: u8 = 67;

/// Digits of a value.
pub const DIGITS: usize = 64;

/// One side's input to a private comparison of n values x, shared bit by bit, with thresholds r
/// that both sides know.
#[derive(Clone, Copy)]
pub struct Comparison<'a> {
    /// This side's shares of the bits of x: 64 n digits.
    pub bits: &'a [u8],
    /// The thresholds: n words, all below 2^64 - 1.
    pub r: &'a [u64],
    /// The bits that flip the results: n words, 0 or 1.
    pub beta: &'a [u64],
    /// Factors that hide the digits: 64 n digits from 1 to 66, the same on both sides.
    pub s: &'a [u8],
    /// The factors that hide the ratio of the two sides' digits from the dealer: 64 n digits, the
    /// same on both sides. Side zero adds them, side one subtracts.
    pub z: &'a [u8],
    /// Places by which the digits of a value are rotated: n bytes below 64, the same on both sides.
    pub rotation: &'a [u8],
}

/// Fills `out` with digits that are uniform in 0..67, from a stream of random bytes.
///
/// The stream is read in blocks whose sizes depend on nothing but how many digits are still
/// missing, m: m + m/4 + m/16 bytes (rounded down each), rounded up to a multiple of 64, at most
/// 4096. Bytes below 201 are taken in order, modulo 67; what a block has beyond the last digit is
/// dropped. So two parties with the same stream get the same digits and leave it at the same place,
/// whatever their processors.
pub fn sample_digits(out: &mut [u8], fill: &mut dyn FnMut(&mut [u8])) {
    sample::<P>(dispatch::level(), out, fill);
}

/// As [`sample_digits`], uniform in 1..67: bytes below 198 are taken, modulo 66, plus one.
pub fn sample_units(out: &mut [u8], fill: &mut dyn FnMut(&mut [u8])) {
    sample::<{ P - 1 }>(dispatch::level(), out, fill);
}

/// Shares the bits of n values: `second` becomes bits minus `first`, 64 n digits each.
pub fn share_bits(values: &[u64], first: &[u8], second: &mut [u8]) {
    share_bits_at(dispatch::level(), values, first, second);
}

/// One side's message in a private comparison of n values: 64 n digits.
///
/// With j = 0 or 1 for the side, x the shared digits, y = r + beta and, going down from the most
/// significant place, w = x + j y - 2 x y (on bits of y), c = +-(j y - x) + j + the sum of w at all
/// higher places, minus for beta = 1: the digits s (c +- z), rotated left. The two sides' messages
/// add up to a zero in one place iff (x > r) XOR beta, and are otherwise uniform in 1..67 at every
/// place. A rotation moves that one zero to a uniform place and hides as much as a permutation, for
/// far less.
pub fn blind_compare(side: Side, c: &Comparison<'_>, out: &mut [u8]) {
    blind_compare_at(dispatch::level(), side, c, out);
}

/// The result of a private comparison at the receiver of both messages: 1 for every value that has
/// a digit whose two shares add up to zero, else 0. 64 digits for every element of `out`.
pub fn zero_in_sum(d0: &[u8], d1: &[u8], out: &mut [u64]) {
    zero_in_sum_at(dispatch::level(), d0, d1, out);
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

impl<'a> Comparison<'a> {
    #[inline(always)]
    fn values(&self) -> impl Iterator<Item = Value<'a>> {
        let n = self.r.len();
        let thresholds = self.r.iter().zip(self.beta).zip(self.rotation);
        let digits =
            by_value(self.bits, n).iter().zip(by_value(self.s, n)).zip(by_value(self.z, n));
        thresholds.zip(digits).map(|(((&r, &beta), &rotation), ((bits, s), z))| Value {
            bits,
            threshold: r.wrapping_add(beta),
            beta,
            s,
            z,
            rotation,
        })
    }
}

/// `MODULUS` residues up from 67 - `MODULUS`; bytes below three times the modulus are accepted.
fn sample<const MODULUS: u8>(level: Level, out: &mut [u8], fill: &mut dyn FnMut(&mut [u8])) {
    let mut scratch = [0; BLOCK];
    let mut filled = 0;
    while filled < out.len() {
        let block = &mut scratch[..block_len(out.len() - filled)];
        fill(block);
        filled += at_level!(level, accept::<MODULUS>(block, &mut out[filled..]));
    }
}

fn share_bits_at(level: Level, values: &[u64], first: &[u8], second: &mut [u8]) {
    let (first, second) = (by_value(first, values.len()), by_value_mut(second, values.len()));
    at_level!(level, share_bits(values, first, second));
}

fn blind_compare_at(level: Level, side: Side, c: &Comparison<'_>, out: &mut [u8]) {
    assert_eq!(c.beta.len(), c.r.len(), "one beta for every value");
    assert_eq!(c.rotation.len(), c.r.len(), "one rotation for every value");
    let out = by_value_mut(out, c.r.len());
    at_level!(level, blind_compare(side, c, out));
}

fn zero_in_sum_at(level: Level, d0: &[u8], d1: &[u8], out: &mut [u64]) {
    let (d0, d1) = (by_value(d0, out.len()), by_value(d1, out.len()));
    at_level!(level, zero_in_sum(d0, d1, out));
}

/// Slightly more than the expected 1.27 or 1.29 bytes a digit. Both parties of a stream must agree
/// on this formula.
fn block_len(missing: usize) -> usize {
    (missing + missing / 4 + missing / 16).next_multiple_of(64).min(BLOCK)
}

fn by_value(digits: &[u8], n: usize) -> &[[u8; DIGITS]] {
    assert_eq!(digits.len(), DIGITS * n, "64 digits for every value");
    digits.as_chunks().0
}

fn by_value_mut(digits: &mut [u8], n: usize) -> &mut [[u8; DIGITS]] {
    assert_eq!(digits.len(), DIGITS * n, "64 digits for every value");
    digits.as_chunks_mut().0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{Rng, RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const EDGES: [u64; 14] = [
        0,
        1,
        2,
        3,
        1 << 32,
        (1 << 32) - 1,
        (1 << 62) - 1,
        1 << 62,
        (1 << 63) - 1,
        1 << 63,
        (1 << 63) + 1,
        u64::MAX - 3,
        u64::MAX - 2,
        u64::MAX - 1,
    ];

    fn rng(seed: u64) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(seed)
    }

    /// The inputs of both sides and the dealer to one batch of comparisons.
    struct Batch {
        x: Vec<u64>,
        bits: [Vec<u8>; 2],
        r: Vec<u64>,
        beta: Vec<u64>,
        s: Vec<u8>,
        z: Vec<u8>,
        rotation: Vec<u8>,
    }

    impl Batch {
        fn new(x: Vec<u64>, r: Vec<u64>, beta: Vec<u64>, rng: &mut ChaCha8Rng) -> Self {
            let [mut first, mut second, mut s, mut z] = [(); 4].map(|()| vec![0; DIGITS * x.len()]);
            sample_digits(&mut first, &mut |block| rng.fill_bytes(block));
            sample_units(&mut s, &mut |block| rng.fill_bytes(block));
            sample_digits(&mut z, &mut |block| rng.fill_bytes(block));
            share_bits(&x, &first, &mut second);
            let rotation = x.iter().map(|_| rng.random_range(0..64)).collect();
            Self { x, bits: [first, second], r, beta, s, z, rotation }
        }

        fn comparison(&self, side: Side) -> Comparison<'_> {
            Comparison {
                bits: &self.bits[side.index() as usize],
                r: &self.r,
                beta: &self.beta,
                s: &self.s,
                z: &self.z,
                rotation: &self.rotation,
            }
        }

        fn message(&self, level: Level, side: Side) -> Vec<u8> {
            let mut out = vec![0xff; DIGITS * self.x.len()];
            blind_compare_at(level, side, &self.comparison(side), &mut out);
            out
        }

        /// The message by the formulas of the protocol, in plain integers.
        fn reference(&self, side: Side) -> Vec<u8> {
            let j = side.index() as i64;
            let sign = 1 - 2 * j;
            let mut out = Vec::new();
            for i in 0..self.x.len() {
                let x = |k: usize| i64::from(self.bits[j as usize][DIGITS * i + k]);
                let (r, t) = (self.r[i], self.r[i].wrapping_add(1));
                let bit = |word: u64, k: usize| ((word >> k) & 1) as i64;
                let mut digits = [0u8; DIGITS];
                let mut sum = 0;
                for k in (0..DIGITS).rev() {
                    let (w, c) = if self.beta[i] == 0 {
                        let w = x(k) + j * bit(r, k) - 2 * bit(r, k) * x(k);
                        (w, j * bit(r, k) - x(k) + j + sum)
                    } else {
                        let w = x(k) + j * bit(t, k) - 2 * bit(t, k) * x(k);
                        (w, x(k) - j * bit(t, k) + j + sum)
                    };
                    sum += w;
                    let z = i64::from(self.z[DIGITS * i + k]);
                    let masked = i64::from(self.s[DIGITS * i + k]) * (c + sign * z);
                    digits[k] = masked.rem_euclid(i64::from(P)) as u8;
                }
                digits.rotate_left(usize::from(self.rotation[i]));
                out.extend(digits);
            }
            out
        }

        fn check(&self) {
            let flipped = |i: usize| self.beta[i] ^ u64::from(self.x[i] > self.r[i]);
            let expected: Vec<u64> = (0..self.x.len()).map(flipped).collect();
            let messages = [Side::Zero, Side::One].map(|side| self.reference(side));
            for level in dispatch::available() {
                for side in [Side::Zero, Side::One] {
                    let message = self.message(level, side);
                    assert!(message == messages[side.index() as usize], "{level} {side:?}");
                }
                let mut found = vec![9; self.x.len()];
                zero_in_sum_at(level, &messages[0], &messages[1], &mut found);
                assert_eq!(found, expected, "{level}");
            }
        }
    }

    #[test]
    fn compares_edges_and_random_values() {
        let mut rng = rng(1);
        let (mut x, mut r, mut beta) = (Vec::new(), Vec::new(), Vec::new());
        let mut push = |a: u64, b: u64| {
            for flip in [0, 1] {
                x.push(a);
                r.push(b);
                beta.push(flip);
            }
        };
        for a in EDGES {
            push(u64::MAX, a);
            for b in EDGES {
                push(a, b);
            }
        }
        for _ in 0..500 {
            let a: u64 = rng.random_range(0..u64::MAX);
            push(a, a);
            push(a, a.saturating_sub(1));
            push(a, rng.random_range(0..u64::MAX));
            push(a, (a ^ 1 << rng.random_range(0..64)).min(u64::MAX - 1));
        }
        Batch::new(x, r, beta, &mut rng).check();
    }

    #[test]
    fn compares_every_count_of_values_at_every_rotation() {
        let mut rng = rng(2);
        for n in 0..10 {
            let x = (0..n).map(|_| rng.random()).collect();
            let r = (0..n).map(|_| rng.random_range(0..u64::MAX)).collect();
            let beta = (0..n).map(|_| rng.random_range(0..2)).collect();
            Batch::new(x, r, beta, &mut rng).check();
        }
        let mut batch = Batch::new(vec![5; 64], vec![4; 64], vec![0; 64], &mut rng);
        batch.rotation = (0..64).collect();
        batch.check();
    }

    #[test]
    fn bounds_hold_for_extreme_digits() {
        let mut rng = rng(3);
        for (x, r) in EDGES.into_iter().flat_map(|x| EDGES.map(|r| (x, r))) {
            for beta in [0, 1] {
                let mut batch = Batch::new(vec![x], vec![r], vec![beta], &mut rng);
                for digit in [0, 1, 66] {
                    let [first, second] = &mut batch.bits;
                    first.fill(digit);
                    share_bits(&[x], first, second);
                    batch.s = vec![66; DIGITS];
                    batch.z = vec![66 - digit; DIGITS];
                    batch.check();
                    batch.z = vec![digit; DIGITS];
                    batch.check();
                }
            }
        }
    }

    #[test]
    fn sums_of_messages_hold_at_most_one_zero() {
        let mut rng = rng(4);
        let x: Vec<u64> = (0..2000).map(|_| rng.random()).collect();
        let r = (0..2000).map(|_| rng.random_range(0..u64::MAX)).collect();
        let beta = (0..2000).map(|_| rng.random_range(0..2)).collect();
        let batch = Batch::new(x, r, beta, &mut rng);
        let [d0, d1] = [Side::Zero, Side::One].map(|side| batch.message(dispatch::level(), side));
        for (d0, d1) in d0.chunks(DIGITS).zip(d1.chunks(DIGITS)) {
            assert!(d0.iter().zip(d1).filter(|&(a, b)| (a + b) % P == 0).count() <= 1);
        }
    }

    #[test]
    fn shares_of_bits_add_up() {
        let mut rng = rng(5);
        let values: Vec<u64> = EDGES.into_iter().chain((0..50).map(|_| rng.random())).collect();
        for first_digit in [None, Some(0), Some(1), Some(66)] {
            let mut first = vec![first_digit.unwrap_or(0); DIGITS * values.len()];
            if first_digit.is_none() {
                sample_digits(&mut first, &mut |block| rng.fill_bytes(block));
            }
            for level in dispatch::available() {
                let mut second = vec![0xff; first.len()];
                share_bits_at(level, &values, &first, &mut second);
                for (i, (&a, &b)) in first.iter().zip(&second).enumerate() {
                    let bit = (values[i / DIGITS] >> (i % DIGITS)) & 1;
                    assert!(b < P, "{level}");
                    assert_eq!(u64::from((a + b) % P), bit, "{level}");
                }
            }
        }
    }

    #[test]
    fn zero_is_found_for_every_pair_of_digits() {
        for level in dispatch::available() {
            for (a, b) in (0..P).flat_map(|a| (0..P).map(move |b| (a, b))) {
                let place = usize::from(a) % DIGITS;
                let (mut d0, mut d1) = ([1; DIGITS], [1; DIGITS]);
                (d0[place], d1[place]) = (a, b);
                let mut found = [9];
                zero_in_sum_at(level, &d0, &d1, &mut found);
                assert_eq!(found[0], u64::from((a + b) % P == 0), "{level}: {a} + {b}");
            }
        }
    }

    /// Samples at a level, and how much of the stream that took.
    fn draw<const MODULUS: u8>(
        level: Level,
        len: usize,
        stream: impl Fn(usize) -> u8,
    ) -> (Vec<u8>, usize) {
        let (mut out, mut drawn) = (vec![0xff; len], 0);
        sample::<MODULUS>(level, &mut out, &mut |block| {
            assert!(block.len() <= BLOCK && block.len().is_multiple_of(64));
            for byte in block {
                *byte = stream(drawn);
                drawn += 1;
            }
        });
        (out, drawn)
    }

    /// The documented procedure, byte by byte.
    fn draw_reference<const MODULUS: u8>(
        len: usize,
        stream: impl Fn(usize) -> u8,
    ) -> (Vec<u8>, usize) {
        let (mut out, mut drawn) = (Vec::new(), 0);
        while out.len() < len {
            let missing = len - out.len();
            let block = ((missing + missing / 4 + missing / 16).div_ceil(64) * 64).min(4096);
            let accepted = (drawn..drawn + block).map(&stream).filter(|&byte| byte < 3 * MODULUS);
            out.extend(accepted.map(|byte| byte % MODULUS + P - MODULUS).take(missing));
            drawn += block;
        }
        (out, drawn)
    }

    #[test]
    fn sampling_is_the_same_at_every_level() {
        let mut random = vec![0; 1 << 17];
        rng(6).fill_bytes(&mut random);
        for len in (0..400).chain([3000, 3200, 3216, 3300, 4096, 64_000, 64_001]) {
            let stream = |i: usize| random[len % 1000 + i];
            let (digits, units) =
                (draw_reference::<67>(len, stream), draw_reference::<66>(len, stream));
            for level in dispatch::available() {
                assert!(draw::<67>(level, len, stream) == digits, "{level} {len}");
                assert!(draw::<66>(level, len, stream) == units, "{level} {len}");
            }
        }
    }

    #[test]
    fn poor_streams_take_longer_and_nothing_else() {
        // One byte in 97 is accepted, so that blocks run out early.
        let stream = |i: usize| if i % 97 == 5 { (i % 198) as u8 } else { 255 - (i % 50) as u8 };
        for len in [1, 63, 64, 65, 500] {
            let (digits, units) =
                (draw_reference::<67>(len, stream), draw_reference::<66>(len, stream));
            for level in dispatch::available() {
                assert!(draw::<67>(level, len, stream) == digits, "{level} {len}");
                assert!(draw::<66>(level, len, stream) == units, "{level} {len}");
            }
        }
    }

    #[test]
    fn samples_are_uniform() {
        let mut rng = rng(7);
        let mut out = vec![0; 67 * 66 * 200];
        // The 99.9% quantile of chi squared for 66 degrees of freedom is 107.
        sample_digits(&mut out, &mut |block| rng.fill_bytes(block));
        assert!(chi_squared(&out, 0) < 107.0);
        sample_units(&mut out, &mut |block| rng.fill_bytes(block));
        assert!(chi_squared(&out, 1) < 107.0);
    }

    /// How far digits from `lowest` to 66 are from uniform; infinite if there are others.
    fn chi_squared(digits: &[u8], lowest: u8) -> f64 {
        let mut counts = [0f64; 256];
        digits.iter().for_each(|&digit| counts[usize::from(digit)] += 1.0);
        let range = usize::from(lowest)..usize::from(P);
        let expected = digits.len() as f64 / range.len() as f64;
        let inside: f64 = counts[range.clone()].iter().sum();
        if inside < digits.len() as f64 {
            return f64::INFINITY;
        }
        counts[range].iter().map(|count| (count - expected).powi(2) / expected).sum()
    }

    proptest! {
        #[test]
        fn compares(
            values in prop::collection::vec((any::<u64>(), 0..u64::MAX, 0..2u64), 0..6),
            seed in any::<u64>(),
        ) {
            let x = values.iter().map(|v| v.0).collect();
            let r = values.iter().map(|v| v.1).collect();
            let beta = values.iter().map(|v| v.2).collect();
            Batch::new(x, r, beta, &mut rng(seed)).check();
        }
    }
}
