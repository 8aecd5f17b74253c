//! Matrix tiles with AVX-512: the 64-bit products of DQ, the 52-bit products of IFMA, or 32-bit
//! ones.

use std::arch::x86_64::*;
use std::ops::Range;

use super::{Kernel, Portable, Rows, add_sums, for_rows};
use crate::avx512::{load, store};

/// Rows, and tiles of 64-bit elements. Only for processors with AVX-512 F and DQ.
pub(super) struct Words;

/// Tiles of 64-bit elements, right modulo 2^52. Only for processors with AVX-512 F and IFMA, and DQ
/// for rows.
pub(super) struct Fused;

/// Tiles of 32-bit elements, right modulo 2^32. Only for processors with AVX-512 F and DQ.
pub(super) struct Halves;

const LANES: usize = 8;

/// A kernel with tiles of eight rows by two registers: sixteen sums hide the latency of a product.
/// Takes its elements and how many a register has, what the processor must have, and how to put one
/// element into all lanes, to add a product to a sum and to add sums to the result.
macro_rules! kernel {
    (
        $kernel:ident: $element:ty, $lanes:literal, $features:literal;
        broadcast: $broadcast:expr;
        add_product: $add_product:expr;
        add_sums: $add_sums:expr;
    ) => {
        impl Kernel for $kernel {
            type Element = $element;
            type Rows = Words;
            const ROWS: usize = 8;
            const COLUMNS: usize = 2 * $lanes;

            fn tile(a: &[$element], b: &[$element], c: &mut [&mut [u64]], columns: Range<usize>) {
                #[target_feature(enable = $features)]
                fn tile<const R: usize>(
                    a: &[$element],
                    b: &[$element],
                    c: &mut [&mut [u64]],
                    columns: Range<usize>,
                ) {
                    if columns.len() <= $lanes {
                        tile_of::<R, 1>(a, b, c, columns);
                    } else {
                        tile_of::<R, 2>(a, b, c, columns);
                    }
                }

                #[target_feature(enable = $features)]
                fn tile_of<const R: usize, const C: usize>(
                    a: &[$element],
                    b: &[$element],
                    c: &mut [&mut [u64]],
                    columns: Range<usize>,
                ) {
                    let mut sums = [[_mm512_setzero_si512(); C]; R];
                    let (a, _) = a.as_chunks::<R>();
                    let (b, _) = b.as_chunks::<{ $kernel::COLUMNS }>();
                    for (a, b) in a.iter().zip(b) {
                        let mut row = [_mm512_setzero_si512(); C];
                        for (row, b) in row.iter_mut().zip(b.as_chunks::<$lanes>().0) {
                            *row = load(b);
                        }
                        for (sums, &a) in sums.iter_mut().zip(a) {
                            let a = $broadcast(a.cast_signed());
                            for (sum, &b) in sums.iter_mut().zip(&row) {
                                *sum = $add_product(*sum, a, b);
                            }
                        }
                    }
                    for (row, sums) in c.iter_mut().zip(sums) {
                        for (c, sum) in row[columns.clone()].chunks_mut($lanes).zip(sums) {
                            $add_sums(c, sum);
                        }
                    }
                }

                // SAFETY: `multiply_at` chooses this kernel only where the processor has these
                // features.
                unsafe { for_rows!(c.len(), [1 2 3 4 5 6 7 8], tile(a, b, c, columns)) }
            }
        }
    };
}

kernel! {
    Words: u64, 8, "avx512f,avx512dq";
    broadcast: _mm512_set1_epi64;
    add_product: |sum, a, b| _mm512_add_epi64(sum, _mm512_mullo_epi64(a, b));
    add_sums: add_words;
}

kernel! {
    Fused: u64, 8, "avx512f,avx512ifma";
    broadcast: _mm512_set1_epi64;
    add_product: _mm512_madd52lo_epu64;
    add_sums: add_words;
}

kernel! {
    Halves: u32, 16, "avx512f";
    broadcast: _mm512_set1_epi32;
    add_product: |sum, a, b| _mm512_add_epi32(sum, _mm512_mullo_epi32(a, b));
    add_sums: add_halves;
}

/// Adds the lanes of a register to as many words, or the first of them to fewer.
#[inline]
#[target_feature(enable = "avx512f")]
fn add_words(c: &mut [u64], sums: __m512i) {
    if let Some(c) = c.first_chunk_mut::<LANES>() {
        store(c, _mm512_add_epi64(load(c), sums));
    } else {
        let mut spilled = [0u64; LANES];
        store(&mut spilled, sums);
        add_sums(c, &spilled);
    }
}

/// As [`add_words`], for 32-bit lanes.
#[inline]
#[target_feature(enable = "avx512f")]
fn add_halves(c: &mut [u64], sums: __m512i) {
    let halves = [_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64::<1>(sums)];
    for (c, sums) in c.chunks_mut(LANES).zip(halves) {
        add_words(c, _mm512_cvtepu32_epi64(sums));
    }
}

impl Rows for Words {
    fn axpy(c: &mut [u64], a: u64, b: &[u64]) {
        // SAFETY: `multiply_at` and `add_scaled_at` choose this kernel only where the processor has
        // these features.
        unsafe { axpy(c, a, b) }
    }

    fn axpy4(c: &mut [u64], a: [u64; 4], b: [&[u64]; 4]) {
        // SAFETY: `multiply_at` chooses this kernel only where the processor has these features.
        unsafe { axpy4(c, a, b) }
    }

    fn dot(a: &[u64], b: &[u64]) -> u64 {
        // SAFETY: `multiply_at` chooses this kernel only where the processor has these features.
        unsafe { dot(a, b) }
    }
}

#[target_feature(enable = "avx512f,avx512dq")]
fn axpy(c: &mut [u64], a: u64, b: &[u64]) {
    let (whole, rest) = c.as_chunks_mut::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let factor = _mm512_set1_epi64(a.cast_signed());
    for (c, b) in whole.iter_mut().zip(b) {
        store(c, _mm512_add_epi64(load(c), _mm512_mullo_epi64(factor, load(b))));
    }
    Portable::axpy(rest, a, b_rest);
}

#[target_feature(enable = "avx512f,avx512dq")]
fn axpy4(c: &mut [u64], a: [u64; 4], b: [&[u64]; 4]) {
    let b = b.map(|row| row[..c.len()].as_chunks::<LANES>());
    let (whole, rest) = c.as_chunks_mut::<LANES>();
    let factors = [
        _mm512_set1_epi64(a[0].cast_signed()),
        _mm512_set1_epi64(a[1].cast_signed()),
        _mm512_set1_epi64(a[2].cast_signed()),
        _mm512_set1_epi64(a[3].cast_signed()),
    ];
    let rows = b[0].0.iter().zip(b[1].0).zip(b[2].0.iter().zip(b[3].0));
    for (c, ((b0, b1), (b2, b3))) in whole.iter_mut().zip(rows) {
        let low = _mm512_add_epi64(
            _mm512_mullo_epi64(factors[0], load(b0)),
            _mm512_mullo_epi64(factors[1], load(b1)),
        );
        let high = _mm512_add_epi64(
            _mm512_mullo_epi64(factors[2], load(b2)),
            _mm512_mullo_epi64(factors[3], load(b3)),
        );
        store(c, _mm512_add_epi64(load(c), _mm512_add_epi64(low, high)));
    }
    Portable::axpy4(rest, a, b.map(|(_, rest)| rest));
}

#[target_feature(enable = "avx512f,avx512dq")]
fn dot(a: &[u64], b: &[u64]) -> u64 {
    const WAYS: usize = 4;
    let (a, a_rest) = a.as_chunks::<{ WAYS * LANES }>();
    let (b, b_rest) = b.as_chunks::<{ WAYS * LANES }>();
    let mut sums = [_mm512_setzero_si512(); WAYS];
    for (a, b) in a.iter().zip(b) {
        let parts = a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0);
        for (sum, (a, b)) in sums.iter_mut().zip(parts) {
            *sum = _mm512_add_epi64(*sum, _mm512_mullo_epi64(load(a), load(b)));
        }
    }
    let [s0, s1, s2, s3] = sums;
    let sum = _mm512_add_epi64(_mm512_add_epi64(s0, s1), _mm512_add_epi64(s2, s3));
    Portable::dot(a_rest, b_rest).wrapping_add(_mm512_reduce_add_epi64(sum).cast_unsigned())
}
