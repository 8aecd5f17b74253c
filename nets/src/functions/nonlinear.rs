//! The trait of a non-linear function.

use fixedpoint::encoding::FixedPoint;
use protocols::securenn::Elementwise;

use super::{
    forms::DealerForm,
    mean_square::MeanSquare,
    terms::{EncodedTerms, LargestTerms, Terms},
};
use crate::{range::Range, shapes::ShapeProblem};

/// A non-linear function that layers apply value by value.
///
/// Errors are absolute. A unit is the smallest step of a fixed-point number, 2^-f; functions with
/// trained coefficients get those of a value's channel as [`Terms`], all others ignore them.
pub trait Nonlinear: Send + Sync {
    /// The name in reports, plans and on the command line.
    fn name(&self) -> &'static str;

    /// The parameters that the architecture's hash covers beside the name.
    fn parameters(&self) -> Vec<f64>;

    /// The degree of the coefficients that each channel has as trained weights, beside a constant; none
    /// for functions without weights.
    fn trained_degree(&self) -> Option<u32>;

    /// Whether the parameters are in range.
    ///
    /// # Errors
    /// What is wrong with them.
    fn check(&self) -> Result<(), ShapeProblem>;

    /// The exact value.
    fn value(&self, x: f64, terms: Terms<'_>) -> f64;

    /// The values over an interval, exactly. There is no default, so that a function says whether it
    /// is monotone.
    fn range(&self, x: Range, terms: Terms<'_>) -> Range;

    /// From the lowest to the highest point at which the function takes another piece (or wider): both
    /// suites compare values with these points.
    fn knots(&self) -> Range;

    /// The largest difference between the function and the pieces that stand for it, with `f`
    /// fractional bits from 10 on.
    fn approximation_error(&self) -> f64;

    /// The largest difference between [`Nonlinear::value`] and what either suite computes of a value
    /// in `x`, `unit` being 2^-f: the approximation, rounded slopes and coefficients, truncations.
    fn error(&self, x: Range, terms: Terms<'_>, unit: f64) -> f64;

    /// Whether the `securenn` suite truncates products of values.
    fn truncates(&self) -> bool;

    /// Whether values on the way may be larger than both the value and the result, as those of Horner's
    /// rule are.
    fn has_larger_intermediates(&self) -> bool;

    /// The largest product before a truncation in `securenn`, from the largest magnitude of the values;
    /// all in units, of which `one` are 1, but products in their squares.
    fn largest_product(&self, x: f64, one: f64, terms: LargestTerms) -> f64;

    /// The largest error of a result in `securenn` from the largest error of a value, in units of which
    /// `one` are 1; infinite where it depends on the value.
    fn propagated_error(&self, error: f64, one: f64) -> f64;

    /// The mean square of the results, of values that are about normal.
    fn mean_square(&self, x: MeanSquare) -> MeanSquare;

    /// The function in the `securenn` suite. P2 deals, and costs are the same, whatever the terms.
    fn securenn(&self, fixed: FixedPoint, terms: EncodedTerms) -> Box<dyn Elementwise>;

    /// The function in the `dealer` suite, of values with `scale` fractional bits in a network of `f`.
    fn dealer(&self, scale: u32, f: u32) -> DealerForm;
}
