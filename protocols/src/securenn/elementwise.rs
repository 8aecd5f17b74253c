//! The trait of all element-wise functions of the suite.

use fixedpoint::truncation;

use crate::{
    context::{Dealer, Evaluator},
    cost::{Cost, Paper},
    error::Result,
    share::Share,
};

/// An element-wise function of the `securenn` suite, as [`crate::dealer::Function`] is one of the
/// `dealer` suite. A function with secret coefficients holds one party's shares of them.
pub trait Elementwise: Sync {
    /// The name in reports.
    fn name(&self) -> &'static str;

    /// Messages of `count` values.
    fn cost(&self, count: usize) -> Cost;

    /// The published formula.
    fn paper(&self, count: f64) -> Paper;

    /// P0 and P1.
    ///
    /// # Errors
    /// A transport error, or [`crate::Error::Shape`] for coefficients that do not fit.
    fn evaluate(&self, ctx: &mut Evaluator<'_>, x: &Share) -> Result<Share>;

    /// P2.
    ///
    /// # Errors
    /// A transport error.
    fn deal(&self, ctx: &mut Dealer<'_>, count: usize) -> Result<()>;

    /// How many truncations a value passes one after the other, each of which adds a coin of 0 or
    /// 1 unit.
    fn truncations(&self) -> u32;

    /// The function of each value, every truncation of `bits` bits being `truncate(product, bits)`:
    /// a floor for the reference, a floor plus a coin for a simulation.
    ///
    /// The calls come truncation by truncation and, within one, in the order of the values: as many
    /// calls as values for each of [`Elementwise::truncations`].
    fn ideal_with(&self, x: &[u64], truncate: &mut dyn FnMut(u64, u32) -> u64) -> Vec<u64>;

    /// The function of each value, its truncations being floors.
    fn ideal(&self, x: &[u64]) -> Vec<u64> {
        self.ideal_with(x, &mut truncation::floor_shift)
    }

    /// The smallest and the largest value (signed) that it is defined for and whose truncations
    /// fail with negligible probability.
    fn domain(&self) -> (i64, i64);
}

/// The bits of a product that is to be truncated: below 2^34 in magnitude, a million truncations
/// fail with probability 2^-10 at most.
pub(super) const PRODUCT_BITS: u32 = 34;

/// The domain of all values of magnitude below 2^bits.
pub(super) fn symmetric(bits: u32) -> (i64, i64) {
    (-(1 << bits), (1 << bits) - 1)
}
