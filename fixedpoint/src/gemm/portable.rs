//! Matrix tiles in plain Rust.

use std::ops::Range;

use super::{Kernel, Rows, add_sums, for_rows};

/// Four by four scalar accumulators: vectors without a 64-bit product would only slow this down.
pub(super) struct Portable;

impl Kernel for Portable {
    type Element = u64;
    type Rows = Self;
    const ROWS: usize = 4;
    const COLUMNS: usize = 4;

    fn tile(a: &[u64], b: &[u64], c: &mut [&mut [u64]], columns: Range<usize>) {
        for_rows!(c.len(), [1 2 3 4], tile(a, b, c, columns));
    }
}

impl Rows for Portable {
    fn axpy(c: &mut [u64], a: u64, b: &[u64]) {
        for (c, &b) in c.iter_mut().zip(b) {
            *c = c.wrapping_add(a.wrapping_mul(b));
        }
    }

    fn axpy4(c: &mut [u64], a: [u64; 4], b: [&[u64]; 4]) {
        let b = b.map(|row| &row[..c.len()]);
        for (j, c) in c.iter_mut().enumerate() {
            let (low, high) =
                (pair(a[0], b[0][j], a[1], b[1][j]), pair(a[2], b[2][j], a[3], b[3][j]));
            *c = c.wrapping_add(low).wrapping_add(high);
        }
    }

    fn dot(a: &[u64], b: &[u64]) -> u64 {
        a.iter().zip(b).fold(0, |sum, (&a, &b)| sum.wrapping_add(a.wrapping_mul(b)))
    }
}

fn tile<const R: usize>(a: &[u64], b: &[u64], c: &mut [&mut [u64]], columns: Range<usize>) {
    let mut sums = [[0u64; Portable::COLUMNS]; R];
    for (a, b) in a.as_chunks::<R>().0.iter().zip(b.as_chunks::<{ Portable::COLUMNS }>().0) {
        for (sums, &a) in sums.iter_mut().zip(a) {
            for (sum, &b) in sums.iter_mut().zip(b) {
                *sum = sum.wrapping_add(a.wrapping_mul(b));
            }
        }
    }
    for (row, sums) in c.iter_mut().zip(sums) {
        add_sums(&mut row[columns.clone()], &sums);
    }
}

fn pair(a: u64, b: u64, c: u64, d: u64) -> u64 {
    a.wrapping_mul(b).wrapping_add(c.wrapping_mul(d))
}
