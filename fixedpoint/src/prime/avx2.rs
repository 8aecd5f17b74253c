//! The plain Rust of [`portable`], compiled for AVX2, but for sampling, which compilers do not turn into vectors.

use std::arch::x86_64::*;

use super::{Comparison, DIGITS, P, portable};
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
            // Which bytes are dropped says nothing about those that are kept, so this index is no secret.
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

#[target_feature(enable = "avx2")]
pub(super) fn blind_compare(side: Side, c: &Comparison<'_>, out: &mut [[u8; DIGITS]]) {
    portable::blind_compare(side, c, out);
}

#[target_feature(enable = "avx2")]
pub(super) fn zero_in_sum(d0: &[[u8; DIGITS]], d1: &[[u8; DIGITS]], out: &mut [u64]) {
    portable::zero_in_sum(d0, d1, out);
}
