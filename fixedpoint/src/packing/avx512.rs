//! Packing with AVX-512: the eight words of a value are the lanes of a register. Needs AVX-512 F,
//! BW, IFMA and VBMI.

use std::arch::x86_64::*;

use super::{PACKED_VALUE_BYTES, RADIX_2, RADIX_4, WORD_BITS, WORD_LIMIT};
use crate::avx512::{load, store};
use crate::prime::DIGITS;

/// Packs the digits of every value.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
pub(super) fn pack(values: &[[u8; DIGITS]], packed: &mut [[u8; PACKED_VALUE_BYTES]]) {
    // Word i, shifted by i, has seven bytes that belong at byte 6 i on; the seventh shares its
    // place with the next word.
    let six_of_each = permutation(|place| place / 6 * 8 + place % 6);
    let seventh = permutation(|place| (place / 6 * 8).saturating_sub(2));
    let shifts = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);

    let packed = packed.as_flattened_mut();
    for (i, digits) in values.iter().enumerate() {
        let words = _mm512_sllv_epi64(words_of(load(digits)), shifts);
        let bytes = _mm512_or_si512(
            _mm512_maskz_permutexvar_epi8((1 << 48) - 1, six_of_each, words),
            _mm512_maskz_permutexvar_epi8(0x0001_0410_4104_1040, seventh, words),
        );
        // The next value overwrites what is too much; after the last there is no room for it.
        let out = &mut packed[i * PACKED_VALUE_BYTES..];
        if let Some(out) = out.first_chunk_mut() {
            store::<u8, 64>(out, bytes);
        } else {
            let mut last = [0u8; 64];
            store(&mut last, bytes);
            out.copy_from_slice(&last[..PACKED_VALUE_BYTES]);
        }
    }
}

/// Unpacks every value; whether all words were below the limit.
#[target_feature(enable = "avx512f,avx512bw,avx512ifma,avx512vbmi")]
pub(super) fn unpack(packed: &[[u8; PACKED_VALUE_BYTES]], values: &mut [[u8; DIGITS]]) -> bool {
    let seven_of_each = permutation(|place| place / 8 * 6 + place % 8);
    let shifts = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
    let word_bits = _mm512_set1_epi64((1 << WORD_BITS) - 1);
    let limit = _mm512_set1_epi64(WORD_LIMIT.cast_signed());

    let packed = packed.as_flattened();
    let mut too_large = 0;
    for (i, out) in values.iter_mut().enumerate() {
        let bytes = &packed[i * PACKED_VALUE_BYTES..];
        let bytes = if let Some(bytes) = bytes.first_chunk() {
            load::<u8, 64>(bytes)
        } else {
            let mut last = [0u8; 64];
            last[..PACKED_VALUE_BYTES].copy_from_slice(bytes);
            load(&last)
        };
        let words = _mm512_srlv_epi64(_mm512_permutexvar_epi8(seven_of_each, bytes), shifts);
        let words = _mm512_and_si512(words, word_bits);
        too_large |= _mm512_cmpge_epu64_mask(words, limit);
        store(out, digits_of(words));
    }
    too_large == 0
}

/// Eight words below 67^8 of the digits of a value.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn words_of(digits: __m512i) -> __m512i {
    let pairs = _mm512_maddubs_epi16(digits, _mm512_set1_epi16(67 << 8 | 1));
    let fours = _mm512_madd_epi16(pairs, _mm512_set1_epi32((RADIX_2 << 16 | 1) as i32));
    let low = _mm512_maskz_mov_epi32(0x5555, fours);
    let high = _mm512_srli_epi64::<32>(fours);
    _mm512_add_epi64(low, _mm512_mul_epu32(high, _mm512_set1_epi64(RADIX_4.cast_signed())))
}

/// The digits of eight words below 67^8; of any other word, anything.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512ifma")]
fn digits_of(words: __m512i) -> __m512i {
    // Quotients by multiplication with a rounded-up reciprocal, exact as long as dividend / 2^shift
    // < 1 / divisor: 2^49 / 2^76, then 2^25 / 2^52. The last one rounds down and so takes its
    // dividend plus one.
    const BY_RADIX_4: i64 = ((1 << 76) / RADIX_4 as i128 + 1) as i64;
    const BY_RADIX_2: i64 = (1 << 52) / RADIX_2 as i64 + 1;
    const BY_67: i16 = ((1 << 16) / 67) as i16;

    let zero = _mm512_setzero_si512();
    let high = _mm512_madd52hi_epu64(zero, words, _mm512_set1_epi64(BY_RADIX_4));
    let high = _mm512_srli_epi64::<24>(high);
    let low = _mm512_mul_epu32(high, _mm512_set1_epi64(RADIX_4.cast_signed()));
    let low = _mm512_sub_epi64(words, low);

    let by = _mm512_set1_epi64(BY_RADIX_2);
    let quotients =
        join(_mm512_madd52hi_epu64(zero, low, by), _mm512_madd52hi_epu64(zero, high, by));
    let remainders = _mm512_sub_epi32(
        join(low, high),
        _mm512_madd_epi16(quotients, _mm512_set1_epi32(RADIX_2 as i32)),
    );
    let pairs = _mm512_or_si512(remainders, _mm512_slli_epi32::<16>(quotients));

    let quotients = _mm512_add_epi16(pairs, _mm512_set1_epi16(1));
    let quotients = _mm512_mulhi_epu16(quotients, _mm512_set1_epi16(BY_67));
    // Takes 67 quotients from the lower byte and puts one into the upper.
    _mm512_add_epi16(pairs, _mm512_mullo_epi16(quotients, _mm512_set1_epi16(256 - 67)))
}

/// 32 bits of `low` beside 32 bits of `high`, in every lane.
#[inline]
#[target_feature(enable = "avx512f")]
fn join(low: __m512i, high: __m512i) -> __m512i {
    _mm512_or_si512(low, _mm512_slli_epi64::<32>(high))
}

/// Which byte every byte comes from, modulo 64.
#[inline]
#[target_feature(enable = "avx512f")]
fn permutation(from: impl Fn(usize) -> usize) -> __m512i {
    let places: [u8; 64] = std::array::from_fn(|place| from(place) as u8);
    load(&places)
}
