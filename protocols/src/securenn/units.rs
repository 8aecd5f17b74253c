//! The sizes in which the suite's costs are stated: bits as published, bytes on the wire.

/// log2 of p = 67, as the published formulas use it.
pub(super) const LOG_P: f64 = 6.066_089_190_457_772;

/// The bits of a ring element.
pub(super) const L: f64 = 64.0;

/// The bytes of a ring element on the wire.
pub(super) const WORD: u64 = 8;

/// The bytes of the 64 digits of a value on the wire.
pub(super) const DIGITS: u64 = fixedpoint::packing::PACKED_VALUE_BYTES as u64;

/// Asserts that a cost is the published one, in rounds and up to the packing of digits, which adds
/// 49 * 8 - 64 log p bits to each of `digit_groups` (64 digits each).
#[cfg(test)]
pub(super) fn assert_paper(cost: &crate::Cost, paper: &crate::Paper, digit_groups: f64) {
    let packing = digit_groups * (8.0 * DIGITS as f64 - L * LOG_P);
    assert_eq!(cost.rounds(), paper.rounds);
    let bits = 8.0 * cost.bytes() as f64;
    assert!((bits - paper.bits - packing).abs() < 1e-3, "{bits} bits, published {}", paper.bits);
    assert!(bits <= 1.01 * paper.bits);
}
