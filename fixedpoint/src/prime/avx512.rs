//! Digit kernels with AVX-512: the 64 digits of a value are the 64 bytes of a register, and a word
//! of bits is a mask. Everything here needs AVX-512 F, BW, VBMI and VBMI2.

use std::arch::x86_64::*;

use super::{Comparison, DIGITS, P, Value};
use crate::Side;
use crate::avx512::{load, store};

/// See [`portable::accept`](super::portable::accept).
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2")]
pub(super) fn accept<const MODULUS: u8>(block: &[u8], out: &mut [u8]) -> usize {
    let modulus = splat(MODULUS);
    let mut taken = 0;
    for bytes in block.as_chunks::<64>().0 {
        let bytes = load(bytes);
        let accepted = _mm512_cmplt_epu8_mask(bytes, splat(3 * MODULUS));
        let once = _mm512_min_epu8(bytes, _mm512_sub_epi8(bytes, modulus));
        let twice = _mm512_min_epu8(once, _mm512_sub_epi8(once, modulus));
        let digits =
            _mm512_maskz_compress_epi8(accepted, _mm512_add_epi8(twice, splat(P - MODULUS)));
        let rest = &mut out[taken..];
        if let Some(whole) = rest.first_chunk_mut::<DIGITS>() {
            store(whole, digits);
            taken += accepted.count_ones() as usize;
        } else {
            let mut last = [0; DIGITS];
            store(&mut last, digits);
            let count = rest.len().min(accepted.count_ones() as usize);
            rest[..count].copy_from_slice(&last[..count]);
            taken += count;
        }
    }
    taken
}

/// See [`super::share_bits`].
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn share_bits(values: &[u64], first: &[[u8; DIGITS]], second: &mut [[u8; DIGITS]]) {
    for ((&bits, first), second) in values.iter().zip(first).zip(second) {
        let negated = _mm512_sub_epi8(splat(P), load(first));
        let share = _mm512_mask_sub_epi8(negated, bits, negated, splat(u8::MAX));
        store(second, reduce_once(share));
    }
}

/// See [`super::blind_compare`].
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
pub(super) fn blind_compare(side: Side, c: &Comparison<'_>, out: &mut [[u8; DIGITS]]) {
    match side {
        Side::Zero => blind_compare_for::<0>(c, out),
        Side::One => blind_compare_for::<1>(c, out),
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn blind_compare_for<const J: u8>(c: &Comparison<'_>, out: &mut [[u8; DIGITS]]) {
    let places: [u8; DIGITS] = std::array::from_fn(|place| place as u8);
    let places = load(&places);
    for (value, out) in c.values().zip(out) {
        let blinded = blind::<J>(&value);
        let from = _mm512_add_epi8(places, splat(value.rotation));
        store(out, _mm512_permutexvar_epi8(from, blinded));
    }
}

/// The masked digits of one value before their rotation. Residues are reduced only where a byte
/// would overflow, so the bounds matter; they are those of side one, for side zero they are lower.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn blind<const J: u8>(value: &Value<'_>) -> __m512i {
    let (x, s, z) = (load(value.bits), load(value.s), load(value.z));
    let minus_beta = value.beta.wrapping_neg();

    // w = x or J - x: at most 68.
    let w = _mm512_mask_sub_epi8(x, value.threshold, splat(P + J), x);
    // At most 75.
    let above = sum_of_higher(w);
    // J + J y - x or J + x - J y: at most 69.
    let ahead = _mm512_mask_sub_epi8(x, value.threshold, x, splat(J));
    let own = _mm512_sub_epi8(splat(P + J), ahead);
    let own = _mm512_mask_add_epi8(own, minus_beta, splat(J), ahead);
    // At most 67.
    let z = if J == 0 { z } else { _mm512_sub_epi8(splat(P), z) };

    multiply(_mm512_add_epi8(_mm512_add_epi8(above, own), z), s)
}

/// For every place a residue, at most 75, of the sum of all higher places, given digits of at most
/// 68.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn sum_of_higher(w: __m512i) -> __m512i {
    // Within each group of eight digits: at most 136, 138 and 142 before the reductions.
    let sum = _mm512_srli_epi64::<8>(w);
    let sum = reduce_once(_mm512_add_epi8(sum, _mm512_srli_epi64::<8>(sum)));
    let sum = reduce_once(_mm512_add_epi8(sum, _mm512_srli_epi64::<16>(sum)));
    let sum = reduce_once(_mm512_add_epi8(sum, _mm512_srli_epi64::<32>(sum)));
    // And all of the groups above: seven times 8 * 68 at most, a residue of at most 67.
    let zero = _mm512_setzero_si512();
    let groups = _mm512_sad_epu8(w, zero);
    let groups = _mm512_alignr_epi64::<1>(zero, groups);
    let groups = _mm512_add_epi64(groups, _mm512_alignr_epi64::<1>(zero, groups));
    let groups = _mm512_add_epi64(groups, _mm512_alignr_epi64::<2>(zero, groups));
    let groups = _mm512_add_epi64(groups, _mm512_alignr_epi64::<4>(zero, groups));
    let first_byte_of_group = _mm512_set4_epi32(0x0808_0808, 0x0808_0808, 0, 0);
    let groups = _mm512_shuffle_epi8(reduce_wide(groups), first_byte_of_group);
    reduce_once(_mm512_add_epi8(sum, groups))
}

/// Products modulo 67 of residues of at most 211 with digits below 67.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn multiply(a: __m512i, b: __m512i) -> __m512i {
    // At most 13926, so a residue of at most 133 fits a byte.
    let even =
        reduce_wide(_mm512_maddubs_epi16(a, _mm512_maskz_mov_epi8(0x5555_5555_5555_5555, b)));
    let odd = reduce_wide(_mm512_maddubs_epi16(a, _mm512_maskz_mov_epi8(0xaaaa_aaaa_aaaa_aaaa, b)));
    reduce_once(_mm512_or_si512(even, _mm512_slli_epi16::<8>(odd)))
}

/// See [`super::zero_in_sum`].
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn zero_in_sum(d0: &[[u8; DIGITS]], d1: &[[u8; DIGITS]], out: &mut [u64]) {
    for ((d0, d1), out) in d0.iter().zip(d1).zip(out) {
        // The sum of two digits is 0 or 67 where they cancel, and only then has no bits left.
        let sum = reduce_once(_mm512_add_epi8(load(d0), load(d1)));
        let zeros = _mm512_testn_epi8_mask(sum, sum);
        *out = (zeros | zeros.wrapping_neg()) >> 63;
    }
}

/// Subtracts 67 where that is possible.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn reduce_once(x: __m512i) -> __m512i {
    _mm512_min_epu8(x, _mm512_sub_epi8(x, splat(P)))
}

/// In every 16 bits a residue of at most 67 of a number up to 6500, and of at most 133 of one up to
/// 2^15: the quotient is never too large, and too small by one at most.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn reduce_wide(x: __m512i) -> __m512i {
    let quotient = _mm512_mulhi_epu16(x, _mm512_set1_epi16(978));
    _mm512_sub_epi16(x, _mm512_mullo_epi16(quotient, _mm512_set1_epi16(67)))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn splat(byte: u8) -> __m512i {
    _mm512_set1_epi8(byte.cast_signed())
}
