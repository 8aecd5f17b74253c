//! The plain Rust of [`portable`], compiled for AVX2.

use super::{PACKED_VALUE_BYTES, portable};
use crate::prime::DIGITS;

#[target_feature(enable = "avx2")]
pub(super) fn pack(values: &[[u8; DIGITS]], packed: &mut [[u8; PACKED_VALUE_BYTES]]) {
    portable::pack(values, packed);
}

#[target_feature(enable = "avx2")]
pub(super) fn unpack(packed: &[[u8; PACKED_VALUE_BYTES]], values: &mut [[u8; DIGITS]]) -> bool {
    portable::unpack(packed, values)
}
