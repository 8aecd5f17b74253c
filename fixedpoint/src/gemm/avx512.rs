//! Matrix tiles with the 64-bit products of AVX-512 DQ.

use std::arch::x86_64::*;
use std::ops::Range;

use super::{Kernel, Portable};
use crate::avx512::{load, store};

/// Tiles of eight rows by two registers: sixteen sums hide the latency of a product. Only for processors with AVX-512 F
/// and DQ.
pub(super) struct Avx512;

const LANES: usize = 8;

impl Kernel for Avx512 {
    const ROWS: usize = 8;
    const COLUMNS: usize = 2 * LANES;

    fn tile(a: &[u64], b: &[u64], c: &mut [&mut [u64]], columns: Range<usize>) {
        // SAFETY: `multiply_at` chooses this kernel only where the processor has these features.
        unsafe {
            match c.len() {
                1 => tile::<1>(a, b, c, columns),
                2 => tile::<2>(a, b, c, columns),
                3 => tile::<3>(a, b, c, columns),
                4 => tile::<4>(a, b, c, columns),
                5 => tile::<5>(a, b, c, columns),
                6 => tile::<6>(a, b, c, columns),
                7 => tile::<7>(a, b, c, columns),
                _ => tile::<8>(a, b, c, columns),
            }
        }
    }

    fn axpy(c: &mut [u64], a: u64, b: &[u64]) {
        // SAFETY: `multiply_at` and `add_scaled_at` choose this kernel only where the processor has these features.
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
fn tile<const R: usize>(a: &[u64], b: &[u64], c: &mut [&mut [u64]], columns: Range<usize>) {
    if columns.len() <= LANES {
        tile_of::<R, 1>(a, b, c, columns);
    } else {
        tile_of::<R, 2>(a, b, c, columns);
    }
}

#[target_feature(enable = "avx512f,avx512dq")]
fn tile_of<const R: usize, const C: usize>(
    a: &[u64],
    b: &[u64],
    c: &mut [&mut [u64]],
    columns: Range<usize>,
) {
    let mut sums = [[_mm512_setzero_si512(); C]; R];
    let (a, _) = a.as_chunks::<R>();
    let (b, _) = b.as_chunks::<{ Avx512::COLUMNS }>();
    for (a, b) in a.iter().zip(b) {
        let mut row = [_mm512_setzero_si512(); C];
        for (row, b) in row.iter_mut().zip(b.as_chunks::<LANES>().0) {
            *row = load(b);
        }
        for (sums, &a) in sums.iter_mut().zip(a) {
            let a = _mm512_set1_epi64(a.cast_signed());
            for (sum, &b) in sums.iter_mut().zip(&row) {
                *sum = _mm512_add_epi64(*sum, _mm512_mullo_epi64(a, b));
            }
        }
    }
    for (row, sums) in c.iter_mut().zip(sums) {
        let (whole, rest) = row[columns.clone()].as_chunks_mut::<LANES>();
        for (c, &sum) in whole.iter_mut().zip(&sums) {
            store(c, _mm512_add_epi64(load(c), sum));
        }
        if let Some(&sum) = sums.get(whole.len()) {
            let mut spilled = [0u64; LANES];
            store(&mut spilled, sum);
            for (c, sum) in rest.iter_mut().zip(spilled) {
                *c = c.wrapping_add(sum);
            }
        }
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
