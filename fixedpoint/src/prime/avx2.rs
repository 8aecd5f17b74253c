//! The plain Rust of [`portable`], compiled for AVX2.

use super::{Comparison, DIGITS, portable};
use crate::Side;

#[target_feature(enable = "avx2")]
pub(super) fn accept<const MODULUS: u8>(block: &[u8], out: &mut [u8]) -> usize {
    portable::accept::<MODULUS>(block, out)
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
