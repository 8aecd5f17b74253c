//! The plain Rust of [`portable`], compiled for AVX2.

use super::{Block, LANES, portable};

#[target_feature(enable = "avx2")]
pub(super) fn transpose(values: &[u64; LANES], first_bit: u32, planes: &mut [Block]) {
    portable::transpose(values, first_bit, planes);
}

#[target_feature(enable = "avx2")]
pub(super) fn values(planes: &[Block], values: &mut [u64; LANES]) {
    portable::values(planes, values);
}
