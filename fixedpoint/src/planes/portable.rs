//! Transposition in plain Rust: squares of bits change places, on all eight lanes of a block at
//! once.

use super::{Block, LANES};

const BITS: usize = 64;

/// The planes of some bits of every value.
#[inline(always)]
pub(super) fn transpose(values: &[u64; LANES], first_bit: u32, planes: &mut [Block]) {
    let (groups, _) = values.as_chunks::<BITS>();
    // Lane by lane a matrix of 64 x 64 bits, whose rows become its columns.
    let mut rows = [Block::ZERO; BITS];
    for (i, row) in rows.iter_mut().enumerate() {
        for (lane, group) in row.0.iter_mut().zip(groups) {
            *lane = group[i] >> first_bit;
        }
    }
    for size in [32, 16, 8, 4, 2, 1] {
        exchange(&mut rows[..needed(planes.len(), size)], size);
    }
    planes.copy_from_slice(&rows[..planes.len()]);
}

/// The values of some planes.
#[inline(always)]
pub(super) fn values(planes: &[Block], values: &mut [u64; LANES]) {
    let mut rows = [Block::ZERO; BITS];
    rows[..planes.len()].copy_from_slice(planes);
    for size in [1, 2, 4, 8, 16, 32] {
        exchange(&mut rows[..needed(planes.len(), size)], size);
    }
    let (groups, _) = values.as_chunks_mut::<BITS>();
    for (i, row) in rows.iter().enumerate() {
        for (lane, group) in row.0.iter().zip(&mut *groups) {
            group[i] = *lane;
        }
    }
}

/// The rows that matter to the exchange of squares of this size: with few planes the larger squares
/// are cut off after it, or zero before it.
#[inline(always)]
fn needed(planes: usize, size: usize) -> usize {
    planes.next_power_of_two().max(2 * size)
}

/// In every square of twice this size, exchanges the two quarters of this size that lie off the
/// diagonal.
#[inline(always)]
fn exchange(rows: &mut [Block], size: usize) {
    let low = u64::MAX / ((1 << size) + 1);
    for square in rows.chunks_exact_mut(2 * size) {
        let (first, second) = square.split_at_mut(size);
        for (a, b) in first.iter_mut().zip(second) {
            for (a, b) in a.0.iter_mut().zip(&mut b.0) {
                let difference = (*a >> size ^ *b) & low;
                *b ^= difference;
                *a ^= difference << size;
            }
        }
    }
}
