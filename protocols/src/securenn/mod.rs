//! The `securenn` suite: Wagh, Gupta, Chandran, "SecureNN: 3-Party Secure Computation for Neural
//! Network Training" (PETS 2019), with semi-honest security against one corrupted party.
//!
//! | protocol | phases | bits a value |
//! |---|---|---|
//! | [`matmul`] (m x k by k x n) | 2 | (2 (m k + k n) + m n) l in all |
//! | [`product`], SelectShare | 2 | 5 l |
//! | [`private_compare`] | 1 | 2 l log p |
//! | [`share_convert`] | 4 | 4 l log p + 6 l |
//! | [`compute_msb`] | 5 | 4 l log p + 13 l |
//! | [`drelu`], [`sign`] | 8 | 8 l log p + 19 l |
//! | [`relu`], [`leaky_relu`] | 10 | 8 l log p + 24 l |
//! | [`relu6`] | 20 | 16 l log p + 48 l |
//! | [`power`], square and cube | 2, 4 | 5 l, 10 l |
//! | [`polynomial`] of degree d | 2 d | 5 d l |
//! | [`spline`] with K knots | 10 | (8 l log p + 24 l) K |
//! | [`maxpool`] over n values | 9 (n - 1) | (8 l log p + 29 l)(n - 1) |
//! | [averages](crate::average), add, concat, split, shuffle, truncation | 0 | 0 |
//!
//! l = 64, p = 67. Digits of Z_67 travel in 49 bytes a value, 0.97% above l log p bits.

pub mod argmax;
pub mod compute_msb;
pub mod conv;
pub mod drelu;
pub mod elementwise;
pub mod input;
pub mod leaky_relu;
pub mod linear;
pub mod matmul;
pub mod maxpool;
pub mod output;
pub mod polynomial;
pub mod power;
pub mod private_compare;
pub mod product;
pub mod relu;
pub mod relu6;
pub mod share_convert;
pub mod sign;
pub mod spline;

// moves with nets
pub use crate::average as avgpool;

pub use drelu::Drelu;
pub use elementwise::Elementwise;
pub use leaky_relu::LeakyRelu;
pub use polynomial::{Polynomial, PolynomialShape};
pub use power::{Power, Powers};
pub use relu::Relu;
pub use relu6::Relu6;
pub use sign::Sign;

use crate::{
    context::{Dealer, Evaluator},
    error::Result,
    share::Share,
};

/// log2 of p = 67, as the published formulas use it.
pub const LOG_P: f64 = 6.066_089_190_457_772;

/// The bits of a ring element.
pub const L: f64 = 64.0;

/// The bytes of a ring element on the wire.
pub(crate) const WORD: u64 = 8;

/// The bytes of the 64 digits of a value on the wire.
pub(crate) const DIGITS: u64 = fixedpoint::packing::PACKED_VALUE_BYTES as u64;

/// Runs an element-wise protocol on the chunks of a batch, each in a lane of its own.
pub(crate) fn in_chunks(
    ctx: &Evaluator<'_>,
    x: &Share,
    run: impl Fn(&mut Evaluator<'_>, &[u64]) -> Result<Vec<u64>> + Sync,
) -> Result<Share> {
    let chunks = ctx.chunks(x.len());
    let parts =
        ctx.lanes(chunks.len(), |lane, index| run(lane, &x.words()[chunks[index].clone()]))?;
    Ok(Share::new(parts.concat()))
}

/// The crypto producer's side of [`in_chunks`].
pub(crate) fn deal_in_chunks(
    ctx: &Dealer<'_>,
    count: usize,
    run: impl Fn(&mut Dealer<'_>, usize) -> Result<()> + Sync,
) -> Result<()> {
    let chunks = ctx.chunks(count);
    ctx.lanes(chunks.len(), |lane, index| run(lane, chunks[index].len()))?;
    Ok(())
}

/// Asserts that a cost is the published one, in rounds and up to the packing of digits, which adds
/// 49 * 8 - 64 log p bits to each of `digit_groups` (64 digits each).
#[cfg(test)]
pub(crate) fn assert_paper(cost: &crate::Cost, paper: &crate::Paper, digit_groups: f64) {
    let packing = digit_groups * (8.0 * DIGITS as f64 - L * LOG_P);
    assert_eq!(cost.rounds(), paper.rounds);
    let bits = 8.0 * cost.bytes() as f64;
    assert!((bits - paper.bits - packing).abs() < 1e-3, "{bits} bits, published {}", paper.bits);
    assert!(bits <= 1.01 * paper.bits);
}
