//! Products of matrices over Z_{2^64} and over the narrower rings of [`width`](crate::width).
//!
//! Matrices are cut as usual for a cache: a block of the right one is packed into panels as wide as
//! a tile, a block of the left one into panels as high as a tile, and a kernel multiplies panel by
//! panel with the tile's sums in registers. Very flat and very narrow products skip the packing.
//! Everything is exact, so any order of sums gives the same result.
//!
//! Modulo 2^l with l <= 32 the panels hold 32-bit elements, of which a register has twice as many;
//! with l <= 52 the fused 52-bit products of AVX-512 IFMA are fewer and faster instructions than
//! 64-bit ones.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use std::ops::Range;

use rayon::prelude::*;

use crate::dispatch::{self, Level};
use crate::width::Width;
use portable::Portable;

/// `c += a * b` for row-major `a` (`m` x `k`), `b` (`k` x `n`) and `c` (`m` x `n`). Large products
/// use all of rayon's threads.
pub fn multiply(m: usize, k: usize, n: usize, a: &[u64], b: &[u64], c: &mut [u64]) {
    multiply_modulo(Width::WORD, m, k, n, a, b, c);
}

/// As [`multiply`], modulo 2^l. What `a`, `b` and `c` have above l bits does not matter; `c` is
/// left with zeros there.
pub fn multiply_modulo(
    width: Width,
    m: usize,
    k: usize,
    n: usize,
    a: &[u64],
    b: &[u64],
    c: &mut [u64],
) {
    assert_eq!(a.len(), m * k, "left matrix is not {m} x {k}");
    assert_eq!(b.len(), k * n, "right matrix is not {k} x {n}");
    assert_eq!(c.len(), m * n, "result is not {m} x {n}");
    if !c.is_empty() {
        multiply_rows(width, k, a, b, &mut c.chunks_exact_mut(n).collect::<Vec<_>>());
    }
}

/// As [`multiply_modulo`], with the rows of `c` anywhere: then `c` may be a block of columns of a
/// larger matrix.
pub(crate) fn multiply_rows(width: Width, k: usize, a: &[u64], b: &[u64], c: &mut [&mut [u64]]) {
    multiply_at(dispatch::level(), width, k, a, b, c);
}

/// `c += a * b` for two rows of equal length.
pub(crate) fn add_scaled(c: &mut [u64], a: u64, b: &[u64]) {
    add_scaled_at(dispatch::level(), c, a, b);
}

/// The instructions of one level for tiles.
trait Kernel {
    /// The element of a panel.
    type Element: Element;
    /// The instructions for products that skip the panels.
    type Rows: Rows;
    /// Rows of a tile.
    const ROWS: usize;
    /// Columns of a tile.
    const COLUMNS: usize;

    /// Adds the product of two panels to `columns` of `c`. `c` has at most `ROWS` rows and
    /// `columns` at most `COLUMNS`. Panel `a` has `c.len()` elements for every element of depth,
    /// `b` has `COLUMNS`, padded with anything. Only as many low bits of the sums are right as the
    /// kernel is chosen for.
    fn tile(a: &[Self::Element], b: &[Self::Element], c: &mut [&mut [u64]], columns: Range<usize>);
}

/// The instructions of one level for rows.
trait Rows {
    /// `c += a * b` for rows of equal length.
    fn axpy(c: &mut [u64], a: u64, b: &[u64]);

    /// `c += a[0] * b[0] + .. + a[3] * b[3]` for rows `b` no shorter than `c`.
    fn axpy4(c: &mut [u64], a: [u64; 4], b: [&[u64]; 4]);

    /// The inner product of two vectors of equal length.
    fn dot(a: &[u64], b: &[u64]) -> u64;
}

/// An element of a panel: the low bits of a word.
trait Element: Copy + Default + Into<u64> {
    /// The low bits of one word.
    fn from_word(word: u64) -> Self;

    /// The low bits of every word.
    #[inline(always)]
    fn copy(words: &[u64], out: &mut [Self]) {
        out.iter_mut().zip(words).for_each(|(out, &word)| *out = Self::from_word(word));
    }
}

impl Element for u64 {
    #[inline(always)]
    fn from_word(word: u64) -> Self {
        word
    }

    #[inline(always)]
    fn copy(words: &[u64], out: &mut [Self]) {
        out.copy_from_slice(words);
    }
}

impl Element for u32 {
    #[inline(always)]
    fn from_word(word: u64) -> Self {
        word as u32
    }
}

/// Adds the sums of a tile's row to the part of a row of the result that they belong to; there may
/// be more of them.
#[inline(always)]
fn add_sums<E: Element, const N: usize>(c: &mut [u64], sums: &[E; N]) {
    let add = |(c, &sum): (&mut u64, &E)| *c = c.wrapping_add(sum.into());
    // A constant length makes vector instructions.
    match c.first_chunk_mut::<N>() {
        Some(c) => c.iter_mut().zip(sums).for_each(add),
        None => c.iter_mut().zip(sums).for_each(add),
    }
}

/// Calls a tile's function for its count of rows.
macro_rules! for_rows {
    ($rows:expr, [$($count:literal)*], $tile:ident $arguments:tt) => {
        match $rows {
            $($count => $tile::<$count> $arguments,)*
            rows => unreachable!("a tile of {rows} rows"),
        }
    };
}
use for_rows;

fn multiply_at(level: Level, width: Width, k: usize, a: &[u64], b: &[u64], c: &mut [&mut [u64]]) {
    match (level, width.bits()) {
        #[cfg(target_arch = "x86_64")]
        (Level::Avx512 | Level::Avx512Vbmi, ..=32) => split::<avx512::Halves>(width, k, a, b, c),
        #[cfg(target_arch = "x86_64")]
        (Level::Avx512Vbmi, ..=52) => split::<avx512::Fused>(width, k, a, b, c),
        #[cfg(target_arch = "x86_64")]
        (Level::Avx512 | Level::Avx512Vbmi, _) => split::<avx512::Words>(width, k, a, b, c),
        #[cfg(target_arch = "x86_64")]
        (Level::Avx2, ..=32) => split::<avx2::Halves>(width, k, a, b, c),
        #[cfg(target_arch = "x86_64")]
        (Level::Avx2, _) => split::<avx2::Words>(width, k, a, b, c),
        (Level::Portable, _) => split::<Portable>(width, k, a, b, c),
        #[cfg(not(target_arch = "x86_64"))]
        _ => split::<Portable>(width, k, a, b, c),
    }
}

fn add_scaled_at(level: Level, c: &mut [u64], a: u64, b: &[u64]) {
    assert_eq!(c.len(), b.len(), "lengths differ");
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 | Level::Avx512Vbmi => avx512::Words::axpy(c, a, b),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => avx2::Words::axpy(c, a, b),
        Level::Portable => Portable::axpy(c, a, b),
        #[cfg(not(target_arch = "x86_64"))]
        _ => Portable::axpy(c, a, b),
    }
}

/// Halves the longer side of the result until every thread has a block or blocks become too small
/// to be worth a thread.
fn split<K: Kernel>(width: Width, k: usize, a: &[u64], b: &[u64], c: &mut [&mut [u64]]) {
    const SMALLEST_BLOCK: usize = 1 << 21;
    let (m, n) = (c.len(), c.first().map_or(0, |row| row.len()));
    if m * n == 0 {
        return;
    }
    if k == 0 {
        return c.iter_mut().for_each(|row| width.reduce_all(row));
    }
    let threads = rayon::current_num_threads();
    let (mut rows, mut columns) = (m, n);
    while m.div_ceil(rows) * n.div_ceil(columns) < threads && rows * columns * k > SMALLEST_BLOCK {
        let before = (rows, columns);
        if columns >= rows {
            columns = (columns / 2).next_multiple_of(K::COLUMNS).min(columns);
        } else {
            rows = (rows / 2).next_multiple_of(K::ROWS).min(rows);
        }
        if (rows, columns) == before {
            break;
        }
    }
    if rows == m && columns == n {
        return block::<K>(width, a, b, n, 0, c);
    }
    let mut blocks = Vec::new();
    for (c, a) in c.chunks_mut(rows).zip(a.chunks(rows * k)) {
        let mut parts: Vec<_> = c.iter_mut().map(|row| row.chunks_mut(columns)).collect();
        for first_column in (0..n).step_by(columns) {
            let part: Vec<&mut [u64]> = parts.iter_mut().filter_map(Iterator::next).collect();
            blocks.push((a, first_column, part));
        }
    }
    blocks
        .into_par_iter()
        .for_each(|(a, first_column, mut c)| block::<K>(width, a, b, n, first_column, &mut c));
}

/// The block of the result that starts at `first_column` of the right matrix, whose rows have `n`
/// elements.
fn block<K: Kernel>(
    width: Width,
    a: &[u64],
    b: &[u64],
    n: usize,
    first_column: usize,
    c: &mut [&mut [u64]],
) {
    const FLAT: usize = 4;
    const NARROW: usize = 4;
    if c.len() <= FLAT {
        flat::<K::Rows>(a, b, n, first_column, c);
    } else if c[0].len() <= NARROW {
        narrow::<K::Rows>(a, b, n, first_column, c);
    } else {
        tiled::<K>(a, b, n, first_column, c);
    }
    c.iter_mut().for_each(|row| width.reduce_all(row));
}

/// A few rows: the right matrix streams through once, in the order it lies in memory.
fn flat<K: Rows>(a: &[u64], b: &[u64], n: usize, first_column: usize, c: &mut [&mut [u64]]) {
    const RUN: usize = 1024;
    let k = a.len() / c.len();
    let zeros = [0; RUN];
    let width = c[0].len();
    for start in (0..width).step_by(RUN) {
        let columns = start..(start + RUN).min(width);
        for p in (0..k).step_by(4) {
            let b: [&[u64]; 4] = std::array::from_fn(|i| {
                if p + i < k {
                    &b[(p + i) * n + first_column..][columns.clone()]
                } else {
                    &zeros[..columns.len()]
                }
            });
            for (a, c) in a.chunks_exact(k).zip(&mut *c) {
                let factors = std::array::from_fn(|i| a.get(p + i).copied().unwrap_or(0));
                K::axpy4(&mut c[columns.clone()], factors, b);
            }
        }
    }
}

/// A few columns: inner products with the columns laid out one after the other.
fn narrow<K: Rows>(a: &[u64], b: &[u64], n: usize, first_column: usize, c: &mut [&mut [u64]]) {
    let k = a.len() / c.len();
    let columns: Vec<Vec<u64>> = (first_column..first_column + c[0].len())
        .map(|column| b[column..].iter().step_by(n).copied().collect())
        .collect();
    for (a, c) in a.chunks_exact(k).zip(c) {
        for (c, b) in c.iter_mut().zip(&columns) {
            *c = c.wrapping_add(K::dot(a, b));
        }
    }
}

/// Everything else, tile by tile.
fn tiled<K: Kernel>(a: &[u64], b: &[u64], n: usize, first_column: usize, c: &mut [&mut [u64]]) {
    // A panel of the right matrix fits half of a first-level cache, a block of either matrix half
    // of a second-level one.
    const DEPTH: usize = 128;
    const HEIGHT: usize = 128;
    const WIDTH: usize = 512;
    let (k, width) = (a.len() / c.len(), c[0].len());
    let mut packed_a = vec![K::Element::default(); DEPTH.min(k) * HEIGHT.min(c.len())];
    let mut packed_b =
        vec![K::Element::default(); DEPTH.min(k) * WIDTH.min(width).next_multiple_of(K::COLUMNS)];
    for left in (0..width).step_by(WIDTH) {
        let columns = left..(left + WIDTH).min(width);
        for top in (0..k).step_by(DEPTH) {
            let depth = top..(top + DEPTH).min(k);
            pack_columns::<K>(
                b,
                n,
                depth.clone(),
                first_column + columns.start..first_column + columns.end,
                &mut packed_b,
            );
            for (a, c) in a.chunks(HEIGHT * k).zip(c.chunks_mut(HEIGHT)) {
                pack_rows::<K>(a, k, depth.clone(), &mut packed_a);
                for (b, left) in packed_b
                    .chunks_exact(K::COLUMNS * depth.len())
                    .zip(columns.clone().step_by(K::COLUMNS))
                {
                    let columns = left..(left + K::COLUMNS).min(columns.end);
                    for (a, c) in packed_a.chunks(K::ROWS * depth.len()).zip(c.chunks_mut(K::ROWS))
                    {
                        K::tile(&a[..c.len() * depth.len()], b, c, columns.clone());
                    }
                }
            }
        }
    }
}

/// Panels of `COLUMNS` columns, each as rows of `COLUMNS` elements; the last one keeps what was
/// there in its spare columns.
fn pack_columns<K: Kernel>(
    b: &[u64],
    n: usize,
    depth: Range<usize>,
    columns: Range<usize>,
    packed: &mut [K::Element],
) {
    let panels = packed.chunks_exact_mut(K::COLUMNS * depth.len());
    for (panel, left) in panels.zip(columns.clone().step_by(K::COLUMNS)) {
        let width = K::COLUMNS.min(columns.end - left);
        for (out, p) in panel.chunks_exact_mut(K::COLUMNS).zip(depth.clone()) {
            let row = &b[p * n + left..][..width];
            // A copy of constant length is a few instructions, any other a call.
            if row.len() == K::COLUMNS {
                K::Element::copy(&row[..K::COLUMNS], &mut out[..K::COLUMNS]);
            } else {
                K::Element::copy(row, &mut out[..width]);
            }
        }
    }
}

/// Panels of `ROWS` rows (the last may have fewer), each as columns of as many elements.
fn pack_rows<K: Kernel>(a: &[u64], k: usize, depth: Range<usize>, packed: &mut [K::Element]) {
    // A cache line of a row at a time, so that rows a power of two apart don't evict each other.
    const LINE: usize = 8;
    for (panel, rows) in packed.chunks_mut(K::ROWS * depth.len()).zip(a.chunks(K::ROWS * k)) {
        let height = rows.len() / k;
        for (lines, start) in panel.chunks_mut(LINE * height).zip(depth.clone().step_by(LINE)) {
            for (r, row) in rows.chunks_exact(k).enumerate() {
                let line = &row[start..depth.end.min(start + LINE)];
                for (out, &value) in lines.chunks_exact_mut(height).zip(line) {
                    out[r] = K::Element::from_word(value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn random(rng: &mut ChaCha8Rng, len: usize) -> Vec<u64> {
        (0..len).map(|_| rng.random()).collect()
    }

    fn reference(m: usize, k: usize, n: usize, a: &[u64], b: &[u64], c: &mut [u64]) {
        for i in 0..m {
            for p in 0..k {
                for j in 0..n {
                    c[i * n + j] =
                        c[i * n + j].wrapping_add(a[i * k + p].wrapping_mul(b[p * n + j]));
                }
            }
        }
    }

    fn check(rng: &mut ChaCha8Rng, m: usize, k: usize, n: usize) {
        let (a, b, start) = (random(rng, m * k), random(rng, k * n), random(rng, m * n));
        let mut product = start.clone();
        reference(m, k, n, &a, &b, &mut product);
        for width in [1, 32, 33, 52, 53, 64].map(Width::new) {
            let mut expected = product.clone();
            width.reduce_all(&mut expected);
            for level in dispatch::available() {
                let mut c = start.clone();
                if !c.is_empty() {
                    let mut rows: Vec<_> = c.chunks_exact_mut(n).collect();
                    multiply_at(level, width, k, &a, &b, &mut rows);
                }
                assert!(c == expected, "{level}: {m} x {k} x {n} modulo 2^{}", width.bits());
            }
            let mut c = start.clone();
            multiply_modulo(width, m, k, n, &a, &b, &mut c);
            assert!(c == expected, "{m} x {k} x {n} modulo 2^{}", width.bits());
        }
        let mut c = start;
        multiply(m, k, n, &a, &b, &mut c);
        assert!(c == product, "{m} x {k} x {n}");
    }

    #[test]
    fn every_tail() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for m in 0..=18 {
            for n in 0..=34 {
                for k in [0, 1, 2, 3, 4, 5, 9] {
                    check(&mut rng, m, k, n);
                }
            }
        }
    }

    #[test]
    fn blocks_and_threads() {
        let shapes = [
            (1, 300, 2500),
            (3, 131, 1030),
            (300, 700, 1),
            (257, 300, 3),
            (5, 129, 400),
            (131, 257, 389),
            (150, 130, 770),
            (1030, 260, 40),
            (9, 4000, 130),
            (2, 1000, 4000),
            (16, 9000, 16),
            (3, 90_000, 17),
        ];
        for threads in [1, 3, 16] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut rng = ChaCha8Rng::seed_from_u64(2);
            pool.install(|| shapes.iter().for_each(|&(m, k, n)| check(&mut rng, m, k, n)));
        }
    }

    #[test]
    fn scaled_rows_of_every_length() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for len in 0..40 {
            let (b, start, a) = (random(&mut rng, len), random(&mut rng, len), rng.random());
            let mut expected = start.clone();
            reference(1, 1, len, &[a], &b, &mut expected);
            for level in dispatch::available() {
                let mut c = start.clone();
                add_scaled_at(level, &mut c, a, &b);
                assert!(c == expected, "{level}: {len}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "right matrix is not 2 x 3")]
    fn sizes_are_checked() {
        multiply(1, 2, 3, &[0; 2], &[0; 5], &mut [0; 3]);
    }
}
