//! Digit kernels with AVX2: the 64 digits of a value are two registers. Where compilers make good
//! vectors of [`portable`], that is compiled for AVX2.

use std::arch::x86_64::*;

use super::{Comparison, DIGITS, P, Value, portable};
use crate::Side;
use crate::avx2::{load, store};

/// See [`portable::accept`].
#[target_feature(enable = "avx2")]
pub(super) fn accept<const MODULUS: u8>(block: &[u8], out: &mut [u8]) -> usize {
    let mut taken = 0;
    for bytes in block.as_chunks::<32>().0 {
        let bytes = load(bytes);
        let mut digits = [0u64; 4];
        store(&mut digits, reduce::<MODULUS>(bytes));
        // Unsigned: a byte is rejected if the larger of it and the bound is the byte itself.
        let bound = splat(3 * MODULUS);
        let rejected = _mm256_cmpeq_epi8(_mm256_max_epu8(bytes, bound), bytes);
        let accepted = (!_mm256_movemask_epi8(rejected)).to_le_bytes();
        for (digits, accepted) in digits.into_iter().zip(accepted) {
            // Which bytes are dropped says nothing about those that are kept, so this index is no
            // secret.
            let places = _mm_cvtsi64_si128(KEPT[usize::from(accepted)].cast_signed());
            let kept = _mm_shuffle_epi8(_mm_cvtsi64_si128(digits.cast_signed()), places);
            let kept = _mm_cvtsi128_si64(kept).to_le_bytes();
            let rest = &mut out[taken..];
            let count = rest.len().min(accepted.count_ones() as usize);
            match rest.first_chunk_mut() {
                Some(whole) => *whole = kept,
                None => rest[..count].copy_from_slice(&kept[..count]),
            }
            taken += count;
        }
    }
    taken
}

/// The digits 0 to 31 and 32 to 63 of a value.
type Pair = [__m256i; 2];

#[target_feature(enable = "avx2")]
fn blind_compare_for<const J: u8>(c: &Comparison<'_>, out: &mut [[u8; DIGITS]]) {
    for (value, out) in c.values().zip(out) {
        let rotated = rotate(blind::<J>(&value), value.rotation);
        for (out, half) in out.as_chunks_mut::<32>().0.iter_mut().zip(rotated) {
            store(out, half);
        }
    }
}

/// The masked digits of one value before their rotation; the bounds are those of
/// [`portable::blind_compare`].
#[inline]
#[target_feature(enable = "avx2")]
fn blind<const J: u8>(value: &Value<'_>) -> Pair {
    let (x, s, z) = (load_pair(value.bits), load_pair(value.s), load_pair(value.z));
    let beta = splat((value.beta as u8).wrapping_neg());
    let threshold = [spread(value.threshold as u32), spread((value.threshold >> 32) as u32)];

    let mut w = x;
    for (w, threshold) in w.iter_mut().zip(threshold) {
        *w = _mm256_blendv_epi8(*w, _mm256_sub_epi8(splat(P + J), *w), threshold);
    }
    let mut blinded = sum_of_higher(w);
    for (i, blinded) in blinded.iter_mut().enumerate() {
        let ahead = _mm256_sub_epi8(x[i], _mm256_and_si256(threshold[i], splat(J)));
        let minus = _mm256_sub_epi8(splat(P + J), ahead);
        let own = _mm256_blendv_epi8(minus, _mm256_add_epi8(splat(J), ahead), beta);
        let z = if J == 0 { z[i] } else { _mm256_sub_epi8(splat(P), z[i]) };
        *blinded = multiply(_mm256_add_epi8(_mm256_add_epi8(*blinded, own), z), s[i]);
    }
    blinded
}

/// For every place a residue, at most 75, of the sum of all higher places, given digits of at most
/// 68.
#[inline]
#[target_feature(enable = "avx2")]
fn sum_of_higher(w: Pair) -> Pair {
    // Sums over groups of eight digits, and from them the sums over all higher groups of the same
    // half.
    let groups = [_mm256_sad_epu8(w[0], splat(0)), _mm256_sad_epu8(w[1], splat(0))];
    let from_here = [groups_from_here(groups[0]), groups_from_here(groups[1])];
    let higher = [
        _mm256_add_epi64(next_group(from_here[0]), _mm256_permute4x64_epi64::<0>(from_here[1])),
        next_group(from_here[1]),
    ];
    let mut out = w;
    for (out, higher) in out.iter_mut().zip(higher) {
        // Within a group: at most 136, 138 and 142 before the reductions.
        let sum = _mm256_srli_epi64::<8>(*out);
        let sum = reduce_once(_mm256_add_epi8(sum, _mm256_srli_epi64::<8>(sum)));
        let sum = reduce_once(_mm256_add_epi8(sum, _mm256_srli_epi64::<16>(sum)));
        let sum = reduce_once(_mm256_add_epi8(sum, _mm256_srli_epi64::<32>(sum)));
        // Seven times 8 * 68 at most, a residue of at most 67.
        let first_byte_of_group = _mm256_set1_epi64x(0x0808_0808_0808_0808);
        let first_byte_of_group = _mm256_unpacklo_epi64(splat(0), first_byte_of_group);
        let higher = _mm256_shuffle_epi8(reduce_wide(higher), first_byte_of_group);
        *out = reduce_once(_mm256_add_epi8(sum, higher));
    }
    out
}

/// The sum of every group and all higher ones.
#[inline]
#[target_feature(enable = "avx2")]
fn groups_from_here(groups: __m256i) -> __m256i {
    let sum = _mm256_add_epi64(groups, next_group(groups));
    _mm256_add_epi64(sum, next_group(next_group(sum)))
}

/// Moves the next higher group to the place of every group, zero to that of the last.
#[inline]
#[target_feature(enable = "avx2")]
fn next_group(groups: __m256i) -> __m256i {
    let moved = _mm256_permute4x64_epi64::<0b00_11_10_01>(groups);
    _mm256_blend_epi32::<0b1100_0000>(moved, _mm256_setzero_si256())
}

/// Products modulo 67 of residues of at most 211 with digits below 67.
#[inline]
#[target_feature(enable = "avx2")]
fn multiply(a: __m256i, b: __m256i) -> __m256i {
    // At most 13926, so a residue of at most 133 fits a byte.
    let low = _mm256_set1_epi16(0x00ff);
    let even = reduce_wide(_mm256_maddubs_epi16(a, _mm256_and_si256(b, low)));
    let odd = reduce_wide(_mm256_maddubs_epi16(a, _mm256_andnot_si256(low, b)));
    reduce_once(_mm256_or_si256(even, _mm256_slli_epi16::<8>(odd)))
}

/// Moves digit `by` to place 0, `by + 1` to 1, and so on around.
#[inline]
#[target_feature(enable = "avx2")]
fn rotate([mut low, mut high]: Pair, by: u8) -> Pair {
    // By 32 and by 16 under masks, the rest as an index of shuffles: a place past the lane has its
    // top bit set and gives zero.
    let mask = splat((by >> 5 & 1).wrapping_neg());
    (low, high) = (_mm256_blendv_epi8(low, high, mask), _mm256_blendv_epi8(high, low, mask));
    let mask = splat((by >> 4 & 1).wrapping_neg());
    let [next_low, next_high] = next_lanes([low, high]);
    low = _mm256_blendv_epi8(low, next_low, mask);
    high = _mm256_blendv_epi8(high, next_high, mask);

    let places = _mm256_set1_epi64x(0x0706_0504_0302_0100);
    let places = _mm256_unpacklo_epi64(places, _mm256_add_epi8(places, splat(8)));
    let places = _mm256_add_epi8(places, splat(by & 15));
    let (here, there) = (_mm256_add_epi8(places, splat(0x70)), _mm256_sub_epi8(places, splat(16)));
    let [next_low, next_high] = next_lanes([low, high]);
    [
        _mm256_or_si256(_mm256_shuffle_epi8(low, here), _mm256_shuffle_epi8(next_low, there)),
        _mm256_or_si256(_mm256_shuffle_epi8(high, here), _mm256_shuffle_epi8(next_high, there)),
    ]
}

/// Moves every lane of 16 digits to the place of the one before, the first to the last.
#[inline]
#[target_feature(enable = "avx2")]
fn next_lanes([low, high]: Pair) -> Pair {
    [_mm256_permute2x128_si256::<0x21>(low, high), _mm256_permute2x128_si256::<0x21>(high, low)]
}

/// A byte of ones for every bit that is set.
#[inline]
#[target_feature(enable = "avx2")]
fn spread(bits: u32) -> __m256i {
    let byte_of_digit =
        _mm256_set_epi64x(0x0303_0303_0303_0303, 0x0202_0202_0202_0202, 0x0101_0101_0101_0101, 0);
    let bit_of_digit = _mm256_set1_epi64x(0x8040_2010_0804_0201u64.cast_signed());
    let bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(bits.cast_signed()), byte_of_digit);
    _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit_of_digit), bit_of_digit)
}

/// Subtracts 67 where that is possible.
#[inline]
#[target_feature(enable = "avx2")]
fn reduce_once(x: __m256i) -> __m256i {
    _mm256_min_epu8(x, _mm256_sub_epi8(x, splat(P)))
}

/// In every 16 bits a residue of at most 67 of a number up to 6500, and of at most 133 of one up to
/// 2^15: the quotient is never too large, and too small by one at most.
#[inline]
#[target_feature(enable = "avx2")]
fn reduce_wide(x: __m256i) -> __m256i {
    let quotient = _mm256_mulhi_epu16(x, _mm256_set1_epi16(978));
    _mm256_sub_epi16(x, _mm256_mullo_epi16(quotient, _mm256_set1_epi16(67)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_pair(digits: &[u8; DIGITS]) -> Pair {
    let (halves, _) = digits.as_chunks::<32>();
    [load(&halves[0]), load(&halves[1])]
}

/// For every set of eight bytes, their places in order from the lowest byte.
static KEPT: [u64; 256] = {
    let mut table = [0; 256];
    let mut set = 0;
    while set < 256 {
        let (mut place, mut count) = (0, 0);
        while place < 8 {
            if set >> place & 1 == 1 {
                table[set] |= place << (8 * count);
                count += 1;
            }
            place += 1;
        }
        set += 1;
    }
    table
};

#[inline]
#[target_feature(enable = "avx2")]
fn reduce<const MODULUS: u8>(bytes: __m256i) -> __m256i {
    let modulus = splat(MODULUS);
    let once = _mm256_min_epu8(bytes, _mm256_sub_epi8(bytes, modulus));
    let twice = _mm256_min_epu8(once, _mm256_sub_epi8(once, modulus));
    _mm256_add_epi8(twice, splat(P - MODULUS))
}

#[inline]
#[target_feature(enable = "avx2")]
fn splat(byte: u8) -> __m256i {
    _mm256_set1_epi8(byte.cast_signed())
}

#[target_feature(enable = "avx2")]
pub(super) fn share_bits(values: &[u64], first: &[[u8; DIGITS]], second: &mut [[u8; DIGITS]]) {
    portable::share_bits(values, first, second);
}

/// See [`super::blind_compare`].
#[target_feature(enable = "avx2")]
pub(super) fn blind_compare(side: Side, c: &Comparison<'_>, out: &mut [[u8; DIGITS]]) {
    match side {
        Side::Zero => blind_compare_for::<0>(c, out),
        Side::One => blind_compare_for::<1>(c, out),
    }
}

#[target_feature(enable = "avx2")]
pub(super) fn zero_in_sum(d0: &[[u8; DIGITS]], d1: &[[u8; DIGITS]], out: &mut [u64]) {
    portable::zero_in_sum(d0, d1, out);
}
