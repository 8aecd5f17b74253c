//! Matrix tiles with AVX2, which has no 64-bit product.
//!
//! Modulo 2^64, a b = a_low b_low + 2^32 (a_low b_high + a_high b_low), where the second part
//! matters modulo 2^32 only. One 32-bit product of `a` with the swapped halves of `b` gives both
//! cross terms side by side, and they are summed apart from the low terms: two products and two
//! sums for four elements, and one shift a tile. Modulo 2^32 there is only the 32-bit product, of
//! eight elements.

use std::arch::x86_64::*;
use std::ops::Range;

use super::{Kernel, Portable, Rows, add_sums, for_rows};
use crate::avx2::{load, store};

/// Rows, and tiles of 64-bit elements, six rows by one register. Only for processors with AVX2.
pub(super) struct Words;

/// Tiles of 32-bit elements, six rows by two registers: right modulo 2^32. Only for processors with
/// AVX2.
pub(super) struct Halves;

const LANES: usize = 4;
const HALF_LANES: usize = 8;

impl Kernel for Words {
    type Element = u64;
    type Rows = Self;
    const ROWS: usize = 6;
    const COLUMNS: usize = LANES;

    fn tile(a: &[u64], b: &[u64], c: &mut [&mut [u64]], columns: Range<usize>) {
        // SAFETY: `multiply_at` chooses this kernel only where the processor has AVX2.
        unsafe { for_rows!(c.len(), [1 2 3 4 5 6], tile(a, b, c, columns)) }
    }
}

impl Kernel for Halves {
    type Element = u32;
    type Rows = Words;
    const ROWS: usize = 6;
    const COLUMNS: usize = 2 * HALF_LANES;

    fn tile(a: &[u32], b: &[u32], c: &mut [&mut [u64]], columns: Range<usize>) {
        // SAFETY: `multiply_at` chooses this kernel only where the processor has AVX2.
        unsafe { for_rows!(c.len(), [1 2 3 4 5 6], tile_of_halves(a, b, c, columns)) }
    }
}

impl Rows for Words {
    fn axpy(c: &mut [u64], a: u64, b: &[u64]) {
        // SAFETY: `multiply_at` and `add_scaled_at` choose this kernel only where the processor has
        // AVX2.
        unsafe { axpy(c, a, b) }
    }

    fn axpy4(c: &mut [u64], a: [u64; 4], b: [&[u64]; 4]) {
        // SAFETY: `multiply_at` chooses this kernel only where the processor has AVX2.
        unsafe { axpy4(c, a, b) }
    }

    fn dot(a: &[u64], b: &[u64]) -> u64 {
        // SAFETY: `multiply_at` chooses this kernel only where the processor has AVX2.
        unsafe { dot(a, b) }
    }
}

/// A sum of products whose cross terms are still apart.
#[derive(Clone, Copy)]
struct Sum {
    low: __m256i,
    cross: __m256i,
}

impl Sum {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn zero() -> Self {
        Self { low: _mm256_setzero_si256(), cross: _mm256_setzero_si256() }
    }

    /// Adds `a * b`, given `b` and `b` with the halves of every element swapped.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn add(&mut self, a: __m256i, b: __m256i, b_swapped: __m256i) {
        self.low = _mm256_add_epi64(self.low, _mm256_mul_epu32(a, b));
        self.cross = _mm256_add_epi32(self.cross, _mm256_mullo_epi32(a, b_swapped));
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn total(self) -> __m256i {
        let first = _mm256_slli_epi64::<32>(self.cross);
        let second = _mm256_and_si256(self.cross, _mm256_set1_epi64x(-1 << 32));
        _mm256_add_epi64(self.low, _mm256_add_epi64(first, second))
    }
}

#[target_feature(enable = "avx2")]
fn tile<const R: usize>(a: &[u64], b: &[u64], c: &mut [&mut [u64]], columns: Range<usize>) {
    let mut sums = [Sum::zero(); R];
    let (a, _) = a.as_chunks::<R>();
    let (b, _) = b.as_chunks::<LANES>();
    for (a, b) in a.iter().zip(b) {
        let b = load(b);
        let b_swapped = swap_halves(b);
        for (sum, &a) in sums.iter_mut().zip(a) {
            sum.add(_mm256_set1_epi64x(a.cast_signed()), b, b_swapped);
        }
    }
    for (row, sum) in c.iter_mut().zip(sums) {
        let mut spilled = [0u64; LANES];
        store(&mut spilled, sum.total());
        add_sums(&mut row[columns.clone()], &spilled);
    }
}

#[target_feature(enable = "avx2")]
fn tile_of_halves<const R: usize>(
    a: &[u32],
    b: &[u32],
    c: &mut [&mut [u64]],
    columns: Range<usize>,
) {
    let mut sums = [[_mm256_setzero_si256(); 2]; R];
    let (a, _) = a.as_chunks::<R>();
    let (b, _) = b.as_chunks::<{ Halves::COLUMNS }>();
    for (a, b) in a.iter().zip(b) {
        let (b, _) = b.as_chunks::<HALF_LANES>();
        let b = [load(&b[0]), load(&b[1])];
        for (sums, &a) in sums.iter_mut().zip(a) {
            let a = _mm256_set1_epi32(a.cast_signed());
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum = _mm256_add_epi32(*sum, _mm256_mullo_epi32(a, b));
            }
        }
    }
    for (row, sums) in c.iter_mut().zip(sums) {
        for (c, sum) in row[columns.clone()].chunks_mut(HALF_LANES).zip(sums) {
            let mut spilled = [0u32; HALF_LANES];
            store(&mut spilled, sum);
            add_sums(c, &spilled);
        }
    }
}

#[target_feature(enable = "avx2")]
fn axpy(c: &mut [u64], a: u64, b: &[u64]) {
    let (whole, rest) = c.as_chunks_mut::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let factor = _mm256_set1_epi64x(a.cast_signed());
    for (c, b) in whole.iter_mut().zip(b) {
        let mut sum = Sum::zero();
        let b = load(b);
        sum.add(factor, b, swap_halves(b));
        store(c, _mm256_add_epi64(load(c), sum.total()));
    }
    Portable::axpy(rest, a, b_rest);
}

#[target_feature(enable = "avx2")]
fn axpy4(c: &mut [u64], a: [u64; 4], b: [&[u64]; 4]) {
    let b = b.map(|row| row[..c.len()].as_chunks::<LANES>());
    let (whole, rest) = c.as_chunks_mut::<LANES>();
    let rows = b[0].0.iter().zip(b[1].0).zip(b[2].0.iter().zip(b[3].0));
    for (c, ((b0, b1), (b2, b3))) in whole.iter_mut().zip(rows) {
        let mut sum = Sum::zero();
        for (&a, b) in a.iter().zip([b0, b1, b2, b3]) {
            let b = load(b);
            sum.add(_mm256_set1_epi64x(a.cast_signed()), b, swap_halves(b));
        }
        store(c, _mm256_add_epi64(load(c), sum.total()));
    }
    Portable::axpy4(rest, a, b.map(|(_, rest)| rest));
}

#[target_feature(enable = "avx2")]
fn dot(a: &[u64], b: &[u64]) -> u64 {
    const WAYS: usize = 4;
    let (a, a_rest) = a.as_chunks::<{ WAYS * LANES }>();
    let (b, b_rest) = b.as_chunks::<{ WAYS * LANES }>();
    let mut sums = [Sum::zero(); WAYS];
    for (a, b) in a.iter().zip(b) {
        let parts = a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0);
        for (sum, (a, b)) in sums.iter_mut().zip(parts) {
            let b = load(b);
            sum.add(load(a), b, swap_halves(b));
        }
    }
    let mut total = Portable::dot(a_rest, b_rest);
    for sum in sums {
        let mut spilled = [0u64; LANES];
        store(&mut spilled, sum.total());
        total = spilled.iter().fold(total, |total, &x| total.wrapping_add(x));
    }
    total
}

#[inline]
#[target_feature(enable = "avx2")]
fn swap_halves(x: __m256i) -> __m256i {
    _mm256_shuffle_epi32::<0b10_11_00_01>(x)
}
